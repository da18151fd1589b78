/**
 * What two machines say to each other (docs/protocol.md section 2): the schema of each request and answer, and the limits.
 *
 * Both ends parse what arrives, once, here. A request that does not fit is `invalid-input`, an answer that does not fit
 * `peer-misbehaves`; parsing throws nothing else, whatever came. Members that are not known are ignored.
 */
import { z } from 'zod'
import { type ErrorDetails, HoldfastError, type Problem, isErrorCode } from '../../../shared/errors.ts'
import { machineIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import { type ObjectId, type ObjectKind, objectKinds } from '../../object-store.ts'
import { halfSchema } from '../membership/contact-records.ts'
import { answerSchema, digestSchema, pushSchema } from '../membership/digest.ts'

export const protocolVersion = 1
export const doorPath = '/holdfast/'
/** Bytes of one message. */
export const maxMessage = 2_097_152
/** Bytes of shard or live list in one message. */
export const maxFrame = 1_048_576
/** Bytes of a shard that travel as a message, to send or to read; more go over the link's lane (lane.ts). */
export const maxByMessage = 262_144
/** Bytes of a shard that are asked for at a time over a lane. */
export const maxLaneRead = 16_777_216
/** Requests on one link that wait for their answer; one more closes the link. */
export const maxUnanswered = 16
/** Characters of a credential in the upgrade request. */
export const maxCredential = 24_576
/** Shards in one answer of shard.list. */
export const maxListed = 2000
/** Bytes of a live list: 41 bytes an object, so 1.6 million objects. */
export const maxLive = 67_108_864

/** Elements of any list, and members of any object: longer ones are refused before anything looks inside them. */
const maxElements = 5001
const maxMembers = 256
const entryLength = 41

function binary(max: number): z.ZodType<Uint8Array> {
  return z.instanceof(Uint8Array).refine((bytes) => bytes.length <= max, `more than ${max} bytes`)
}

const count = z.int().min(0)
const seq = z.int().min(1)
const jws = z.string().max(16_384)
const hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const objectId = hex32.transform((text) => text as ObjectId)
const kind = z.enum(Object.keys(objectKinds) as [ObjectKind, ...ObjectKind[]])
const shardNumber = z.int().min(0).max(254)
const transfer = z.int().min(1)
/** socket.io-parser ends a link that brings more in one message. */
const maxBinaries = 10
const header = binary(128 + 32 * 255 + 64)
const leaves = binary(maxFrame)
const shard = { owner: ownerIdSchema, id: objectId, number: shardNumber }
const liveList = binary(maxFrame).refine((bytes) => bytes.length % entryLength === 0, 'no whole number of entries')
const nothing = z.object({})

export const wire = {
  'hello': {
    request: z.object({ protocols: z.array(z.int()).max(32), time: count }),
    answer: z.object({
      protocol: z.literal(protocolVersion), name: z.string().max(128), agent: z.string().max(64), time: count,
      offer: z.object({ free: count, quota: count, used: count }),
    }),
  },
  'gossip': { request: digestSchema, answer: answerSchema },
  'gossip.push': { request: pushSchema, answer: nothing },
  'head.put': {
    request: z.object({
      certificate: jws, head: jws,
      live: z.object({ from: count, add: liveList, drop: liveList, more: z.boolean() }),
    }),
    answer: z.union([z.object({ seq: count }), z.object({ need: z.enum(['full', 'more']) })]),
  },
  'head.list': {
    request: z.object({ owner: ownerIdSchema, after: machineIdSchema.optional() }),
    answer: z.object({
      heads: z.array(z.object({ machine: machineIdSchema, seq, certificate: jws, head: jws, live: count.max(maxLive) })).max(16),
      more: z.boolean(),
    }),
  },
  'head.live': {
    request: z.object({ owner: ownerIdSchema, machine: machineIdSchema, seq, offset: count, length: z.int().min(1).max(maxFrame) }),
    answer: z.object({ bytes: binary(maxFrame) }),
  },
  'shard.list': {
    request: z.object({ owner: ownerIdSchema, after: z.tuple([objectId, shardNumber]).optional(), limit: z.int().min(1).max(maxListed), holding: header.optional() }),
    answer: z.object({
      shards: z.array(z.object({ kind, id: objectId, k: z.int().min(1).max(255), n: z.int().min(1).max(255), number: shardNumber, length: z.int().min(1) })).max(maxListed),
      more: z.boolean(),
    }),
  },
  'shard.begin': {
    request: z.object({ header, leaves }),
    answer: z.union([z.object({ stored: z.literal(true) }), z.object({ transfer, offset: count })]),
  },
  'shard.data': { request: z.object({ transfer, offset: count, bytes: binary(maxFrame) }), answer: z.object({ received: count }) },
  'shard.commit': { request: z.object({ transfer }), answer: z.object({ stored: z.literal(true) }) },
  'shard.open': {
    request: z.object({ ...shard, holding: header.optional() }),
    answer: z.object({ header, leaves }),
  },
  'shard.read': {
    request: z.object({ ...shard, offset: count, length: z.int().min(1).max(maxFrame), holding: header.optional() }),
    answer: z.object({ bytes: binary(maxFrame) }),
  },
  'shard.send': {
    request: z.object({ ...shard, offset: count, length: z.int().min(1).max(maxLaneRead), as: z.int().min(1).max(0xffff_ffff), holding: header.optional() }),
    answer: nothing,
  },
  'retention.agree': { request: z.object({ wish: jws, consent: jws }), answer: nothing },
  'contact.keep': { request: z.object({ choice: jws, half: halfSchema }), answer: nothing },
  'contact.open': { request: z.object({ request: jws }), answer: z.object({ half: halfSchema }) },
  'shard.holds': {
    request: z.object({ owner: ownerIdSchema, holding: z.array(header).max(maxBinaries) }),
    answer: z.object({ numbers: z.array(z.array(shardNumber).max(255)).max(maxBinaries) }),
  },
  'members': {
    request: z.object({ after: count }),
    answer: z.object({ records: z.array(jws).max(maxElements), more: z.boolean() }),
  },
} as const satisfies Record<string, { request: z.ZodType; answer: z.ZodType }>

export type WireEvent = keyof typeof wire
export type WireRequest<E extends WireEvent> = z.output<(typeof wire)[E]['request']>
export type WireAnswer<E extends WireEvent> = z.output<(typeof wire)[E]['answer']>

/** What an acknowledgement carries. */
export type Reply<E extends WireEvent> = ({ readonly ok: true } & WireAnswer<E>) | { readonly ok: false; readonly problem: Problem }

export function isWireEvent(value: unknown): value is WireEvent {
  return typeof value === 'string' && Object.hasOwn(wire, value)
}

/** Throws `invalid-input`. */
export function parseRequest<E extends WireEvent>(event: E, value: unknown): WireRequest<E> {
  return parse(wire[event].request as z.ZodType, value, (state, cause) =>
    new HoldfastError('invalid-input', `Cannot take a request ${event}: ${state}`, { cause })) as WireRequest<E>
}

const problemSchema = z.object({ code: z.string().max(64), detail: z.string().max(1000), details: z.unknown() })
const replySchema = z.discriminatedUnion('ok', [z.looseObject({ ok: z.literal(true) }), z.object({ ok: z.literal(false), problem: problemSchema })])

/**
 * Throws what the peer's problem says, with the peer's name in the message and its code kept; `peer-misbehaves` when the
 * reply has another shape or a code that nobody knows.
 */
export function parseReply<E extends WireEvent>(event: E, value: unknown, peer: string): WireAnswer<E> {
  const misbehaves = (state: string, cause?: unknown) =>
    new HoldfastError('peer-misbehaves', `Cannot use the answer of ${peer} to ${event}: ${state}`, { cause, details: { peer } })
  const reply = parse(replySchema, value, misbehaves)
  if (reply.ok) return parse(wire[event].answer as z.ZodType, reply, misbehaves) as WireAnswer<E>
  const { code, detail, details } = reply.problem
  if (!isErrorCode(code)) throw misbehaves('a problem of an unknown code')
  throw new HoldfastError(code, `${peer}: ${detail}`, { details: { ...plainDetails(details), peer } })
}

function plainDetails(details: unknown): ErrorDetails {
  const entries = typeof details === 'object' && details !== null ? Object.entries(details).slice(0, 16) : []
  const plain = entries.filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value))
  return Object.fromEntries(plain.map(([name, value]) => [name.slice(0, 64), typeof value === 'string' ? value.slice(0, 256) : value as number | boolean]))
}

/** One error for the first fault; a message full of rubbish never costs one error, or one step, for each piece of it. */
function parse<T>(schema: z.ZodType<T>, value: unknown, failure: (state: string, cause?: unknown) => HoldfastError): T {
  let parsed: z.ZodSafeParseResult<T>
  try {
    if (isExcessive(value, 4)) throw new RangeError('a list is too long, or an object has too many members')
    parsed = schema.safeParse(value)
  } catch (cause) {
    throw failure('it cannot be read', cause)
  }
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw failure(`${issue?.path.map(String).join('.').slice(0, 100) || 'it'}: ${issue?.message.slice(0, 200)}`)
}

function isExcessive(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || depth === 0) return false
  const members: unknown[] = Array.isArray(value) ? value : Object.keys(value)
  if (members.length > (members === value ? maxElements : maxMembers)) return true
  return Object.values(value).some((member) => isExcessive(member, depth - 1))
}
