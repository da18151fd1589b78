/**
 * Windows' data protection (DPAPI) for small secrets: bound to the user's account, so that a copy of the home is not enough.
 * By PowerShell, because the packages that call it natively do not install everywhere. Other systems have nothing of the
 * kind that needs neither a desktop session nor native code: there the file's mode and the machine's key have to do.
 */
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { askPowerShell, powershell } from '../powershell.ts'

const script = fileURLToPath(new URL('./data-protection.ps1', import.meta.url))
const mark = 'dpapi:'
const answerSchema = z.object({ data: z.base64() })

export interface DataProtection {
  /** Base64 in, base64 out. */
  protect(data: string): Promise<string>
  unprotect(data: string): Promise<string>
}

export function systemProtection(platform = process.platform): DataProtection | undefined {
  return platform === 'win32' ? dataProtection() : undefined
}

export function dataProtection(command = powershell): DataProtection {
  const ask = async (verb: 'protect' | 'unprotect', data: string) => answerSchema.parse(await askPowerShell(script, { verb, data }, { command })).data
  return { protect: async (data) => await ask('protect', data), unprotect: async (data) => await ask('unprotect', data) }
}

export async function protectedBy(protection: DataProtection | undefined, text: string): Promise<string> {
  if (protection === undefined) return text
  try {
    return mark + await protection.protect(Buffer.from(text).toString('base64'))
  } catch (cause) {
    throw new HoldfastError('sign-in-failed', 'Cannot keep the sign-in: Windows did not seal it', { cause })
  }
}

/** What was kept without protection is read as it is. */
export async function unprotected(text: string, protection: DataProtection | undefined): Promise<string> {
  if (!text.startsWith(mark)) return text
  try {
    if (protection !== undefined) return Buffer.from(await protection.unprotect(text.slice(mark.length)), 'base64').toString()
  } catch (cause) {
    throw unreadable(cause)
  }
  throw unreadable()
}

function unreadable(cause?: unknown): HoldfastError {
  return new HoldfastError('sign-in-failed', 'Cannot open the sign-in that was kept: another account or computer sealed it; sign in again', { cause })
}
