import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { App } from './app.ts'

/** Built from `app/` by `npm run build:console`. */
const BUILT = new URL('dist/', import.meta.url)
const ASSETS = {
  'console.js': 'text/javascript; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
} as const

/** Nothing from anywhere else, nothing inline, in nobody's frame (CSP Level 3). */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const INDEX = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Countersign</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/console/assets/console.css">
<script defer src="/console/assets/console.js"></script>
</head>
<body>
<div id="console"><noscript>This page is made of what the gateway's API answers: that takes JavaScript.</noscript></div>
</body>
</html>
`

/** The console's one page, whatever of it is shown, and what it is made of. Nobody has to be signed in to load it. */
export function pageRoutes(app: App): void {
  app.get('/', (_request, reply) => reply.redirect('/console/approvals'))
  app.get('/console/*', (_request, reply) =>
    reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(INDEX),
  )
  for (const [name, type] of Object.entries(ASSETS)) {
    const bytes = readFileSync(new URL(name, BUILT))
    const tag = `"${hash('sha256', bytes, 'base64url')}"`
    app.get(`/console/assets/${name}`, (request, reply) => {
      reply.headers({ etag: tag, 'cache-control': 'no-cache' })
      if (request.headers['if-none-match'] === tag) return reply.code(304).send()
      return reply.type(type).send(bytes)
    })
  }
}
