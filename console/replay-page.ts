import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { SessionEvidence } from '../engine/replay/index.ts'

/** Built from `app/replay` by `npm run build:console`. */
const BUILT = new URL('dist/', import.meta.url)

/**
 * A session's replay as one file: nothing is fetched, and only the script and the style sheet in it can run, by their
 * hashes. All that it shows it makes from the evidence, in the browser, and checks there. `keys`: public keys offered with
 * it, which prove nothing until their reader has compared them.
 */
export async function replayPage(evidence: SessionEvidence, keys: readonly string[] = []): Promise<string> {
  const script = await readFile(new URL('replay.js', BUILT), 'utf8')
  const style = await readFile(new URL('replay.css', BUILT), 'utf8')
  const policy = [
    "default-src 'none'",
    `script-src '${source(script)}'`,
    `style-src '${source(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>Session ${escaped(evidence.session)} · Countersign replay</title>
<style>${style}</style>
</head>
<body>
<main id="replay"><noscript>This page makes all that it shows from the evidence in it, and checks it: that takes JavaScript.</noscript></main>
<script type="application/json" id="evidence">${inert({ evidence, keys })}</script>
<script>${script}</script>
</body>
</html>
`
}

function source(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`
}

/** JSON in which no character can end the element that holds it. */
function inert(value: object): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
