/**
 * Whose signature makes a shard one that is taken in: a device whose certificate is known (from a peer record, or from a head
 * that was kept), of the owner's highest epoch, or of an older one when a head of the highest epoch names the object (a repair
 * of what was written before).
 */
import type { KeyObject } from 'node:crypto'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, type OwnerId, shortId } from '../../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../identity/device.ts'
import { importPublicKey } from '../../identity/jws.ts'
import { type ShardHeader, checkLeaves, checkRef, parseHeader, verifyHeader } from '../shard.ts'
import type { HeadHistory } from './head-history.ts'
import type { NewShard } from './port.ts'

/** Verified certificate of a device from a peer record; heads bring their own. */
export type CertificateSource = (owner: OwnerId, machine: MachineId) => DeviceCertificate | undefined | Promise<DeviceCertificate | undefined>

export class ShardSigners {
  readonly #history: HeadHistory
  readonly #told: CertificateSource
  readonly #keys = new Map<MachineId, KeyObject>()

  constructor(history: HeadHistory, told: CertificateSource) {
    this.#history = history
    this.#told = told
  }

  /** The header of a shard that may be taken in. Throws `record-invalid`, `object-damaged`, or `revoked` for an epoch that is over. */
  async verified(shard: Omit<NewShard, 'bytes'>): Promise<ShardHeader> {
    const { owner, machine, epoch, id } = parseHeader(shard.header)
    const certificate = await this.#certificateOf(owner, machine)
    if (certificate === undefined || certificate.epoch < epoch) {
      throw new HoldfastError('record-invalid', `Cannot store the shard: no certificate of epoch ${epoch} for ${shortId(machine)} is known`)
    }
    const header = verifyHeader(shard.header, this.#keyOf(certificate))
    checkRef(header, shard)
    checkLeaves(header, shard.leaves)
    if (epoch < this.#history.ownerEpoch(owner) && !this.#history.isNamed(owner, id)) {
      throw new HoldfastError('revoked', `Cannot store the shard: epoch ${epoch} of its owner is over`)
    }
    return header
  }

  /** The signature of what lies here, where the device's certificate is known. Throws `object-damaged`. */
  async check(header: Uint8Array): Promise<void> {
    const { machine, owner } = parseHeader(header)
    const certificate = await this.#certificateOf(owner, machine)
    if (certificate !== undefined) verifyHeader(header, this.#keyOf(certificate))
  }

  async #certificateOf(owner: OwnerId, machine: MachineId): Promise<DeviceCertificate | undefined> {
    const known = this.#history.device(owner, machine)
    const told = await this.#told(owner, machine)
    if (told !== undefined) this.#history.raiseEpoch(owner, told.epoch)
    if (known === undefined || (told !== undefined && told.epoch >= known.epoch)) return told
    return await verifyDeviceCertificate(known.certificate)
  }

  #keyOf(certificate: DeviceCertificate): KeyObject {
    const key = this.#keys.get(certificate.machine) ?? importPublicKey(certificate.jwk)
    this.#keys.set(certificate.machine, key)
    return key
  }
}
