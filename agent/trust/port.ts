/** Where browsers look for certificates that they believe. One adapter for each kind of store; doctor works with any. */
import { execFile } from 'node:child_process'
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

export interface Ran {
  /** Exit code; 127 when the command is not there. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Never by a shell: arguments are passed as they are. */
export type RunTool = (command: string, args: readonly string[]) => Promise<Ran>

/** Stores ask the person at times (Windows, macOS): there is time for that. */
const timeoutMs = 120_000

export const runTool: RunTool = async (command, args) => await new Promise<Ran>((resolve) => {
  execFile(command, args, { timeout: timeoutMs, windowsHide: false, encoding: 'utf8' }, (error, stdout, stderr) => {
    const code = error === null ? 0 : error.code === 'ENOENT' ? 127 : typeof error.code === 'number' ? error.code : 1
    resolve({ code, stdout, stderr })
  })
})

/** SHA-1 in hex, as Windows and macOS name certificates; it identifies, it proves nothing. */
export function sha1Of(pem: string): string {
  return new X509Certificate(pem).fingerprint.replaceAll(':', '')
}

export function commonNameOf(pem: string): string {
  return /CN=([^\n]+)/u.exec(new X509Certificate(pem).subject)?.[1] ?? 'Holdfast on this machine'
}
