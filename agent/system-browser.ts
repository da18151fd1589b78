/** Opens an address in the user's browser, where the system has one. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** False when no browser could be started: the address is to be opened by hand. Only https and localhost addresses. */
export async function openInBrowser(address: string): Promise<boolean> {
  const { protocol, hostname } = new URL(address)
  if (protocol !== 'https:' && hostname !== 'localhost') throw new TypeError(`Cannot open ${protocol} addresses in the browser`)
  // rundll32 takes the address as it is; cmd's start would read & and ^ in it.
  const [command, args] = process.platform === 'win32' ? ['rundll32', ['url.dll,FileProtocolHandler', address]] as const
    : process.platform === 'darwin' ? ['open', [address]] as const : ['xdg-open', [address]] as const
  const child = spawn(command, args, { stdio: 'ignore', detached: true })
  child.unref()
  return await once(child, 'spawn').then(() => true, () => false)
}
