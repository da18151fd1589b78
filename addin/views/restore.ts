/** Back in one click from here, by a safe default: the newest snapshot, beside the original. Everything else on request. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { ListedEntry } from '../../shared/restore-results.ts'
import { sayNotice } from '../../shared/notices.ts'
import type { Freshness, SnapshotSummary } from '../../shared/restore-results.ts'
import type { App, View } from '../app.ts'
import { inWords } from '../notices.ts'
import { FolderBrowser } from '../parts/folder-browser.ts'
import { emptyPlace, loading, nameOf, progressOf } from '../parts/parts.ts'
import { saveBlob } from '../parts/save.ts'
import { OutlookOpener } from '../parts/outlook-opener.ts'
import { SnapshotBrowser } from '../parts/snapshot-browser.ts'
import { Timeline } from '../parts/timeline.ts'
import { restoredOf } from '../state.ts'

const isArchive = (path: string) => /\.(pst|ost)$/i.test(path)

export class RestoreView implements View {
  readonly #app: App
  readonly #timeline: Timeline
  readonly #inside: SnapshotBrowser
  readonly #targets: FolderBrowser
  readonly #opener: OutlookOpener
  #picked: SnapshotSummary | undefined
  /** A folder; null: beside the original. */
  #target: string | null = null
  #choosingTarget = false
  #lookingInside = false
  #run: string | undefined

  constructor(app: App) {
    this.#app = app
    this.#timeline = new Timeline(app, (snapshot) => { this.#pick(snapshot) })
    this.#opener = new OutlookOpener(app)
    this.#inside = new SnapshotBrowser(app, (entry) => this.#entryActions(entry))
    this.#targets = new FolderBrowser(app, { files: false, here: (path) => html`<fluent-button size="small" appearance="primary" @click=${() => { this.#setTarget(path) }}>${app.messages.restore.here}</fluent-button>` })
  }

  async enter(): Promise<void> {
    void this.#opener.look()
    const snapshots = await this.#app.run('snapshots', {})
    this.#picked = undefined
    this.#app.set({ snapshots })
  }

  /** What was told as done is over; what ends while another view is shown is told on return. */
  leave(): void {
    if (this.#app.ended(this.#run)?.problem === null) this.#run = undefined
  }

  render(): TemplateResult {
    const { state: { snapshots }, messages: { restore: m } } = this.#app
    const heading = html`<h1 tabindex="-1">${m.heading}</h1>`
    const running = this.#app.runOf('restore')
    if (running !== undefined) return html`${heading}${progressOf(this.#app, running)}`
    const ended = this.#app.ended(this.#run)
    if (ended !== undefined && ended.problem === null) return html`${heading}${this.#done(ended.result)}`
    if (snapshots === undefined) return html`${heading}${this.#app.state.connection === 'offline' ? nothing : loading(this.#app)}`
    const newestFirst = snapshots.snapshots.toReversed()
    // A newer backup of an archive that was damaged by then is no safe default.
    const chosen = this.#picked ?? newestFirst.find(({ damaged }) => damaged.length === 0) ?? newestFirst[0]
    if (chosen === undefined) return html`${heading}${emptyPlace({ sign: '◷', heading: m.empty, text: m.emptyText, action: html`<fluent-button @click=${() => { this.#app.go('protection') }}>${this.#app.messages.views.protection}</fluent-button>` })}`
    const isNewest = chosen.id === newestFirst[0]?.id
    return html`${heading}
      ${ended?.problem?.code === 'cancelled' ? html`<div class="message warning" role="status">${this.#app.messages.progress.cancelledRestore}</div>` : nothing}
      ${this.#chosen(chosen, isNewest)}
      <details .open=${!isNewest}><summary>${m.older}</summary>${this.#timeline.render(newestFirst, chosen.id)}</details>
      <details .open=${this.#lookingInside} @toggle=${(event: Event) => { this.#toggleInside(event, chosen.id) }}><summary>${m.browse}</summary>${this.#lookingInside ? this.#inside.render() : nothing}</details>`
  }

  /** How sure it is that there is no newer one; that there is one goes before who did not answer. */
  #newest({ newest, answered, asked, notices }: Freshness = { newest: 'found', answered: 0, asked: 0, notices: [] }): TemplateResult {
    const { restore: m, notices: texts } = this.#app.messages
    if (notices.length > 0) return html`<div role="status">${notices.map((notice) => html`<p class="reason">${sayNotice(texts, inWords(notice))}</p>`)}</div>`
    return html`<p class="facts">${newest === 'confirmed' ? m.confirmed : m.found(answered, asked)}</p>`
  }

  #chosen(snapshot: SnapshotSummary, isNewest: boolean): TemplateResult {
    const { messages: { restore: m }, formats: f, state: { snapshots } } = this.#app
    const archives = snapshot.paths.filter(isArchive)
    const single = snapshot.paths.length === 1 ? snapshot.paths[0] : archives.length === 1 ? archives[0] : undefined
    return html`<section class="card" aria-labelledby="chosen">
      <h2 id="chosen">${isNewest ? m.newest : m.older}: ${f.relative(snapshot.time, Date.now())}</h2>
      <p class="facts">${[m.from(f.time(snapshot.time)), m.size(f.bytes(snapshot.bytes)), m.files(snapshot.files, f.number(snapshot.files))].join(' · ')}</p>
      <div class="actions"><fluent-button appearance="primary" class="first wide" @click=${() => { void this.#restore(snapshot.id, single ?? '') }}>${single === undefined ? m.restoreAll : isArchive(single) ? m.restoreMine : m.restoreThis}</fluent-button></div>
      <p class="facts">${this.#target === null ? m.beside : html`${m.target}: <code class="path">${this.#target}</code>`}</p>
      ${snapshot.paths.length < 2 ? nothing : html`<ul class="list" aria-label=${m.what}>${snapshot.paths.map((path) => html`<li class="item"><span class="grow name">${nameOf(path)}</span><fluent-button size="small" aria-label=${`${m.restoreThis}: ${nameOf(path)}`} @click=${() => { void this.#restore(snapshot.id, path) }}>${m.restoreThis}</fluent-button></li>`)}</ul>`}
      <div class="row">${single === undefined || snapshot.paths.length < 2 ? nothing : html`<fluent-button size="small" @click=${() => { void this.#restore(snapshot.id, '') }}>${m.restoreAll}</fluent-button>`}
        ${this.#target === null ? html`<fluent-button size="small" @click=${() => { this.#toggleTargets() }}>${m.otherTarget}</fluent-button>`
    : html`<fluent-button size="small" @click=${() => { this.#setTarget(null) }}>${m.toBeside}</fluent-button>`}${isNewest ? nothing : html`<fluent-button size="small" @click=${() => { this.#pick(undefined) }}>${m.toNewest}</fluent-button>`}</div>
      ${this.#choosingTarget ? this.#targets.render() : nothing}
      ${isNewest ? this.#newest(snapshots?.freshness) : nothing}
      ${snapshot.complete ? nothing : html`<p class="reason">${m.incomplete}</p>`}
      ${snapshot.damaged.length > 0 ? html`<p class="reason">${m.damaged}</p>` : isNewest || this.#picked !== undefined ? nothing : html`<p class="reason">${m.sound}</p>`}
    </section>`
  }

  #entryActions(entry: ListedEntry): TemplateResult {
    const { messages: { restore: m } } = this.#app
    const snapshot = this.#inside.snapshot ?? 'latest'
    return html`<span class="actions"><fluent-button size="small" aria-label=${`${m.restoreThis}: ${entry.name}`} @click=${() => { void this.#restore(snapshot, entry.path) }}>${m.restoreThis}</fluent-button>
      ${entry.type === 'file' ? html`<fluent-button size="small" appearance="subtle" aria-label=${`${m.download}: ${entry.name}`} @click=${() => { void this.#download(snapshot, entry) }}>${m.download}</fluent-button>` : nothing}</span>`
  }

  #done(answer: unknown): TemplateResult {
    const { messages: { restore: m }, formats: f } = this.#app
    const restored = restoredOf(answer)
    if (restored === undefined) return html`${nothing}`
    const { files, bytes, written, skipped, target, unchangedFiles } = restored
    const archives = written.filter(isArchive)
    return html`<section class="card done good" role="status">
      <h2><span class="sign" aria-hidden="true">✓</span> ${m.done}</h2>
      <p>${files === 0 && unchangedFiles > 0 ? m.doneSame : `${m.files(files, f.number(files))}, ${f.bytes(bytes)}`}</p>
      ${archives.length === 1 && written.length === 1 ? nothing : html`<p class="facts">${m.where}: <code class="path">${written.length === 1 ? written[0] : target}</code></p>`}
      ${archives.length === 0 ? nothing : this.#opener.render(archives)}
      ${skipped.length === 0 ? nothing : html`<details><summary class="warning">${m.skipped(skipped.length)}</summary><ul class="notes">${skipped.map(({ path, reason }) => html`<li>${path} <span class="facts" lang="en">${reason}</span></li>`)}</ul></details>`}
      <fluent-button @click=${() => { this.#again() }}>${m.again}</fluent-button>
    </section>`
  }

  async #restore(snapshot: string, path: string): Promise<void> {
    this.#run = await this.#app.launch('restore', { snapshot, path, target: this.#target })
  }

  async #download(snapshot: string, { path, name }: ListedEntry): Promise<void> {
    await this.#app.act(async () => { saveBlob(await this.#app.client.file(snapshot, path), name) })
  }

  #again(): void {
    this.#run = undefined
    this.#app.draw()
  }

  #pick(snapshot: SnapshotSummary | undefined): void {
    this.#picked = snapshot
    this.#app.draw()
    if (this.#lookingInside && snapshot !== undefined) void this.#inside.open(snapshot.id)
  }

  #toggleInside(event: Event, snapshot: string): void {
    const { open } = event.target as HTMLDetailsElement
    if (open === this.#lookingInside) return
    this.#lookingInside = open
    this.#app.draw()
    if (open) void this.#inside.open(snapshot)
  }

  #toggleTargets(): void {
    this.#choosingTarget = !this.#choosingTarget
    if (this.#choosingTarget) void this.#targets.open()
    this.#app.draw()
  }

  #setTarget(target: string | null): void {
    this.#target = target
    this.#choosingTarget = false
    this.#app.draw()
  }
}
