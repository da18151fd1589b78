/** Can a browser on this machine show the pane without a warning? And making it so. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { TrustFault, type TrustStore } from '../trust/port.ts'
import type { AgentContext, ServedPane } from './context.ts'
import { type Check, failed, ok, warning } from './doctor-check.ts'

const answerMs = 5_000

/** Asks as a browser does: by name, with the certificate checked. */
export async function checkPane(pane: ServedPane | undefined): Promise<Check[]> {
  if (pane === undefined) return [warning('pane', 'not served: no agent runs on this home', 'holdfast autostart on')]
  const address = `https://localhost:${pane.port}`
  if (!pane.isBuilt) return [failed('pane', `${address} has no pages: they are not built`, 'npm run build in the folder of Holdfast, then restart the agent')]
  try {
    const status = await statusOf(pane)
    return [status === 200 ? ok('pane', `answers at ${address}`) : failed('pane', `${address} answers with ${status}`, 'Restart the agent; a proxy on this machine must leave localhost alone')]
  } catch (error) {
    return [failed('pane', `${address} does not answer: ${error instanceof Error ? error.message : 'unknown failure'}`, 'Restart the agent; localhost must lead to 127.0.0.1 or ::1 (hosts file)')]
  }
}

async function statusOf({ port, authority }: ServedPane): Promise<number> {
  const asking = request({ host: 'localhost', port, path: '/', ca: authority, timeout: answerMs })
  asking.on('timeout', () => { asking.destroy(new Error('no answer in 5 s')) })
  asking.end()
  const [response] = await once(asking, 'response') as [IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}

export async function checkTrust(context: Pick<AgentContext, 'pane' | 'trustStores'>, action: 'look' | 'fix' | 'unfix'): Promise<Check[]> {
  const { pane } = context
  if (pane === undefined) return action === 'look' ? [] : [failed('certificate', 'nothing to trust: no agent runs on this home', 'holdfast autostart on, then try again')]
  return await Promise.all(context.trustStores().map(async (store) => await checkStore(store, pane, action)))
}

async function checkStore(store: TrustStore, { authority, former }: ServedPane, action: 'look' | 'fix' | 'unfix'): Promise<Check> {
  const name = `certificate in ${store.name}`
  try {
    if (action !== 'look') for (const old of former) await store.remove(old)
    if (action === 'fix') await store.add(authority)
    if (action === 'unfix') await store.remove(authority)
    if (await store.has(authority)) return ok(name, 'trusted: for pages of this computer only, its key is destroyed')
    return action === 'fix' ? failed(name, 'still not trusted', 'Try again, and agree when the system asks')
      : warning(name, 'not trusted: the pane opens with a warning', 'holdfast doctor --fix')
  } catch (error) {
    if (!(error instanceof TrustFault)) throw error
    return failed(name, error.message, error.guidance)
  }
}
