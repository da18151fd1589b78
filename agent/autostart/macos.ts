/** A launch agent of the user (man launchd.plist, launchctl). Not yet tried on a Mac (docs/operations.md). */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { RunTool } from '../run-tool.ts'
import type { Autostart, Launch } from './port.ts'
import { xmlText } from './xml-text.ts'

export function macosAutostart(launch: Launch, { personFolder, userId, run }: { personFolder: string, userId: number, run: RunTool }): Autostart {
  const label = `org.holdfast.agent${launch.suffix}`
  const file = join(personFolder, 'Library', 'LaunchAgents', `${label}.plist`)
  const domain = `gui/${userId}`
  return {
    name: `launch agent ${label}`,
    isOn: async () => await Promise.resolve(existsSync(file)),
    on: async () => {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, plist(label, launch))
      await run('launchctl', ['bootout', `${domain}/${label}`])
      const { code, stderr } = await run('launchctl', ['bootstrap', domain, file])
      if (code !== 0) throw new HoldfastError('target-unwritable', `Cannot start the agent at log-in: launchctl said ${stderr.trim() || code}`)
    },
    off: async () => {
      await run('launchctl', ['bootout', `${domain}/${label}`])
      rmSync(file, { force: true })
    },
  }
}

function plist(label: string, { launcher, home }: Launch): string {
  const words = [launcher, 'agent', '--home', home].map((word) => `    <string>${xmlText(word)}</string>`).join('\n')
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${xmlText(label)}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
`
}
