/** Calls on the local network: real datagrams over loopback, on a port of the test's own. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import * as fc from 'fast-check'
import { type Clock, systemClock } from '../../../agent/network/clock.ts'
import { Beacon, type BeaconOptions, type Sighting, callOut } from '../../../agent/network/peer/beacon.ts'
import { type BeaconMessage, beaconKey, beaconLength, openBeacon, sealBeacon } from '../../../agent/network/peer/beacon-message.ts'
import { broadcastOf } from '../../../agent/network/peer/local-networks.ts'
import type { MachineId, NetworkId } from '../../../shared/ids.ts'

const idOf = (letter: string) => Buffer.alloc(32, letter).toString('base64url')
const net = idOf('n') as NetworkId
const [self, other] = [idOf('s') as MachineId, idOf('o') as MachineId]
const host = '127.0.0.1'
const dayMs = 86_400_000

async function anyUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

interface Heard { readonly port: number; readonly calls: Sighting[] }

/** A member whose door has port 4711. */
async function member(t: TestContext, options: Partial<BeaconOptions> = {}): Promise<Heard> {
  const heard = { port: await anyUdpPort(), calls: [] as Sighting[] }
  const beacon = await Beacon.open({
    net, self, doorPort: 4711, host, port: heard.port, clock: systemClock, knows: (id) => id === other,
    onCall: (sighting) => { heard.calls.push(sighting) }, onFault: (error) => { throw error }, ...options,
  })
  t.after(async () => { await beacon[Symbol.asyncDispose]() })
  return heard
}

const call = async (port: number, options: { net?: NetworkId; self?: MachineId | undefined; clock?: Clock; enough?: number; patienceMs?: number } = {}) =>
  await callOut({ net, self: other, doorPort: 4712, host, port, clock: systemClock, ...options }, { signal: new AbortController().signal, patienceMs: 10_000, enough: 1, ...options })

const later = (ms: number): Clock => ({ now: () => Date.now() + ms, after: (delayMs, then) => systemClock.after(delayMs, then) })

/** Sends datagrams straight to a member and gathers what comes back until a call that is certainly answered has been. */
async function answersTo(port: number, datagrams: readonly Buffer[]): Promise<Buffer[]> {
  const socket: Socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const answers: Buffer[] = []
  socket.on('message', (bytes) => { answers.push(bytes) })
  for (const datagram of datagrams) socket.send(datagram, port, host)
  await call(port)
  await new Promise((resolve) => { setImmediate(resolve) })
  socket.close()
  return answers
}

const sealed = (message: Partial<BeaconMessage> = {}, nowMs = Date.now(), nonce = randomBytes(12)) =>
  sealBeacon(beaconKey(net), { kind: 'call', port: 4712, machine: other, echo: undefined, ...message }, { nonce, nowMs })

test('a member answers a call with its address, and learns that of the caller', async (t) => {
  const heard = await member(t)
  assert.deepEqual(await call(heard.port), [{ machine: self, address: { host, port: 4711 } }])
  assert.deepEqual(heard.calls[0], { machine: other, address: { host, port: 4712 } })
  assert.equal((await call(heard.port, { self: undefined }))[0]?.machine, self, 'a recovery, which is no member yet')
})

test('a call says nothing to whoever has not the key: two of them have no byte in common, and no name is in them', () => {
  const [first, second] = [sealed(), sealed()]
  assert.equal(first.length, beaconLength)
  const same = first.filter((byte, index) => byte === second[index]).length
  assert.ok(same < 16, `${same} of ${beaconLength} bytes are the same`)
  for (const secret of [net, self, other].map((id) => Buffer.from(id, 'base64url').subarray(0, 4))) assert.equal(first.includes(secret), false)
})

test('strangers, other groups, revoked machines, old calls, played back ones and answers get no answer', async (t) => {
  const { port } = await member(t)
  const once = sealed()
  const forged = Buffer.from(sealed())
  forged.writeUInt8(forged.readUInt8(40) ^ 1, 40)
  const foreign = sealBeacon(beaconKey(idOf('x') as NetworkId), { kind: 'call', port: 1, machine: other, echo: undefined }, { nonce: randomBytes(12), nowMs: Date.now() })
  const answers = await answersTo(port, [
    randomBytes(beaconLength), Buffer.alloc(0), sealed().subarray(1), forged, foreign, sealed({ machine: idOf('r') as MachineId }), sealed({ machine: self }),
    sealed({}, Date.now() - 3 * dayMs), sealed({}, Date.now() + 3 * dayMs), sealed({ kind: 'answer', echo: randomBytes(12) }), once, once, once,
  ])
  assert.deepEqual(answers.map(({ length }) => length), [beaconLength], 'the one good call, once, and with no more bytes than it had')
})

test('a flood of good calls gets thirty answers a minute, and then answers again', async (t) => {
  let aheadMs = 0
  const { port } = await member(t, { clock: { now: () => Date.now() + aheadMs, after: (delayMs, then) => systemClock.after(delayMs, then) } })
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  let answers = 0
  const full = Promise.withResolvers<void>()
  socket.on('message', () => { if (++answers === 30) full.resolve() })
  const minute = Math.floor(Date.now() / 60_000)
  for (let number = 0; number < 60; number++) socket.send(sealed(), port, host)
  await full.promise
  assert.deepEqual(await call(port, { patienceMs: 300 }), [])
  socket.close()
  if (Math.floor(Date.now() / 60_000) === minute) assert.equal(answers, 30)
  aheadMs = 60_000
  assert.equal((await call(port)).length, 1)
})

test('an answer to somebody else\'s call, or without a door, is none; a call ends with its signal', async (t) => {
  const { port } = await member(t, { doorPort: 0 })
  assert.deepEqual(await call(port, { patienceMs: 600 }), [])
  await assert.rejects(callOut({ net, self, doorPort: 1, host, port, clock: systemClock }, { signal: AbortSignal.abort(new Error('enough')), patienceMs: 1 }), /enough/)
})

test('clocks that differ by a day and a half do not keep machines from hearing each other', async (t) => {
  const { port } = await member(t)
  assert.equal((await call(port, { clock: later(1.5 * dayMs) })).length, 1)
})

test('openBeacon() gives back what was sealed, and undefined for anything else', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 65_535 }), fc.boolean(), fc.uint8Array({ maxLength: 200 }), (port, isCall, noise) => {
    const message: BeaconMessage = { kind: isCall ? 'call' : 'answer', port, machine: other, echo: isCall ? undefined : Buffer.alloc(12, 7) }
    const { nonce, ...opened } = openBeacon(beaconKey(net), sealed(message), Date.now()) ?? assert.fail('it opens')
    assert.equal(nonce.length, 12)
    assert.deepEqual(opened, message)
    assert.equal(openBeacon(beaconKey(net), Buffer.from(noise), Date.now()), undefined)
  }))
})

test('broadcastOf() is the last address of a network', () => {
  assert.deepEqual([broadcastOf('10.1.2.3', '255.255.255.0'), broadcastOf('10.1.2.3', '255.255.240.0'), broadcastOf('127.0.0.1', '255.0.0.0')], ['10.1.2.255', '10.1.15.255', '127.255.255.255'])
})
