import type { App } from './app.ts'

export const FORM = 'application/x-www-form-urlencoded'

/** Has the body of a form handed on as its text. */
export function takeForms(app: App): void {
  if (app.hasContentTypeParser(FORM)) return
  app.addContentTypeParser(FORM, { parseAs: 'string' }, (_request, body, done) => done(null, String(body)))
}
