import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { type Candidate, type Place, admitNewcomer, chooseHolders, judge, matchShards } from '../../agent/network/placement.ts'
import { redundancyOfObject } from '../../agent/network/redundancy.ts'

const owner = 'owner' as OwnerId
const places = fc.array(fc.record({ number: fc.nat(5), host: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') }), { maxLength: 14 })
const code = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 4 })).map(([k, m]) => ({ k, n: Math.min(6, k + m) }))

/** Most shards on distinct hosts, by trying everything. */
function bruteMatching(places: readonly Place[], used: ReadonlySet<string> = new Set(), number = 0): number {
  if (number > 5) return 0
  let best = bruteMatching(places, used, number + 1)
  for (const place of places) {
    if (place.number !== number || used.has(place.host)) continue
    best = Math.max(best, 1 + bruteMatching(places, new Set([...used, place.host]), number + 1))
  }
  return best
}

/** Fewest hosts whose loss leaves less than k different shards, minus one: what really survives. */
function bruteSurvives(places: readonly Place[], k: number): number {
  const hosts = [...new Set(places.map(({ host }) => host))]
  let fewest = Infinity
  for (let mask = 0; mask < 2 ** hosts.length; mask++) {
    const lost = new Set(hosts.filter((_, at) => (mask >> at) % 2 === 1))
    const left = new Set(places.filter(({ host }) => !lost.has(host)).map(({ number }) => number)).size
    if (left < k) fewest = Math.min(fewest, lost.size)
  }
  return Math.max(0, fewest - 1)
}

test('the matching is as large as any, and puts no two shards on one host', () => {
  fc.assert(fc.property(places, (places) => {
    const matched = matchShards(places)
    assert.equal(matched.size, bruteMatching(places))
    assert.equal(new Set(matched.values()).size, matched.size)
    for (const [number, host] of matched) assert.ok(places.some((place) => place.number === number && place.host === host))
  }), { numRuns: 300 })
})

test('protection is never claimed for less than it says', () => {
  fc.assert(fc.property(places, code, fc.boolean(), (places, { k, n }, wasGreen) => {
    const verdict = judge(redundancyOfObject(k, n), places, wasGreen)
    const real = places.filter(({ number }) => number < n)
    const placed = bruteMatching(real)
    assert.equal(verdict.placed, placed)
    assert.equal(verdict.wanted, n)
    assert.ok(verdict.survives <= bruteSurvives(real, k))
    if (verdict.state === 'protected') {
      assert.ok(bruteSurvives(real, k) >= 1)
      assert.ok(placed >= n || (wasGreen && placed >= n - 1 && n - k >= 2))
    }
    if (placed < k) assert.equal(verdict.state, 'unprotected')
  }), { numRuns: 300 })
})

test('a single copy elsewhere is never green', () => {
  assert.equal(judge(redundancyOfObject(1, 1), [{ number: 0, host: 'a' }], true).state, 'partial')
})

test('an object turns green at n and stays so down to the number of the table', () => {
  const on = (count: number) => Array.from({ length: count }, (_, number) => ({ number, host: `h${number}` }))
  const level = redundancyOfObject(3, 6)
  assert.deepEqual([judge(level, on(6), false).state, judge(level, on(5), false).state, judge(level, on(5), true).state, judge(level, on(4), true).state, judge(level, on(2), true).state],
    ['protected', 'partial', 'protected', 'partial', 'unprotected'])
})

const candidates = fc.uniqueArray(fc.record({
  id: fc.stringMatching(/^[a-z]{6}$/).map((id) => id as MachineId), host: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
  user: fc.constantFrom('u', 'v', undefined), subnet: fc.constantFrom('10', '11', undefined), free: fc.nat(1e6), onlineShare: fc.double({ min: 0, max: 1, noNaN: true }),
}), { selector: ({ id }) => id, maxLength: 12 })

test('a holder set has distinct hosts, as many as there are, and does not depend on the order of the candidates', () => {
  fc.assert(fc.property(candidates, fc.integer({ min: 1, max: 7 }), (candidates, count) => {
    const chosen = chooseHolders(owner, candidates, { count })
    const hosts = chosen.map((id) => candidates.find((candidate) => candidate.id === id)!.host)
    assert.equal(new Set(hosts).size, chosen.length)
    assert.equal(chosen.length, Math.min(count, new Set(candidates.map(({ host }) => host)).size))
    assert.deepEqual(chooseHolders(owner, candidates.toReversed(), { count }), chosen)
  }), { numRuns: 200 })
})

test('who was chosen stays while he is there, and only the gaps are filled', () => {
  fc.assert(fc.property(candidates, (candidates) => {
    const keep = chooseHolders(owner, candidates, { count: 4 })
    const left = candidates.filter(({ id }) => id !== keep[0])
    assert.deepEqual(chooseHolders(owner, left, { count: 4, keep }).slice(0, Math.max(0, keep.length - 1)), keep.slice(1))
  }), { numRuns: 200 })
})

test('a machine that joins gets its share of the owners, once, and the others keep their sets', () => {
  const machine = (id: string): Candidate => ({ id: id as MachineId, host: id, free: 1e9, onlineShare: 0.5 })
  const before = Array.from({ length: 11 }, (_, at) => machine(`m${at}`))
  const all = [...before, machine('new')]
  let moved = 0
  for (let at = 0; at < 400; at++) {
    const of = `owner-${at}` as OwnerId
    const keep = chooseHolders(of, before, { count: 6 })
    const set = admitNewcomer(of, all, { keep, newcomers: ['new' as MachineId] })
    assert.ok(set.filter((id) => !keep.includes(id)).every((id) => id === 'new') && set.length === 6)
    if (set.includes('new' as MachineId)) moved++
    assert.deepEqual(admitNewcomer(of, all, { keep, newcomers: [] }), keep)
  }
  assert.ok(moved > 150 && moved < 250, `${moved} of 400: six of twelve places`)
})

test('another subnet gets a place when there is one', () => {
  fc.assert(fc.property(fc.nat(1e6), (salt) => {
    const machine = (at: number, subnet: string, free: number): Candidate => ({ id: `m${at}-${salt}` as MachineId, host: `h${at}`, subnet, free, onlineShare: 1 })
    const chosen = chooseHolders(owner, [...[0, 1, 2, 3, 4].map((at) => machine(at, 'office', 1e9)), machine(5, 'branch', 1_000)], { count: 3 })
    assert.ok(chosen.includes(`m5-${salt}` as MachineId))
  }), { numRuns: 50 })
})

test('a machine with more room and presence is chosen more often', () => {
  let large = 0
  for (let at = 0; at < 200; at++) {
    const pair: Candidate[] = [{ id: 'small' as MachineId, host: 'a', free: 1e9, onlineShare: 0.3 }, { id: 'large' as MachineId, host: 'b', free: 2e9, onlineShare: 0.9 }]
    if (chooseHolders(`owner-${at}` as OwnerId, pair, { count: 1 })[0] === 'large') large++
  }
  assert.ok(large > 160, `${large} of 200`)
})

test('who failed audits is chosen by the square of its score: seldom, and as much as others once it has recovered', () => {
  const candidates = (score: number): Candidate[] => ['a', 'b', 'c', 'd'].map((id) => ({ id: id as MachineId, host: id, free: 1e9, onlineShare: 1, ...(id === 'a' ? { score } : {}) }))
  const firsts = (score: number) => Array.from({ length: 2000 }, (_, at) => chooseHolders(`owner-${at}` as OwnerId, candidates(score), { count: 1 })).filter(([first]) => first === 'a').length
  assert.ok(Math.abs(firsts(1) - 2000 / 4) < 100)
  assert.ok(Math.abs(firsts(0.5) - 2000 * 0.25 / 3.25) < 60)
})
