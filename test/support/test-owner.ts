/** An owner with a device, who makes well-formed shards and heads by docs/format.md sections 7 and 8, independently of shard.ts. */
import { createHash, randomBytes, sign } from 'node:crypto'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { signRecord } from '../../agent/identity/jws.ts'
import { type Machine, generateMachine, idToBytes } from '../../agent/identity/machine.ts'
import { type OwnerRoot, generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import { hashLeaves, rootOf } from '../../agent/merkle.ts'
import type { NewShard } from '../../agent/network/shard-store/port.ts'
import { type ObjectId, type ObjectKind, type ObjectRef, type PublishedHead, objectKinds } from '../../agent/object-store.ts'

export interface TestOwner {
  readonly root: OwnerRoot
  readonly machine: Machine
  readonly certificate: string
  readonly epoch: number
}

export async function makeOwner(options: { machine?: Machine; root?: OwnerRoot; epoch?: number } = {}): Promise<TestOwner> {
  const { machine = generateMachine(), root = ownerFromWords(generateWords()), epoch = 1 } = options
  return { root, machine, epoch, certificate: await issueDeviceCertificate(root, machine, epoch, Date.now()) }
}

export interface ShardShape { length?: number; k?: number; n?: number; number?: number; kind?: ObjectKind; id?: ObjectId }

/** A random shard of a random object, validly signed; `number` picks which of the n it is. */
export function makeShard(owner: TestOwner, shape: ShardShape = {}): NewShard {
  return makeShards(owner, shape)[shape.number ?? 0] as NewShard
}

/** All n shards of one random object. Their bytes are random, so they are no code words: a store cannot tell. */
export function makeShards(owner: TestOwner, { length = 200_000, k = 1, n = 2, kind = 'pack', id }: ShardShape = {}): NewShard[] {
  const step = length <= k * 1_048_576 ? 64 : 65_536
  const shardLength = Math.ceil(Math.ceil(length / k) / step) * step
  const objectId = id ?? randomBytes(32).toString('hex') as ObjectId
  const shards = Array.from({ length: n }, () => randomBytes(shardLength))
  const leaves = shards.map(hashLeaves)
  const body = Buffer.concat([fixedPart(owner, { length, k, n, kind, shardLength }), Buffer.from(objectId, 'hex'), ...leaves.map(rootOf)])
  const signature = sign(null, Buffer.concat([Buffer.from('holdfast/v1/shard'), body]), owner.machine.privateKey)
  return shards.map((bytes, number) => {
    const header = Buffer.concat([body, signature])
    header[7] = number
    return { owner: owner.root.id, id: objectId, number, header, leaves: leaves[number] as Uint8Array, bytes }
  })
}

function fixedPart(owner: TestOwner, shape: { length: number; k: number; n: number; kind: ObjectKind; shardLength: number }): Buffer {
  const fixed = Buffer.alloc(96)
  fixed.write('HFS1', 0, 'latin1')
  fixed.set([objectKinds[shape.kind], shape.k, shape.n, 0], 4)
  fixed.writeBigUInt64LE(BigInt(shape.length), 8)
  fixed.writeBigUInt64LE(BigInt(shape.shardLength), 16)
  idToBytes(owner.root.id).copy(fixed, 24)
  idToBytes(owner.machine.id).copy(fixed, 56)
  fixed.writeUInt32LE(owner.epoch, 88)
  return fixed
}

/** A live list of `count` random packs, ascending as bytes. */
export function makeLive(count: number): Buffer {
  const entries = Array.from({ length: count }, () => {
    const entry = Buffer.concat([Buffer.of(1), randomBytes(32), Buffer.alloc(8)])
    entry.writeBigUInt64LE(16_777_216n, 33)
    return entry
  })
  return Buffer.concat(entries.sort(Buffer.compare))
}

/** A live list of these objects. */
export function liveOf(objects: readonly ObjectRef[]): Buffer {
  return Buffer.concat(objects.map(({ kind, id, length }) => {
    const entry = Buffer.concat([Buffer.of(objectKinds[kind]), Buffer.from(id, 'hex'), Buffer.alloc(8)])
    entry.writeBigUInt64LE(BigInt(length), 33)
    return entry
  }).sort(Buffer.compare))
}

export async function makeHead(owner: TestOwner, seq: number, live: Uint8Array = makeLive(3), adopts: readonly { machine: string; seq: number }[] = []): Promise<PublishedHead> {
  const head = await signRecord('holdfast-head', {
    v: 1, owner: owner.root.id, machine: owner.machine.id, epoch: owner.epoch, seq, time: new Date().toISOString(),
    ...(seq > 1 ? { prev: createHash('sha256').update(String(seq - 1)).digest('hex') } : {}),
    keyring: randomBytes(32).toString('hex'), keyringLength: 4096, adopts,
    live: { count: live.length / 41, bytes: live.length / 41 * 16_777_216, sha256: createHash('sha256').update(live).digest('hex') },
  }, owner.machine)
  return { certificate: owner.certificate, head, live }
}
