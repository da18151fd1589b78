/** The pane: holds the state, asks the agent, draws the view that the address names. */
import { type TemplateResult, html, nothing, render } from 'lit-html'
import { type CommandInput, type CommandName, type CommandResult, type CompanySignIn, questions } from '../shared/api.ts'
import { AgentClient, AgentProblem, type Problem, codeOf } from './agent-client.ts'
import { hasBackupToken, keepBackupToken } from './commands/backup-token.ts'
import { listen } from './events.ts'
import { type Formats, formatsFor } from './format.ts'
import { type Messages, messagesFor } from './messages/messages.ts'
import type { OfficeHost } from './office/office-host.ts'
import { showDialog } from './parts/question.ts'
import { type RouteName, routes } from './routes.ts'
import { Session, takeTicket } from './session.ts'
import { companyToken } from './sign-in.ts'
import { type Ended, type Question, type State, initialState, withRunEvent, withRuns } from './state.ts'

export interface View {
  render(): TemplateResult
  /** Called when the view is shown: asks for what it draws. */
  enter?(): Promise<void> | void
  /** Called when another view is shown in its place. */
  leave?(): void
}

const refreshMs = 15_000

export class App {
  readonly messages: Messages
  readonly formats: Formats
  readonly language: string
  readonly host: OfficeHost
  readonly client: AgentClient
  readonly session = new Session()
  state: State = initialState
  #views: Partial<Record<RouteName, View>> = {}
  #frame: (content: TemplateResult) => TemplateResult = (content) => content
  #pairing: View | undefined
  #route: RouteName = 'protection'
  #drawing = false
  #entering = 0
  /** The question under way; and one that waits for its end, so that nobody is answered from before their change. */
  #refreshing = Promise.resolve()
  #waiting: Promise<void> | undefined
  readonly #launched = new Set<string>()

  constructor(host: OfficeHost) {
    this.host = host
    const { messages, language } = messagesFor(host.locale)
    this.messages = messages
    this.language = language
    this.formats = formatsFor(language === 'de' && !host.locale.toLowerCase().startsWith('de') ? 'de' : host.locale)
    this.client = new AgentClient(() => this.session.token)
  }

  get route(): RouteName {
    return this.#route
  }

  /** What the view asked for when it was entered is not here yet. */
  get isBusy(): boolean {
    return this.state.connection === 'starting' || this.#entering > 0
  }

  async #busy(work: () => Promise<void>): Promise<void> {
    this.#entering++
    this.draw()
    try {
      await work()
    } finally {
      this.#entering--
      this.draw()
    }
  }

  /** The run of a kind that is queued or under way, if there is one. */
  runOf(name: CommandName) {
    return this.state.runs.find((run) => run.name === name)
  }

  ended(id: string | undefined): Ended | undefined {
    return id === undefined ? undefined : this.state.ended.find((one) => one.id === id)
  }

  async start({ views, pairing, frame }: { views: Record<RouteName, View>; pairing: View; frame: (content: TemplateResult) => TemplateResult }): Promise<void> {
    this.#views = views
    this.#pairing = pairing
    this.#frame = frame
    document.documentElement.lang = this.language
    document.title = this.messages.title
    globalThis.addEventListener('hashchange', () => { this.#follow() })
    const ticket = takeTicket()
    this.#route = this.#named()
    this.draw()
    if (ticket !== undefined) {
      await this.act(async () => { this.session.set(await this.client.pair({ ticket })) })
      this.set({ problem: undefined }) // an old link is no fault of the person: the pane then asks for a code
    }
    if (this.session.token === undefined) await this.quietly(async () => { await this.#findCompany() })
    this.connect()
  }

  /** Where a company uses it, Outlook's own account connects the pane without a question. */
  async #findCompany(): Promise<void> {
    if (!this.host.canSignIn) return
    const company = await this.client.companySignIn()
    this.set({ company })
    if (company !== undefined) await this.#connectByCompany(company, false)
  }

  /** On request: Outlook may ask the person. */
  async connectByCompany(): Promise<void> {
    const { company } = this.state
    if (company === undefined) return
    await this.act(async () => { await this.#connectByCompany(company, true) })
    if (this.session.token !== undefined) this.connect()
  }

  async #connectByCompany(company: CompanySignIn, ask: boolean): Promise<void> {
    const entra = await companyToken(company, { ask })
    if (entra === undefined) return
    this.session.set(await this.client.pair({ entra }))
    this.set({ connection: 'starting', hasEnded: false, problem: undefined })
  }

  /** Begins, or begins anew, to talk to the agent with the token of the session. */
  connect(): void {
    if (this.session.token === undefined) return this.set({ connection: 'unpaired' })
    this.#stop()
    this.#stop = listen(() => this.session.token, {
      onConnected: () => { void this.#busy(async () => { await this.#connected() }) },
      onLost: () => { if (this.state.connection !== 'unpaired') this.set({ connection: 'offline' }) },
      onRefused: () => { this.#refused() },
      onChanged: () => { void this.refresh() },
      onRun: (event) => {
        this.set(withRunEvent(this.state, event, performance.now()))
        if (event.type === 'ended' && !questions.has(event.name)) this.#onEnded(event.id)
      },
      onRuns: (now) => {
        this.set(withRuns(this.state, now, performance.now()))
        for (const { id } of this.state.ended) if (this.#launched.has(id)) this.#onEnded(id)
      },
    })
    if (this.#timer === undefined) this.#timer = setInterval(() => { if (!document.hidden) void this.refresh() }, refreshMs)
  }

  #stop: () => void = () => {}
  #timer: ReturnType<typeof setInterval> | undefined

  async #connected(): Promise<void> {
    this.set({ connection: 'connected' })
    await this.refresh()
    if (this.state.status !== undefined && this.state.status.network === null && this.#route === 'protection') this.go('start')
    else await this.#views[this.#route]?.enter?.()
    await this.#keepRibbonToken()
  }

  #refused(): void {
    const wasConnected = this.state.connection === 'connected' || this.state.connection === 'offline'
    this.session.set(undefined)
    this.#stop()
    this.set({ connection: 'unpaired', status: undefined, hasEnded: wasConnected })
  }

  /** The ribbon's "Back up now" runs without this page and needs a token of its own, once. */
  async #keepRibbonToken(): Promise<void> {
    const machine = this.state.status?.machine.id
    const places = { storage: browserStorage(), roaming: this.host.roaming }
    if (this.host.name !== 'outlook' || machine === undefined || hasBackupToken(places, machine)) return
    await this.quietly(async () => { keepBackupToken(places, machine, await this.client.newBackupToken(this.host.name)) })
  }

  /** What every view shows. A failure here is told by the connection, not by a message. */
  async refresh(): Promise<void> {
    if (this.session.token === undefined) return
    this.#waiting ??= this.#askStatusAfter(this.#refreshing)
    await this.#waiting
  }

  async #askStatusAfter(before: Promise<void>): Promise<void> {
    await before
    this.#waiting = undefined
    this.#refreshing = this.quietly(async () => {
      this.set({ status: await this.client.run('status', { fresh: false }), connection: 'connected' })
      if (this.state.members !== undefined && ['protection', 'team'].includes(this.#route)) await this.askMembers()
    })
    await this.#refreshing
  }

  /** Who is in the group and how they stand; `fresh` waits for the others' word. */
  async askMembers({ fresh = false } = {}): Promise<void> {
    if (this.state.status?.network === null) return
    await this.quietly(async () => { this.set({ members: (await this.client.run('coverage', { fresh })).members }) })
  }

  async run<C extends CommandName>(name: C, input: CommandInput<C>): Promise<CommandResult<C>> {
    return await this.client.run(name, input)
  }

  /** Starts what takes long. The id of the run; undefined when it could not be started: then the reason is shown. */
  async launch<C extends CommandName>(name: C, input: CommandInput<C>): Promise<string | undefined> {
    const id = await this.act(async () => await this.client.start(name, input))
    if (id === undefined) return undefined
    this.#launched.add(id)
    this.set({ problem: undefined, notice: undefined })
    if (this.ended(id) !== undefined) this.#onEnded(id) // it was quicker than its answer
    return id
  }

  /** What this pane started is told when it fails; what others start shows in the state of things. */
  #onEnded(id: string): void {
    const problem = this.ended(id)?.problem
    if (this.#launched.delete(id) && problem !== null && problem !== undefined && problem.code !== 'cancelled') this.#tell(problem)
    void this.refresh()
  }

  /** What a sign-in would mend is told by the card that signs in, unless it is what fails there. */
  #tell(problem: Problem): void {
    const { signIn: locator } = problem.details
    this.set(typeof locator === 'string' && this.state.signIn === undefined ? { signIn: { locator, prepare: false }, problem: undefined } : { problem })
    // Both stand above the view, and the button that was pressed may be far below.
    queueMicrotask(() => { document.querySelector('main > .card.sign-in, main > .message.bad')?.scrollIntoView({ block: 'nearest' }) })
  }

  /** Asks before something is done that the person should think of twice; undefined when they leave it. */
  async ask(question: Omit<Question, 'answer' | 'cancel'>): Promise<string | undefined> {
    const choice = await new Promise<string | undefined>((resolve) => { this.set({ question: { ...question, cancel: this.messages.common.cancel, answer: resolve } }) })
    this.set({ question: undefined })
    return choice
  }

  async copy(text: string): Promise<void> {
    await this.act(async () => {
      await navigator.clipboard.writeText(text)
      this.set({ notice: { text: this.messages.common.copied } })
    })
  }

  async cancel(id: string): Promise<void> {
    this.set({ runs: this.state.runs.map((run) => (run.id === id ? { ...run, isCancelling: true } : run)) })
    await this.act(async () => { await this.client.cancel(id) })
  }

  /** Does something for the person; what goes wrong is shown. */
  async act<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#failed(error, (problem) => { this.#tell(problem) })
      return undefined
    }
  }

  /** Does something that nobody asked for; only a lost connection shows. */
  async quietly(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#failed(error, () => {})
    }
  }

  #failed(error: unknown, show: (problem: Problem) => void): void {
    if (codeOf(error) === 'not-paired' && this.session.token !== undefined) return this.#refused()
    if (codeOf(error) === 'agent-not-running') return this.set({ connection: this.session.token === undefined ? this.state.connection : 'offline' })
    show(error instanceof AgentProblem ? error.problem : {
      type: '', title: '', status: 500, code: 'internal', details: {}, detail: error instanceof Error ? error.message : '', guidance: this.messages.problem.internal,
    })
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change }
    this.draw()
  }

  go(route: RouteName): void {
    if (this.#named() === route) this.#follow()
    else location.hash = `#/${route}`
  }

  #named(): RouteName {
    const name = location.hash.replace(/^#\//, '').split('/')[0]
    return routes.find((route) => route === name) ?? 'protection'
  }

  #follow(): void {
    const route = this.#named()
    const isOther = route !== this.#route
    if (isOther) this.#views[this.#route]?.leave?.()
    this.#route = route
    this.set({ problem: undefined, notice: undefined, signIn: undefined })
    if (this.state.connection === 'connected') void this.#busy(async () => { await this.act(async () => { await this.#views[route]?.enter?.() }) })
    if (isOther) queueMicrotask(() => { document.querySelector<HTMLElement>('h1')?.focus() })
  }

  /** At most once in a frame, however many things change. */
  draw(): void {
    if (this.#drawing) return
    this.#drawing = true
    queueMicrotask(() => {
      this.#drawing = false
      const root = document.querySelector<HTMLElement>('#pane')
      // A view that has loaded draws its heading anew: who was sent there by the keyboard or a screen reader stays there.
      const atHeading = document.activeElement?.tagName === 'H1'
      if (root !== null) render(this.#frame(this.#content()), root)
      if (atHeading && document.activeElement === document.body) document.querySelector<HTMLElement>('h1')?.focus()
      showDialog()
    })
  }

  #content(): TemplateResult {
    if (this.state.connection === 'unpaired') return this.#pairing?.render() ?? html`${nothing}`
    return this.#views[this.#route]?.render() ?? html`${nothing}`
  }
}

function browserStorage(): Storage | undefined {
  try {
    return localStorage
  } catch {
    return undefined
  }
}
