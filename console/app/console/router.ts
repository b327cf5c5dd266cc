import type { Place } from './page.ts'

/** `/console/decisions/ID?verdict=hold` → what it names; anything else is the inbox. */
export function placeOf(address: Location | URL): Place {
  const [, , page = '', id = ''] = address.pathname.split('/')
  const isPage = PAGES.some((each) => each === page)
  return {
    page: isPage ? page : 'approvals',
    id: isPage && id !== '' ? decoded(id) : null,
    query: new URLSearchParams(address.search),
  }
}

export const PAGES = [
  'approvals',
  'grants',
  'decisions',
  'sessions',
  'controls',
  'exports',
  'policy',
  'agents',
  'system',
] as const

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Where a plain click on a link within the console leads. */
export function ownLink(event: MouseEvent): string | null {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
    return null
  const from = event.composedPath()[0]
  const link = from instanceof Element ? from.closest('a') : null
  const address = link?.getAttribute('href') ?? ''
  const leaves = link?.hasAttribute('download') === true || link?.hasAttribute('target') === true
  return address.startsWith('/console/') && !address.startsWith('/console/sign') && !leaves ? address : null
}
