/**
 * Gossip as data (docs/protocol.md section 4): what one side has, what the other lacks of it. Transport is elsewhere.
 *
 * A sends digestOf(A); B answers answerDigest(B, digest): what A lacks, and what B wants. A takes the answer in and pushes
 * pushFor(A, want). Ages are rounded up, so that a rumour never grows younger on its way.
 */
import { z } from 'zod'
import { machineIdSchema, ownerIdSchema, type MachineId } from '../../../shared/ids.ts'
import { type IngestReport, type Source, joinReports } from './intake.ts'
import { maxInvitations } from './invitation-book.ts'
import type { Membership } from './membership.ts'
import { maxPeers } from './peer-book.ts'
import { maxContactRecords } from './contact-book.ts'
import { maxReportLength } from './coverage-report.ts'
import { maxHeads, maxOwners } from './head-book.ts'
import { maxEpochs, maxSideRecords } from './network-chain.ts'
import { type HeadDocument, headDocumentSchema } from './records.ts'

/** Characters of records and heads in one answer or push; the rest follows in the next round. */
export const maxGossipLength = 900_000

const epoch = z.int().min(1)
const seq = z.int().min(0)
/** Seconds; null when nobody ever reported an answer. */
const age = z.number().min(0).nullable()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const invitationId = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const maxNetworks = maxEpochs + maxSideRecords

export const digestSchema = z.object({
  network: z.array(z.tuple([epoch, sha256])).max(maxNetworks),
  peers: z.array(z.tuple([machineIdSchema, seq, age])).max(maxPeers + 1),
  heads: z.array(z.tuple([ownerIdSchema, machineIdSchema, epoch, seq])).max(maxHeads),
  certificates: z.array(z.tuple([ownerIdSchema, epoch])).max(maxOwners),
  coverage: z.array(z.tuple([machineIdSchema, seq])).max(maxPeers + 1).default([]),
  invitations: z.array(invitationId).max(maxInvitations).default([]),
  contacts: z.array(sha256).max(maxContactRecords).default([]),
})
export type Digest = z.infer<typeof digestSchema>

const wantSchema = z.object({
  network: z.array(epoch).max(maxNetworks), peers: z.array(machineIdSchema).max(maxPeers + 1),
  heads: z.array(z.tuple([ownerIdSchema, machineIdSchema])).max(maxHeads),
  certificates: z.array(ownerIdSchema).max(maxOwners), coverage: z.array(machineIdSchema).max(maxPeers + 1).default([]),
  invitations: z.array(invitationId).max(maxInvitations).default([]),
  contacts: z.array(sha256).max(maxContactRecords).default([]),
})
export type Want = z.infer<typeof wantSchema>

export const pushSchema = z.object({
  records: z.array(z.string()).max(20_000), heads: z.array(headDocumentSchema).max(maxHeads), coverage: z.array(z.string().max(maxReportLength)).max(maxPeers + 1).default([]),
})
export type Push = z.infer<typeof pushSchema>

export const answerSchema = pushSchema.extend({ ages: z.array(z.tuple([machineIdSchema, z.number().min(0)])).max(maxPeers + 1), want: wantSchema })
export type Answer = z.infer<typeof answerSchema>

export function digestOf(membership: Membership): Digest {
  const { own } = membership
  const peers = membership.members().map((member): Digest['peers'][number] => [member.id, member.record.seq, roundAge(member.heardSecondsAgo)])
  if (own.peer !== undefined) peers.push([membership.self, own.peer.record.seq, 0])
  return {
    network: membership.chain.entries().map((entry) => [entry.record.epoch, entry.sha256]),
    peers,
    heads: membership.heads.all().map(({ head }) => [head.owner, head.machine, head.epoch, head.seq]),
    certificates: membership.heads.epochs().map(([owner, epoch]) => [owner, epoch]),
    coverage: membership.coverage.all().map(({ report }) => [report.id, report.seq]),
    invitations: membership.invitations.all().map(({ invitation }) => invitation.id),
    contacts: [...membership.contacts.records().keys()],
  }
}

function roundAge(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.ceil(seconds) + 1
}

/** Takes the ages in, and answers what the other side lacks and what is wanted of it. */
export function answerDigest(membership: Membership, digest: Digest): Answer {
  takeAges(membership, digest.peers)
  return {
    ...cut({ records: [...networksBeyond(membership, digest), ...certificatesBeyond(membership, digest), ...invitationsBeyond(membership, digest), ...peersBeyond(membership, digest), ...contactsBeyond(membership, digest)], heads: headsBeyond(membership, digest), coverage: coverageBeyond(membership, digest) }),
    ages: membership.members().flatMap((member): [MachineId, number][] => {
      const rounded = roundAge(member.heardSecondsAgo)
      return rounded === null ? [] : [[member.id, rounded]]
    }),
    want: wantOf(membership, digest),
  }
}

/** What `want` asked for, as far as it is here. */
export function pushFor(membership: Membership, want: Want): Push {
  const epochs = new Set(want.network)
  const owners = new Set(want.certificates)
  const records = [
    ...membership.chain.entries().filter((entry) => epochs.has(entry.record.epoch)).map((entry) => entry.jws),
    ...membership.heads.epochs().filter(([owner]) => owners.has(owner)).map(([, , jws]) => jws),
    ...want.invitations.flatMap((id) => membership.invitations.get(id)?.jws ?? []),
    ...want.peers.flatMap((id) => recordOf(membership, id)?.jws ?? []),
    ...want.contacts.flatMap((hash) => membership.contacts.records().get(hash) ?? []),
  ]
  return cut({ records, heads: want.heads.flatMap(([owner, machine]) => membership.heads.get(owner, machine)?.document ?? []), coverage: want.coverage.flatMap((id) => membership.coverage.get(id)?.jws ?? []) })
}

/** Takes in what a member sent: an answer's or a push's records, heads and ages. */
export async function takePush(membership: Membership, push: Push & { readonly ages?: Answer['ages'] }, member: MachineId): Promise<IngestReport> {
  const from: Source = { kind: 'member', name: member }
  const report = await membership.ingest(push.records, from)
  const heads = await membership.takeHeads(push.heads, from)
  const coverage = await membership.takeCoverage(push.coverage)
  takeAges(membership, push.ages ?? [])
  return joinReports(report, heads, coverage)
}

function takeAges(membership: Membership, ages: readonly (readonly [MachineId, ...unknown[], number | null])[]): void {
  for (const entry of ages) {
    const age = entry.at(-1) as number | null
    if (age !== null && membership.member(entry[0]) !== undefined) membership.liveness.heard(entry[0], age)
  }
}

function recordOf(membership: Membership, id: MachineId): { readonly jws: string; readonly record: { readonly seq: number } } | undefined {
  return id === membership.self ? membership.own.peer : membership.member(id)
}

function networksBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Set(digest.network.map(([, sha256]) => sha256))
  return membership.chain.entries().filter((entry) => !theirs.has(entry.sha256)).map((entry) => entry.jws)
}

function certificatesBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Map(digest.certificates)
  return membership.heads.epochs().filter(([owner, epoch]) => epoch > (theirs.get(owner) ?? 0)).map(([, , jws]) => jws)
}

function invitationsBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Set(digest.invitations)
  return membership.invitations.all().filter(({ invitation }) => !theirs.has(invitation.id)).map(({ jws }) => jws)
}

function contactsBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Set(digest.contacts)
  return [...membership.contacts.records()].filter(([hash]) => !theirs.has(hash)).map(([, jws]) => jws)
}

function peersBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Map(digest.peers.map(([id, seq]) => [id, seq]))
  const mine = [...membership.members().map((member) => member.id), membership.self]
  return mine.flatMap((id) => {
    const held = recordOf(membership, id)
    return held !== undefined && held.record.seq > (theirs.get(id) ?? -1) ? [held.jws] : []
  })
}

function headsBeyond(membership: Membership, digest: Digest): HeadDocument[] {
  const theirs = new Map(digest.heads.map(([owner, machine, epoch, seq]) => [`${owner}/${machine}`, { epoch, seq }]))
  return membership.heads.all().filter(({ head }) => {
    const known = theirs.get(`${head.owner}/${head.machine}`)
    return known === undefined || (head.epoch - known.epoch || head.seq - known.seq) > 0
  }).map((head) => head.document)
}

function coverageBeyond(membership: Membership, digest: Digest): string[] {
  const theirs = new Map(digest.coverage)
  return membership.coverage.all().filter(({ report }) => report.seq > (theirs.get(report.id) ?? 0)).map(({ jws }) => jws)
}

function wantOf(membership: Membership, digest: Digest): Want {
  return {
    network: [...new Set(digest.network.filter(([, sha256]) => !membership.chain.has(sha256)).map(([epoch]) => epoch))],
    certificates: digest.certificates.filter(([owner, epoch]) => epoch > membership.ownerEpoch(owner)).map(([owner]) => owner),
    peers: digest.peers.filter(([id, seq]) => !membership.isRevoked(id) && id !== membership.self && seq > (recordOf(membership, id)?.record.seq ?? -1)).map(([id]) => id),
    coverage: digest.coverage.filter(([id, seq]) => membership.member(id) !== undefined && seq > (membership.coverage.get(id)?.report.seq ?? 0)).map(([id]) => id),
    contacts: digest.contacts.filter((hash) => !membership.contacts.records().has(hash)),
    invitations: digest.invitations.filter((id) => membership.invitations.get(id) === undefined),
    heads: digest.heads.filter(([owner, machine, epoch, seq]) => {
      const known = membership.heads.get(owner, machine)?.head
      return known === undefined || (epoch - known.epoch || seq - known.seq) > 0
    }).map(([owner, machine]) => [owner, machine]),
  }
}

/** As many records, then heads, then coverage reports, as fit in one message. */
function cut(push: Push): Push {
  let left = maxGossipLength
  const fits = (length: number): boolean => (left -= length) >= 0
  return {
    records: push.records.filter((jws) => fits(jws.length)),
    heads: push.heads.filter(({ certificate, head }) => fits(certificate.length + head.length)),
    coverage: push.coverage.filter((jws) => fits(jws.length)),
  }
}
