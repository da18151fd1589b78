/** Where browsers look for certificates that they believe. One adapter for each kind of store; doctor works with any. */
import { X509Certificate } from 'node:crypto'

export interface TrustStore {
  /** As a person knows it: `Chromium (~/.pki/nssdb)`. */
  readonly name: string
  /** `pem`: one CA certificate. */
  has(pem: string): Promise<boolean>
  /** Throws TrustFault. */
  add(pem: string): Promise<void>
  /** Nothing happens when it is not there. Throws TrustFault. */
  remove(pem: string): Promise<void>
}

export class TrustFault extends Error {
  override readonly name = 'TrustFault'
  /** What a person can do about it. */
  readonly guidance: string

  constructor(message: string, guidance: string) {
    super(message)
    this.guidance = guidance
  }
}

/** SHA-1 in hex, as Windows and macOS name certificates; it identifies, it proves nothing. */
export function sha1Of(pem: string): string {
  return new X509Certificate(pem).fingerprint.replaceAll(':', '')
}

export function commonNameOf(pem: string): string {
  return /CN=([^\n]+)/u.exec(new X509Certificate(pem).subject)?.[1] ?? 'Holdfast on this machine'
}
