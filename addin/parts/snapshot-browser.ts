/** What is in a snapshot: folder by folder, or by a part of a name. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { ListedEntry } from '../../shared/restore-results.ts'
import type { App } from '../app.ts'
import { folderOf, loading, nameOf, textOf } from './parts.ts'

interface Shown {
  /** Folders that are open, outermost first; empty: the roots. */
  readonly trail: readonly string[]
  readonly entries: readonly ListedEntry[]
  /** Set while what is shown was searched for. */
  readonly searched: string | undefined
  readonly more: boolean
}

export class SnapshotBrowser {
  readonly #app: App
  readonly #action: (entry: ListedEntry) => TemplateResult
  #snapshot: string | undefined
  #shown: Shown | undefined
  #text = ''
  #asked = new AbortController()

  constructor(app: App, action: (entry: ListedEntry) => TemplateResult) {
    this.#app = app
    this.#action = action
  }

  get snapshot(): string | undefined {
    return this.#snapshot
  }

  async open(snapshot: string, trail: readonly string[] = []): Promise<void> {
    this.#snapshot = snapshot
    await this.#ask(async (signal) => {
      const { entries } = await this.#app.client.run('ls', { snapshot, path: trail.at(-1) ?? '' }, signal)
      return { trail, entries, searched: undefined, more: false }
    })
  }

  async #search(): Promise<void> {
    const [snapshot, text] = [this.#snapshot, this.#text.trim()]
    if (snapshot === undefined) return
    if (text === '') return await this.open(snapshot)
    await this.#ask(async (signal) => {
      const { entries, more } = await this.#app.client.run('search', { snapshot, text }, signal)
      return { trail: [], entries, searched: text, more }
    })
  }

  /** A newer question ends an older one. */
  async #ask(question: (signal: AbortSignal) => Promise<Shown>): Promise<void> {
    this.#asked.abort()
    const asked = this.#asked = new AbortController()
    this.#shown = undefined
    this.#app.draw()
    await this.#app.act(async () => {
      try {
        const shown = await question(asked.signal)
        if (!asked.signal.aborted) this.#shown = shown
      } catch (error) {
        if (!asked.signal.aborted) throw error
      }
    })
    this.#app.draw()
  }

  render(): TemplateResult {
    const { messages: { restore: m, common } } = this.#app
    const search = (event: Event) => {
      event.preventDefault()
      void this.#search()
    }
    return html`<div class="browser">
      <form role="search" class="row" @submit=${search}>
        <label class="field grow"><span>${m.searchLabel}</span><input type="search" .value=${this.#text} spellcheck="false" autocomplete="off" @input=${(event: Event) => { this.#text = textOf(event) }}></label>
        <fluent-button type="submit">${common.search}</fluent-button>
      </form>
      ${this.#shown === undefined ? loading(this.#app) : this.#list(this.#shown)}
    </div>`
  }

  #list({ trail, entries, searched, more }: Shown): TemplateResult {
    const { messages: { restore: m, common, choose }, formats: f } = this.#app
    const upper = trail.slice(0, -1)
    return html`${trail.length === 0 ? nothing : html`<div class="row crumbs"><fluent-button size="small" appearance="subtle" @click=${() => { void this.#open(upper) }}>↑ ${common.up}</fluent-button><code class="grow path">${trail.at(-1)}</code></div>`}
      ${entries.length === 0 ? html`<p class="facts" role="status">${searched === undefined ? choose.empty : m.noHits}</p>` : html`<ul class="list">${entries.map((entry) => {
    const label = trail.length === 0 && searched === undefined ? entry.path : entry.name
    const facts = [entry.type === 'file' ? f.bytes(entry.size) : undefined, f.time(entry.mtime), searched === undefined ? undefined : folderOf(entry.path)].filter((fact) => fact !== undefined)
    return html`<li class="item"><div class="grow">${entry.type === 'directory' ? html`<button type="button" class="link name" @click=${() => { void this.#open([...trail, entry.path]) }}><span aria-hidden="true">▸</span> ${nameOf(label)}</button>` : html`<span class="name">${nameOf(label)}</span>`}<p class="facts">${facts.join(' · ')}</p></div>${this.#action(entry)}</li>`
  })}</ul>`}
      ${more ? html`<p class="facts" role="status">${m.more}</p>` : nothing}`
  }

  async #open(trail: readonly string[]): Promise<void> {
    if (this.#snapshot !== undefined) await this.open(this.#snapshot, trail)
  }
}
