import type { Finding } from '../engine/evidence/index.ts'
import { printable } from './printable.ts'

/** What a verifier found, each with its place, what was expected and what is there; nothing where there is nothing. */
export function renderFindings(report: { readonly findings: readonly Finding[]; readonly omitted: number }): string {
  const { findings, omitted } = report
  if (findings.length === 0) return ''
  const more = omitted === 0 ? '' : `  and ${omitted.toLocaleString('en')} more\n`
  return `Findings\n${findings.map(renderFinding).join('')}${more}`
}

function renderFinding({ severity, file, line, message, expected, found }: Finding): string {
  const place = line === null ? file : `${file}:${line}`
  const lines = [
    `  ${severity.toUpperCase()}  ${place}  ${message}`,
    `    expected  ${expected}`,
    `    found     ${found}`,
  ]
  return lines.map((text) => `${printable(text)}\n`).join('')
}
