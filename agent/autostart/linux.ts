/**
 * A systemd user unit (man systemd.service, systemd.unit); where no systemd runs for the user, an entry of the desktop's
 * autostart folder (https://specifications.freedesktop.org/autostart-spec), which starts at the next log-in.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { RunTool } from '../run-tool.ts'
import type { Autostart, Launch } from './port.ts'

export function linuxAutostart(launch: Launch, { configFolder, run }: { configFolder: string, run: RunTool }): Autostart {
  const unit = `holdfast${launch.suffix}.service`
  const unitFile = join(configFolder, 'systemd', 'user', unit)
  const desktopFile = join(configFolder, 'autostart', `holdfast${launch.suffix}.desktop`)
  const systemctl = async (...args: string[]) => await run('systemctl', ['--user', ...args])
  return {
    name: `systemd user unit ${unit}, or the desktop's autostart folder`,
    isOn: async () => existsSync(desktopFile) || (existsSync(unitFile) && (await systemctl('is-enabled', unit)).code === 0),
    on: async () => {
      write(unitFile, unitText(launch))
      if ((await systemctl('daemon-reload')).code === 0) {
        const { code, stderr } = await systemctl('enable', '--now', unit)
        if (code === 0) return rmSync(desktopFile, { force: true })
        throw new HoldfastError('target-unwritable', `Cannot start the agent at log-in: systemctl said ${stderr.trim().split('\n').at(-1) ?? code}`)
      }
      rmSync(unitFile, { force: true })
      write(desktopFile, desktopText(launch))
    },
    off: async () => {
      if (existsSync(unitFile)) await systemctl('disable', '--now', unit)
      rmSync(unitFile, { force: true })
      rmSync(desktopFile, { force: true })
    },
  }
}

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  } catch (cause) {
    throw new HoldfastError('target-unwritable', `Cannot write ${path}: ${(cause as Error).message}`, { cause })
  }
}

function unitText({ launcher, home }: Launch): string {
  return `[Unit]
Description=Holdfast keeps this computer's backup in its work group

[Service]
ExecStart=${[launcher, 'agent', '--home', home].map(unitWord).join(' ')}
Restart=on-failure
RestartSec=30
Nice=10

[Install]
WantedBy=default.target
`
}

/** A word of ExecStart: C-style quotes, and neither specifiers nor variables. */
function unitWord(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

function desktopText({ launcher, home }: Launch): string {
  return `[Desktop Entry]
Type=Application
Name=Holdfast
Comment=Keeps this computer's backup in its work group
Exec=${[launcher, 'agent', '--home', home].map(desktopWord).join(' ')}
Terminal=false
NoDisplay=true
`
}

/** A word of Exec: quoted, then escaped once more as a value of the file. */
function desktopWord(text: string): string {
  const quoted = `"${text.replaceAll(/["`$\\]/g, (sign) => `\\${sign}`)}"`
  return quoted.replaceAll('\\', '\\\\').replaceAll('%', '%%')
}
