/** Keeps the coverage list in SharePoint up to date on the machine where an admin asked for it: looks now and then, writes what changed. */
import type { AgentContext } from '../commands/context.ts'
import { coverageRows, keptCoverageList } from '../commands/coverage-list.ts'
import { systemClock } from '../network/clock.ts'
import type { CoverageList } from '../network/roster/graph/coverage-list.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { Log } from './log.ts'

const everyMs = 15 * 60_000

export function keepCoverageList(context: AgentContext, log: Log): Recurring {
  let kept: { readonly locator: string; readonly list: CoverageList } | undefined
  return new Recurring({
    firstMs: everyMs, everyMs, after: (delayMs, then) => systemClock.after(delayMs, then), onFault: (error) => log('coverage-list-failed', { error }),
    work: async (signal) => {
      const { coverageList: locator } = context.settings.config
      if (locator === null || !context.isMember()) return
      const list = kept?.locator === locator ? kept.list : keptCoverageList(context)
      if (list === undefined) return
      kept = { locator, list }
      await list.update(await coverageRows(context, { fresh: false }, { signal, onProgress: () => {} }), { signal })
    },
  })
}
