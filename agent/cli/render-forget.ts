/** What a person sees of `forget`: which snapshots stay and why, which go. */
import type { CommandResult } from '../../shared/api.ts'
import { counted } from '../../shared/counted.ts'
import type { KeepReason } from '../../shared/keep-reasons.ts'
import { formatBytes, formatTable, formatTime, printable } from './format.ts'

type Forgotten = CommandResult<'forget'>
type Kept = Forgotten['kept'][number]

const options: Readonly<Partial<Record<KeepReason, string>>> = {
  last: '--keep-last', hourly: '--keep-hourly', daily: '--keep-daily', weekly: '--keep-weekly', monthly: '--keep-monthly', yearly: '--keep-yearly', within: '--keep-within', tags: '--keep-tag',
}
const shownPaths = 3

/** Newest first, what stays before what goes. */
export function forgetLines({ dryRun, forgotten, kept, objects, bytes }: Forgotten): string[] {
  const newestFirst = <T extends { readonly time: string }>(snapshots: readonly T[]) => snapshots.toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time))
  const line = (what: string, { id, time }: Pick<Kept, 'id' | 'time'>, why: string) => [`  ${what}`, id.slice(0, 12), formatTime(time), why]
  return [
    `${dryRun ? 'Would forget' : 'Forgot'} ${counted(forgotten.length, 'snapshot')}, kept ${kept.length}`,
    ...(kept.length + forgotten.length === 0 ? [] : [formatTable([
      ...newestFirst(kept).map((snapshot) => line('stays', snapshot, whyText(snapshot))), ...newestFirst(forgotten).map((snapshot) => line('goes', snapshot, '')),
    ])]),
    ...(forgotten.length === 0 ? [] : [`  ${counted(objects, 'object')}, ${formatBytes(bytes)}: holders keep them for 30 days more`]),
  ]
}

/** What no rule keeps stays for what is said after the colon. */
function whyText({ reasons, wholeOf }: Kept): string {
  const rules = reasons.flatMap((reason) => options[reason] ?? [])
  if (rules.length > 0) return `by ${rules.join(', ')}`
  const paths = [...wholeOf.slice(0, shownPaths).map(printable), ...(wholeOf.length > shownPaths ? [`${wholeOf.length - shownPaths} more`] : [])]
  return `whatever the rule: ${[
    ...(reasons.includes('whole') ? [`the newest that holds all of ${paths.join(', ')}`] : []), ...(reasons.includes('proved') ? ['the newest that a check found right'] : []),
    ...(reasons.includes('unjudged') ? ['it has not all of the tags asked for'] : []),
  ].join('; ')}`
}
