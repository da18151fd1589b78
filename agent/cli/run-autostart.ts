/** `holdfast autostart [on|off]`: whether the system starts the agent of this home at log-on. */
import { homedir, userInfo } from 'node:os'
import { HoldfastError } from '../../shared/errors.ts'
import { autostartOf } from '../autostart/autostart.ts'
import { resolveHome } from '../config.ts'
import { installation } from '../launching.ts'
import { homeAt } from '../home.ts'
import type { Invocation } from './arguments.ts'
import { homeOption } from './require-home.ts'

export async function runAutostart(invocation: Invocation): Promise<number> {
  const [wish, ...more] = invocation.positionals
  if ((wish !== undefined && wish !== 'on' && wish !== 'off') || more.length > 0) throw new HoldfastError('invalid-input', 'Cannot run autostart: it takes on, off, or nothing to ask')
  const home = resolveHome(invocation.home)
  const { username, uid } = userInfo()
  const autostart = autostartOf({
    platform: process.platform, environment: process.env, installation, home, isDefaultHome: home === resolveHome(undefined, { ...process.env, HOLDFAST_HOME: '' }),
    person: { folder: homedir(), name: username, id: uid },
  })
  if (wish === 'on') await autostart.on()
  if (wish === 'off') await autostart.off()
  const on = await autostart.isOn()
  process.stdout.write(invocation.json ? `${JSON.stringify({ on, name: autostart.name, home })}\n`
    : on ? `The agent of ${home} starts when you log on (${autostart.name}).\n` : `The agent of ${home} does not start by itself. To change that: holdfast autostart on${homeOption(homeAt(home))}\n`)
  return 0
}
