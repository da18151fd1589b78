/** Runs the restorer that is written in Python from docs/format.md alone, where its modules are installed. */
import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const restorer = fileURLToPath(new URL('../second-implementation/restore.py', import.meta.url))
const python = '/usr/bin/python3'
const isInstalled = spawnSync(python, ['-c', 'import cryptography, zstandard']).status === 0

/** Why a test that needs it is skipped, or false. */
export const skipPython = isInstalled ? false as const : 'apt-get install python3-cryptography python3-zstandard'

/** Its exit code and what it said. */
export async function runPython(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(python, ['-B', restorer, ...args])
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string }
    if (typeof code !== 'number') throw error
    return { code, stdout, stderr }
  }
}
