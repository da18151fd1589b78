/** What the first screen says about everything that is protected, in one look. */
import type { Formats } from './format.ts'
import { ageTone } from './members.ts'
import type { Messages } from './messages/messages.ts'
import type { Connection, Status, Tone } from './state.ts'

export interface Verdict {
  readonly tone: Tone
  readonly heading: string
  readonly text: string
}

export interface Look {
  readonly nowMs: number
  readonly connection: Connection
  readonly isBackingUp?: boolean
  /** An archive was found that nobody protects: then it is not everything. */
  readonly isLeftOut?: boolean
}

/** One look: never better than the worst of what is protected, nor good while nobody backs anything up. */
export function verdictOf({ messages: { protection: m }, formats: f }: { readonly messages: Messages; readonly formats: Formats }, { paths, protection, network }: Pick<Status, 'paths' | 'protection' | 'network'>, { nowMs, connection, isBackingUp = false, isLeftOut = false }: Look): Verdict {
  if (connection === 'offline') return { tone: 'warning', heading: m.stopped, text: m.stoppedText }
  if (network !== null && network.members < 2) return { tone: 'bad', heading: m.unprotected, text: m.alone }
  if (paths.length === 0) return { tone: 'bad', heading: m.nothing, text: m.nothingText }
  if (paths.some(({ lastSnapshotTime }) => lastSnapshotTime === null)) return { tone: 'bad', heading: m.unprotected, text: isBackingUp ? m.firstText : m.unprotectedText }
  if (protection.state === 'unprotected') return { tone: 'bad', heading: m.atRisk, text: m.partialText(protection.placed, protection.wanted) }
  const oldestSeconds = Math.max(...paths.map(({ lastSnapshotTime, kind }) => (lastSnapshotTime === null || kind === 'missing' ? 0 : (nowMs - Date.parse(lastSnapshotTime)) / 1000)))
  if (ageTone(oldestSeconds) !== 'good') return { tone: ageTone(oldestSeconds), heading: m.stale(f.duration(oldestSeconds)), text: m.staleText }
  const { reach } = protection
  if (reach !== null && reach.have < reach.need) return { tone: 'warning', heading: m.notNow, text: m.notNowText(reach.have, reach.placed, reach.need) }
  if (protection.state === 'partial') return { tone: 'warning', heading: m.partial, text: m.partialText(protection.placed, protection.wanted) }
  if (paths.some(({ trouble }) => trouble?.kind === 'skipped' || trouble?.kind === 'damaged')) return { tone: 'warning', heading: m.attention, text: m.attentionText }
  if (paths.some(({ kind }) => kind === 'missing')) return { tone: 'warning', heading: m.moved, text: m.movedText }
  return { tone: 'good', heading: isLeftOut ? m.chosenProtected : m.protected, text: m.protectedText(Math.min(protection.survives, reach === null ? Infinity : reach.have - reach.need)) }
}
