// Runs in a page: every visible text whose colour is too near that of what lies behind it (WCAG 2.2, 1.4.3).
const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number)

const luminance = (colour) => {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((value) => {
    const part = value / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
const behind = (element) => {
  for (let at = element; at !== null; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at)
    if ((channels(backgroundColor)[3] ?? 1) > 0) return backgroundColor
  }
  return 'rgb(255, 255, 255)'
}

;(() => {
  const faint = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && (node.textContent ?? '').trim() !== '')
    if (!own || element.getClientRects().length === 0 || element.matches(':disabled')) continue
    const style = getComputedStyle(element)
    const [one, other] = [luminance(style.color), luminance(behind(element))].toSorted((a, b) => b - a)
    const ratio = ((one ?? 0) + 0.05) / ((other ?? 0) + 0.05)
    const large = Number.parseFloat(style.fontSize) >= 24
    if (ratio < (large ? 3 : 4.5))
      faint.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}: ${element.textContent?.slice(0, 30)}`)
  }
  return faint
})()
