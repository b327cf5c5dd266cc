import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openEvidenceLog } from '../../../engine/evidence/index.ts'
import { fileOf, scratch } from './workbench.ts'

it('writes, byte for byte, the worked example of docs/evidence-format.md', async () => {
  let ms = Date.UTC(2026, 3, 18, 9)
  const directory = scratch()
  const log = await openEvidenceLog({
    directory,
    instance: 'gw-1',
    now: () => ms++,
    monotonic: () => BigInt(ms) * 1_000_000n,
    random: (bytes) => new Uint8Array(bytes).fill(7),
  })
  await log.append({ event: 'config.changed', detail: { revision: 'r2' } }).durable
  const frame = { dir: 'client', kind: 'sql.query', decision: 'd-1', body: 'select 1' } as const
  await log.appendFrame('s-1', frame).durable
  await log.close()
  const page = readFileSync(new URL('../../../docs/evidence-format.md', import.meta.url), 'utf8')
  for (const part of ['records', 'recordings'] as const) {
    const file = fileOf(directory, part)
    expect(page).toContain(`\`${file.name}\`:\n\n\`\`\`\n${file.read().toString('utf8')}\`\`\`\n`)
  }
})
