import type { FieldDescription } from '../codec/backend-messages.ts'
import type { RunningStatement } from '../enforcer/running-statement.ts'

/**
 * What the server still owes, in the order it will answer. One entry a message that went up, and one for each answer of
 * the gateway's own, which must stand in line like any other.
 */
export type ExpectedReply =
  | { readonly kind: 'parse'; readonly naming: Naming; prepare: RunningStatement | null }
  | { readonly kind: 'bind' | 'close'; readonly naming: Naming }
  /** `swallow`: the gateway asked, the client didn't. `described` throws to withhold the answer. */
  | {
      readonly kind: 'describe'
      readonly swallow: boolean
      /** A statement's parameters are described before its result; a portal has none. */
      owesParameters: boolean
      described(reply: DescribeReply): void
    }
  | { readonly kind: 'execute'; readonly statement: RunningStatement }
  /** Execute of the empty statement. */
  | { readonly kind: 'empty' }
  /** A simple Query: its statements answer one after another; an entry `ready` follows. */
  | { readonly kind: 'query'; readonly statements: readonly RunningStatement[]; next: number }
  /** ReadyForQuery, after a Sync or a simple Query. `swallow`: another follows, which the client gets. */
  | { readonly kind: 'ready'; swallow?: boolean }
  /** A message of ours that makes the server fail its transaction; its ErrorResponse is ours to drop. */
  | { readonly kind: 'poison' }
  /** Bytes of the gateway's own. */
  | { readonly kind: 'local'; readonly bytes: Buffer }

/** A change of names that the server has still to confirm, or will skip. */
export interface Naming {
  confirm(): void
  abandon(): void
}

/** ParameterDescription, or RowDescription; `fields` null for NoData. */
export interface DescribeReply {
  readonly parameterOids?: readonly number[]
  readonly fields?: readonly FieldDescription[] | null
}

/** A FIFO with an O(1) head; arrays that shift() are O(n) once pipelines grow. */
export class ExpectedReplies {
  #entries: ExpectedReply[] = []
  #head = 0
  /** Entries `ready` pushed and taken so far. */
  #asked = 0
  #answered = 0
  #idle: PromiseWithResolvers<void> | null = null
  #waiting: { readonly answered: number; resolve(): void; reject(reason: Error): void }[] = []
  #end: Error | null = null

  get length(): number {
    return this.#entries.length - this.#head
  }

  push(reply: ExpectedReply): void {
    if (reply.kind === 'ready') this.#asked += 1
    this.#entries.push(reply)
  }

  peek(): ExpectedReply | undefined {
    return this.#entries[this.#head]
  }

  shift(): ExpectedReply | undefined {
    const reply = this.#entries[this.#head]
    if (reply === undefined) return undefined
    this.#head += 1
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0
      this.#head = 0
      this.#idle?.resolve()
      this.#idle = null
    } else if (this.#head > 1024) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    if (reply.kind === 'ready') this.#ready()
    return reply
  }

  /** Takes everything up to, not including, the next `ready`: what the server skips after an error. */
  *skipped(): Generator<ExpectedReply> {
    for (let next = this.peek(); next !== undefined && next.kind !== 'ready'; next = this.peek()) {
      this.shift()
      yield next
    }
  }

  /** The next statement that will run, for text that the server sends ahead of its first reply. */
  nextStatement(): RunningStatement | null {
    for (let index = this.#head; index < this.#entries.length; index += 1) {
      const reply = this.#entries[index]
      if (reply?.kind === 'execute') return reply.statement
      if (reply?.kind === 'parse' && reply.prepare !== null) return reply.prepare
      if (reply?.kind === 'query') return reply.statements[reply.next] ?? null
      if (reply === undefined || reply.kind === 'ready') return null
    }
    return null
  }

  /** Resolves when every batch that was ended so far has its ReadyForQuery; rejects when it never will. */
  settled(): Promise<void> {
    if (this.#end !== null) return Promise.reject(this.#end)
    if (this.#answered === this.#asked) return Promise.resolve()
    const answered = this.#asked
    return new Promise((resolve, reject) => this.#waiting.push({ answered, resolve, reject }))
  }

  /** Resolves when nothing is owed at all, an unfinished batch's answers included; rejects when that never will be. */
  answered(): Promise<void> {
    if (this.#end !== null) return Promise.reject(this.#end)
    if (this.length === 0) return Promise.resolve()
    this.#idle ??= Promise.withResolvers()
    return this.#idle.promise
  }

  /** Nothing more will be answered. */
  end(reason: Error): void {
    this.#end = reason
    this.#idle?.reject(reason)
    for (const waiting of this.#waiting.splice(0)) waiting.reject(reason)
  }

  #ready(): void {
    this.#answered += 1
    while ((this.#waiting[0]?.answered ?? Infinity) <= this.#answered) this.#waiting.shift()?.resolve()
  }
}
