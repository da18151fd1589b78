import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type RequestOptions, request } from 'node:https'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import type { RunCommand } from '../../agent/commands/command.ts'
import { agentRunner } from '../../agent/http/agent-client.ts'
import { type PaneDoor, openPaneDoor } from '../../agent/http/pane-door.ts'

const noProgress = { signal: new AbortController().signal, onProgress: () => {} }
const runtimeOf = (door: PaneDoor, token = door.token) => ({
  v: 1 as const, pid: 1, machine: 'm', peer: 'p', pane: { port: door.port, token, certificate: door.certificate },
})

const listSnapshots: RunCommand = (async (name: string, _request: object, options: Parameters<RunCommand>[2]) => {
  if (name === 'verify') throw new HoldfastError('object-missing', 'Cannot read an object: 2 of 3 shards', { details: { have: 2, need: 3 } })
  if (name === 'backup') {
    options.onProgress({ stage: 'reading', bytesDone: 5 })
    return await new Promise((_resolve, reject) => { options.signal.addEventListener('abort', () => reject(options.signal.reason)) })
  }
  return { snapshots: [], freshness: { answered: 3, asked: 3, newest: 'confirmed' } }
}) as RunCommand

async function raw(door: PaneDoor, options: RequestOptions) {
  const call = request({ host: '127.0.0.1', port: door.port, servername: 'localhost', ca: [door.certificate], agent: false, ...options })
  call.end(options.method === 'POST' ? '{}' : undefined)
  const [response] = await once(call, 'response')
  let body = ''
  for await (const part of response) body += String(part)
  return { status: response.statusCode as number, body, type: String(response.headers['content-type']) }
}

test('a command runs through the door, with its result or its problem', async () => {
  await using door = await openPaneDoor(listSnapshots, { port: 0, nowMs: Date.now() })
  const run = agentRunner(runtimeOf(door))
  assert.equal((await run('snapshots', {}, noProgress)).freshness.answered, 3)
  await assert.rejects(run('verify', { readData: false }, noProgress), (error: unknown) =>
    error instanceof HoldfastError && error.code === 'object-missing' && error.details['need'] === 3)
})

test('progress arrives while a command runs, and aborting the caller cancels it', async () => {
  await using door = await openPaneDoor(listSnapshots, { port: 0, nowMs: Date.now() })
  const controller = new AbortController()
  const stages: string[] = []
  await assert.rejects(agentRunner(runtimeOf(door))('backup', { paths: [], offlineOk: false }, {
    signal: controller.signal,
    onProgress: ({ stage }) => { stages.push(stage); controller.abort(new HoldfastError('cancelled', 'enough')) },
  }), (error: unknown) => error instanceof Error)
  assert.deepEqual(stages, ['reading'])
})

test('without the token, with a wrong one, with a foreign Host or Origin, nothing is answered but a refusal', async () => {
  await using door = await openPaneDoor(listSnapshots, { port: 0, nowMs: Date.now() })
  const authorization = `Bearer ${door.token}`
  const path = '/api/commands/snapshots'
  const host = `localhost:${door.port}`
  const attempts: Record<string, string>[] = [
    { host }, { host, authorization: 'Bearer x' }, { host: `evil.example:${door.port}`, authorization },
    { host, authorization, origin: 'https://evil.example' }, { host, authorization, origin: 'null' },
  ]
  for (const headers of attempts) {
    const { status, body, type } = await raw(door, { path, method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })
    assert.equal(status, 401)
    assert.match(type, /problem\+json/)
    assert.ok(!body.includes('snapshots'))
  }
  assert.equal((await raw(door, { path, method: 'POST', headers: { host, authorization, 'content-type': 'application/json', 'origin': `https://${host}` } })).status, 200)
})

test('an unknown command, an unknown address and a body that is no JSON get a problem document', async () => {
  await using door = await openPaneDoor(listSnapshots, { port: 0, nowMs: Date.now() })
  const headers = { host: `localhost:${door.port}`, authorization: `Bearer ${door.token}` }
  assert.equal((await raw(door, { path: '/api/commands/format-disk', method: 'POST', headers })).status, 404)
  assert.equal((await raw(door, { path: '/', method: 'GET', headers })).status, 404)
  const call = request({ host: '127.0.0.1', port: door.port, servername: 'localhost', ca: [door.certificate], agent: false, path: '/api/commands/status', method: 'POST', headers: { ...headers, 'content-type': 'application/json' } })
  call.end('{"a":')
  const [response] = await once(call, 'response')
  assert.equal(response.statusCode, 400)
  response.resume()
})

test('a door that is not there is "agent-not-running"', async () => {
  const door = await openPaneDoor(listSnapshots, { port: 0, nowMs: Date.now() })
  const runtime = runtimeOf(door)
  await door[Symbol.asyncDispose]()
  await assert.rejects(agentRunner(runtime)('status', {}, noProgress), (error: unknown) => error instanceof HoldfastError && error.code === 'agent-not-running')
})
