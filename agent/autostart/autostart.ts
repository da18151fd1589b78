/** The way of this system to start the agent at log-on. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type RunTool, runTool } from '../run-tool.ts'
import { linuxAutostart } from './linux.ts'
import { macosAutostart } from './macos.ts'
import type { Autostart } from './port.ts'
import { windowsAutostart } from './windows.ts'

export interface AutostartOptions {
  readonly platform: NodeJS.Platform
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The folder of this installation, with the launchers. */
  readonly installation: string
  readonly home: string
  readonly isDefaultHome: boolean
  /** The person's home directory, name and number. */
  readonly person: { readonly folder: string, readonly name: string, readonly id: number }
  readonly run?: RunTool
}

export function autostartOf({ platform, environment, installation, home, isDefaultHome, person, run = runTool }: AutostartOptions): Autostart {
  const suffix = isDefaultHome ? '' : `-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`
  if (platform === 'win32') {
    const domain = environment['USERDOMAIN']
    return windowsAutostart({ launcher: join(installation, 'holdfast.cmd'), home, suffix }, { user: domain === undefined ? person.name : `${domain}\\${person.name}`, run })
  }
  const launch = { launcher: join(installation, 'holdfast'), home, suffix }
  if (platform === 'darwin') return macosAutostart(launch, { personFolder: person.folder, userId: person.id, run })
  return linuxAutostart(launch, { configFolder: environment['XDG_CONFIG_HOME'] ?? join(person.folder, '.config'), run })
}
