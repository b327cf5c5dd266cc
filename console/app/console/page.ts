/** One of the console's pages: what the shell may ask of it. */
export interface Page {
  readonly root: HTMLElement
  readonly title: string
  /** Shows one of its things, or all of them. */
  open(id: string | null): Promise<void>
  /** Something changed on the gateway. */
  refresh(): Promise<void>
  /** A second has passed; milliseconds since 1970. */
  tick(now: number): void
  /** A key pressed outside any field; false when it means nothing here. */
  key(name: string): boolean
}
