/**
 * A scheduled task of the user, at log-on, without a window and without the limit of three days (schtasks.exe; the schema of
 * the task: https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema). Made in a terminal with administrator's rights, the task
 * has the highest privileges, which shadow copies need. Not yet tried on Windows (docs/operations.md).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { Ran, RunTool } from '../run-tool.ts'
import type { Autostart, Launch } from './port.ts'
import { xmlText } from './xml-text.ts'

export function windowsAutostart(launch: Launch, { user, run }: { user: string, run: RunTool }): Autostart {
  const task = `Holdfast${launch.suffix}`
  const schtasks = async (...args: string[]) => await run('schtasks.exe', args)
  return {
    name: `scheduled task ${task}`,
    isOn: async () => (await schtasks('/Query', '/TN', task)).code === 0,
    on: async () => {
      const elevated = (await run('fltmc.exe', [])).code === 0 // answers administrators only
      const folder = await mkdtemp(join(tmpdir(), 'holdfast-task-'))
      try {
        const file = join(folder, 'task.xml')
        await writeFile(file, `\uFEFF${taskXml(launch, { user, elevated })}`, 'utf16le')
        demand(await schtasks('/Create', '/TN', task, '/XML', file, '/F'))
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
      demand(await schtasks('/Run', '/TN', task))
    },
    off: async () => {
      if ((await schtasks('/Query', '/TN', task)).code !== 0) return
      await schtasks('/End', '/TN', task)
      demand(await schtasks('/Delete', '/TN', task, '/F'))
    },
  }
}

function demand({ code, stdout, stderr }: Ran): void {
  if (code !== 0) throw new HoldfastError('target-unwritable', `Cannot change what starts at log-on: schtasks.exe said ${(stderr.trim() || stdout.trim()).split('\n').at(-1) ?? code}; a task that was made with administrator's rights needs them to be changed`)
}

function taskXml({ launcher, home }: Launch, { user, elevated }: { user: string, elevated: boolean }): string {
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`
  const command = `& ${quote(launcher)} agent --home ${quote(home)}; exit $LASTEXITCODE`
  return `<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Holdfast keeps this computer's backup in its work group</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled><UserId>${xmlText(user)}</UserId></LogonTrigger></Triggers>
  <Principals><Principal id="Author"><UserId>${xmlText(user)}</UserId><LogonType>InteractiveToken</LogonType><RunLevel>${elevated ? 'HighestAvailable' : 'LeastPrivilege'}</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>10</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author"><Exec><Command>powershell.exe</Command><Arguments>${xmlText(`-NoLogo -NoProfile -WindowStyle Hidden -Command "${command}"`)}</Arguments></Exec></Actions>
</Task>
`
}
