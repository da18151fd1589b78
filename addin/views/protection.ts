/** The first screen: is everything safe, what is not and why, and the button that does something about it. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { badge, folderOf, loading, nameOf, progressOf, signOf } from '../parts/parts.ts'
import { type Status, type Tone, shownRuns, toneOf } from '../state.ts'

type PathStatus = Status['paths'][number]

export class ProtectionView implements View {
  readonly #app: App

  constructor(app: App) {
    this.#app = app
  }

  async enter(): Promise<void> {
    await this.#app.quietly(async () => { this.#app.set({ archives: (await this.#app.run('suggestions', {})).archives }) })
  }

  render(): TemplateResult {
    const { state: { status, runs }, messages: { protection: m } } = this.#app
    if (status === undefined) return html`<h1 tabindex="-1">${m.heading}</h1>${this.#app.state.connection === 'offline' ? nothing : loading(this.#app)}`
    const shown = runs.filter(({ name }) => shownRuns.has(name))
    return html`<h1 tabindex="-1" class="visually-hidden">${m.heading}</h1>
      ${this.#verdict(status)}
      ${shown.map((run) => progressOf(this.#app, run))}
      ${status.keyConfirmed || status.network === null ? nothing : html`<div class="message warning"><strong>${m.kit}</strong><p>${m.kitText}</p><fluent-button size="small" @click=${() => { this.#app.go('kit') }}>${m.showKit}</fluent-button></div>`}
      <section class="card" aria-label=${m.chooseWhat}>
        <ul class="list">${status.paths.map((path) => this.#path(path))}</ul>
        <div class="row"><fluent-button size="small" @click=${() => { this.#app.go('choose') }}>${m.chooseWhat}</fluent-button></div>
      </section>
      ${this.#found()}
      ${this.#warnings(status)}
      ${this.#holders(status)}`
  }

  #verdict(status: Status): TemplateResult {
    const { messages: { protection: m }, formats: f } = this.#app
    const { tone, heading, text } = verdictOf(this.#app, status)
    const busy = this.#app.runOf('backup') !== undefined
    const paused = status.pausedUntil !== null && Date.parse(status.pausedUntil) > Date.now()
    const last = status.paths.map(({ lastSnapshotTime }) => lastSnapshotTime).filter((time) => time !== null).sort().at(-1)
    const next = paused && status.pausedUntil !== null ? m.paused(f.time(status.pausedUntil)) : busy ? m.running : status.nextBackup === null ? m.whenIdle : f.relative(status.nextBackup, Date.now())
    return html`<section class="verdict ${tone}" aria-labelledby="verdict">
      <div class="seal" aria-hidden="true">${signOf(tone)}</div>
      <div class="grow">
        <h2 id="verdict">${heading}</h2><p>${text}</p>
        ${status.paths.length === 0 ? nothing : html`<dl class="facts"><div><dt>${m.lastSnapshot}</dt><dd>${last === undefined ? m.neverBackedUp : f.relative(last, Date.now())}</dd></div><div><dt>${m.nextRun}</dt><dd>${next}</dd></div></dl>`}
        <div class="row">
          ${status.paths.length === 0 ? html`<fluent-button appearance="primary" @click=${() => { this.#app.go('choose') }}>${m.chooseWhat}</fluent-button>`
    : html`<fluent-button appearance=${last === undefined ? 'primary' : nothing} ?disabled=${busy} @click=${() => { void this.#backUp() }}>${m.backUpNow}</fluent-button>`}
          ${last === undefined ? nothing : html`<fluent-button appearance="primary" @click=${() => { this.#app.go('restore') }}>${this.#app.messages.restore.restoreMine}</fluent-button>`}
          ${status.paths.length === 0 ? nothing : html`<fluent-button appearance="subtle" @click=${() => { void this.#pause(paused ? null : 24) }}>${paused ? m.resume : m.pause}</fluent-button>`}
        </div>
      </div>
    </section>`
  }

  #path(path: PathStatus): TemplateResult {
    const { messages: { protection: m, common }, formats: f } = this.#app
    const tone = path.kind === 'missing' ? 'warning' : toneOf(path.state)
    const since = path.growthBytes !== null && path.growthBytes > 0 ? m.growth(f.bytes(path.growthBytes)) : path.changedSince ? m.changedSince : undefined
    const facts = [
      path.kind === 'missing' ? m.kind.missing : path.bytes === null ? m.kind[path.kind] : f.bytes(path.bytes),
      path.lastSnapshotTime === null ? m.neverBackedUp : `${m.lastSnapshot}: ${f.relative(path.lastSnapshotTime, Date.now())}`, since,
    ].filter((fact) => fact !== undefined)
    return html`<li class="item">
      <div class="grow"><strong class="name">${nameOf(path.path)}</strong> ${badge(tone, m.state[path.state])}
        <p class="facts">${folderOf(path.path)}</p><p class="facts">${facts.join(' · ')}</p>
        ${path.reason === null || path.lastSnapshotTime === null ? nothing : html`<p class="reason">${path.reason}</p>`}</div>
      <fluent-button size="small" appearance="subtle" @click=${() => { void this.#unprotect(path.path) }} aria-label=${`${common.remove}: ${nameOf(path.path)}`}>${common.remove}</fluent-button>
    </li>`
  }

  /** Archives that nobody asked about and that nobody protects. */
  #found(): TemplateResult {
    const { messages: { protection: m }, formats: f, state: { archives } } = this.#app
    const open = (archives ?? []).filter((archive) => !archive.protected)
    if (open.length === 0) return html`${nothing}`
    return html`<section class="card" aria-labelledby="found"><h2 id="found">${m.found}</h2><ul class="list">${open.map((archive) => html`<li class="item">
      <div class="grow"><strong class="name">${nameOf(archive.path)}</strong> ${badge('bad', m.state.unprotected)}<p class="facts">${folderOf(archive.path)}</p><p class="facts">${f.bytes(archive.bytes)} · ${f.relative(archive.modified, Date.now())}</p></div>
      <fluent-button size="small" appearance="primary" @click=${() => { void this.#protect(archive.path) }} aria-label=${`${m.protectThis}: ${nameOf(archive.path)}`}>${m.protectThis}</fluent-button></li>`)}</ul></section>`
  }

  #warnings({ warnings, rosters, keyConfirmed }: Status): TemplateResult {
    const shown = [...(keyConfirmed ? warnings : warnings.slice(1)), ...rosters.filter(({ state }) => state === 'unreachable').map(({ locator, detail }) => `${locator}: ${detail}`)]
    if (shown.length === 0) return html`${nothing}`
    return html`<section class="card" aria-labelledby="warnings"><h2 id="warnings">${this.#app.messages.protection.warnings}</h2><ul class="notes">${shown.map((warning) => html`<li>${warning}</li>`)}</ul></section>`
  }

  #holders({ holders, holder }: Status): TemplateResult {
    const { messages: { protection: m }, formats: f } = this.#app
    const most = Math.max(1, ...holders.map(({ shards }) => shards))
    return html`${holders.length === 0 ? nothing : html`<details><summary>${m.whereCopies}: ${m.copies(holders.length)}</summary>
      <ul class="holders">${holders.map(({ name, state, shards }) => html`<li><span class="dot ${state === 'online' ? 'good' : state === 'away' ? 'warning' : 'bad'}" aria-hidden="true"></span><span class="grow">${name}</span><span class="facts">${m.machine[state]}</span><meter aria-label=${name} min="0" max=${most} .value=${shards}></meter></li>`)}</ul></details>`}
      <p class="facts">${m.keeps(f.bytes(holder.used), f.bytes(holder.free))}</p>`
  }

  async #backUp(): Promise<void> {
    await this.#app.launch('backup', { offlineOk: true })
  }

  async #pause(hours: number | null): Promise<void> {
    await this.#app.act(async () => { await this.#app.run('pause', { hours }) })
    await this.#app.refresh()
  }

  async #protect(path: string): Promise<void> {
    this.#app.set({ notice: undefined })
    await this.#app.act(async () => { await this.#app.run('protect', { paths: [path] }) })
    await Promise.all([this.#app.refresh(), this.enter()])
  }

  async #unprotect(path: string): Promise<void> {
    await this.#app.act(async () => {
      await this.#app.run('unprotect', { paths: [path] })
      this.#app.set({ notice: { text: this.#app.messages.protection.noLonger(nameOf(path)), undo: () => { void this.#protect(path) } } })
    })
    await Promise.all([this.#app.refresh(), this.enter()])
  }
}

/** One look: never better than the worst of what is protected. */
export function verdictOf({ messages: { protection: m } }: Pick<App, 'messages'>, { paths, protection, network }: Status): { tone: Tone; heading: string; text: string } {
  if (paths.length === 0) return { tone: 'warning', heading: m.nothing, text: m.nothingText }
  if (network !== null && network.members < 2) return { tone: 'bad', heading: m.unprotected, text: m.alone }
  if (paths.some(({ lastSnapshotTime }) => lastSnapshotTime === null)) return { tone: 'bad', heading: m.unprotected, text: m.unprotectedText }
  if (protection.state === 'protected') return { tone: 'good', heading: m.protected, text: m.protectedText(protection.survives) }
  if (protection.state === 'partial') return { tone: 'warning', heading: m.partial, text: m.partialText(protection.placed, protection.wanted) }
  return { tone: 'bad', heading: m.atRisk, text: m.partialText(protection.placed, protection.wanted) }
}
