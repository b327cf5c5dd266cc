import { openChromium, findChromium } from './test/support/chromium.ts'
const [out, width, height, ...files] = process.argv.slice(2)
const browser = await openChromium(findChromium()!)
const page = await browser.newPage({ viewport: { width: 1900, height: 900 } })
await page.goto('file:///tmp/pics/')
await page.setContent(`<body style="margin:0;display:flex;gap:6px;align-items:flex-start;background:#888">${files.map((f) => `<div style="width:${width}px;max-height:${height}px;overflow:hidden;flex:none"><img style="width:100%" src="file:///tmp/pics/${f}.png"></div>`).join('')}</body>`)
await page.waitForTimeout(500)
await page.screenshot({ path: out!, fullPage: true })
await browser.close()
