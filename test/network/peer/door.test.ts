import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { request } from 'node:https'
import { test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { HoldfastError } from '../../../shared/errors.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../../agent/identity/owner.ts'
import { signRecoveryProof } from '../../../agent/network/membership/records.ts'
import { makeCertificate } from '../../../agent/network/peer/certificate.ts'
import { authorizationOf } from '../../../agent/network/peer/credential.ts'
import { type Identity, dialTls, tlsIdentity } from '../../../agent/network/peer/dial.ts'
import { dial } from '../../../agent/network/peer/link.ts'
import { systemClock } from '../../../agent/network/clock.ts'
import { type TestAgent, TestGroup } from '../../support/peer-group.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)

async function strangerIdentity(): Promise<Identity> {
  const machine = generateMachine()
  return { machine, certificate: await makeCertificate(machine) }
}

const upgrade = (authorization: string, overrides: { path?: string; headers?: string } = {}) =>
  `GET ${overrides.path ?? '/holdfast/?EIO=4&transport=websocket'} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
  + `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${overrides.headers ?? ''}${authorization === '' ? '' : `Authorization: ${authorization}\r\n`}\r\n`

/** Everything that the door says over TLS after `text`, until it hangs up. */
async function whatItSays(door: TestAgent, text: string, options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: door.door.port, rejectUnauthorized: false, ...options })
  let said = ''
  socket.on('data', (bytes) => { said += bytes.toString('latin1') }).on('error', () => { /* hanging up is what it is about */ })
  socket.once('secureConnect', () => socket.write(text))
  await new Promise((resolve) => { socket.once('close', resolve) })
  return said
}

test('whoever does not bring a credential of its own certificate gets not one byte over TLS', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door', { limits: { strangersPerMinute: 1000 } })
  const member = await group.agent('member')
  const stranger = await strangerIdentity()
  const credential = authorizationOf({ v: 1, as: 'member', peer: member.record })
  const own = tlsIdentity(member.identity)
  const cases: Record<string, [string, ConnectionOptions]> = {
    'a page': ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', own],
    'a page without Host': ['GET / HTTP/1.1\r\n\r\n', own],
    'a page that expects to be asked on': ['POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n', own],
    'a page that expects something else': ['POST / HTTP/1.1\r\nHost: x\r\nExpect: 7\r\n\r\n', own],
    'CONNECT': ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', own],
    'polling': ['GET /holdfast/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n', own],
    'garbage': ['\x00\x01\x02 this is not HTTP\r\n\r\n', own],
    'HTTP/2': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', own],
    'endless headers': [`GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`, own],
    'another path': [upgrade(credential, { path: '/socket.io/?EIO=4&transport=websocket' }), own],
    'another protocol version': [upgrade(credential, { path: '/holdfast/?EIO=3&transport=websocket' }), own],
    'the upgrade of a session': [upgrade(credential, { path: '/holdfast/?EIO=4&transport=websocket&sid=abc' }), own],
    'a browser': [upgrade(credential, { headers: 'Origin: https://evil.example\r\n' }), own],
    'compression': [upgrade(credential, { headers: 'Sec-WebSocket-Extensions: permessage-deflate\r\n' }), own],
    'no credential': [upgrade(''), own],
    'a credential of another scheme': [upgrade('Bearer abc'), own],
    'a credential that is no JSON': [upgrade('Holdfast !!!!'), own],
    'a credential that is forged': [upgrade(authorizationOf({ v: 1, as: 'member', peer: `${member.record.slice(0, -8)}AAAAAAAA` })), own],
    'a credential replayed with another certificate': [upgrade(credential), tlsIdentity(stranger)],
    'a credential without a certificate': [upgrade(credential), {}],
  }
  for (const [name, [text, options]] of Object.entries(cases)) assert.equal(await whatItSays(door, text, options), '', name)
  assert.match(await whatItSaysUntil(door, upgrade(credential), own, 'HTTP/1.1 101'), /^HTTP\/1\.1 101/, 'the door is not simply dead')
})

async function whatItSaysUntil(door: TestAgent, text: string, options: ConnectionOptions, wanted: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: door.door.port, rejectUnauthorized: false, ...options })
  socket.once('secureConnect', () => socket.write(text))
  let said = ''
  for await (const bytes of socket) {
    said += (bytes as Buffer).toString('latin1')
    if (said.includes(wanted)) break
  }
  socket.destroy()
  return said
}

test('plain TCP and TLS 1.2 get no HTTP', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door')
  const plain = connectTcp(door.door.port, '127.0.0.1')
  let said = Buffer.alloc(0)
  plain.on('data', (bytes) => { said = Buffer.concat([said, bytes]) }).on('error', () => { /* hung up */ })
  plain.write('GET / HTTP/1.1\r\n\r\n')
  await once(plain, 'close')
  assert.ok(said.length < 16 && !said.includes('HTTP'), 'at most a TLS alert')
  await assert.rejects(once(connect({ host: '127.0.0.1', port: door.door.port, rejectUnauthorized: false, maxVersion: 'TLSv1.2' }), 'secureConnect'), /protocol version|ECONNRESET/i)
})

test('an HTTP client sees the connection break and no status', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door')
  const asked = request({ host: '127.0.0.1', port: door.door.port, path: '/', rejectUnauthorized: false })
  asked.end()
  await assert.rejects(once(asked, 'response'), /socket hang up|ECONNRESET/)
})

test('a machine of another work group and one that was shut out are not let in', async () => {
  await using group = await TestGroup.create()
  await using other = await TestGroup.create()
  const door = await group.open('door')
  const [foreign, revoked] = [await other.agent('foreign'), await group.agent('revoked')]
  await assert.rejects(foreign.dial(door), withCode('unauthorized'))
  await using link = await revoked.dial(door)
  const next = await group.revoke(revoked.id)
  await door.membership.ingest([next], { kind: 'roster', name: 'test' })
  await assert.rejects(link.call('members', { after: 0 }), withCode('revoked', 'peer-unreachable'), 'the open link is of no more use')
  await assert.rejects(revoked.dial(door), withCode('unauthorized'))
})

test('a machine that joined a second ago is let in by one that has not read the roster', async () => {
  await using group = await TestGroup.create()
  const [door, fresh] = [await group.open('door'), await group.agent('fresh')]
  assert.equal(door.membership.member(fresh.id), undefined)
  await using link = await fresh.dial(door)
  assert.equal(link.machine, door.id)
  assert.equal(door.membership.member(fresh.id)?.name, 'fresh')
})

test('the wrong machine behind an address is refused before it sees any message', async () => {
  await using group = await TestGroup.create()
  const [door, impostor, device] = [await group.open('door'), await group.open('impostor'), await group.agent('device')]
  await assert.rejects(device.dial(door, { target: { port: impostor.door.port } }), withCode('peer-unreachable'))
  const forged = { id: door.id, certificate: impostor.identity.certificate }
  await assert.rejects(device.dial(door, { target: { port: impostor.door.port, pin: forged } }), /another machine/)
  assert.deepEqual(impostor.events.filter((event) => event.type === 'guest-came'), [])
})

test('with rejectUnauthorized off Node would not ask who the server is: why dialTls never switches it off when it pins', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door')
  let asked = 0
  const checkServerIdentity = () => { asked++; return new Error('refused') }
  const careless = connect({ host: '127.0.0.1', port: door.door.port, rejectUnauthorized: false, checkServerIdentity })
  await once(careless, 'secureConnect')
  careless.destroy()
  assert.equal(asked, 0)
  const careful = connect({ host: '127.0.0.1', port: door.door.port, ca: tlsIdentity(door.identity).cert, checkServerIdentity })
  await assert.rejects(once(careful, 'secureConnect'), /refused/)
  assert.equal(asked, 1)
})

test('a recovery comes in by host and port alone, and only with a proof for its own certificate and of these days', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door')
  const root = ownerFromWords(generateWords())
  const [identity, thief] = [await strangerIdentity(), await strangerIdentity()]
  const proof = await signRecoveryProof(root, identity.machine.id, Date.now())
  const old = await signRecoveryProof(root, identity.machine.id, Date.now() - 4 * 86_400_000)
  const enter = (who: Identity, shown: string) => dial({ name: 'door', host: '127.0.0.1', port: door.door.port }, { identity: who, credential: { v: 1, as: 'recovery', proof: shown }, clock: systemClock })
  await using link = await enter(identity, proof)
  assert.equal(link.machine, door.id)
  assert.ok((await link.call('members', { after: 0 })).records.includes(group.network))
  await assert.rejects(link.call('gossip.push', { records: [], heads: [], coverage: [] }), withCode('unauthorized'))
  await assert.rejects(enter(thief, proof), withCode('unauthorized'))
  await assert.rejects(enter(identity, old), withCode('unauthorized'))
})

test('strangers from one address are hung up on after so many, and members are not counted', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door', { limits: { strangersPerMinute: 4 } })
  const member = await group.agent('member')
  for (let times = 0; times < 6; times++) await (await member.dial(door))[Symbol.asyncDispose]()
  const stranger = await strangerIdentity()
  for (let times = 0; times < 4; times++) await whatItSays(door, 'GET / HTTP/1.1\r\n\r\n', tlsIdentity(stranger))
  await assert.rejects(dialTls({ name: 'door', host: '127.0.0.1', port: door.door.port }, stranger, AbortSignal.timeout(5000)), withCode('peer-unreachable'))
  assert.ok(door.events.some((event) => event.type === 'stranger-refused' && event.code === 'flood'))
})

test('who connects and says nothing is hung up on when its time is over', async () => {
  await using group = await TestGroup.create()
  let ring: (() => void) | undefined
  const clock = { now: Date.now, after: (ms: number, then: () => void) => { if (ms === 1234) ring = then; return () => undefined } }
  const door = await group.open('door', { limits: { handshakeMs: 1234 }, clock })
  const slow = connect({ host: '127.0.0.1', port: door.door.port, rejectUnauthorized: false })
  await once(slow, 'secureConnect')
  slow.on('error', () => { /* hung up */ })
  slow.write('GET /holdfast/ HTTP/1.1\r\nX-Slow: ')
  assert.ok(ring !== undefined)
  const closed = new Promise((resolve) => { slow.once('close', resolve) })
  ring()
  await closed
  assert.ok(door.events.some((event) => event.type === 'stranger-refused' && event.code === 'timeout'))
})

test('of the links of one machine the oldest ends when there are too many, and two machines with one key both get in', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door', { limits: { linksOfMachine: 2 } })
  const original = await group.agent('original')
  const clone = await group.agent('clone', { machine: original.identity.machine })
  const links = [await original.dial(door), await clone.dial(door)]
  for (const link of links) assert.equal((await link.greet()).name, 'door')
  const ended = once(links[0]?.ended ?? new EventTarget(), 'abort')
  links.push(await clone.dial(door))
  await ended
  assert.deepEqual(links.map((link) => link.ended.aborted), [true, false, false])
  for (const link of links) await link[Symbol.asyncDispose]()
})

test('a link too many is told so', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door', { limits: { links: 1 } })
  const [first, second] = [await group.agent('first'), await group.agent('second')]
  await using link = await first.dial(door)
  await assert.rejects(second.dial(door), withCode('quota-exceeded'))
  assert.equal((await link.greet()).name, 'door')
})

test('a door that closes ends its links, and its port is free', async () => {
  await using group = await TestGroup.create()
  const door = await group.open('door')
  const member = await group.agent('member')
  const link = await member.dial(door)
  const { port } = door.door
  const ended = once(link.ended, 'abort')
  await door.close()
  await ended
  await door.open(port)
  assert.equal(door.door.port, port)
  const late = await group.agent('late')
  await assert.rejects(late.open(port), withCode('in-use'))
})
