/** Outlook of the system that this runs on. */
import { HoldfastError } from '../../shared/errors.ts'
import type { Outlook } from './port.ts'
import { WindowsOutlook } from './windows.ts'

const detail = 'only Outlook on Windows can be asked by another program; open the archive by hand'

const noOutlook: Outlook = {
  obstacle: async () => await Promise.resolve({ reason: 'not-windows', detail }),
  openArchive: async (path) => await Promise.reject(new HoldfastError('outlook-unavailable', `Cannot open ${path} in Outlook: ${detail}`, { details: { path, reason: 'not-windows' } })),
}

export function systemOutlook(platform: NodeJS.Platform = process.platform): Outlook {
  return platform === 'win32' ? new WindowsOutlook() : noOutlook
}
