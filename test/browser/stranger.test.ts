import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { homeAt } from '../../agent/home.ts'
import { parseRuntime } from '../../agent/http/runtime-file.ts'
import { PaneBrowser, reboundName, withoutBrowser } from '../support/pane-browser.ts'

test('another page in the same browser gets nothing of the agent, whatever it knows', { skip: withoutBrowser }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-stranger-'))
  t.after(async () => { await rm(folder, { recursive: true, force: true }) })
  await using agent = await AgentProcess.start({ home: join(folder, 'home'), machine: 'desk' })
  const { port, token } = parseRuntime(readFileSync(homeAt(agent.home).runtime, 'utf8')).pane
  const door = `https://localhost:${port}`
  const server = createServer((_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Kittens</title>') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close() })
  const elsewhere = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  await using browser = await PaneBrowser.start([agent])

  await t.test('fetch, with the right token: nothing is done, and nothing can be read', async () => {
    await using visit = await browser.visit(elsewhere)
    const { page } = visit
    const ask = async (init: object) => await page.evaluate(`fetch('${door}/api/commands/pause', ${JSON.stringify({ method: 'POST', body: '{"hours":24}', ...init })}).then((answer) => answer.type, (error) => error.name)`)
    assert.equal(await ask({ headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' } }), 'TypeError')
    assert.equal(await ask({ mode: 'no-cors' }), 'TypeError')
    assert.equal(await ask({ method: 'GET', body: undefined }), 'TypeError')
    assert.equal((await agent.run('status', { fresh: false })).pausedUntil, null)
  })

  await t.test('Socket.IO, by polling and by WebSocket: refused', async () => {
    await using visit = await browser.visit(elsewhere)
    const { page } = visit
    assert.equal(await page.evaluate(`fetch('${door}/events/?EIO=4&transport=polling').then(() => 'answered', (error) => error.name)`), 'TypeError')
    assert.equal(await page.evaluate(`fetch('${door}/events/?EIO=4&transport=polling', { mode: 'no-cors' }).then((answer) => answer.type)`), 'opaque')
    assert.deepEqual(visit.answers(), ['/events/ 403'])
    const socket = `new Promise((resolve) => { const socket = new WebSocket('wss://localhost:${port}/events/?EIO=4&transport=websocket'); socket.onopen = () => resolve('open'); socket.onerror = () => resolve('refused') })`
    assert.equal(await page.evaluate(socket), 'refused')
  })

  await t.test('it cannot show the pane in a frame, to have it clicked unseen', async () => {
    await using visit = await browser.visit(elsewhere)
    const { page } = visit
    await page.evaluate(`new Promise((resolve) => { const frame = document.createElement('iframe'); frame.onload = resolve; frame.src = '${door}/'; document.body.append(frame) })`)
    const frameUrl = () => page.frames()[1]?.url() ?? ''
    while (frameUrl() === '') await delay(20) // it is told a moment after the frame itself knows
    assert.equal(frameUrl(), 'chrome-error://chromewebdata/')
  })

  await t.test('under a name of its own that was rebound to this machine it gets no page and no answer, even past the warning', async () => {
    await using visit = await browser.visit(`https://${reboundName}:${port}/`)
    const { page } = visit
    assert.match(await page.locator('body').innerText(), /wrong-host/u)
    const asked = `fetch('/api/commands/status', { method: 'POST', body: '{}', headers: { authorization: 'Bearer ${token}', 'content-type': 'application/json' } }).then(async (answer) => answer.status + ' ' + (await answer.json()).code)`
    assert.equal(await page.evaluate(asked), '421 wrong-host')
    assert.equal(await page.evaluate(`new Promise((resolve) => { const socket = new WebSocket('wss://${reboundName}:${port}/events/?EIO=4&transport=websocket'); socket.onopen = () => resolve('open'); socket.onerror = () => resolve('refused') })`), 'refused')
  })
})
