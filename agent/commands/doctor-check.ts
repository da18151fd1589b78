/** One thing that was looked at: how it is, and what to do about it. */
import type { CommandResult } from '../../shared/api.ts'

export type Check = CommandResult<'doctor'>['checks'][number]

export const ok = (name: string, detail: string): Check => ({ name, state: 'ok', detail, fix: null })
export const warning = (name: string, detail: string, fix: string): Check => ({ name, state: 'warning', detail, fix })
export const failed = (name: string, detail: string, fix: string): Check => ({ name, state: 'failed', detail, fix })
