/** Opens the pane of a running agent in the system's browser. */
import { spawn } from 'node:child_process'
import { HoldfastError } from '../../shared/errors.ts'
import { type Home, readFileIfThere } from '../home.ts'
import { parseRuntime } from '../http/runtime-file.ts'

/** Prints the address too, for machines without a browser. Throws `agent-not-running`. */
export async function openPane(home: Home): Promise<number> {
  const runtime = readFileIfThere(home.runtime)
  if (runtime === undefined) throw new HoldfastError('agent-not-running', `Cannot open the pane: no agent runs on ${home.directory}`)
  const address = `https://localhost:${parseRuntime(runtime).pane.port}/`
  process.stdout.write(`${address}\n`)
  const [command, args] = process.platform === 'win32' ? ['cmd', ['/c', 'start', '', address]] as const
    : process.platform === 'darwin' ? ['open', [address]] as const : ['xdg-open', [address]] as const
  const child = spawn(command, args, { stdio: 'ignore', detached: true })
  child.on('error', () => process.stderr.write('holdfast: no browser could be started; open the address by hand\n'))
  child.unref()
  return 0
}
