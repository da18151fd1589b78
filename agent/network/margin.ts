/**
 * Which shards of an object are to be made anew: pure functions of where the others are.
 *
 * At once: every number that no machine of its own has. With patience (decision 0023): what is on machines that left, were
 * replaced or are gone by an admin's word lacks at once. A machine that is merely silent counts as having what it
 * acknowledged, but the longer it is silent, the fewer losses the others may be short of: after 10 days one more has to be
 * survivable without it, after 17 (two weeks of leave and the weekends around them) two more, after 21 as many as the
 * object is shown as protected with, and after 42 all of its shards lack. So leave costs nothing while margins are wide.
 * When it comes back its shards count again, beside those made in their place.
 */
import { type Place, matchShards } from './placement.ts'

/** What is done for silence alone. */
export interface Patience {
  /** After so many days of silence the others have to be able to lose so many more. */
  readonly stages: readonly { readonly days: number; readonly losses: number }[]
  /** After so many days as many shards as it takes to be shown as protected are made. */
  readonly shownDays: number
  /** After so many days all of it lacks. */
  readonly givenUpDays: number
}

export const patience: Patience = { stages: [{ days: 10, losses: 1 }, { days: 17, losses: 2 }], shownDays: 21, givenUpDays: 42 }

export interface PatientPlace extends Place {
  /** Since anybody heard of the machine. */
  readonly silentDays: number
}

export interface PatientRequest {
  readonly k: number
  readonly target: number
  /** Shards that it takes to be shown as protected when machines are gone. */
  readonly shown: number
  /** Machines of the group that were never asked what they have; each may have one of the missing shards. */
  readonly unlisted?: number
  /** So many of `target` are asked for no more, whichever. */
  readonly spare?: number
}

/** Numbers below `target` that lie on no host of their own. */
export function lackingNow(places: readonly Place[], target: number): number[] {
  const matched = matchShards(places)
  return Array.from({ length: target }, (_, number) => number).filter((number) => !matched.has(number))
}

/** Those worth making anew now, the longest silent first. `places`: on machines that are not gone for good. */
export function lackingWithPatience(places: readonly PatientPlace[], { k, target, shown, unlisted = 0, spare = 0 }: PatientRequest, { stages, shownDays, givenUpDays } = patience): number[] {
  const kept = places.filter(({ silentDays }) => silentDays < givenUpDays)
  const lost = lackingNow(kept, target)
  if (lost.length > unlisted + spare) return lost.slice(0, lost.length - unlisted - spare)
  let worth: number[] = []
  for (const { days, least } of [...stages.map(({ days, losses }) => ({ days, least: k + losses })), { days: shownDays, least: shown }]) {
    const lacking = lackingNow(kept.filter(({ silentDays }) => silentDays < days), target)
    const count = Math.min(least, target - spare) - (target - lacking.length + Math.min(lost.length, unlisted))
    if (count > worth.length) worth = lacking.toSorted((a, b) => silenceOf(b, kept) - silenceOf(a, kept)).slice(0, count)
  }
  return worth
}

/** Of the least silent machine that has it; below all when only one that was never asked may have it. */
function silenceOf(number: number, places: readonly PatientPlace[]): number {
  const silent = places.filter((place) => place.number === number).map(({ silentDays }) => silentDays)
  return silent.length === 0 ? -1 : Math.min(...silent)
}
