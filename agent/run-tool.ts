/** Programs of the operating system, run with given arguments and never by a shell. */
import { execFile } from 'node:child_process'

export interface Ran {
  /** Exit code; 127 when the command is not there. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export type RunTool = (command: string, args: readonly string[]) => Promise<Ran>

/** Some ask the person (the certificate stores of Windows and macOS): there is time for that. */
const timeoutMs = 120_000

export const runTool: RunTool = async (command, args) => await new Promise<Ran>((resolve) => {
  execFile(command, args, { timeout: timeoutMs, windowsHide: false, encoding: 'utf8' }, (error, stdout, stderr) => {
    const code = error === null ? 0 : error.code === 'ENOENT' ? 127 : typeof error.code === 'number' ? error.code : 1
    resolve({ code, stdout, stderr })
  })
})
