/** Certificates of devices as they become known, and their keys; every one verified before it is learned. */
import type { KeyObject } from 'node:crypto'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../identity/device.ts'
import { importPublicKey } from '../identity/jws.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { ShardStore } from './shard-store/port.ts'

export class DeviceKeys {
  readonly #devices = new Map<string, { certificate: DeviceCertificate; key: KeyObject }>()

  /** Keeps the certificate of the highest epoch. Throws `record-invalid` when it does not verify. */
  async learn(jws: string): Promise<DeviceCertificate> {
    const certificate = await verifyDeviceCertificate(jws)
    const name = `${certificate.owner} ${certificate.machine}`
    const known = this.#devices.get(name)
    if (known === undefined || known.certificate.epoch < certificate.epoch) {
      this.#devices.set(name, { certificate, key: importPublicKey(certificate.jwk) })
    }
    return certificate
  }

  certificateOf(owner: OwnerId, machine: MachineId): DeviceCertificate | undefined {
    return this.#devices.get(`${owner} ${machine}`)?.certificate
  }

  /** The key of the device; when it is not known, the heads that `store` keeps are looked through for its certificate. */
  async keyOf(owner: OwnerId, machine: MachineId, store: ShardStore, options: { signal?: AbortSignal | undefined } = {}): Promise<KeyObject | undefined> {
    const name = `${owner} ${machine}`
    if (!this.#devices.has(name)) {
      for (const { certificate } of await store.heads(owner, options)) {
        await this.learn(certificate).catch((error: unknown) => {
          if (!(error instanceof HoldfastError)) throw error
        })
      }
    }
    return this.#devices.get(name)?.key
  }
}
