import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatMetrics, metricsOf } from '../../agent/http/metrics.ts'
import { openMetricsDoor } from '../../agent/http/metrics-door.ts'

type Sample = readonly [name: string, labels: Readonly<Record<string, string>>, value: number]

/** The text format 0.0.4 as a scraper reads it; throws for a line that is none. */
function parseMetrics(text: string): Sample[] {
  assert.ok(text.endsWith('\n'))
  const types = new Map<string, string>()
  return text.slice(0, -1).split('\n').flatMap((line): Sample[] => {
    if (line === '' || line.startsWith('# HELP ')) return []
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (gauge|counter)$/.exec(line)
    if (type !== null) {
      assert.ok(!types.has(type[1]!), 'one TYPE for each metric')
      types.set(type[1]!, type[2]!)
      return []
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/s.exec(line)
    assert.ok(sample !== null, line)
    assert.ok(types.has(sample[1]!), 'TYPE comes first')
    const labels: Record<string, string> = {}
    let rest = sample[2] ?? ''
    while (rest !== '') {
      const label = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\["\\n])*)",?/.exec(rest)
      assert.ok(label !== null, rest)
      labels[label[1]!] = label[2]!.replaceAll(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
      rest = rest.slice(label[0].length)
    }
    return [[sample[1]!, labels, Number(sample[3])]]
  })
}

test('what is formatted parses to the same names, labels and values, whatever people call their machines', () => {
  const value = fc.oneof(fc.integer(), fc.constant(null))
  fc.assert(fc.property(fc.array(fc.record({ name: fc.string({ unit: 'grapheme' }), value }), { minLength: 1 }), (rows) => {
    const text = formatMetrics([{ name: 'holdfast_test', help: 'A test.', samples: rows.map(({ name, value: of }) => ({ labels: { name }, value: of })) }])
    const expected = rows.filter((row) => row.value !== null).map((row) => ['holdfast_test', { name: row.name.replaceAll(/[\r\n]+/g, '\n') }, row.value])
    if (expected.length > 0) assert.deepEqual(parseMetrics(text), expected.map(([name, labels, of]) => [name, labels, of === 0 ? 0 : of]))
  }), { examples: [[[{ name: 'a\u2028b', value: 1 }]], [[{ name: 'a\\nb', value: 1 }]], [[{ name: 'x"} 3\n', value: 1 }]]] })
})

const status = {
  protection: { state: 'partial', placed: 2, wanted: 3, survives: 1 }, alerts: [{}], holder: { used: 10, free: 20, owners: [{ owner: 'o', name: 'Bob "B"', used: 10 }], scrub: { lastRead: null, damaged: 2, unreadable: 1, halted: false } }, share: { stored: 5, fair: 7.5 },
}
const members = [{ machine: 'm', name: 'Ann', machineState: 'online', state: 'unknown', lastSnapshotAgeSeconds: null, reportAgeSeconds: 60, reachable: 2, wanted: 3, unprotectedBytes: 3, lastVerifiedRestore: null, lastFailedDrill: '2026-11-22T14:03:00.000Z' }]

async function get(port: number, path: string, host?: string): Promise<{ status: number | undefined; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; text: string }>()
  request({ host: '127.0.0.1', port, path, ...(host === undefined ? {} : { headers: { host } }) }, (response) => {
    let text = ''
    response.on('data', (part: Buffer) => { text += part.toString() }).on('end', () => resolve({ status: response.statusCode, text }))
  }).on('error', reject).end()
  return await promise
}

test('the door serves the figures on loopback, by no other name, and nothing else', async () => {
  await using door = await openMetricsDoor({ host: '127.0.0.1', port: 0, collect: async () => formatMetrics(metricsOf(status as never, members as never)) })
  const { status: code, text } = await get(door.port, '/metrics')
  assert.equal(code, 200)
  const samples = new Map(parseMetrics(text).map(([name, labels, value]) => [name, { labels, value }]))
  assert.equal(samples.get('holdfast_protection_state')?.value, 1)
  assert.deepEqual(samples.get('holdfast_holder_owner_bytes'), { labels: { owner: 'o', name: 'Bob "B"' }, value: 10 })
  assert.deepEqual([samples.get('holdfast_holder_damaged_shards')?.value, samples.has('holdfast_holder_read_age_seconds')], [3, false])
  assert.deepEqual(['holdfast_member_online', 'holdfast_member_drill_failed'].map((name) => samples.get(name)?.value), [1, 1])
  assert.ok(!samples.has('holdfast_member_state') && !samples.has('holdfast_member_snapshot_age_seconds'), 'what is not known is not said')
  assert.equal((await get(door.port, '/')).status, 404)
  assert.equal((await get(door.port, '/metrics', 'evil.example.com')).status, 421)
})
