/**
 * The newest head seen of each device, and the highest epoch seen of each owner (docs/format.md sections 1 and 7).
 * A higher epoch shuts out devices of lower ones: what they signed before is found, what they sign from now on is refused.
 */
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import type { DeviceCertificate } from '../../identity/device.ts'
import { type VerifiedHead, sha256Of } from './records.ts'

export const maxHeads = 4000
export const maxOwners = 5000

export type HeadVerdict = 'taken' | 'known' | 'stale' | 'revoked' | 'cloned' | 'quota'

export class HeadBook {
  readonly #heads = new Map<string, VerifiedHead>()
  readonly #epochs = new Map<OwnerId, { readonly epoch: number; readonly certificate: string }>()

  /** The highest epoch ever seen for the owner; 0 when none. */
  epochOf(owner: OwnerId): number {
    return this.#epochs.get(owner)?.epoch ?? 0
  }

  /** True when this raised the owner's epoch. The certificate must be verified. */
  sawCertificate(jws: string, certificate: DeviceCertificate): boolean {
    if (certificate.epoch <= this.epochOf(certificate.owner)) return false
    if (!this.#epochs.has(certificate.owner) && this.#epochs.size >= maxOwners) return false
    this.#epochs.set(certificate.owner, { epoch: certificate.epoch, certificate: jws })
    return true
  }

  /** `fresh`: signed by now for all we know; false when the head comes from our own state. */
  add(head: VerifiedHead, fresh: boolean): HeadVerdict {
    const { owner, machine, epoch, seq } = head.head
    const key = `${owner}/${machine}`
    const known = this.#heads.get(key)
    if (known === undefined) {
      if (this.#heads.size >= maxHeads) return 'quota'
      this.#heads.set(key, head)
      return 'taken'
    }
    if (known.document.head === head.document.head) return 'known'
    const order = epoch - known.head.epoch || seq - known.head.seq
    if (order < 0) return 'stale'
    if (fresh && epoch < this.epochOf(owner)) return 'revoked'
    if (order > 0 || sha256Of(head.document.head) < sha256Of(known.document.head)) this.#heads.set(key, head)
    return order === 0 ? 'cloned' : 'taken'
  }

  get(owner: OwnerId, machine: MachineId): VerifiedHead | undefined {
    return this.#heads.get(`${owner}/${machine}`)
  }

  all(): VerifiedHead[] {
    return [...this.#heads.values()]
  }

  /** [owner, its highest epoch, the device certificate that proves it] */
  epochs(): [OwnerId, number, string][] {
    return [...this.#epochs].map(([owner, { epoch, certificate }]) => [owner, epoch, certificate])
  }
}
