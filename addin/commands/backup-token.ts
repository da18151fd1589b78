/**
 * Where the ribbon's "Back up now" finds its token: one that can start a backup on one machine and nothing else
 * (POST /api/tokens, scope `backup`). The pane keeps it once it is paired. The browser's storage belongs to this machine
 * and is asked first; some hosts partition or clear it, and a function page may not see the pane's: then the mailbox's
 * roaming settings answer. They follow the person to other machines, so they hold one token for each.
 */

/** localStorage, or what plays it. */
export interface PlainStorage {
  getItem(name: string): string | null
  setItem(name: string, value: string): void
  removeItem(name: string): void
}

/** Office.context.roamingSettings, as far as it is needed. 32 KB for all of an add-in's settings. */
export interface RoamingSettings {
  get(name: string): unknown
  set(name: string, value: unknown): void
  saveAsync(callback?: (result: unknown) => void): void
}

export interface TokenPlaces {
  readonly storage: PlainStorage | undefined
  readonly roaming: RoamingSettings | undefined
}

const storageName = 'holdfast.backupToken'
const roamingName = 'holdfast.backupTokens'
const maximumMachines = 20

/** All that may be tried, this machine's first, each once. */
export function readBackupTokens({ storage, roaming }: TokenPlaces): string[] {
  const own = attempt(() => storage?.getItem(storageName) ?? undefined)
  return [...new Set([...(own === undefined ? [] : [own]), ...Object.values(roamingTokens(roaming))])]
}

/** `machine` is the id of the agent's machine; a token kept for it before is replaced. Places that refuse are passed over. */
export function keepBackupToken({ storage, roaming }: TokenPlaces, machine: string, token: string): void {
  attempt(() => storage?.setItem(storageName, token))
  attempt(() => {
    const others = Object.entries(roamingTokens(roaming)).filter(([id]) => id !== machine)
    roaming?.set(roamingName, Object.fromEntries([...others, [machine, token]].slice(-maximumMachines)))
    roaming?.saveAsync(() => {})
  })
}

/** Whether the pane has to ask the agent for a token. */
export function hasBackupToken({ storage, roaming }: TokenPlaces, machine: string): boolean {
  const kept = attempt(() => storage?.getItem(storageName) ?? undefined)
  return kept !== undefined && (roaming === undefined || roamingTokens(roaming)[machine] === kept)
}

function roamingTokens(roaming: RoamingSettings | undefined): Readonly<Record<string, string>> {
  const kept: unknown = attempt(() => roaming?.get(roamingName))
  if (typeof kept !== 'object' || kept === null) return {}
  return Object.fromEntries(Object.entries(kept).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** Storage throws where a host forbids it; that place then holds nothing. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch {
    return undefined
  }
}
