import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig, type LoadedConfig } from '../engine/config/index.ts'
import {
  asciicast,
  checkSession,
  collectSession,
  entriesOf,
  listSessions,
  readPublicKey,
  replayOf,
  TAGS,
  tagsOf,
  type Replay,
  type Scene,
  type SessionCheck,
  type SessionEvidence,
  type Tag,
} from '../engine/replay/index.ts'
import type { CommandIo } from './command.ts'
import { commandLine, wrongUsage } from './command-line.ts'
import { noteInEvidence } from './evidence-note.ts'
import { readEvidence } from './evidence-store.ts'
import { EXIT } from './exit.ts'
import { COLOURED, endLines, headLines, PLAIN, sessionTable, stepLines, type TextOptions } from './replay-text.ts'

const USAGE = `usage: countersign replay <directory> [--session ID] [options]
       countersign replay --config FILE [--session ID] [--reason TEXT] [options]

Without --session lists the sessions of a directory of evidence, newest first. With it plays one: what was asked, how it
was decided, what came back, and whether the evidence for it holds. A directory, or a copy, is only read. With --config
it is the gateway's own, and that somebody looked is recorded there first (replay.viewed); with both, a directory that
was pulled out of the gateway's database.

  --session ID       which
  --only TAG         only statements that were ${TAGS.map((tag) => tag.replace(' ', '-')).join(', ')}; may be repeated
  --speed N          so many times as fast (1); pauses are cut to 3 s
  --no-wait          print at once, as it does where nobody watches (no terminal)
  --rows N           rows of an answer (20)
  --limit N          sessions in the list (50)
  --json             the list, or the replay and its check, as JSON
  --cast FILE        an asciicast (v3) of it, into a new file
  --har FILE         an HTTP Archive (1.2) of a session of the HTTP plane, masked as recorded, into a new file
  --html FILE        one page of it that checks itself in the browser, into a new file
  --log-key KEY      the log's public key, or a file that holds it
  --witness-key KEY  a witness's; may be repeated
  --reason TEXT      why, for the record (with --config)

exit: 0 it holds as far as it is checked, 1 it does not, 64 wrong usage, 66 there is no such session
`

const OPTIONS = {
  config: { type: 'string' },
  session: { type: 'string' },
  only: { type: 'string', multiple: true },
  speed: { type: 'string', default: '1' },
  'no-wait': { type: 'boolean', default: false },
  rows: { type: 'string', default: '20' },
  limit: { type: 'string', default: '50' },
  json: { type: 'boolean', default: false },
  cast: { type: 'string' },
  har: { type: 'string' },
  html: { type: 'string' },
  'log-key': { type: 'string' },
  'witness-key': { type: 'string', multiple: true },
  reason: { type: 'string' },
} as const

const EXIT_NO_SESSION = 66

interface Asked {
  /** Undefined: what `loaded` names. */
  readonly directory: string | undefined
  /** Whose evidence it is, when it is a gateway's own. */
  readonly loaded: LoadedConfig | null
  readonly session: string | undefined
  readonly only: readonly Tag[]
  readonly speed: number
  readonly wait: boolean
  readonly rows: number
  readonly limit: number
  readonly json: boolean
  readonly cast: string | undefined
  readonly har: string | undefined
  readonly html: string | undefined
  readonly keys: readonly string[]
  readonly reason: string | null
}

/** `countersign replay`. */
export async function replayCommand(argv: readonly string[], io: CommandIo): Promise<number> {
  const asked = await parse(argv)
  if (asked === 'help') {
    io.stdout.write(USAGE)
    return EXIT.ok
  }
  return asked.session === undefined ? list(asked, io) : replay(asked, asked.session, io)
}

async function list({ directory, loaded, limit, json }: Asked, io: CommandIo): Promise<number> {
  const sessions = await readEvidence(directory, loaded, (evidence) => listSessions(evidence, limit))
  const text = json ? JSON.stringify(sessions, null, 2) : sessionTable(sessions).join('\n')
  io.stdout.write(`${sessions.length === 0 && !json ? 'no sessions' : text}\n`)
  return EXIT.ok
}

async function replay(asked: Asked, session: string, io: CommandIo): Promise<number> {
  const { directory, loaded } = asked
  const evidence = await readEvidence(directory, loaded, (source) => collectSession(source, session))
  if (evidence === null) {
    io.stderr.write(
      `countersign replay: ${directory ?? 'evidence'} holds no session ${JSON.stringify(session)}; without --session they are listed\n`,
    )
    return EXIT_NO_SESSION
  }
  await note(asked, session, io)
  const check = await checkSession(evidence, asked.keys)
  const told = { evidence, replay: replayOf(session, entriesOf(evidence)), check }
  if (asked.cast !== undefined) await writeNew(asked.cast, castOf(told, asked))
  if (asked.html !== undefined) await writeNew(asked.html, await pageOf(told.evidence, asked.keys))
  if (asked.har !== undefined) await writeNew(asked.har, await archiveOf(told))
  if (asked.json)
    io.stdout.write(
      `${JSON.stringify({ ...told.replay, check: { ...check, faults: Object.fromEntries(check.faults) } }, null, 2)}\n`,
    )
  else if (asked.cast === undefined && asked.html === undefined && asked.har === undefined) await play(told, asked, io)
  return check.state === 'bad' ? EXIT.failed : EXIT.ok
}

/** In evidence before anything is shown, where it is the gateway's own. */
async function note({ loaded, reason, html, cast, har, json }: Asked, session: string, io: CommandIo): Promise<void> {
  if (loaded === null) {
    io.stderr.write('countersign replay: a plain directory: nothing is noted in it (--config notes who looked)\n')
    return
  }
  const written = html !== undefined ? 'page' : cast !== undefined ? 'asciicast' : har !== undefined ? 'har' : null
  const how = written ?? (json ? 'json' : 'terminal')
  await noteInEvidence(loaded, 'replay.viewed', { session, how }, reason)
}

interface Told {
  readonly evidence: SessionEvidence
  readonly replay: Replay
  readonly check: SessionCheck
}

/** The head, each statement a while after the one before it, the end. */
function scenesOf({ replay: told, check }: Told, { only }: Asked, options: TextOptions): readonly Scene[] {
  const steps = told.steps.filter((step) => only.length === 0 || tagsOf(step).some((tag) => only.includes(tag)))
  let before = 0
  const played = steps.map((step): Scene => {
    const afterMs = step.offsetMs - before
    before = step.offsetMs
    return { afterMs, lines: stepLines(step, options), step }
  })
  const nothing = { afterMs: 0, step: null }
  return [
    { ...nothing, lines: headLines(told, options) },
    ...played,
    { ...nothing, lines: endLines(told, check, options) },
  ]
}

/** Milliseconds: nobody watches a night go by. */
const LONGEST_PAUSE = 3000
/** Where lines end that go into a file or a pipe. */
const UNWATCHED_COLUMNS = 120
const CAST = { columns: 120, rows: 40 }

async function play(told: Told, asked: Asked, io: CommandIo): Promise<void> {
  const watched = Reflect.get(io.stdout, 'isTTY') === true
  const paint = watched && io.env['NO_COLOR'] === undefined ? COLOURED : PLAIN
  const columns = Number(Reflect.get(io.stdout, 'columns') ?? UNWATCHED_COLUMNS)
  for (const { afterMs, lines } of scenesOf(told, asked, { paint, rows: asked.rows, columns })) {
    if (watched && asked.wait) await sleep(Math.min(LONGEST_PAUSE, afterMs / asked.speed))
    io.stdout.write(lines.map((line) => `${line}\n`).join(''))
  }
}

function castOf(told: Told, asked: Asked): string {
  const scenes = scenesOf(told, asked, { paint: COLOURED, rows: asked.rows, columns: CAST.columns })
  const { who, openedAt, session } = told.replay
  const timestamp = openedAt === null ? 0 : Math.floor(Date.parse(openedAt) / 1000)
  const title = `${who.id}, session ${session}`
  return asciicast(
    scenes.map((scene) => ({ ...scene, afterMs: scene.afterMs / asked.speed })),
    { title, timestamp, cols: CAST.columns, rows: CAST.rows },
  )
}

/** Loaded only for a page: the console brings its server along. */
async function pageOf(evidence: SessionEvidence, keys: readonly string[]): Promise<string> {
  const { replayPage } = await import('../console/index.ts')
  return replayPage(evidence, keys)
}

/** Loaded only where it is asked for: the plane brings its protocol along. */
async function archiveOf({ evidence, replay: told }: Told): Promise<string> {
  const { harText } = await import('./replay-har.ts')
  const text = await harText(evidence, told)
  if (text === null)
    throw wrongUsage(`--har: expected a session of the HTTP plane; found one of ${told.who.plane}`, USAGE)
  return text
}

/** What it holds is evidence: for its owner alone, and never over something that is there. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw wrongUsage(
      `${path}: expected a file that can be made; ${error instanceof Error ? error.message : 'it can’t'}`,
      USAGE,
    )
  }
}

async function parse(argv: readonly string[]): Promise<'help' | Asked> {
  const { values, positionals } = commandLine(USAGE, OPTIONS, argv)
  if (values.help) return 'help'
  const { config, session, cast, har, html, json, reason = null } = values
  const [directory, ...rest] = positionals
  if ((directory === undefined && config === undefined) || rest.length > 0) {
    throw wrongUsage('expected one directory, or --config with the gateway’s own', USAGE)
  }
  const loaded = config === undefined ? null : loadConfig(config)
  const keys = [...(values['log-key'] === undefined ? [] : [values['log-key']]), ...(values['witness-key'] ?? [])]
  return {
    directory,
    loaded,
    session,
    only: (values.only ?? []).map(tag),
    speed: number('--speed', values.speed),
    wait: !values['no-wait'],
    rows: number('--rows', values.rows),
    limit: number('--limit', values.limit),
    json,
    cast,
    har,
    html,
    keys: await Promise.all(keys.map(key)),
    reason,
  }
}

function tag(text: string): Tag {
  const found = TAGS.find((each) => each.replace(' ', '-') === text)
  if (found === undefined) throw wrongUsage(`--only: expected one of those below; found ${JSON.stringify(text)}`, USAGE)
  return found
}

function number(option: string, text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value)))
    throw wrongUsage(`${option}: expected a number above 0; found ${JSON.stringify(text)}`, USAGE)
  return value
}

/** A key, or the first line of the file that holds it. */
async function key(text: string): Promise<string> {
  const read = (await readFile(text, 'utf8').catch(() => text)).trim()
  if ((await readPublicKey(read)) === undefined) {
    throw wrongUsage('a key: expected name+id+key as `countersign evidence key` prints it, or a file of it', USAGE)
  }
  return read
}
