/**
 * What only Windows itself can do, by a PowerShell script of ours: one child for each call, which reads one JSON request from
 * stdin and answers one JSON document on stdout. The caller parses the answer by a schema.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export const powershell: readonly string[] = ['powershell.exe', '-NoLogo', '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File']
const callMs = 60_000
const maxAnswerBytes = 128 * 1024 * 1024

export interface PowerShellOptions {
  readonly signal?: AbortSignal | undefined
  /** Default 60,000. */
  readonly timeoutMs?: number | undefined
  /** Program and arguments that the script's path follows; default: Windows PowerShell. */
  readonly command?: readonly string[] | undefined
}

/** Rejects with the signal's reason when it is aborted, else with an Error that says why there is no answer. */
export async function askPowerShell(script: string, request: object, { signal, timeoutMs = callMs, command = powershell }: PowerShellOptions = {}): Promise<unknown> {
  signal?.throwIfAborted()
  const [file = '', ...args] = command
  const timeout = AbortSignal.timeout(timeoutMs)
  let text: string
  try {
    const child = spawn(file, [...args, script], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true, signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) })
    const parts: Buffer[] = []
    let bytes = 0
    child.stdout.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes > maxAnswerBytes) child.kill()
      else parts.push(part)
    })
    child.stdin.on('error', () => undefined) // it ended early: its answer says why
    child.stdin.end(JSON.stringify(request))
    await once(child, 'close')
    text = Buffer.concat(parts).toString('utf8')
  } catch (cause) {
    signal?.throwIfAborted()
    throw new Error(timeout.aborted ? 'no answer in time' : 'PowerShell could not be started', { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error('PowerShell did not answer as it should', { cause })
  }
}
