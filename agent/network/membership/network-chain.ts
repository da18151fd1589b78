/**
 * The epochs of one work group as a tree, and which branch of it counts (docs/format.md section 11).
 *
 * The choice is a function of the set of records alone, so every machine that has the same records settles forks equally.
 * Where several records follow the same one, the branch counts whose first record was signed by the admin who stands
 * first in the list of the record they follow; of two by the same admin the longer branch, then the lower SHA-256.
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
}

export type ChainVerdict = 'taken' | 'known' | 'waiting' | 'foreign' | 'not-an-admin' | 'quota'

export class NetworkChain {
  readonly net: NetworkId
  readonly #nodes = new Map<string, Node>()
  #chain: readonly VerifiedNetwork[] = []
  #revocations = new Map<string, { at: number; why: string; keep: Set<MachineId> }>()
  #adminKeys = new Set<string>()
  #revokedAdmins = new Map<string, Set<MachineId>>()

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

  /** `waiting`: the record that it follows is not here yet. */
  add(entry: VerifiedNetwork): ChainVerdict {
    const { record, sha256 } = entry
    if (this.#nodes.has(sha256)) return 'known'
    if (record.epoch === 1 ? networkIdOf(entry.jws) !== this.net : record.net !== this.net) return 'foreign'
    const signer = thumbprint(record.by)
    const parent = record.prev === undefined ? undefined : this.#nodes.get(record.prev)
    if (record.epoch > 1 && parent === undefined) return 'waiting'
    if (parent !== undefined && parent.entry.record.epoch + 1 !== record.epoch) return 'foreign'
    if (!hasKey((parent?.entry ?? entry).record.admins, signer)) return 'not-an-admin'
    if (record.epoch > maxEpochs) return 'quota'
    return this.#insert({ entry, parent, children: [], signer })
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
    const chain: Node[] = []
    let node = [...this.#nodes.values()].find((candidate) => candidate.parent === undefined)
    while (node !== undefined) {
      chain.push(node)
      const admins = node.entry.record.admins.map(thumbprint)
      node = node.children.toSorted((a, b) =>
        admins.indexOf(a.signer) - admins.indexOf(b.signer)
        || (heights.get(b) ?? 0) - (heights.get(a) ?? 0)
        || (a.entry.sha256 < b.entry.sha256 ? -1 : 1))[0]
    }
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

  /** Is the key one of the admins of the current epoch? */
  isAdmin(key: PublicJwk): boolean {
    return this.current !== undefined && hasKey(this.current.record.admins, thumbprint(key))
  }
}

function hasKey(admins: readonly PublicJwk[], id: string): boolean {
  return admins.some((admin) => thumbprint(admin) === id)
}
