import { FILES, MANIFEST, type Predicate } from './manifest.ts'
import { isFiltered } from './query.ts'

/** The bundle's VERIFY.md: what it is, what it proves and can't, and the commands. Follows from the manifest alone. */
export function instructions(predicate: Predicate, keyId: string | null): string {
  const { log, counts, producer } = predicate
  return `# How to check this bundle

${asked(predicate)}

| | |
|---|---|
| log | ${cell(log.origin)} |
| checkpoint | ${log.size} records, root ${log.root} |
| records | ${counts.records}, and ${counts.context} more that are needed to judge them |
| recordings | ${counts.frames} frames in ${counts.recordings} files |
| manifest | ${keyId === null ? '**not signed**: whoever handed you this could have changed what is no record' : `signed with ${cell(keyId)}`} |
| made by | Countersign ${cell(producer)} |

## In one command

    countersign evidence verify . --log-key LOG_KEY --export-key EXPORT_KEY

LOG_KEY and EXPORT_KEY are public keys (\`name+id+key\`, one line each). Take them from whoever answers for the gateway, by
another way than this bundle: a key that comes with what it signs proves nothing. With \`--witness-key\` the witness's signature
under the checkpoint is checked too. Exit code 0: nothing found; 1: something was changed; 2: something is missing; 3: it can't
be checked. It needs no network, and it writes nothing.

Without Countersign: \`python3 verify-bundle.py . --log-key LOG_KEY --export-key EXPORT_KEY\`. That program uses Python's
standard library alone and ships in the \`docs\` folder of Countersign's source, beside \`evidence-bundle.md\`, which describes
every byte.

## What it proves

1. **The manifest.** \`${MANIFEST}\` is an in-toto Statement in a DSSE envelope. It names every other file here with its
   SHA-256; there is no file that it doesn't name.
2. **The checkpoint.** \`${FILES.checkpoint}\` is the root of the log (C2SP tlog-checkpoint), signed by the log's own key, which is
   another one than the manifest's.
3. **The records.** Each line of \`${FILES.records}\` hashes to a leaf. The leaves and the hashes in \`${FILES.hashes}\` lead to that
   root, each at its own index and nowhere else.
4. **The recordings.** Each session's frames are a chain, and records name its links.
5. **The rest** (${FILES.ocsf}, ${FILES.oscal}, policy/, this page) is derived again from the records and compared. Reports
   (controls.csv, report.html, report.pdf) need the control pack too: the manifest's signature stands for those.

${completeness(predicate)}
`
}

function asked({ query, range }: Predicate): string {
  const filters = (['control', 'agent', 'session'] as const)
    .filter((name) => query[name] !== null)
    .map((name) => `, ${name} ${code(query[name] ?? '')}`)
    .join('')
  const where = range === null ? 'no record is within these times' : `leaves ${range.first} to ${range.last} of the log`
  return `Asked for: records from ${query.from ?? 'the beginning'} to ${query.to ?? 'the end'}${filters}. That is: ${where}.`
}

function completeness({ query, range }: Predicate): string {
  if (range === null) {
    return `## What is missing

No record of the log is within the times that were asked for. That can't be seen from here: ask for wider times.`
  }
  const neighbours = `The records just before and after, where there are any, are in \`${FILES.context}\`: their times show where the stretch was cut.`
  if (!isFiltered(query)) {
    return `## What is missing

Nothing, of leaves ${range.first} to ${range.last}: an index that had no record here would leave the root unreached. ${neighbours}
A record within these times that is outside the stretch would need a gateway's clock to have gone back.`
  }
  return `## What is missing

This is a selection. The root is reached with every leaf that is not here standing behind a hash, so what is here is
whole and in place; that a leaf which is not here did not match the question can't be seen without it. Where that
matters, ask for the same times without a filter, or for any single leaf by its index: its record must hash to what the
tree holds there. ${neighbours}`
}

// Names come from keys and from whoever asked: none of them may end a cell or begin markup.
function cell(text: string): string {
  return code(text).replaceAll('|', '\\|')
}

function code(text: string): string {
  return `\`${text.replaceAll(/[\p{C}\p{Zl}\p{Zp}\x60]/gu, '?')}\``
}
