/**
 * The epochs of one work group as a tree, and which branch of it counts (docs/format.md section 11).
 *
 * Where several records follow the same one, a branch whose admin another branch removes loses to it, unless it removes
 * that one's admin in turn; then the branch counts whose first record was signed by the admin who stands first in the list
 * of the record they follow; of two by the same admin the longer branch, then the lower SHA-256. That is a function of the
 * set of records, so machines with the same records settle forks equally. One thing is memory: whoever was removed here
 * before his fork was first seen forks nothing (`late-fork`), so a former admin cannot rewrite what is settled.
 * Revocations are a union over all branches, except for branches begun by an admin key that the chosen chain revokes.
 */
import type { MachineId, NetworkId } from '../../../shared/ids.ts'
import type { PublicJwk } from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import { type Revocation, type VerifiedNetwork, networkIdOf, sha256Of } from './records.ts'

export const maxEpochs = 4000
export const maxSideRecords = 256

interface Node {
  readonly entry: VerifiedNetwork
  readonly parent: Node | undefined
  readonly children: Node[]
  /** Thumbprint of the admin key that signed. */
  readonly signer: string
  /** Thumbprints of the admins that it names. */
  readonly admins: readonly string[]
}

export type ChainVerdict = 'taken' | 'known' | 'waiting' | 'foreign' | 'not-an-admin' | 'late-fork' | 'quota'

export class NetworkChain {
  readonly net: NetworkId
  readonly #nodes = new Map<string, Node>()
  #chain: readonly VerifiedNetwork[] = []
  #revocations = new Map<string, { at: number; why: string; keep: Set<MachineId> }>()
  #adminKeys = new Set<string>()
  #revokedAdmins = new Map<string, Set<MachineId>>()
  #settled: string | undefined
  /** The chosen chain as it was when the last records that came together had been added. */
  #seen: readonly VerifiedNetwork[] = []
  /** The chain up to the record that another member saw count. */
  #told: readonly VerifiedNetwork[] = []

  constructor(net: NetworkId) {
    this.net = net
  }

  /** The chosen chain, epoch 1 first. Empty until epoch 1 was added. */
  get chain(): readonly VerifiedNetwork[] {
    return this.#chain
  }

  get current(): VerifiedNetwork | undefined {
    return this.#chain.at(-1)
  }

  /** Every record held, of all branches. */
  entries(): VerifiedNetwork[] {
    return [...this.#nodes.values()].map((node) => node.entry)
  }

  has(sha256: string): boolean {
    return this.#nodes.has(sha256)
  }

  holds(jws: string): boolean {
    return this.has(sha256Of(jws))
  }

  /** The newest record of the chosen chain that took an admin away: what newcomers are told to hold on to. */
  get settled(): string | undefined {
    const at = this.#chain.findLastIndex(({ record }, index) => {
      const keys = new Set(record.admins.map(thumbprint))
      return this.#chain[index - 1]?.record.admins.some((admin) => !keys.has(thumbprint(admin))) ?? false
    })
    return this.#chain[at]?.sha256 ?? this.#settled
  }

  /** What another member said to hold on to, for the state file. */
  get told(): string | undefined {
    return this.#settled
  }

  /**
   * Another member saw this record count: forks from before it by admins that it does not name are late, also those that
   * are here already. Before the record itself is here nothing is judged by it.
   */
  settle(sha256: string): void {
    this.#settled = sha256
    const node = this.#nodes.get(sha256)
    if (node === undefined) return
    const path: Node[] = []
    for (let at: Node | undefined = node; at !== undefined; at = at.parent) path.unshift(at)
    this.#told = path.map(({ entry }) => entry)
    for (const [index, at] of path.slice(0, -1).entries()) {
      for (const child of at.children.filter((one) => one !== path[index + 1] && !node.admins.includes(one.signer))) this.#drop(child)
    }
    this.#adopt(this.#choose())
  }

  /** Records that came together are added: what counts now was seen, and forks from before it are judged by it. */
  remember(): void {
    this.#seen = this.#chain
  }

  #drop(node: Node): void {
    for (let child = node.children[0]; child !== undefined; child = node.children[0]) this.#drop(child)
    this.#nodes.delete(node.entry.sha256)
    node.parent?.children.splice(node.parent.children.indexOf(node), 1)
  }

  /**
   * `waiting`: the record that it follows is not here yet. `isRemembered`: it counted here before, so it is not late.
   * A record that follows a late one waits for ever.
   */
  add(entry: VerifiedNetwork, { isRemembered = false } = {}): ChainVerdict {
    const { record, sha256 } = entry
    if (this.#nodes.has(sha256)) return 'known'
    if (record.epoch === 1 ? networkIdOf(entry.jws) !== this.net : record.net !== this.net) return 'foreign'
    const signer = thumbprint(record.by)
    const parent = record.prev === undefined ? undefined : this.#nodes.get(record.prev)
    if (record.epoch > 1 && parent === undefined) return 'waiting'
    if (parent !== undefined && parent.entry.record.epoch + 1 !== record.epoch) return 'foreign'
    if (!hasKey((parent?.entry ?? entry).record.admins, signer)) return 'not-an-admin'
    if (!isRemembered && parent !== undefined && this.#isLate(parent, signer)) return 'late-fork'
    if (record.epoch > maxEpochs) return 'quota'
    const verdict = this.#insert({ entry, parent, children: [], signer, admins: record.admins.map(thumbprint) })
    if (sha256 === this.#settled) this.settle(sha256)
    return verdict
  }

  /** It follows a record that was seen to have a successor, and its signer is an admin no more. */
  #isLate({ entry }: Node, signer: string): boolean {
    return [this.#seen, this.#told].some((chain) => {
      const newest = chain.at(-1)
      if (newest === undefined || entry === newest || hasKey(newest.record.admins, signer)) return false
      return chain[entry.record.epoch - 1] === entry
    })
  }

  #insert(node: Node): ChainVerdict {
    this.#nodes.set(node.entry.sha256, node)
    node.parent?.children.push(node)
    const chain = this.#choose()
    if (chain.at(-1) !== node && this.#nodes.size - chain.length > maxSideRecords) {
      this.#nodes.delete(node.entry.sha256)
      node.parent?.children.pop()
      return 'quota'
    }
    this.#adopt(chain)
    return 'taken'
  }

  #choose(): Node[] {
    const heights = this.#heights()
    const nexts = new Map<Node, Node>()
    const tips = new Map<Node, Node>()
    for (const node of [...this.#nodes.values()].sort((a, b) => b.entry.record.epoch - a.entry.record.epoch)) {
      const outvoted = new Set(node.children.length < 2 ? [] : node.children.filter((child) => isOutvoted(child, node.children, tips)))
      const next = node.children.toSorted((a, b) =>
        Number(outvoted.has(a)) - Number(outvoted.has(b))
        || node.admins.indexOf(a.signer) - node.admins.indexOf(b.signer)
        || (heights.get(b) ?? 0) - (heights.get(a) ?? 0)
        || (a.entry.sha256 < b.entry.sha256 ? -1 : 1))[0]
      if (next !== undefined) nexts.set(node, next)
      tips.set(node, next === undefined ? node : tips.get(next) ?? next)
    }
    const chain: Node[] = []
    let node = [...this.#nodes.values()].find((candidate) => candidate.parent === undefined)
    for (; node !== undefined; node = nexts.get(node)) chain.push(node)
    return chain
  }

  /** For each node the number of records on the longest branch that starts with it. */
  #heights(): Map<Node, number> {
    const heights = new Map<Node, number>()
    for (const node of [...this.#nodes.values()].sort((a, b) => b.entry.record.epoch - a.entry.record.epoch)) {
      heights.set(node, 1 + Math.max(0, ...node.children.map((child) => heights.get(child) ?? 0)))
    }
    return heights
  }

  #adopt(chain: readonly Node[]): void {
    this.#chain = chain.map((node) => node.entry)
    const revokedOnChain = new Map(this.#chain.flatMap((entry) => entry.record.revoked).map((one) => [one.id, one]))
    const chosen = new Set(chain)
    const counts = (node: Node): boolean => {
      for (let at: Node | undefined = node; at !== undefined && !chosen.has(at); at = at.parent) {
        if (revokedOnChain.has(at.signer)) return false
      }
      return true
    }
    this.#revocations = new Map()
    this.#adminKeys = new Set()
    for (const node of this.#nodes.values()) {
      if (!counts(node)) continue
      for (const revocation of node.entry.record.revoked) this.#addRevocation(revocation)
      for (const admin of node.entry.record.admins) this.#adminKeys.add(thumbprint(admin))
    }
    this.#revokedAdmins = new Map([...revokedOnChain].map(([id, one]) => [id, new Set(one.keep)]))
  }

  #addRevocation({ id, at, why, keep }: Revocation): void {
    const known = this.#revocations.get(id) ?? { at, why, keep: new Set<MachineId>() }
    for (const machine of keep ?? []) known.keep.add(machine)
    this.#revocations.set(id, known)
  }

  /** Union of the revocations of all branches that count: ids of machines and invitations. */
  revocation(id: string): { readonly at: number; readonly why: string; readonly keep: ReadonlySet<MachineId> } | undefined {
    return this.#revocations.get(id)
  }

  revokedIds(): string[] {
    return [...this.#revocations.keys()]
  }

  /** May the key let `machine` in? True for every key that ever was an admin's and is not revoked, or kept `machine`. */
  mayAdmit(key: PublicJwk, machine: MachineId): boolean {
    const id = thumbprint(key)
    const revoked = this.#revokedAdmins.get(id)
    return this.#adminKeys.has(id) && (revoked === undefined || revoked.has(machine))
  }

  /** Does an admin's word make the machine count as gone? */
  isLost(id: MachineId): boolean {
    return this.current?.record.lost?.some((one) => one.id === id) ?? false
  }

  /** Is the key one of the admins of the current epoch? */
  isAdmin(key: PublicJwk): boolean {
    return this.current !== undefined && hasKey(this.current.record.admins, thumbprint(key))
  }
}

/** Another branch ends without its admin, while it keeps that branch's. */
function isOutvoted(child: Node, siblings: readonly Node[], tips: ReadonlyMap<Node, Node>): boolean {
  const adminsOf = (branch: Node): readonly string[] => (tips.get(branch) ?? branch).admins
  return siblings.some((other) => other.signer !== child.signer && !adminsOf(other).includes(child.signer) && adminsOf(child).includes(other.signer))
}

function hasKey(admins: readonly PublicJwk[], id: string): boolean {
  return admins.some((admin) => thumbprint(admin) === id)
}
