/** `holdfast agent`: runs the agent in the foreground until SIGINT or SIGTERM. */
import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { readConfig, resolveHome } from '../config.ts'
import { homeAt } from '../home.ts'
import { openAgent } from '../main.ts'
import type { Invocation } from './arguments.ts'
import { parseBytes, parseNumber } from './numbers.ts'
import { lowerPriority } from './priority.ts'
import { requireHome } from './require-home.ts'

const ports = { min: 0, max: 65_535 }

/** A second signal ends the process at once. */
export async function runAgent(invocation: Invocation): Promise<number> {
  const home = homeAt(resolveHome(invocation.home))
  requireHome(invocation.name, home)
  const config = readConfig(home.config)
  const { values } = invocation
  const option = (name: string) => values[name] as string | undefined
  const panePort = option('pane-port')
  const peerPort = option('peer-port')
  const quota = option('quota')
  const merged = {
    ...config,
    paneAddress: { ...config.paneAddress, port: panePort === undefined ? config.paneAddress.port : parseNumber('pane-port', panePort, ports) },
    peerAddress: { port: peerPort === undefined ? config.peerAddress.port : parseNumber('peer-port', peerPort, ports), host: option('peer-host') ?? config.peerAddress.host },
    offer: { ...config.offer, quotaBytes: quota === undefined ? config.offer.quotaBytes : parseBytes(quota) },
  }
  if (config.politeness.lowPriority) lowerPriority()
  const stop = new AbortController()
  const asked = () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  }
  process.on('SIGINT', asked).on('SIGTERM', asked)
  const testMachine = option('test-machine')
  await using agent = await openAgent(home, { config: merged, serve: true, signal: stop.signal, ...(testMachine === undefined ? {} : { testMachine }) })
  const ready = { event: 'ready', id: agent.id, pane: agent.paneUrl, peer: agent.peerAddress }
  process.stdout.write(invocation.json ? `${JSON.stringify(ready)}\n` : `Holdfast agent ${agent.id.slice(0, 8)} is ready\n  pane ${ready.pane}\n  peers reach it at ${ready.peer}\n  home ${home.directory}\n`)
  flushCompileCache() // an agent may be killed instead of ending: its next start, and its threads, find what was compiled
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
  return 0
}
