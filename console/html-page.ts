import type { Reply } from './app.ts'

interface SmallPage {
  readonly title: string
  readonly paragraphs: readonly string[]
  readonly link: { readonly to: string; readonly text: string }
}

/** A page without script, for who has no session. Text is text: all of it is escaped. */
export function htmlPage(reply: Reply, { title, paragraphs, link }: SmallPage): Reply {
  reply.header(
    'content-security-policy',
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
  )
  return reply.type('text/html; charset=utf-8').send(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(title)} · Countersign</title>
<link rel="stylesheet" href="/console/assets/console.css">
</head>
<body class="small">
<main>
<h1>${escaped(title)}</h1>
${paragraphs.map((text) => `<p>${escaped(text)}</p>`).join('\n')}
<p><a class="button" href="${escaped(link.to)}">${escaped(link.text)}</a></p>
</main>
</body>
</html>
`)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
