/**
 * The report's style sheet. Colours keep a contrast of at least 4.5 to 1 (WCAG 2.2 AA) in both schemes, which a test
 * works out; print is black on white, with no section torn from its heading.
 */
export const REPORT_STYLE: string = `
:root { color-scheme: light dark; --ink: #1b2430; --paper: #ffffff; --quiet: #4d5a68; --line: #c6ced6; --band: #f1f4f7; --link: #0b5394; --alert: #9a1f12 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --paper: #12181f; --quiet: #a9b6c3; --line: #3b4754; --band: #1b232c; --link: #8ab8ee; --alert: #ffa198 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 70rem; font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; color: var(--ink); background: var(--paper) }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem }
h2 { font-size: 1.4rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 2px solid var(--ink) }
h3 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .5rem 0; max-width: 75ch }
a { color: var(--link) }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px }
.note { color: var(--quiet) }
.alert { color: var(--alert); font-weight: 600 }
dl { display: grid; grid-template-columns: 10.5rem minmax(0, 1fr); gap: .25rem 1rem; margin: 1rem 0 }
dt { color: var(--quiet) }
dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto; margin: 1rem 0 }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
table.narrow { max-width: 40rem }
caption { text-align: left; font-weight: 600; padding: .25rem 0 }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
thead th { background: var(--band); overflow-wrap: normal; font-family: inherit; font-size: inherit }
tbody th { font-weight: normal }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code, pre, .code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: .85em }
pre { background: var(--band); padding: .75rem 1rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
details { border-bottom: 1px solid var(--line); padding: .35rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere }
ol.proof { margin: .25rem 0 .5rem; font-size: .8rem; overflow-wrap: anywhere }
@media (max-width: 40rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0 } dd { margin-bottom: .5rem } }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; color: var(--quiet); font-size: .9rem }
@media print {
  :root { --ink: #000; --paper: #fff; --quiet: #333; --line: #999; --band: #eee; --link: #000; --alert: #000 }
  body { max-width: none; padding: 0; font-size: 9.5pt }
  h2, h3, caption { break-after: avoid }
  tr, dl, pre { break-inside: avoid }
  thead { display: table-header-group }
  .page { break-before: page }
  details::details-content { content-visibility: visible; block-size: auto }
  @page { size: A4; margin: 16mm 14mm }
}
`
