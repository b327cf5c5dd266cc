import {
  type Carried,
  type Carry,
  type Catalog,
  joined,
  type Lineage,
  type NormalizedStatement,
  ownCatalog,
  type OwnChange,
  type OwnNames,
  type OwnRelation,
  parsePath,
  type Root,
} from './normalizer/index.ts'

type Path = OwnNames['path']
type Effect = NormalizedStatement['effect']

/** What names mean at one instant, besides the catalogue. */
interface Own extends OwnNames {
  /** What search_path falls back to when the transaction ends. */
  readonly lastingPath: Path
}

interface Savepoint {
  readonly name: string
  readonly own: Own
}

const BEGINNING: Own = { relations: [], path: null, lastingPath: null }
/** More than anybody nests; what lies deeper is forgotten, and going back to it gives up all that is known. */
const MOST_SAVEPOINTS = 1000
/** A session that has more is one that nobody can be sure of. */
const MOST_RELATIONS = 1000
/** Names whose last change is known by itself; beyond, every change is one of all names. */
const MOST_NAMES = 1000

/**
 * What one session has made for itself and where it looks for names, followed through its transactions: every change when
 * the server has done it, and undone as the server undoes it. What flows into its tables is never forgotten while they
 * are there: a rollback may have been overtaken by what comes behind it.
 */
export class OwnState {
  #now: Own = BEGINNING
  #committed: Own = BEGINNING
  #savepoints: readonly Savepoint[] = []
  /** The transaction has failed: its COMMIT is a rollback. */
  #failed = false
  #lost = false
  #carried: Carried = new Map()
  /** Counts changes; by name, when it last came to mean something else. */
  #changes = 0
  #changed: ReadonlyMap<string, number> = new Map()
  #pathChanged = 0
  #seen: { readonly base: Catalog; readonly catalog: Catalog | null } | null = null

  /** Another one in the same state, for what is only supposed to happen. */
  copy(): OwnState {
    const other = new OwnState()
    other.#now = this.#now
    other.#committed = this.#committed
    other.#savepoints = this.#savepoints
    other.#failed = this.#failed
    other.#lost = this.#lost
    other.#carried = this.#carried
    other.#seen = this.#seen
    return other
  }

  /** Names mean what they mean to every session, now and after whatever end of this transaction. */
  get plain(): boolean {
    return (
      this.#changes === 0 ||
      (!this.#lost && [this.#now, this.#committed, ...this.#savepoints.map(({ own }) => own)].every(isPlain))
    )
  }

  /** What was followed can't be followed any more. */
  get lost(): boolean {
    return this.#lost
  }

  /** Counts changes: a name that is prepared now stands for what is known now. */
  get changes(): number {
    return this.#changes
  }

  /** The catalogue as this session sees it; null where nobody can tell any more. */
  over(base: Catalog): Catalog | null {
    if (this.#lost) return null
    if (this.#seen?.base !== base) this.#seen = { base, catalog: ownCatalog(base, this.#now, this.#carried) }
    if (this.#seen.catalog === null) this.#lost = true
    return this.#seen.catalog
  }

  /** What a statement puts into tables of the session's own. True: it wasn't there before. */
  carry(carries: readonly Carry[]): boolean {
    let grown = false
    for (const { root, attnum, lineage } of carries) {
      const columns: ReadonlyMap<number, Lineage> = this.#carried.get(root) ?? new Map()
      const before = columns.get(attnum)
      const after = before === undefined ? lineage : joined(before, lineage)
      if (before !== undefined && before.copy === after.copy && before.sources.length === after.sources.length) continue
      grown = true
      this.#carried = new Map(this.#carried).set(root, new Map(columns).set(attnum, after))
    }
    if (grown) this.#seen = null
    return grown
  }

  /** A statement is done. */
  done(effect: Effect): void {
    switch (effect.kind) {
      case 'own':
        return this.#become(applied(this.#now, effect.change))
      case 'path':
        return this.#become(
          effect.local ? { ...this.#now, path: effect.path } : { ...this.#now, ...pathed(effect.path) },
        )
      case 'discard_all':
        this.#lost = false
        return this.#become(BEGINNING)
      case 'commit':
        return this.#ended(this.#failed ? 'undone' : 'kept')
      case 'rollback':
        return this.#ended('undone')
      case 'savepoint':
        this.#savepoints = [...this.#savepoints.slice(1 - MOST_SAVEPOINTS), { name: effect.name, own: this.#now }]
        return
      case 'release':
      case 'rollback_to':
        return this.#back(effect.kind, effect.name)
      default:
    }
  }

  /** ReadyForQuery. `erred`: what came before it in the same transaction of the server's making is undone. */
  ready(status: 'I' | 'T' | 'E', erred: boolean): void {
    if (status !== 'I') {
      this.#failed = status === 'E'
      return
    }
    this.#ended(erred ? 'undone' : 'kept')
    const left = new Set(this.#now.relations.map(({ root }) => root))
    if (this.#carried.size > left.size) this.#carried = new Map([...this.#carried].filter(([root]) => left.has(root)))
  }

  /** Whether the server, which says that search_path has become this, looks for names where it is thought to. */
  agrees(searchPath: string): boolean {
    const names = parsePath(searchPath)
    const { path } = this.#now
    return this.#lost || (names !== null && names.join('\0') === (path ?? ['$user', 'public']).join('\0'))
  }

  /** Whether something that a statement names has come to mean something else since. */
  changedSince(then: number, { resources }: NormalizedStatement): boolean {
    if (then >= this.#changes) return false
    if (then < this.#pathChanged) return true
    return [...this.#changed].some(
      ([name, when]) => when > then && resources.some((each) => each.name.endsWith(`.${name}`)),
    )
  }

  #ended(how: 'kept' | 'undone'): void {
    const { relations, lastingPath } = how === 'kept' ? this.#now : this.#committed
    const left = relations.some(({ untilCommit }) => untilCommit)
      ? relations.filter(({ untilCommit }) => !untilCommit)
      : relations
    this.#become({ relations: left, path: lastingPath, lastingPath })
    this.#committed = this.#now
    this.#savepoints = []
    this.#failed = false
  }

  #back(how: 'release' | 'rollback_to', name: string): void {
    const index = this.#savepoints.findLastIndex((each) => each.name === name)
    const found = this.#savepoints[index]
    if (found === undefined) {
      this.#lost ||= !this.plain
      return
    }
    this.#savepoints = this.#savepoints.slice(0, how === 'release' ? index : index + 1)
    if (how === 'release') return
    this.#become(found.own)
    this.#failed = false
  }

  #become(next: Own): void {
    const before = this.#now
    this.#now = next
    if (next.relations.length > MOST_RELATIONS) this.#lost = true
    if (before.relations === next.relations && samePath(before.path, next.path)) return
    this.#changes += 1
    this.#seen = null
    if (!samePath(before.path, next.path)) this.#pathChanged = this.#changes
    const changed = new Map(this.#changed)
    for (const name of differing(before.relations, next.relations)) changed.set(name, this.#changes)
    if (changed.size > MOST_NAMES) this.#pathChanged = this.#changes
    this.#changed = changed.size > MOST_NAMES ? new Map() : changed
  }
}

function isPlain({ relations, path, lastingPath }: Own): boolean {
  return relations.length === 0 && path === null && lastingPath === null
}

function pathed(path: Path): Pick<Own, 'path' | 'lastingPath'> {
  return { path, lastingPath: path }
}

function samePath(one: Path, other: Path): boolean {
  return one?.join('\0') === other?.join('\0')
}

function applied(own: Own, { drops, makes }: OwnChange): Own {
  const gone = new Set(drops)
  const isGone = (root: Root): boolean => gone.has(root) || (root.owner !== null && gone.has(root.owner))
  const renewed = new Set(makes.map(({ root }) => root))
  // A table that is made anew keeps its sequences.
  const left = own.relations.filter(({ root }) => !isGone(root) || (root.owner !== null && renewed.has(root.owner)))
  return { ...own, relations: [...left, ...makes] }
}

/** Names under which something else, or nothing, is found. */
function differing(one: readonly OwnRelation[], other: readonly OwnRelation[]): Iterable<string> {
  const [before, after] = [new Set(one), new Set(other)]
  return new Set(
    [...one.filter((each) => !after.has(each)), ...other.filter((each) => !before.has(each))].map(({ name }) => name),
  )
}
