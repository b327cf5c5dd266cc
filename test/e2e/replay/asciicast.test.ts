import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { countersign } from '../../support/child.ts'
import { findChromium, openChromium } from '../../support/chromium.ts'
import { recordedDirectory, SESSION } from '../../unit/replay/recorded-session.ts'

const chromium = findChromium()
const PLAYER = createRequire(import.meta.url).resolve('asciinema-player/dist/bundle/asciinema-player.min.js')

/** asciinema's own player is the reader: it parses the format, and has the terminal that interprets it. */
describe.skipIf(chromium === null)('an asciicast of a session', () => {
  test('is played by asciinema’s player to its end, and stops at its marks', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-cast-'))
    const browser = await openChromium(chromium ?? '')
    try {
      const cast = join(directory, 'session.cast')
      await countersign(['replay', await recordedDirectory(), '--session', SESSION, '--cast', cast])
      const page = await browser.newPage()
      const complaints: string[] = []
      page.on('pageerror', (error) => complaints.push(String(error)))
      await page.goto(pathToFileURL(await playerPage(directory, await readFile(cast, 'utf8'))).href)
      await page.waitForFunction('window.ended === true')
      expect(await page.evaluate('window.marks')).toEqual([
        '2. masked: postgres.select',
        '3. rejected: postgres.delete',
        '4. approved: postgres.select',
      ])
      const shown = await page.locator('#player').innerText()
      expect(shown).toContain('HOLDS AS FAR AS IT IS CHECKED.')
      expect(shown).toContain('22P02')
      expect(complaints).toEqual([])
    } finally {
      await browser.close()
      await rm(directory, { recursive: true, force: true })
    }
  })
})

/** The player with the cast in it, playing; `window.marks`: the labels that it came to. */
async function playerPage(directory: string, cast: string): Promise<string> {
  const path = join(directory, 'player.html')
  const script = `
    window.marks = []
    const player = AsciinemaPlayer.create({ data: ${JSON.stringify(cast)} }, document.querySelector('#player'), { autoPlay: true, speed: 20 })
    player.addEventListener('marker', ({ label }) => window.marks.push(label))
    player.addEventListener('ended', () => { window.ended = true })
  `
  const player = (await readFile(PLAYER, 'utf8')).replaceAll('</script', String.raw`<\/script`)
  await writeFile(
    path,
    `<!doctype html><meta charset="utf-8"><div id="player"></div><script>${player}</script><script>${script}</script>`,
  )
  return path
}
