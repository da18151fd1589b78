/**
 * Who is connected to the pane door. A pane is paired once, by a ticket in the address that `holdfast open` opens or by a
 * code that a person types, and then carries a token. It is good for 12 hours after its last use, or for 30 days when the
 * person asked to stay connected. The ribbon's "Back up now" runs without a pane: it carries a token that can start a
 * backup and nothing else. The home keeps digests only, so that a pane that is open survives a restart of the agent.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type KeptText, parseKept } from '../kept-text.ts'

export type Scope = 'full' | 'backup'

const ticketMs = 5 * 60_000
const codeMs = 10 * 60_000
const codeTries = 5
const paneMs = 12 * 3_600_000
const rememberedMs = 30 * 24 * 3_600_000
/** How much later a token ends before that is worth a write. */
const slideMs = 3_600_000
const maxPanes = 64
const maxBackupTokens = 50
/** Without letters and digits that look alike. */
const codeAlphabet = '23456789ABCDEFGHJKMNPQRSTUVWXYZ'
const codeLength = 6

const fileSchema = z.object({
  v: z.literal(1),
  tokens: z.array(z.object({ id: z.string(), digest: z.string(), created: z.string(), label: z.string() })),
  panes: z.array(z.object({ digest: z.string(), until: z.number(), remembered: z.boolean() })).default([]),
})
type Kept = z.infer<typeof fileSchema>
type BackupToken = Kept['tokens'][number]

export class PaneSessions {
  /** The command line's, from the runtime file: good as long as the agent runs. */
  readonly ownToken = randomBytes(32).toString('base64url')
  readonly #now: () => number
  readonly #file: KeptText
  readonly #tickets = new Map<string, number>()
  #known: Kept | undefined
  #code: { readonly text: string; readonly until: number; tries: number } | undefined

  /** `now` in milliseconds. */
  constructor(file: KeptText, now: () => number) {
    this.#file = file
    this.#now = now
  }

  newTicket(): string {
    const ticket = randomBytes(24).toString('base64url')
    this.#sweep(this.#tickets)
    this.#tickets.set(digestOf(ticket), this.#now() + ticketMs)
    return ticket
  }

  /** A new code makes an older one void. */
  newCode(): string {
    const text = Array.from({ length: codeLength }, () => codeAlphabet[randomInt(codeAlphabet.length)]).join('')
    this.#code = { text, until: this.#now() + codeMs, tries: codeTries }
    return text
  }

  /** Throws `not-paired`, or `too-many-attempts` when the code was guessed at too often. */
  pair(given: { readonly ticket: string } | { readonly code: string; readonly remember?: boolean | undefined }): string {
    if ('ticket' in given) {
      const digest = digestOf(given.ticket)
      const until = this.#tickets.get(digest)
      this.#tickets.delete(digest)
      if (until === undefined || until < this.#now()) throw new HoldfastError('not-paired', 'Cannot connect: the link was used already or is too old; run holdfast open again')
    } else this.#useCode(given.code)
    return this.open('remember' in given && given.remember === true)
  }

  #useCode(given: string): void {
    const code = this.#code
    if (code === undefined || code.until < this.#now()) throw new HoldfastError('not-paired', 'Cannot connect: there is no code that is still good; run holdfast open --code')
    if (code.tries-- <= 0) throw new HoldfastError('too-many-attempts', 'Cannot connect: the code was typed wrong too often')
    const same = timingSafeEqual(Buffer.from(digestOf(given.trim().toUpperCase().replaceAll(/[\s-]/g, ''))), Buffer.from(digestOf(code.text)))
    if (!same) throw new HoldfastError(code.tries > 0 ? 'not-paired' : 'too-many-attempts', `Cannot connect: the code is not right; ${code.tries} attempts are left`, { details: { attemptsLeft: code.tries } })
    this.#code = undefined
  }

  /** A token for a pane whose person is known. The longest unused one gives way when there are too many. */
  open(remembered = false): string {
    const token = randomBytes(32).toString('base64url')
    const kept = this.#kept()
    const panes = this.#good(kept.panes).sort((one, other) => one.until - other.until).slice(-(maxPanes - 1))
    this.#save({ ...kept, panes: [...panes, { digest: digestOf(token), until: this.#now() + (remembered ? rememberedMs : paneMs), remembered }] })
    return token
  }

  close(token: string): void {
    const kept = this.#kept()
    const digest = digestOf(token)
    this.#save({ ...kept, panes: kept.panes.filter((pane) => pane.digest !== digest) })
  }

  /** What the token allows; undefined when it is none (any more). Using it makes it last. */
  scopeOf(token: string): Scope | undefined {
    const digest = digestOf(token)
    if (timingSafeEqual(Buffer.from(digest), Buffer.from(digestOf(this.ownToken)))) return 'full'
    const kept = this.#kept()
    const pane = this.#good(kept.panes).find((one) => one.digest === digest)
    if (pane === undefined) return kept.tokens.some((known) => known.digest === digest) ? 'backup' : undefined
    const until = this.#now() + (pane.remembered ? rememberedMs : paneMs)
    if (until - pane.until > slideMs) this.#save({ ...kept, panes: kept.panes.map((one) => (one === pane ? { ...one, until } : one)) })
    return 'full'
  }

  newBackupToken(label: string): { id: string; token: string } {
    const token = randomBytes(32).toString('base64url')
    const id = randomBytes(6).toString('hex')
    const kept = this.#kept()
    const tokens = [...kept.tokens.slice(-(maxBackupTokens - 1)), { id, digest: digestOf(token), created: new Date(this.#now()).toISOString(), label }]
    this.#save({ ...kept, tokens })
    return { id, token }
  }

  /** False when there is none of that id. */
  revokeBackupToken(id: string): boolean {
    const kept = this.#kept()
    const tokens = kept.tokens.filter((token) => token.id !== id)
    if (tokens.length < kept.tokens.length) this.#save({ ...kept, tokens })
    return tokens.length < kept.tokens.length
  }

  backupTokens(): readonly BackupToken[] {
    return this.#kept().tokens
  }

  /** Read once; nobody else writes the file. A damaged one is begun anew: people pair again. */
  #kept(): Kept {
    this.#known ??= parseKept(this.#file.read(), fileSchema) ?? { v: 1, tokens: [], panes: [] }
    return this.#known
  }

  #save(kept: Kept): void {
    this.#known = { ...kept, panes: this.#good(kept.panes) }
    this.#file.write(JSON.stringify(this.#known))
  }

  #good(panes: Kept['panes']): Kept['panes'] {
    return panes.filter(({ until }) => until >= this.#now())
  }

  #sweep(kept: Map<string, number>): void {
    for (const [digest, until] of kept) if (until < this.#now()) kept.delete(digest)
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** The bearer token of a request; empty when it has none. */
export function bearerOf(authorization: string | undefined): string {
  return /^Bearer ([A-Za-z0-9._~+/-]{1,8192}=*)$/.exec(authorization ?? '')?.[1] ?? ''
}
