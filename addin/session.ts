/**
 * The token of this pane: in memory, and in the tab's session storage where that works, so that reloading the page does
 * not ask for the code again; kept beyond that only when the person asked to stay connected. Browsers throw or forget in
 * frames of other sites: then it lives in memory alone.
 */
const storageName = 'holdfast.pane'

export class Session {
  #token: string | undefined = attempt(() => sessionStorage.getItem(storageName) ?? localStorage.getItem(storageName)) ?? undefined

  get token(): string | undefined {
    return this.#token
  }

  /** `remember`: also after this page is closed. Undefined forgets it everywhere. */
  set(token: string | undefined, remember = false): void {
    this.#token = token
    for (const [storage, kept] of [[() => sessionStorage, true], [() => localStorage, remember]] as const) {
      attempt(() => {
        if (token === undefined) storage().removeItem(storageName)
        else if (kept) storage().setItem(storageName, token)
      })
    }
  }
}

/** A ticket in the fragment that `holdfast open` put there; it is taken out of the address, so that nobody reads or keeps it. */
export function takeTicket(): string | undefined {
  const [, ticket] = /^#ticket=([\w-]{16,128})$/.exec(location.hash) ?? []
  if (ticket !== undefined) location.hash = '#/protection'
  return ticket
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
