import 'reflect-metadata'
import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:https'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import * as x509 from '@peculiar/x509'
import { type Socket, io } from 'socket.io-client'
import { type RunsNow, commands, runsNowSchema } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { PerformCommand } from '../../agent/composition/command-runs.ts'
import { agentRunner } from '../../agent/http/agent-client.ts'
import { makePaneCertificate, paneCertificate } from '../../agent/http/pane-certificate.ts'
import { type OpenDoor, bearer, call, openDoor } from '../support/open-door.ts'

const noProgress = { signal: new AbortController().signal, onProgress: () => {} }
const snapshots = { snapshots: [], freshness: { answered: 3, asked: 3, newest: 'confirmed', notices: [] } }

const perform: PerformCommand = (async (name: string, _request: object, options: Parameters<PerformCommand>[2]) => {
  if (name === 'verify') throw new HoldfastError('object-missing', 'Cannot read an object: 2 of 3 shards', { details: { have: 2, need: 3 } })
  if (name === 'backup' || name === 'repair') {
    options.onProgress({ stage: 'reading', bytesDone: 5 })
    if (name === 'repair') options.onProgress({ stage: 'waiting for somebody', detail: 'where' })
    return await new Promise((_resolve, reject) => { options.signal.addEventListener('abort', () => reject(options.signal.reason)) })
  }
  return snapshots
}) as PerformCommand

test('a command runs through the door, with its result or its problem', async () => {
  await using door = await openDoor(perform)
  const run = agentRunner(door.runtime)
  assert.equal((await run('snapshots', { kept: false }, noProgress)).freshness.answered, 3)
  await assert.rejects(run('verify', { readData: false }, noProgress), (error: unknown) =>
    error instanceof HoldfastError && error.code === 'object-missing' && error.details['need'] === 3)
})

test('progress arrives while a command runs, and aborting the caller cancels it', async () => {
  await using door = await openDoor(perform)
  const controller = new AbortController()
  const stages: string[] = []
  await assert.rejects(agentRunner(door.runtime)('backup', { paths: [], offlineOk: false, tags: [] }, {
    signal: controller.signal,
    onProgress: ({ stage }) => { stages.push(stage); controller.abort(new HoldfastError('cancelled', 'enough')) },
  }), (error: unknown) => error instanceof Error)
  assert.deepEqual(stages, ['reading'])
})

test('a run that nobody waits for goes on, is listed, told to sockets, and cancelled by its id', async () => {
  await using door = await openDoor(perform)
  const headers = bearer(door.sessions.open())
  const socket = socketTo(door, { auth: { token: door.sessions.open() } })
  await happens(socket, 'connect')
  const ended = new Promise<{ name: string; problem: { code: string } | null }>((resolve) => { socket.on('run', (event) => { if (event.type === 'ended') resolve(event) }) })
  const started = await call(door, '/api/commands/backup', { method: 'POST', body: '{}', headers: { ...headers, prefer: 'respond-async' } })
  assert.equal(started.status, 202)
  const { run } = JSON.parse(started.body) as { run: string }
  const listed = JSON.parse((await call(door, '/api/runs', { headers })).body) as { runs: { id: string; name: string }[] }
  assert.deepEqual(listed.runs.map(({ id, name }) => [id, name]), [[run, 'backup']])
  assert.deepEqual(await toldAtFirst(door), { runs: [[run, 'backup', 5]], ended: [] }, 'a pane that comes now knows of it')
  assert.equal((await call(door, `/api/runs/${run}`, { method: 'DELETE', headers })).status, 204)
  const { name, problem } = await ended
  assert.deepEqual([name, problem?.code], ['backup', 'cancelled'])
  assert.equal((await call(door, `/api/runs/${run}`, { method: 'DELETE', headers })).status, 404)
  socket.disconnect()
  assert.deepEqual(await toldAtFirst(door), { runs: [], ended: [[run, 'cancelled']] }, 'one that was away hears how it ended')
})

test('a run that waits for its turn is told of before it begins; of those that ended the last three of each command are kept, and no question', async () => {
  await using door = await openDoor(perform)
  const socket = socketTo(door, { auth: { token: door.sessions.open() } })
  await happens(socket, 'connect')
  const begin = async (name: string) => (JSON.parse((await call(door, `/api/commands/${name}`, { method: 'POST', body: '{}', headers: { ...bearer(door.sessions.ownToken), prefer: 'respond-async' } })).body) as { run: string }).run
  const waits = new Promise<string>((resolve) => { socket.on('run', (event) => { if (event.type === 'run' && event.run.name === 'repair' && event.run.stage === 'queued') resolve(event.run.id) }) })
  const backup = await begin('backup')
  const repair = await begin('repair')
  assert.equal(await waits, repair)
  for (const id of [backup, repair]) door.runs.cancel(id)
  for (let time = 0; time < 4; time++) await assert.rejects(agentRunner(door.runtime)('verify', { readData: false }, noProgress))
  await agentRunner(door.runtime)('snapshots', { kept: false }, noProgress)
  assert.deepEqual(door.runs.ended.map(({ name }) => name).sort(), ['backup', 'repair', 'verify', 'verify', 'verify'])
  socket.disconnect()
})

/** Of a pane that has just connected: what runs, how far, and how what ended did. */
async function toldAtFirst(door: OpenDoor): Promise<object> {
  const socket = socketTo(door, { auth: { token: door.sessions.open() } })
  const { runs, ended } = await new Promise<RunsNow>((resolve) => { socket.once('runs', (now) => { resolve(runsNowSchema.parse(now)) }) })
  socket.disconnect()
  return { runs: runs.map(({ id, name, progress }) => [id, name, progress?.bytesDone]), ended: ended.map(({ id, problem }) => [id, problem?.code]) }
}

test('what a run says last is told to sockets, however soon it follows', async () => {
  await using door = await openDoor(perform)
  const socket = socketTo(door, { auth: { token: door.sessions.open() } })
  await happens(socket, 'connect')
  const said = new Promise<string>((resolve) => { socket.on('run', (event) => { if (event.type === 'run' && event.run.progress?.detail !== undefined) resolve(event.run.progress.detail) }) })
  await call(door, '/api/commands/repair', { method: 'POST', body: '{}', headers: { ...bearer(door.sessions.open()), prefer: 'respond-async' } })
  assert.equal(await said, 'where')
  socket.disconnect()
})

test('the door closes while panes are open, on both transports', async () => {
  const door = await openDoor(perform)
  const auth = { token: door.sessions.open() }
  const sockets = (['websocket', 'polling'] as const).map((transport) => socketTo(door, { transport, auth }))
  await Promise.all(sockets.map(async (socket) => { await happens(socket, 'connect') }))
  await door[Symbol.asyncDispose]()
  for (const socket of sockets) socket.disconnect()
  assert.equal((await call(door, '/').catch(() => undefined)), undefined)
})

const everyPath = ['/', '/commands.html', '/manifest.xml', '/office/office.js', '/icons/holdfast-16.png', '/api/runs', '/api/openapi.json']

test('asked under another name than localhost, as a rebound name would, nothing is answered', async () => {
  await using door = await openDoor(perform)
  for (const path of everyPath) {
    for (const host of [`evil.example:${door.port}`, 'localhost', `localhost:${door.port + 1}`, `localhost.evil.example:${door.port}`]) {
      const { status, code } = await call(door, path, { headers: { host, ...bearer(door.sessions.ownToken) } })
      assert.deepEqual([status, code], [421, 'wrong-host'], `${host} ${path}`)
    }
  }
})

test('a page of another origin gets nothing, whatever token it carries', async () => {
  await using door = await openDoor(perform)
  const token = bearer(door.sessions.ownToken)
  for (const origin of ['https://evil.example', 'null', `http://localhost:${door.port}`, `https://localhost:${door.port}.evil.example`]) {
    assert.equal((await call(door, '/api/runs', { headers: { ...token, origin } })).code, 'forbidden', origin)
  }
  assert.equal((await call(door, '/api/runs', { headers: { ...token, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' } })).code, 'forbidden')
  assert.equal((await call(door, '/api/runs', { headers: { ...token, 'origin': `https://localhost:${door.port}`, 'sec-fetch-site': 'same-origin' } })).status, 200)
})

test('a page of Office shows the icons of the ribbon, and gets nothing else', async () => {
  await using door = await openDoor(perform)
  const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }
  const icon = await call(door, '/icons/restore-16.png', { headers })
  assert.deepEqual([icon.status, icon.headers['cross-origin-resource-policy']], [200, 'cross-origin'])
  assert.equal((await call(door, '/manifest.xml', { headers })).code, 'forbidden')
  assert.equal((await call(door, '/icons/restore-16.png', { headers: { host: `rebound.example:${door.port}` } })).code, 'wrong-host')
})

function socketTo(door: OpenDoor, options: { auth?: object; headers?: Record<string, string>; transport?: 'websocket' | 'polling' }): Socket {
  return io(`https://localhost:${door.port}`, {
    path: '/events', transports: [options.transport ?? 'websocket'], reconnection: false, forceNew: true, ca: [door.authority], extraHeaders: options.headers ?? {}, auth: options.auth ?? {},
  } as Parameters<typeof io>[1])
}

async function happens(socket: Socket, event: string): Promise<void> {
  await new Promise<void>((resolve) => { socket.once(event, () => { resolve() }) })
}

test('a socket of another origin, another host or without a token is refused on both transports', async () => {
  await using door = await openDoor(perform)
  const auth = { token: door.sessions.open() }
  for (const transport of ['websocket', 'polling'] as const) {
    for (const attempt of [
      { auth, headers: { origin: 'https://evil.example' } }, ...(transport === 'websocket' ? [{ auth, headers: { host: `evil.example:${door.port}` } }] : []), { auth: {} }, { auth: { token: 'x' } }, { auth: { token: { $ne: '' } } },
      { auth: { token: door.sessions.newBackupToken('').token } },
    ]) {
      const socket = socketTo(door, { transport, ...attempt })
      const outcome = await Promise.race([happens(socket, 'connect').then(() => 'connected'), happens(socket, 'connect_error').then(() => 'refused')])
      assert.equal(outcome, 'refused', `${transport} ${JSON.stringify(attempt)}`)
      socket.disconnect()
    }
    assert.equal((await call(door, '/events/?EIO=4&transport=polling', { headers: { host: `evil.example:${door.port}` } })).status, 403)
    const good = socketTo(door, { transport, auth, headers: { origin: `https://localhost:${door.port}` } })
    await happens(good, 'connect')
    good.disconnect()
  }
})

test('every call to the API but pairing needs a token, and a wrong, ended or foreign one is none', async () => {
  await using door = await openDoor(perform)
  await using another = await openDoor(perform)
  const ended = door.sessions.open()
  door.clock.nowMs += 12 * 3_600_000 + 1
  const closed = door.sessions.open()
  await call(door, '/api/pair', { method: 'DELETE', headers: bearer(closed) })
  for (const headers of [{}, bearer('x'), bearer(ended), bearer(closed), bearer(another.sessions.ownToken), { authorization: `Basic ${door.sessions.ownToken}` }, { authorization: door.sessions.ownToken }]) {
    for (const [method, path] of [['GET', '/api/runs'], ['POST', '/api/commands/status'], ['POST', '/api/tickets'], ['GET', '/api/file?snapshot=latest&path=/a'], ['GET', '/api/openapi.json'], ['GET', '/api/nothing']] as const) {
      const { status, code } = await call(door, path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) })
      assert.deepEqual([status, code], [401, 'not-paired'], `${path} ${JSON.stringify(headers)}`)
    }
  }
})

test('a token is kept awake by use', async () => {
  await using door = await openDoor(perform)
  const token = door.sessions.open()
  for (let hour = 0; hour < 30; hour += 10) {
    door.clock.nowMs += 10 * 3_600_000
    assert.equal((await call(door, '/api/runs', { headers: bearer(token) })).status, 200)
  }
})

test('a ticket connects a pane once, and not after its time', async () => {
  await using door = await openDoor(perform)
  const { ticket } = JSON.parse((await call(door, '/api/tickets', { method: 'POST', body: '{}', headers: bearer(door.sessions.ownToken) })).body) as { ticket: string }
  const pair = async (given: object) => await call(door, '/api/pair', { method: 'POST', body: JSON.stringify(given) })
  const paired = await pair({ ticket })
  const { token } = JSON.parse(paired.body) as { token: string }
  assert.equal((await call(door, '/api/runs', { headers: bearer(token) })).status, 200)
  assert.equal((await pair({ ticket })).code, 'not-paired')
  const late = door.sessions.newTicket()
  door.clock.nowMs += 5 * 60_000 + 1
  assert.equal((await pair({ ticket: late })).code, 'not-paired')
  for (const given of [{}, { ticket: '' }, { ticket: 1 }, { code: 'x', ticket: 'y' }, []]) assert.equal((await pair(given)).status, 400, JSON.stringify(given))
})

test('a code can be typed wrong five times, then it is void, and typed right it is good once', async () => {
  await using door = await openDoor(perform)
  const pair = async (code: string) => await call(door, '/api/pair', { method: 'POST', body: JSON.stringify({ code }) })
  assert.equal((await pair('ABCDEF')).code, 'not-paired', 'while there is no code')
  const code = door.sessions.newCode()
  for (let attempt = 1; attempt <= 4; attempt++) assert.equal((await pair('111111')).code, 'not-paired')
  assert.equal((await pair('111111')).code, 'too-many-attempts')
  assert.equal((await pair(code)).code, 'too-many-attempts', 'guessing is over even with the right one')
  const second = door.sessions.newCode()
  assert.equal((await pair(`${second.slice(0, 3)} ${second.slice(3).toLowerCase()}`)).status, 200)
  assert.equal((await pair(second)).code, 'not-paired')
  const third = door.sessions.newCode()
  door.clock.nowMs += 10 * 60_000 + 1
  assert.equal((await pair(third)).code, 'not-paired')
})

test('the ribbon\'s token starts a backup of everything, and nothing else', async () => {
  await using door = await openDoor(perform)
  const full = bearer(door.sessions.open())
  const made = JSON.parse((await call(door, '/api/tokens', { method: 'POST', body: '{"scope":"backup","label":"Outlook"}', headers: full })).body) as { id: string; token: string }
  assert.ok(!(door.kept.text ?? '').includes(made.token), 'the home keeps a digest')
  const headers = bearer(made.token)
  for (const name of Object.keys(commands).filter((command) => command !== 'backup')) {
    assert.equal((await call(door, `/api/commands/${name.replaceAll(' ', '-')}`, { method: 'POST', body: '{}', headers })).code, 'forbidden', name)
  }
  for (const [method, path] of [['GET', '/api/runs'], ['POST', '/api/tickets'], ['POST', '/api/codes'], ['POST', '/api/tokens'], ['GET', '/api/tokens'], ['GET', '/api/file?snapshot=latest&path=/a'], ['GET', '/api/openapi.json'], ['DELETE', '/api/runs/x']] as const) {
    assert.equal((await call(door, path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) })).code, 'forbidden', path)
  }
  assert.equal((await call(door, '/api/commands/backup', { method: 'POST', body: '{"paths":["/etc"]}', headers })).code, 'forbidden')
  assert.equal((await call(door, '/api/commands/backup', { method: 'POST', body: '{}', headers: { ...headers, prefer: 'respond-async' } })).status, 202)
  assert.equal((await call(door, `/api/tokens/${made.id}`, { method: 'DELETE', headers: full })).status, 204)
  assert.equal((await call(door, '/api/commands/backup', { method: 'POST', body: '{}', headers })).code, 'not-paired')
})

test('bodies that are too long, no JSON or not what the command takes are refused', async () => {
  await using door = await openDoor(perform)
  const headers = bearer(door.sessions.ownToken)
  for (const body of ['{', 'null', '"x"', '[1', JSON.stringify({ paths: ['x'.repeat(1_100_000)] })]) {
    assert.equal((await call(door, '/api/commands/protect', { method: 'POST', body, headers })).code, 'invalid-input', body.slice(0, 20))
  }
  assert.equal((await call(door, '/api/commands/protect', { method: 'POST', body: '{"paths":[],"more":1}', headers })).code, 'invalid-input')
  assert.equal((await call(door, '/api/commands/no-such', { method: 'POST', body: '{}', headers })).code, 'not-found')
  assert.equal((await call(door, '/api/commands/constructor', { method: 'POST', body: '{}', headers })).code, 'not-found')
})

test('no path leads out of the folders that are served', async () => {
  await using door = await openDoor(perform)
  for (const path of ['/../package.json', '/..%2f..%2fpackage.json', '/office/../package.json', '/office/%2e%2e/package.json', '/icons/..%2f..%2fpackage.json', '/%2e%2e/%2e%2e/etc/passwd', '/office/..%5c..%5cpackage.json', '/.git/config', '/%00', '/%zz']) {
    const { status, body } = await call(door, path)
    assert.ok(status >= 400, path)
    assert.ok(!body.includes('"name": "holdfast"') && !body.includes('root:'), path)
  }
})

test('pages come with a policy that allows nothing from elsewhere, and the API is never kept by a browser', async () => {
  await using door = await openDoor(perform, { frameAncestors: ['https://owa.example.com'] })
  const page = await call(door, '/')
  const policy = String(page.headers['content-security-policy'])
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /frame-ancestors 'self' https:\/\/outlook\.office\.com .*https:\/\/owa\.example\.com/)
  assert.doesNotMatch(policy, /unsafe/)
  assert.equal(page.headers['cache-control'], 'no-store')
  assert.equal(page.headers['x-powered-by'], undefined)
  assert.equal((await call(door, '/api/runs', { headers: bearer(door.sessions.ownToken) })).headers['cache-control'], 'no-store')
  assert.equal((await call(door, '/office/office.js')).status, 200)
  assert.match((await call(door, '/manifest.xml')).body, new RegExp(`https://localhost:${door.port}/`))
})

test('a file of a snapshot comes with its name and length', async () => {
  await using door = await openDoor(perform)
  const headers = bearer(door.sessions.open())
  const file = await call(door, `/api/file?snapshot=latest&path=${encodeURIComponent('/home/ann/Übersicht \'1\'.txt')}`, { headers })
  assert.deepEqual([file.status, file.body, file.headers['content-length']], [200, 'abcdef', '6'])
  assert.equal(file.headers['content-disposition'], `attachment; filename*=UTF-8''${encodeURIComponent('Übersicht \'1\'.txt').replaceAll('\'', '%27')}`)
  assert.equal((await call(door, '/api/file?snapshot=none&path=/a', { headers })).code, 'not-found')
  assert.equal((await call(door, '/api/file?snapshot=latest', { headers })).code, 'invalid-input')
})

test('everything that the OpenAPI document names is answered', async () => {
  await using door = await openDoor(perform)
  const headers = bearer(door.sessions.ownToken)
  const document = JSON.parse((await call(door, '/api/openapi.json', { headers })).body) as { openapi: string; paths: Record<string, Record<string, { operationId: string }>> }
  assert.equal(document.openapi, '3.1.0')
  const operations = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, { operationId }]) => ({ path, method, operationId })))
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  assert.ok(operations.length > Object.keys(commands).length)
  for (const { path, method } of operations) {
    const answer = await call(door, path.replace('{id}', 'x'), { method: method.toUpperCase(), headers: { ...headers, prefer: 'respond-async' }, ...(method === 'post' ? { body: '{}' } : {}) })
    assert.ok(!(answer.code === 'not-found' && /that address|no such command/.test(answer.body)), `${method} ${path}`)
  }
})

test('the OpenAPI document asks of pairing and of tokens for what the door takes', async () => {
  await using door = await openDoor(perform)
  const { paths } = JSON.parse((await call(door, '/api/openapi.json', { headers: bearer(door.sessions.ownToken) })).body) as { paths: Record<string, { post: { requestBody: { content: Record<string, { schema: unknown }> } } }> }
  const bodyOf = (path: string) => paths[path]?.post.requestBody.content['application/json']?.schema
  const text = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength })
  const strict = { type: 'object', additionalProperties: false }
  assert.deepEqual(bodyOf('/api/pair'), {
    anyOf: [
      { ...strict, properties: { ticket: text(256) }, required: ['ticket'] },
      { ...strict, properties: { code: text(32), remember: { type: 'boolean', default: false } }, required: ['code'] },
      { ...strict, properties: { entra: text(16_384) }, required: ['entra'] },
    ],
  })
  assert.deepEqual(bodyOf('/api/tokens'), { ...strict, properties: { scope: { type: 'string', const: 'backup' }, label: { type: 'string', maxLength: 80, default: '' } }, required: ['scope'] })
})

/** NameConstraints (RFC 5280 section 4.2.1.10): permitted are the DNS name localhost, 127.0.0.0/255.0.0.0 and ::1 of 128 bits; nothing is excluded. */
const onlyThisMachine = `303fa03d300b8209${Buffer.from('localhost').toString('hex')}300a87087f000000ff00000030228720${'00'.repeat(15)}01${'ff'.repeat(16)}`

test('the certificate is for this machine alone, from a CA that may sign nothing else', async () => {
  const { certificate, authority, key } = await makePaneCertificate(Date.now())
  const [leaf, ca] = [new X509Certificate(certificate), new X509Certificate(authority)]
  assert.ok(leaf.verify(ca.publicKey) && leaf.checkIssued(ca) && ca.ca)
  assert.equal(leaf.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
  const constraints = new x509.X509Certificate(authority).getExtension('2.5.29.30')
  assert.equal(constraints?.critical, true)
  assert.equal(Buffer.from(constraints?.value ?? []).toString('hex'), onlyThisMachine)
  const kept = createPrivateKey(key)
  assert.ok(leaf.checkPrivateKey(kept) && !ca.checkPrivateKey(kept), 'the key of the CA is not kept')
  assert.equal(leaf.ca, false)
  await using door = await openDoor(perform)
  const outgoing = request({ host: '127.0.0.1', port: door.port, servername: 'localhost', agent: false })
  await assert.rejects(once(outgoing, 'response'), /self-signed|self signed|unable to/i)
})

test('the door answers on both loopback addresses, and not on the others of this machine', async (t) => {
  await using door = await openDoor(perform)
  const answers = async (host: string) => await call(door, '/', { host }).then(({ status }) => status, (error: unknown) => (error as NodeJS.ErrnoException).code)
  assert.equal(await answers('127.0.0.1'), 200)
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  if (addresses.some(({ address }) => address === '::1')) assert.equal(await answers('::1'), 200)
  else t.diagnostic('this machine has no ::1')
  const others = addresses.filter(({ internal, scopeid }) => !internal && !scopeid)
  if (others.length === 0) t.diagnostic('this machine has no address but loopback')
  for (const { address } of others) assert.equal(await answers(address), 'ECONNREFUSED', address)
})

test('the certificate is kept, and made anew when it ends soon or its file is damaged', async () => {
  const file: { text: string | undefined } = { text: undefined }
  const at = async (nowMs: number) => await paneCertificate({ read: () => file.text, write: (text) => { file.text = text } }, nowMs)
  const first = await at(Date.now())
  assert.deepEqual(await at(Date.now() + 300 * 86_400_000), first)
  const second = await at(Date.now() + 370 * 86_400_000)
  assert.notEqual(second.authority, first.authority)
  file.text = '{"v":1,'
  assert.notEqual((await at(Date.now())).authority, second.authority)
})

test('a port that is taken is named', async () => {
  await using door = await openDoor(perform)
  const { openPaneDoor } = await import('../../agent/http/pane-door.ts')
  const made = await makePaneCertificate(Date.now())
  await assert.rejects(openPaneDoor({ port: door.port, certificate: made, sessions: door.sessions, services: { version: '', run: door.runs.run, states: [], ended: [], cancel: () => false, openFile: async () => { throw new Error('not asked') }, entra: undefined } }),
    (error: unknown) => error instanceof HoldfastError && error.code === 'already-exists' && error.message.includes(`port ${door.port} is taken`) && /--pane-port/.test(error.guidance))
})

test('an agent of another version is told as such, whether it does not understand or is not understood', async () => {
  const known = { result: { pausedUntil: null } as object }
  await using door = await openDoor(() => known.result as never)
  const isOther = (error: unknown) => error instanceof HoldfastError && error.code === 'protocol-unknown' && /another version/.test(error.message) && /Start the agent anew/.test(error.guidance)
  assert.deepEqual(await agentRunner(door.runtime)('pause', { hours: null }, noProgress), { pausedUntil: null })
  await assert.rejects(agentRunner(door.runtime)('pause', { hours: null, why: 'of a later version' } as never, noProgress), isOther)
  await assert.rejects(agentRunner(door.runtime)('pause later' as never, {} as never, noProgress), isOther)
  known.result = { until: null }
  await assert.rejects(agentRunner(door.runtime)('pause', { hours: null }, noProgress), isOther)
})

test('a door that is not there is "agent-not-running"', async () => {
  const door = await openDoor(perform)
  await door[Symbol.asyncDispose]()
  await assert.rejects(agentRunner(door.runtime)('status', {} as never, noProgress), (error: unknown) => error instanceof HoldfastError && error.code === 'agent-not-running')
})
