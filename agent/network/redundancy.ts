/**
 * Redundancy levels (docs/glossary.md, "redundancy"): a name becomes (k, n) and the number of shards on distinct
 * machines down to which an object that was complete stays green.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'

export interface Redundancy {
  readonly k: number
  readonly n: number
  /** Shards on distinct machines down to which an object that once had all n stays protected; null: it never is. */
  readonly green: number | null
}

const maxWritten = 32
const pairs = {
  'mirror-2': () => level(1, 2, 2),
  'mirror-3': () => level(1, 3, 3),
  'raid5': (others) => others >= 5 ? level(4, 5, 5) : level(2, 3, 3),
  'raid6': (others) => others >= 6 ? level(4, 6, 5) : others === 5 ? level(3, 5, 4) : level(2, 4, 3),
  'triple': () => level(3, 6, 5),
  'auto': automatic,
} as const satisfies Record<string, (others: number) => Redundancy>

export const redundancyNames = Object.keys(pairs) as readonly (keyof typeof pairs)[]

/**
 * The level `name` in a group where `others` machines besides this one can hold. Throws `invalid-input`: no such name,
 * or a k-of-n that cannot be.
 */
export function redundancyOf(name: string, others: number): Redundancy {
  if (Object.hasOwn(pairs, name)) return pairs[name as keyof typeof pairs](others)
  const written = /^([1-9]\d{0,3}|0)-of-([1-9]\d{0,3}|0)$/.exec(name)
  if (written === null) throw invalid(name, `it is none of ${redundancyNames.join(', ')} or k-of-n, for example 3-of-6`)
  return writtenLevel(name, Number(written[1]), Number(written[2]))
}

/** Whether redundancyOf() takes the name. */
export function isRedundancy(name: string): boolean {
  try {
    redundancyOf(name, 0)
    return true
  } catch (error) {
    if (!hasCode(error, 'invalid-input')) throw error
    return false
  }
}

function writtenLevel(name: string, k: number, n: number): Redundancy {
  if (k < 1) throw invalid(name, 'k is at least 1')
  if (k >= n) throw invalid(name, `k must be smaller than n, or no machine may be lost`)
  if (n > maxWritten) throw invalid(name, `n is at most ${maxWritten}`)
  return level(k, n, n - k >= 2 ? n - 1 : n)
}

/** `auto`: what the number of other machines allows. */
function automatic(others: number): Redundancy {
  if (others >= 6) return level(3, 6, 5)
  if (others === 5) return level(3, 5, 4)
  if (others === 4) return level(2, 4, 3)
  if (others === 3) return level(1, 3, 3)
  if (others === 2) return level(1, 2, 2)
  return level(1, 1, null)
}

function level(k: number, n: number, green: number | null): Redundancy {
  return { k, n, green }
}

/** The level of an object that was coded (k, n), whatever the work group's level is now; where names differ, the strict one. */
export function redundancyOfObject(k: number, n: number): Redundancy {
  if (n <= k) return level(k, n, null)
  const strict = (k === 1 && n <= 3) || n - k < 2
  return level(k, n, strict ? n : n - 1)
}

/**
 * Of an object that was cut for more machines than the level asks for now, because the group shrank or an admin lowered it:
 * `all` shards on machines of their own are asked for, and down to `green` it can lose what a new one could. Undefined: as
 * many are asked for as it has, or nothing is protected at this level.
 */
export function fewerAsked({ k, n }: { readonly k: number; readonly n: number }, level: Redundancy): { all: number; green: number } | undefined {
  if (level.n >= n || level.green === null) return undefined
  const green = k + level.green - level.k
  const all = Math.max(level.n, green)
  return all < n ? { all, green } : undefined
}

/** Shards on machines of their own that an object is asked for at a level: all that it was cut in, or fewer. */
export function wantedOf(object: { readonly k: number; readonly n: number }, level: Redundancy): number {
  return fewerAsked(object, level)?.all ?? object.n
}

/** The keyring is not cut: every holder has it whole. */
export function mirrored(redundancy: Redundancy): Redundancy {
  return redundancyOfObject(1, redundancy.n)
}

function invalid(name: string, state: string): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot use the redundancy ${JSON.stringify(name)}: ${state}`, { details: { redundancy: name } })
}

/** A single copy elsewhere: never green. */
export function isSinglePlace({ n }: Redundancy): boolean {
  return n === 1
}
