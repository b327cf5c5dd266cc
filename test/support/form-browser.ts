/**
 * Just enough of a browser for a sign-in without a screen: it keeps cookies, follows redirects, and sends a page's first
 * form with what it is told to fill in.
 */
export class FormBrowser {
  readonly #cookies = new Map<string, string>()

  /** Opens an address and fills in forms as they come, until a page has none, or an address begins with `until`. */
  async walk(start: string, fields: Readonly<Record<string, string>>, until = '\n'): Promise<string> {
    let page = await this.#open(start, {}, until)
    for (let forms = 0; forms < 6; forms += 1) {
      const form = formIn(page.text)
      if (form === null) return page.text
      const body = new URLSearchParams({ ...form.hidden, ...fields })
      page = await this.#open(new URL(form.action, page.url).href, { method: 'POST', body }, until)
    }
    throw new Error('the sign-in has no end')
  }

  async #open(
    start: string,
    init: RequestInit,
    until: string,
  ): Promise<{ readonly url: string; readonly text: string }> {
    let [url, request] = [start, init]
    for (let hops = 0; hops < 15; hops += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(url, { ...request, redirect: 'manual', headers: { cookie } })
      for (const line of response.headers.getSetCookie()) this.#keep(line)
      const next = response.headers.get('location')
      if (next === null) return { url, text: await response.text() }
      url = new URL(next, url).href
      request = {}
      if (url.startsWith(until)) return { url, text: await (await fetch(url)).text() }
    }
    throw new Error('more redirects than a sign-in has')
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
    if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name)
    else this.#cookies.set(name, value)
  }
}

const attribute = (tag: string, name: string): string | undefined => new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1]

function formIn(page: string): { readonly action: string; readonly hidden: Record<string, string> } | null {
  const [form] = /<form[^>]*>[^]*?<\/form>/.exec(page) ?? []
  if (form === undefined) return null
  const inputs = form.match(/<input[^>]*>/g) ?? []
  const hidden = Object.fromEntries(
    inputs.flatMap((tag) => {
      const name = attribute(tag, 'name')
      return name === undefined ? [] : [[name, attribute(tag, 'value') ?? '']]
    }),
  )
  return { action: attribute(form, 'action') ?? '', hidden }
}
