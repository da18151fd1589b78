/** The first screen: is everything safe, what is not and why, who else is, and the buttons that do something about it. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { worstFirst } from '../members.ts'
import { noticesOf } from '../notices.ts'
import { noticeList } from '../parts/notices.ts'
import { badge, folderOf, loading, nameOf, progressOf, signOf } from '../parts/parts.ts'
import { coverageBar, groupVerdict, whoIsNot } from '../parts/team-picture.ts'
import { type Archive, type Status, type Tone, shownRuns, toneOf, waitReason } from '../state.ts'
import { verdictOf } from '../verdict.ts'
import type { Contacts } from './contacts.ts'

type PathStatus = Status['paths'][number]

export class ProtectionView implements View {
  readonly #app: App
  readonly #contacts: Contacts

  constructor(app: App, contacts: Contacts) {
    this.#app = app
    this.#contacts = contacts
  }

  async enter(): Promise<void> {
    await Promise.all([
      this.#app.quietly(async () => { this.#app.set({ archives: (await this.#app.run('suggestions', {})).archives }) }),
      this.#app.askMembers(),
      this.#contacts.enter(),
    ])
  }

  render(): TemplateResult {
    const { state: { status, runs }, messages: { protection: m } } = this.#app
    if (status === undefined) return html`<h1 tabindex="-1">${m.heading}</h1>${this.#app.state.connection === 'offline' ? nothing : loading(this.#app)}`
    const shown = runs.filter(({ name, stage }) => shownRuns.has(name) && (stage !== 'queued' || name === 'backup')) // upkeep may wait unseen
    return html`<h1 tabindex="-1" class="visually-hidden">${m.heading}</h1>
      ${this.#contacts.alarm(status)}
      ${this.#verdict(status)}
      ${shown.map((run) => progressOf(this.#app, run))}
      ${this.#waits(status)}
      ${this.#stopped()}
      ${this.#found()}
      ${status.keyConfirmed || status.network === null ? nothing : html`<div class="message warning"><strong>${m.kit}</strong><p>${m.kitText}</p><fluent-button size="small" @click=${() => { this.#app.go('kit') }}>${m.showKit}</fluent-button></div>`}
      ${this.#team()}
      ${status.paths.length === 0 ? nothing : html`<section class="card" aria-labelledby="what">
        <div class="row"><h2 id="what" class="grow">${m.what}</h2><fluent-button size="small" aria-label=${m.chooseWhat} @click=${() => { this.#app.go('choose') }}>${m.add}</fluent-button></div>
        <ul class="list">${status.paths.map((path) => this.#path(path, status))}</ul>
      </section>`}
      ${this.#warnings(status)}
      ${this.#holders(status)}`
  }

  /** Work that started by itself gives way; who is there may want it all the same. */
  #waits({ pace: { state, reason }, running }: Status): TemplateResult {
    const { messages: { protection: { pace: m } }, state: { connection } } = this.#app
    if (state !== 'wait' || reason === null || running === null || connection === 'offline') return html`${nothing}`
    return html`<div class="message warning" role="status"><strong>${m.wait[reason]}</strong><p>${m.until[reason]} ${m.waitText}</p><fluent-button size="small" @click=${() => { void this.#backUp() }}>${m.goOn}</fluent-button></div>`
  }

  /** Until the next backup: what was cancelled is no loss. */
  #stopped(): TemplateResult {
    const { state: { ended }, messages: { progress: m } } = this.#app
    const last = ended.find(({ name }) => name === 'backup')
    if (last?.problem?.code !== 'cancelled' || this.#app.runOf('backup') !== undefined) return html`${nothing}`
    return html`<div class="message warning" role="status">${m.cancelledBackup}</div>`
  }

  #verdict(status: Status): TemplateResult {
    const { messages: { protection: m }, formats: f, state: { connection } } = this.#app
    const { pace } = status
    const run = this.#app.runOf('backup')
    const waits = run === undefined ? undefined : waitReason(status, run)
    const { tone, heading, text } = verdictOf(this.#app, status, { nowMs: Date.now(), connection, isBackingUp: run !== undefined && waits === undefined, isLeftOut: this.#leftOut().length > 0 })
    const paused = status.pausedUntil !== null && Date.parse(status.pausedUntil) > Date.now()
    const last = status.paths.map(({ lastSnapshotTime }) => lastSnapshotTime).filter((time) => time !== null).sort().at(-1)
    const next = run !== undefined ? (waits === undefined ? m.running : m.pace.waits[waits]) : paused && status.pausedUntil !== null ? m.paused(f.time(status.pausedUntil)) : this.#next(status)
    return html`<section class="verdict ${tone}" aria-labelledby="verdict">
      <div class="head"><div class="seal" aria-hidden="true">${signOf(tone)}</div><div class="grow"><h2 id="verdict">${heading}</h2><p>${text}</p></div></div>
      ${status.paths.length === 0 ? nothing : html`<dl class="facts"><div><dt>${m.lastSnapshot}</dt><dd>${last === undefined ? m.neverBackedUp : f.relative(last, Date.now())}</dd></div>${connection === 'offline' ? nothing : html`<div><dt>${m.nextRun}</dt><dd>${next}</dd></div>${pace.state !== 'slow' || pace.reason === null ? nothing : html`<div><dt>${m.pace.label}</dt><dd>${m.pace.slow[pace.reason]}</dd></div>`}`}</dl>`}
      ${connection === 'offline' ? nothing : this.#actions(status, { hasBackup: last !== undefined || this.#hasOlderBackup(), paused })}
    </section>`
  }

  /** When nothing runs and nobody paused it. */
  #next({ nextBackup, quietUntil }: Status): string {
    const { messages: { protection: m }, formats: f } = this.#app
    if (quietUntil !== null && (nextBackup === null || nextBackup <= quietUntil)) return m.quiet(f.clock(quietUntil))
    return nextBackup === null ? m.whenIdle : f.relative(nextBackup, Date.now())
  }

  /** Nothing is protected, and there is a backup: after a recovery, or when all was taken out. */
  #hasOlderBackup(): boolean {
    return this.#app.state.members?.some(({ self, lastSnapshotAgeSeconds: age }) => self && age !== null) === true
  }

  #actions({ paths, network }: Status, { hasBackup, paused }: { hasBackup: boolean; paused: boolean }): TemplateResult {
    const { messages: { protection: m, restore } } = this.#app
    if (network !== null && network.members < 2) return html`<div class="actions"><fluent-button appearance="primary" class="first" @click=${() => { this.#app.go('team') }}>${m.invite}</fluent-button><fluent-button @click=${() => { this.#app.go('choose') }}>${m.chooseWhat}</fluent-button></div>`
    if (paths.length === 0) return html`<div class="actions"><fluent-button appearance="primary" class="first" @click=${() => { this.#app.go('choose') }}>${m.chooseWhat}</fluent-button>${hasBackup ? html`<fluent-button @click=${() => { this.#app.go('restore') }}>${restore.restoreMine}</fluent-button>` : nothing}</div>`
    return html`<div class="actions">
      ${hasBackup ? html`<fluent-button appearance="primary" class="first" @click=${() => { this.#app.go('restore') }}>${restore.restoreMine}</fluent-button>` : nothing}
      <fluent-button class=${hasBackup ? '' : 'first'} appearance=${hasBackup ? nothing : 'primary'} ?disabled=${this.#app.runOf('backup') !== undefined} aria-disabled=${this.#app.runOf('backup') !== undefined ? 'true' : nothing} @click=${() => { void this.#backUp() }}>${m.backUpNow}</fluent-button>
      <fluent-button @click=${() => { void this.#pause(paused ? null : 24) }}>${paused ? m.resume : m.pause}</fluent-button>
    </div>`
  }

  #team(): TemplateResult {
    const { state: { members }, messages: { team: m } } = this.#app
    if (members === undefined || members.length < 2) return html`${nothing}`
    return html`<section class="card" aria-labelledby="team">
      <div class="row"><h2 id="team" class="grow">${m.yourTeam}: ${groupVerdict(this.#app, members)}</h2><fluent-button size="small" @click=${() => { this.#app.go('team') }}>${m.seeTeam}</fluent-button></div>
      ${coverageBar(this.#app, members)}${whoIsNot(this.#app, worstFirst(members))}</section>`
  }

  #path(path: PathStatus, { protection: { placed, wanted } }: Status): TemplateResult {
    const { messages: { protection: m, common }, formats: f } = this.#app
    const { trouble } = path
    const tone = pathTone(path)
    const since = path.growthBytes !== null && path.growthBytes > 0 ? m.growth(f.bytes(path.growthBytes)) : path.changedSince && path.kind !== 'missing' ? m.changedSince : undefined
    const name = nameOf(path.path)
    const isNew = path.lastSnapshotTime === null
    const facts = [isNew && path.state === 'unprotected' ? undefined : m.state[path.state], path.bytes === null ? undefined : f.bytes(path.bytes), path.lastSnapshotTime === null ? m.neverBackedUp : f.relative(path.lastSnapshotTime, Date.now()), since].filter((fact) => fact !== undefined)
    const sound = trouble?.soundTime === undefined || trouble.soundTime === null ? undefined : f.time(trouble.soundTime)
    return html`<li><details class="thing"><summary><span class="seal small ${tone}" aria-hidden="true">${signOf(tone)}</span>
        <span class="grow"><span class="name">${name}</span><span class="facts">${facts.join(' · ')}</span>
        ${trouble === null || path.lastSnapshotTime === null ? nothing : html`<span class="reason ${tone}">${trouble.kind === 'placing' ? m.trouble.placing(placed, wanted) : m.trouble[trouble.kind](nameOf(trouble.path), sound)}</span>`}</span></summary>
      <div class="inside"><p class="facts">${m.kind[path.kind]}: <span class="path">${folderOf(path.path)}</span></p>
        ${path.lastSnapshotTime === null ? nothing : html`<p class="facts">${m.lastSnapshot}: ${f.time(path.lastSnapshotTime)}</p>`}
        <div class="row">${path.lastSnapshotTime === null ? nothing : html`<fluent-button size="small" aria-label=${`${m.restore}: ${name}`} @click=${() => { this.#app.go('restore') }}>${m.restore}</fluent-button>`}
          <fluent-button size="small" @click=${() => { void this.#unprotect(path.path) }} aria-label=${`${common.remove}: ${name}`}>${common.remove}</fluent-button></div></div></details></li>`
  }

  /** Archives that nobody asked about and that nobody protects. */
  #leftOut(): readonly Archive[] {
    return (this.#app.state.archives ?? []).filter((archive) => !archive.protected)
  }

  #found(): TemplateResult {
    const { messages: { protection: m }, formats: f } = this.#app
    const open = this.#leftOut()
    if (open.length === 0) return html`${nothing}`
    return html`<section class="card" aria-labelledby="found"><h2 id="found">${m.found}</h2><ul class="list">${open.map((archive) => html`<li class="item">
      <div class="grow"><strong class="name">${nameOf(archive.path)}</strong> ${badge('bad', m.state.unprotected)}<p class="facts">${f.bytes(archive.bytes)} · ${f.relative(archive.modified, Date.now())}</p><p class="facts path">${folderOf(archive.path)}</p></div>
      <fluent-button size="small" appearance="primary" @click=${() => { void this.#protect(archive.path) }} aria-label=${`${m.protectThis}: ${nameOf(archive.path)}`}>${m.protectThis}</fluent-button></li>`)}</ul></section>`
  }

  #warnings(status: Status): TemplateResult {
    const shown = noticesOf(status)
    if (shown.length === 0) return html`${nothing}`
    return html`<section class="card" aria-labelledby="warnings"><h2 id="warnings">${this.#app.messages.protection.warnings}</h2>${noticeList(this.#app, shown)}</section>`
  }

  #holders({ holders, holder }: Status): TemplateResult {
    const { messages: { protection: m }, formats: f } = this.#app
    const most = Math.max(1, ...holders.map(({ shards }) => shards))
    return html`${holders.length === 0 ? nothing : html`<details class="card"><summary><h2>${m.whereCopies}</h2><span class="facts">${m.copies(holders.length)}</span></summary>
      <ul class="holders">${holders.map(({ name, state, shards }) => html`<li><span class="dot ${state === 'online' ? 'good' : state === 'away' ? 'warning' : 'bad'}" aria-hidden="true"></span><span class="grow">${name}</span><span class="facts">${m.machine[state]}</span><meter aria-label=${name} min="0" max=${most} .value=${shards}></meter></li>`)}</ul></details>`}
      <details class="card"><summary><h2>${m.keepsFor}</h2><span class="facts">${m.keeps(f.bytes(holder.used), f.bytes(holder.free))}</span></summary>
        ${holder.owners.length === 0 ? html`<p class="facts">${m.nobodyYet}</p>` : html`<ul class="holders">${holder.owners.map(({ name, used, fair, frozen }) => html`<li><span class="grow"><span class="name">${name}</span>${frozen ? html` <span class="reason warning">${m.keepsAll}</span>` : nothing}<br><span class="facts">${m.usedOf(f.bytes(used), f.bytes(fair))}</span></span><meter aria-label=${name} min="0" max=${Math.max(1, fair)} .value=${used}></meter></li>`)}</ul>`}</details>`
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

function pathTone({ state, trouble }: PathStatus): Tone {
  const tone = toneOf(state)
  return tone === 'good' && trouble !== null ? 'warning' : tone
}
