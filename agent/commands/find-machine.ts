/** A machine of the group by what a person calls it. */
import { HoldfastError } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import type { PeerRecord } from '../network/membership/records.ts'
import { isSameName } from '../network/membership/shown-names.ts'

const shortestId = 6

/** By name (upper and lower case alike), by the name with the short id as lists show it, id, or the beginning of an id. Throws `not-found`, or `invalid-input` when it may be several. */
export function findMachine(text: string, records: readonly PeerRecord[]): PeerRecord {
  const byName = records.filter(({ id, name }) => isSameName(name, text) || isSameName(`${name} (${shortId(id)})`, text))
  const found = byName.length > 0 ? byName : records.filter(({ id }) => text.length >= shortestId && id.startsWith(text))
  const [only, ...more] = found
  if (only === undefined) throw new HoldfastError('not-found', `Cannot find a machine ${text}: it is no name and no id that this machine knows`, { guidance: '`holdfast peers` lists the machines; where another one is asked for, this one does not count.' })
  if (more.length > 0) throw new HoldfastError('invalid-input', `Cannot tell which machine ${text} is: ${found.map(({ id, name }) => `${name} (${shortId(id)})`).join(', ')} are called so; give the id`, { guidance: 'The id in brackets is enough; `holdfast peers` shows which machine it is.' })
  return only
}
