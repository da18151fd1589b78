/**
 * The TLS connection of a dialler. Pinned: the certificate of the peer record is the only authority and the key of what
 * the server shows must be the machine's. `rejectUnauthorized` stays on: without it Node never calls checkServerIdentity.
 */
import type { NetConnectOpts } from 'node:net'
import { type ConnectionOptions, type PeerCertificate, type TLSSocket, connect } from 'node:tls'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import type { Machine } from '../../identity/machine.ts'
import { certificateToPem, machineIdOfCertificate } from './certificate.ts'

export interface Identity {
  readonly machine: Machine
  /** Its self-signed certificate, as in its peer record (certificate.ts). */
  readonly certificate: string
}

export interface Target {
  /** What messages call the peer. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Absent only for a recovery that knows nothing but host and port. */
  readonly pin?: { readonly id: MachineId; readonly certificate: string } | undefined
}

/**
 * Best first. AES with 128 bits costs a quarter less than with 256 and is as far out of reach; what is secret for
 * long (the contents of shards) is sealed with 256 bits before it travels.
 */
export const tlsCiphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** `key` and `cert` for node:tls. */
export function tlsIdentity({ machine, certificate }: Identity): { key: string; cert: string } {
  return { key: machine.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, cert: certificateToPem(certificate) }
}

/** Resolves with the connected socket and the server's machine id. Rejects `peer-unreachable`, or with the signal's reason. */
export async function dialTls(target: Target, identity: Identity, signal: AbortSignal, options: Pick<ConnectionOptions & NetConnectOpts, 'onread'> = {}): Promise<{ socket: TLSSocket; machine: MachineId }> {
  signal.throwIfAborted()
  const socket = connect({
    host: target.host, port: target.port, ...tlsIdentity(identity), minVersion: 'TLSv1.3', ciphers: tlsCiphers, ...serverCheck(target.pin), ...options,
  })
  socket.setNoDelay(true)
  try {
    await connected(socket, signal)
    const machine = machineIdOfCertificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0))
    if (machine === undefined) throw new Error('it shows no machine certificate')
    return { socket, machine }
  } catch (cause) {
    socket.destroy()
    signal.throwIfAborted()
    const state = cause instanceof Error ? cause.message : 'it does not answer'
    throw new HoldfastError('peer-unreachable', `Cannot reach ${target.name} at ${target.host}:${target.port}: ${state}`, { cause, details: { peer: target.name } })
  }
}

function serverCheck(pin: Target['pin']): ConnectionOptions {
  if (pin === undefined) return { rejectUnauthorized: false }
  return {
    ca: certificateToPem(pin.certificate), rejectUnauthorized: true,
    checkServerIdentity: (_host: string, shown: PeerCertificate) =>
      machineIdOfCertificate(shown.raw) === pin.id ? undefined : new Error('it is another machine'),
  }
}

async function connected(socket: TLSSocket, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => { reject(signal.reason) }
  signal.addEventListener('abort', abort, { once: true })
  socket.once('secureConnect', resolve).once('error', reject).once('close', () => { reject(new Error('it hung up')) })
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
    socket.on('error', () => { /* the WebSocket over it reports how it ends */ })
  }
}
