/** The snapshots of an owner, newest first, with how much each added. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { SnapshotSummary } from '../../shared/restore-results.ts'
import type { App } from '../app.ts'

const page = 20

export class Timeline {
  readonly #app: App
  readonly #onPick: (snapshot: SnapshotSummary) => void
  #shown = page

  constructor(app: App, onPick: (snapshot: SnapshotSummary) => void) {
    this.#app = app
    this.#onPick = onPick
  }

  render(snapshots: readonly SnapshotSummary[], picked: string | undefined): TemplateResult {
    const { messages: { restore: m, common }, formats: f, state: { status } } = this.#app
    const most = Math.max(1, ...snapshots.map(({ bytesNew }) => bytesNew))
    const byDay = Map.groupBy(snapshots.slice(0, this.#shown), ({ time }) => f.day(time))
    return html`<div class="timeline">${[...byDay].map(([day, ofDay]) => html`<h3>${day}</h3><ul class="list">${ofDay.map((snapshot) => html`<li>
      <button type="button" class="snapshot" aria-pressed=${snapshot.id === picked ? 'true' : 'false'} @click=${() => { this.#onPick(snapshot) }}>
        <strong>${f.clock(snapshot.time)}</strong><span class="facts grow">${[f.bytes(snapshot.bytes), m.change(f.bytes(snapshot.bytesNew)), ...(snapshot.machine === status?.machine.id ? [] : [m.computer(snapshot.host)])].join(' · ')}${snapshot.complete ? nothing : html` · <span class="warning">${m.incomplete}</span>`}${snapshot.damaged.length === 0 ? nothing : html` · <span class="warning">${m.damaged}</span>`}</span>
        <meter aria-hidden="true" min="0" max=${most} .value=${snapshot.bytesNew}></meter>
      </button></li>`)}</ul>`)}
      ${snapshots.length > this.#shown ? html`<fluent-button size="small" @click=${() => { this.#shown += page; this.#app.draw() }}>${common.more}</fluent-button>` : nothing}</div>`
  }
}
