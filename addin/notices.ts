/** Which notices the pane shows, each once, and what they are about as a person knows it. Pure. */
import type { Notice } from '../shared/notices.ts'
import type { Status } from './state.ts'

export interface ShownNotice {
  readonly notice: Notice
  /** When somebody was first told of it. */
  readonly since?: string
}

/** Shown elsewhere on the first screen: in its verdict, or as a card of its own. */
const shownElsewhere: ReadonlySet<Notice['code']> = new Set(['kit-unconfirmed', 'alone', 'contact-asked', 'contact-open'])

/** What stands for long comes last, unless it is said already. */
export function noticesOf({ notices, rosters, alerts }: Pick<Status, 'notices' | 'rosters' | 'alerts'>): ShownNotice[] {
  const now = [...notices, ...rosters.flatMap(({ notice }) => (notice === null || notice.code === 'sign-in-needed' ? [] : [notice]))].filter(({ code }) => !shownElsewhere.has(code))
  const said = new Set(now.map((notice) => JSON.stringify(notice)))
  const standing = alerts.flatMap(({ since, notices: of }) => of.filter((notice) => !shownElsewhere.has(notice.code) && !said.has(JSON.stringify(notice))).map((notice) => ({ notice, since })))
  return [...now.map((notice) => ({ notice })), ...standing]
}

/** Where a roster is, for a person: without the kind of place and how it is reached. */
export function placeOf(locator: string): string {
  if (locator.startsWith('folder:')) return locator.slice('folder:'.length)
  return locator.replace(/^(?:exchange:|(?:sharepoint:)?[a-z]+:\/\/)/u, '').replace(/[?#].*$/u, '')
}

/** As the pane says it: a place is told as a person knows it. */
export function inWords(notice: Notice): Notice {
  return 'locator' in notice ? { ...notice, locator: placeOf(notice.locator) } : notice
}
