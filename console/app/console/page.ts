import type { Api } from './api.ts'

/** What an address names: `/console/<page>/<id>?<query>`. */
export interface Place {
  readonly page: string
  readonly id: string | null
  readonly query: URLSearchParams
}

/** What has changed on the gateway. */
export type News = 'approvals' | 'evidence'

/** One of the console's pages: what the shell may ask of it. */
export interface Page {
  readonly root: HTMLElement
  readonly title: string
  /** Shows one of its things, or all of them. */
  open(place: Place): Promise<void>
  /** Something changed on the gateway. */
  refresh(news: News): Promise<void>
  /** A second has passed; milliseconds since 1970. */
  tick(now: number): void
  /** A key pressed outside any field; false when it means nothing here. */
  key(name: string): boolean
  /** Another page takes its place. */
  close(): void
}

/** Who looks, and what a page may do beside drawing itself. */
export interface Surroundings {
  readonly api: Api
  readonly me: Me
  /** To another address of the console; `replace`: without a step on the way back. */
  readonly go: (address: string, how?: 'replace') => void
  /** Said to who can't see, and shown for a moment. */
  readonly say: (text: string) => void
}

export interface Me {
  readonly id: string
  readonly groups: readonly string[]
  readonly gateway: string
  readonly access: readonly string[]
  readonly operatesPolicy: boolean
  readonly reviewsPolicy: boolean
}
