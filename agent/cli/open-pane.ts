/** `holdfast open`: opens the pane of the running agent in the browser, connected already; or shows a code to type there. */
import { request } from 'node:https'
import { once } from 'node:events'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type Home, readFileIfThere } from '../home.ts'
import { type Runtime, parseRuntime } from '../http/runtime-file.ts'
import { openInBrowser } from '../system-browser.ts'
import type { Invocation } from './arguments.ts'
import { startHint } from './require-home.ts'

const ticketSchema = z.object({ ticket: z.string() })
const codeSchema = z.object({ code: z.string() })

/** The address that it prints carries a ticket that is good once, for five minutes. Throws `agent-not-running`. */
export async function openPane(home: Home, { values, json }: Invocation): Promise<number> {
  const text = readFileIfThere(home.runtime)
  if (text === undefined) throw new HoldfastError('agent-not-running', `Cannot open the pane: no agent runs on ${home.directory}`, { guidance: startHint(home) })
  const runtime = parseRuntime(text)
  const pane = `https://localhost:${runtime.pane.port}/`
  if (values['code'] === true) {
    const { code } = codeSchema.parse(await ask(runtime, home, '/api/codes'))
    process.stdout.write(json ? `${JSON.stringify({ pane, code })}\n` : `Type ${code.slice(0, 3)} ${code.slice(3)} in the pane within ten minutes\n`)
    return 0
  }
  const { ticket } = ticketSchema.parse(await ask(runtime, home, '/api/tickets'))
  const address = `${pane}#ticket=${ticket}`
  process.stdout.write(json ? `${JSON.stringify({ pane, address })}\n` : `${address}\n`)
  if (values['print'] !== true && !await openInBrowser(address)) process.stderr.write('holdfast: no browser could be started; open the address by hand\n')
  return 0
}

async function ask({ pane: { port, token, certificate } }: Runtime, home: Home, path: string): Promise<unknown> {
  const call = request({
    host: '127.0.0.1', port, servername: 'localhost', ca: [certificate], agent: false, path, method: 'POST',
    headers: { 'host': `localhost:${port}`, 'authorization': `Bearer ${token}`, 'content-type': 'application/json' },
  })
  call.end('{}')
  try {
    const [response] = await once(call, 'response')
    let text = ''
    for await (const part of response) text += String(part)
    if (response.statusCode !== 200) throw new Error(`it answered ${response.statusCode}`)
    return JSON.parse(text)
  } catch (cause) {
    throw new HoldfastError('agent-not-running', `Cannot open the pane: the agent of ${home.directory} does not answer; it may have ended`, { guidance: startHint(home), cause })
  }
}
