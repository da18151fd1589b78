/** The source of the system that this runs on. */
import { LinuxConditions } from './linux.ts'
import { MacosConditions } from './macos.ts'
import { type ConditionsSource, unknownConditions } from './port.ts'
import { WindowsConditions } from './windows.ts'

export function systemConditions(platform: NodeJS.Platform = process.platform): ConditionsSource {
  switch (platform) {
    case 'linux': return new LinuxConditions()
    case 'darwin': return new MacosConditions()
    case 'win32': return new WindowsConditions()
    default: return { look: async () => await Promise.resolve(unknownConditions), [Symbol.asyncDispose]: async () => { await Promise.resolve() } }
  }
}
