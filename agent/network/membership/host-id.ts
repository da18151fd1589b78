/**
 * What counts as one machine in placement: two agents on one computer are lost together. It is a hash of the operating
 * system's machine id with the network id, so that it tells nothing outside the group.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import type { NetworkId } from '../../../shared/ids.ts'

const run = promisify(execFile)
const timeoutMs = 5000

export interface HostIdOptions {
  readonly net: NetworkId
  /** `--test-machine NAME`: agents of one computer then count as several machines, and are shown as simulated. */
  readonly testMachine?: string | undefined
}

/** `test:NAME`, or 32 hex digits. */
export async function hostId({ net, testMachine }: HostIdOptions): Promise<string> {
  if (testMachine !== undefined) return `test:${testMachine}`
  const id = (await systemMachineId(process.platform)) ?? `name:${hostname()}`
  return createHash('sha256').update(`holdfast/v1/host\0${net}\0${id}`).digest('hex').slice(0, 32)
}

/** True for the host of an agent that was started with `--test-machine`. */
export function isSimulatedHost(host: string): boolean {
  return host.startsWith('test:')
}

/** Undefined when the system has none or does not tell (containers often lack /etc/machine-id). */
export async function systemMachineId(platform: NodeJS.Platform): Promise<string | undefined> {
  try {
    if (platform === 'win32') return parseMachineGuid((await run('reg', ['query', String.raw`HKLM\SOFTWARE\Microsoft\Cryptography`, '/v', 'MachineGuid', '/reg:64'], { timeout: timeoutMs, windowsHide: true })).stdout)
    if (platform === 'darwin') return parsePlatformUuid((await run('ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'], { timeout: timeoutMs })).stdout)
    return parseMachineIdFile(await readFile('/etc/machine-id', 'utf8'))
  } catch {
    return undefined
  }
}

export function parseMachineGuid(output: string): string | undefined {
  return /MachineGuid\s+REG_SZ\s+([0-9a-fA-F-]{36})/.exec(output)?.[1]?.toLowerCase()
}

export function parsePlatformUuid(output: string): string | undefined {
  return /"IOPlatformUUID"\s*=\s*"([0-9a-fA-F-]{36})"/.exec(output)?.[1]?.toLowerCase()
}

export function parseMachineIdFile(text: string): string | undefined {
  return /^[0-9a-f]{32}$/.exec(text.trim())?.[0]
}
