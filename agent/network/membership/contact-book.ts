/**
 * What a machine knows of recovery contacts, and the half of each contact's key that it keeps as a holder.
 *
 * The half is released to the contact's machines only, so many days of the holder's own time after it heard of their signed
 * request, unless the owner ended it before; requests spread by gossip, so the owner sees every one.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import { type ContactChoice, type ContactPass, type ContactRecord, type ContactRequest, halfSchema } from './contact-records.ts'
import { sha256Of } from './records.ts'

const maxOfOwner = 32
const maxChoices = 1500
const maxPasses = 500
const maxPassesOfContact = 8
/** A choice, a request and an end or a drop of each; and what was passed on. */
export const maxContactRecords = 3 * maxChoices + maxPasses
const dayMs = 86_400_000

/** `heard`: own time of this machine, ms, when it heard of the request. */
export const contactStateSchema = z.object({
  records: z.array(z.string()), halves: z.array(z.tuple([z.string(), halfSchema])), heard: z.array(z.tuple([z.string(), z.number()])),
})
export type ContactState = z.infer<typeof contactStateSchema>

export interface Contact {
  readonly id: string
  readonly choice: ContactChoice
  readonly jws: string
  /** By the owner's word, or by a recovery: that raises the epoch and ends whoever was chosen before. */
  readonly isEnded: boolean
  readonly request: ContactRequest | undefined
  /** In this machine's own time, ms; undefined while nobody asked. */
  readonly opensMs: number | undefined
  readonly isOpen: boolean
  /** Handed over by an owner who left: it opens without a request. */
  readonly isHanded: boolean
  /** By whom it was passed on to whom, in order. */
  readonly passes: readonly ContactPass[]
  /** The colleague needs it no more; ended, too. */
  readonly isDropped: boolean
}

interface Held {
  readonly choice: Extract<ContactRecord, { kind: 'choice' }>
  request: Extract<ContactRecord, { kind: 'request' }> | undefined
  heardMs: number | undefined
  end: Extract<ContactRecord, { kind: 'end' | 'drop' }> | undefined
  half: string | undefined
  readonly passes: Extract<ContactRecord, { kind: 'pass' }>[]
}

/** Whose machines the contact's half is sealed for, those included to which it was passed on. */
export function machinesOf({ choice, passes }: Pick<Contact, 'choice' | 'passes'>): Set<MachineId> {
  return new Set([...choice.to, ...passes.flatMap(({ to }) => to)])
}

/** Half A as it was sealed for the machine, the newest first: not each one need be good. */
export function sealedFor(machine: MachineId, { choice, passes }: Pick<Contact, 'choice' | 'passes'>): string[] {
  return [choice, ...passes].filter(({ to }) => to.includes(machine)).map(({ sealed }) => sealed).reverse()
}

export class ContactBook {
  readonly #held = new Map<string, Held>()
  readonly #epochOf: (owner: OwnerId) => number
  #ownTime: () => number
  /** records(), until something is added. */
  #records: ReadonlyMap<string, string> | undefined

  /** `now`: milliseconds since 1970, until there is a better clock. `epochOf`: the highest of an owner that was seen. */
  constructor(now: () => number, epochOf: (owner: OwnerId) => number) {
    this.#ownTime = now
    this.#epochOf = epochOf
  }

  /** Waiting is measured by time that the machine's clock cannot skip (own-time.ts), ms, once there is a holder. */
  follow(ownTime: () => number): void {
    this.#ownTime = ownTime
  }

  /** The record must be verified, of this network, and its device of the owner's highest epoch when it is news. */
  add(record: ContactRecord): 'taken' | 'known' | 'stale' | 'waiting' | 'quota' | 'not-asked' {
    const verdict = this.#add(record)
    if (verdict === 'taken') this.#records = undefined
    return verdict
  }

  #add(record: ContactRecord): ReturnType<ContactBook['add']> {
    const held = this.#held.get(record.record.contact)
    if (record.kind === 'choice') {
      if (held !== undefined) return held.choice.jws === record.jws ? 'known' : 'stale'
      const ofOwner = [...this.#held.values()].filter(({ choice }) => choice.record.owner === record.record.owner)
      if (ofOwner.length >= maxOfOwner || this.#held.size >= maxChoices) return 'quota'
      this.#held.set(record.record.contact, { choice: record, request: undefined, heardMs: undefined, end: undefined, half: undefined, passes: [] })
      return 'taken'
    }
    if (held === undefined) return 'waiting'
    if (held.choice.record.owner !== record.record.owner) return 'not-asked'
    const { to, open } = held.choice.record
    if (record.kind === 'pass') return this.#pass(held, record)
    if (record.kind === 'drop' && (open === undefined || !hasMachine(held, record.record.machine))) return 'not-asked'
    if (record.kind === 'end' || record.kind === 'drop') {
      if (held.end !== undefined) return held.end.jws === record.jws ? 'known' : 'stale'
      Object.assign(held, { end: record, half: undefined })
      return 'taken'
    }
    if (open !== undefined || !to.includes(record.record.machine)) return 'not-asked'
    if (held.request !== undefined || held.end !== undefined) return held.request?.jws === record.jws ? 'known' : 'stale'
    Object.assign(held, { request: record, heardMs: this.#ownTime() })
    return 'taken'
  }

  /** By a machine that has it; one that is told of before what made it one waits. */
  #pass(held: Held, pass: Extract<ContactRecord, { kind: 'pass' }>): ReturnType<ContactBook['add']> {
    if (held.choice.record.open === undefined) return 'not-asked'
    if (held.passes.some(({ jws }) => jws === pass.jws)) return 'known'
    if (held.end !== undefined) return 'stale'
    if (!hasMachine(held, pass.record.machine)) return 'waiting'
    const all = [...this.#held.values()].reduce((sum, { passes }) => sum + passes.length, 0)
    if (held.passes.length >= maxPassesOfContact || all >= maxPasses) return 'quota'
    held.passes.push(pass)
    return 'taken'
  }

  /** Keeps a holder's half. Throws `record-invalid` when it is not the one that the owner signed, `not-found` for no contact. */
  keepHalf(id: string, half: string): boolean {
    const held = this.#held.get(id)
    if (held === undefined || this.get(id)?.isEnded === true) throw new HoldfastError('not-found', 'Cannot keep the half of a recovery contact: there is no such contact, or it was ended')
    if (createHash('sha256').update(Buffer.from(half, 'base64url')).digest('hex') !== held.choice.record.half) throw new HoldfastError('record-invalid', 'Cannot keep the half of a recovery contact: it is not the one that its owner signed')
    if (held.half === half) return false
    held.half = half
    return true
  }

  halfOf(id: string): string | undefined {
    return this.#held.get(id)?.half
  }

  /** The signed request. */
  requestText(id: string): string | undefined {
    return this.#held.get(id)?.request?.jws
  }

  /**
   * The half, for a machine of the contact. Throws `unauthorized` for another one, `not-found` when there is none here or it
   * was ended, `contact-waiting` with the seconds that are left.
   */
  release(id: string, machine: MachineId): string {
    const contact = this.get(id)
    if (contact?.choice.to.includes(machine) !== true) throw new HoldfastError('unauthorized', 'Cannot release the half of a recovery contact: it was chosen for another machine')
    const half = this.halfOf(id)
    if (contact.isEnded || half === undefined) throw new HoldfastError('not-found', contact.isEnded ? 'Cannot release the half of the recovery contact: its owner ended it' : 'Cannot release the half of the recovery contact: it is not here')
    if (contact.opensMs === undefined || !contact.isOpen) throw contactWaiting((contact.opensMs ?? this.#ownTime() + contact.choice.waitDays * dayMs) - this.#ownTime())
    return half
  }

  /** May the machine read what the owner has stored: was its request open here? */
  isReader(owner: OwnerId, machine: MachineId): boolean {
    return [...this.#held].some(([id, held]) => held.choice.record.owner === owner && hasMachine(held, machine) && this.get(id)?.isOpen === true)
  }

  /** Did the colleague drop what the owner handed over? */
  isDropped(owner: OwnerId): boolean {
    const handed = [...this.#held].filter(([, { choice: { record } }]) => record.owner === owner && record.open !== undefined).flatMap(([id]) => this.get(id) ?? [])
    return handed.some(({ isDropped }) => isDropped) && handed.every(({ isEnded }) => isEnded)
  }

  get(id: string): Contact | undefined {
    const held = this.#held.get(id)
    if (held === undefined) return undefined
    const { choice: { record: choice, jws, device }, request, heardMs, end, passes } = held
    const isEnded = end !== undefined || device.epoch < this.#epochOf(choice.owner)
    const opensMs = request === undefined || isEnded || heardMs === undefined ? undefined : heardMs + choice.waitDays * dayMs
    const isHanded = choice.open !== undefined
    return {
      id, choice, jws, isEnded, isHanded, isDropped: end?.kind === 'drop', passes: passes.map(({ record }) => record), request: request?.record, opensMs,
      isOpen: isHanded ? !isEnded : opensMs !== undefined && opensMs <= this.#ownTime(),
    }
  }

  all(): Contact[] {
    return [...this.#held.keys()].flatMap((id) => this.get(id) ?? [])
  }

  /** Until it is open, ms; 0 when it is. */
  waitMs({ opensMs }: Contact): number | undefined {
    return opensMs === undefined ? undefined : Math.max(0, opensMs - this.#ownTime())
  }

  /** By hash, what it depends on first. */
  records(): ReadonlyMap<string, string> {
    if (this.#records !== undefined) return this.#records
    const all = [...this.#held.values()]
    const jws = [...all.map(({ choice }) => choice.jws), ...all.flatMap(({ passes }) => passes.map((pass) => pass.jws)), ...all.flatMap(({ request, end }) => [request, end]).flatMap((one) => (one === undefined ? [] : [one.jws]))]
    this.#records = new Map(jws.map((one) => [sha256Of(one), one]))
    return this.#records
  }

  toState(): ContactState {
    const entries = [...this.#held.entries()]
    return {
      records: [...this.records().values()],
      halves: entries.flatMap(([id, { half }]): [string, string][] => (half === undefined ? [] : [[id, half]])),
      heard: entries.flatMap(([id, { heardMs }]): [string, number][] => (heardMs === undefined ? [] : [[id, heardMs]])),
    }
  }

  /** What lies in the state beside the records, once these are in. */
  load({ halves, heard }: ContactState): void {
    for (const [id, half] of halves) if (this.get(id)?.isEnded === false) this.keepHalf(id, half)
    for (const [id, heardMs] of heard) {
      const held = this.#held.get(id)
      if (held !== undefined) held.heardMs = heardMs
    }
  }
}

function hasMachine({ choice, passes }: Held, machine: MachineId): boolean {
  return choice.record.to.includes(machine) || passes.some(({ record }) => record.to.includes(machine))
}

/** `3 days`, `5 hours`; what is left of a day or an hour counts whole. */
export function waitText(seconds: number): string {
  const hours = Math.ceil(seconds / 3600)
  if (hours >= 48) return `${Math.ceil(hours / 24)} days`
  return hours === 1 ? '1 hour' : `${hours} hours`
}

export function contactWaiting(waitMs: number): HoldfastError {
  return new HoldfastError('contact-waiting', `Cannot open the backup yet: its owner has ${waitText(waitMs / 1000)} more to refuse`, { details: { seconds: Math.ceil(waitMs / 1000) } })
}
