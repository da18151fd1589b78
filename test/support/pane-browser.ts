/**
 * Debian's Chromium for the pane's tests: it trusts the agents' certificates through an NSS database of its own, as a
 * person's browser does after `holdfast doctor --fix`, and never by being told to pass over errors. Every request and
 * every complaint of a page is kept; closing a pane fails the test when one left the machine or broke the page's policy.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import { homeAt } from '../../agent/home.ts'
import { parseRuntime } from '../../agent/http/runtime-file.ts'
import { type DocumentScene, type OutlookScene, playDocument, playOutlook } from './fake-outlook-host.ts'
import { noteUsedControls } from './used-controls.ts'

const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
const lacking = ['chromium', 'certutil'].filter((command) => !has(command))

/** For `test(name, { skip: withoutBrowser }, …)`; in CI a missing browser fails instead (scripts/system-packages.mjs). */
export const withoutBrowser = lacking.length > 0 && process.env['CI'] !== 'true' ? `${lacking.join(' and ')} not installed` : false

/** A name of somebody else that leads to this machine, as DNS rebinding makes one. */
export const reboundName = 'rebound.test'

/** How wide Outlook on the web draws a pane. */
export const paneSize = { width: 320, height: 570 }
const browserSize = { width: 1100, height: 800 }
const actionTimeoutMs = 60_000

export interface PaneOptions {
  readonly dark?: boolean
  readonly size?: { readonly width: number; readonly height: number }
  /** Inside Outlook; without it the page is in a plain browser. */
  readonly outlook?: Omit<OutlookScene, 'dark'>
  /** Inside Word or Excel. */
  readonly document?: DocumentScene['app']
  readonly locale?: string
  readonly forcedColors?: boolean
  /** Complaints of the page that the test brings about: `console` lines and page errors that match are no failure. */
  readonly expect?: RegExp
  /** Addresses of others that the person opens from the page on purpose, and the test answers. */
  readonly elsewhere?: RegExp
}

export class PaneBrowser implements AsyncDisposable {
  readonly #home: string
  readonly #browser: Browser

  private constructor(home: string, browser: Browser) {
    this.#home = home
    this.#browser = browser
  }

  /** Trusts what the given agents show at their pane doors, and nothing else. */
  static async start(agents: readonly AgentProcess[]): Promise<PaneBrowser> {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-browser-'))
    trust(home, agents)
    return await PaneBrowser.inHome(home)
  }

  /** Trusts what the NSS database of that home directory says. The home is removed at the end. */
  static async inHome(home: string): Promise<PaneBrowser> {
    try {
      const browser = await chromium.launch({
        executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
        args: [`--host-resolver-rules=MAP ${reboundName} 127.0.0.1`, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])], env: { ...process.env, HOME: home },
      })
      return new PaneBrowser(home, browser)
    } catch (error) {
      rmSync(home, { recursive: true, force: true })
      throw error
    }
  }

  /** A pane at `hash` of an agent, such as `#/restore`. */
  async open(agent: AgentProcess, hash: string, options: PaneOptions = {}): Promise<Pane> {
    const context = await this.#browser.newContext({
      viewport: options.size ?? (options.outlook === undefined && options.document === undefined ? browserSize : paneSize), locale: options.locale ?? 'en-US',
      colorScheme: options.dark === true ? 'dark' : 'light', forcedColors: options.forcedColors === true ? 'active' : 'none', reducedMotion: 'reduce',
    })
    context.setDefaultTimeout(actionTimeoutMs)
    await noteUsedControls(context)
    if (options.outlook !== undefined) await playOutlook(context, { dark: options.dark === true, ...options.outlook })
    if (options.document !== undefined) await playDocument(context, { app: options.document, dark: options.dark === true })
    const pane = await Pane.in(context, options)
    await pane.page.goto(new URL(hash, agent.ready.pane).href)
    return pane
  }

  /** A page of somebody else; the person goes past warnings of certificates. */
  async visit(address: string): Promise<Visit> {
    const context = await this.#browser.newContext({ ignoreHTTPSErrors: true })
    context.setDefaultTimeout(actionTimeoutMs)
    const page = await context.newPage()
    const answers: string[] = []
    page.on('response', (response) => { if (new URL(response.url()).host !== new URL(address).host) answers.push(`${new URL(response.url()).pathname} ${response.status()}`) })
    await page.goto(address)
    return { page, answers: () => answers, [Symbol.asyncDispose]: async () => { await context.close() } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    rmSync(this.#home, { recursive: true, force: true })
  }
}

export interface Visit extends AsyncDisposable {
  readonly page: Page
  /** Path and status of what other hosts answered this page. */
  readonly answers: () => readonly string[]
}

export class Pane implements AsyncDisposable {
  readonly page: Page
  readonly requests: string[] = []
  readonly complaints: string[] = []
  readonly #options: PaneOptions

  private constructor(page: Page, options: PaneOptions) {
    this.page = page
    this.#options = options
  }

  static async in(context: BrowserContext, options: PaneOptions): Promise<Pane> {
    const pane = new Pane(await context.newPage(), options)
    context.on('request', (request) => pane.requests.push(request.url()))
    pane.page.on('websocket', (socket) => pane.requests.push(socket.url()))
    pane.page.on('pageerror', (error) => pane.complaints.push(error.message))
    pane.page.on('console', (message) => {
      if (message.type() === 'error') pane.complaints.push(`${message.text()} ${message.location().url}`.trim())
    })
    return pane
  }

  /** What axe-core finds in the page as it is now: rule, and the elements. Empty when all is well. */
  async accessibilityFindings(): Promise<string[]> {
    await this.page.evaluate(axeSource)
    return await this.page.evaluate(`axe.run().then(({ violations }) => violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? '')).join(' | ')))`) as string[]
  }

  /** Pixels that stick out to the right; 0 when nobody has to scroll sideways. */
  async overflowPixels(): Promise<number> {
    return await this.page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as number
  }

  /** Requests that left the machine though nobody asked for that. */
  strayRequests(): string[] {
    const { elsewhere } = this.#options
    return this.requests.filter((address) => !/^(data|blob|about):/u.test(address) && !/^(https|wss):\/\/localhost:\d+\//u.test(address) && elsewhere?.test(address) !== true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close()
    assert.deepEqual(this.strayRequests(), [], 'the pane asked another machine')
    assert.deepEqual(this.complaints.filter((text) => this.#options.expect?.test(text) !== true), [], 'the page complained')
  }
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

function trust(home: string, agents: readonly AgentProcess[]): void {
  const database = join(home, '.pki', 'nssdb')
  mkdirSync(database, { recursive: true })
  certutil('-N', '-d', `sql:${database}`, '--empty-password')
  for (const agent of agents) {
    const { certificate } = parseRuntime(readFileSync(homeAt(agent.home).runtime, 'utf8')).pane
    const file = join(home, `${agent.machine}.pem`)
    writeFileSync(file, certificate)
    certutil('-A', '-d', `sql:${database}`, '-n', agent.machine, '-t', 'C,,', '-i', file)
  }
}

function certutil(...args: string[]): void {
  const { status, stderr } = spawnSync('certutil', args, { encoding: 'utf8' })
  assert.equal(status, 0, `certutil ${args[0]}: ${stderr}`)
}
