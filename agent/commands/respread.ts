/** Brings packs of a former level of redundancy to the present one, some at a time (network/respread.ts says which and when). */
import { packsToRespread } from '../network/respread.ts'
import type { Backup } from './context.ts'

/** Number of packs that were written again. Rejects `too-few-holders` when not all went onto enough machines: then the old ones stay. */
export async function respread({ dispersal, repository }: Pick<Backup, 'dispersal' | 'repository'>, { signal }: { signal: AbortSignal }): Promise<number> {
  const packs = packsToRespread(dispersal, repository.head?.live ?? [])
  if (packs.length === 0) return 0
  const { rewritten } = await repository.prune({ maxRewriteBytes: 0, anew: new Set(packs.map(({ id }) => id)) }, { signal })
  dispersal.index.noteReplaced(packs.reduce((sum, { shardBytes }) => sum + shardBytes, 0), dispersal.clock.now())
  return rewritten
}
