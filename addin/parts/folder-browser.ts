/** Folders of this computer, to choose what is protected and where a restore goes. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App } from '../app.ts'
import type { CommandResult } from '../../shared/api.ts'
import { loading } from './parts.ts'

type Folder = CommandResult<'folders'>
export type FolderEntry = Folder['entries'][number]

export interface FolderChoice {
  /** Files are listed too. */
  readonly files: boolean
  /** What can be done with the folder that is open. */
  readonly here: (path: string) => TemplateResult
  readonly action?: (entry: FolderEntry) => TemplateResult
}

export class FolderBrowser {
  readonly #app: App
  readonly #choice: FolderChoice
  #folder: Folder | undefined
  /** Folders that were asked for and are not shown yet. */
  #opening = 0

  constructor(app: App, choice: FolderChoice) {
    this.#app = app
    this.#choice = choice
  }

  /** Without a path: where the agent says to begin. Until it is shown nothing is done with the folder that was open before. */
  async open(path?: string): Promise<void> {
    this.#opening++
    this.#app.draw()
    const folder = await this.#app.act(async () => await this.#app.run('folders', { files: this.#choice.files, ...(path === undefined ? {} : { path }) }))
    this.#opening--
    this.#folder = folder ?? this.#folder
    this.#app.draw()
  }

  render(): TemplateResult {
    const { messages: { common, choose: m }, formats: f } = this.#app
    const folder = this.#folder
    if (folder === undefined) return loading(this.#app)
    return html`<div class="browser">
      <div class="row crumbs">${folder.parent === null ? nothing : html`<fluent-button size="small" appearance="subtle" @click=${() => { void this.open(folder.parent ?? undefined) }}>↑ ${common.up}</fluent-button>`}<code class="grow path">${folder.path}</code></div>
      <div class="row" ?inert=${this.#opening > 0}>${this.#choice.here(folder.path)}</div>
      ${folder.entries.length === 0 ? html`<p class="facts">${m.empty}</p>` : html`<ul class="list">${folder.entries.map((entry) => html`<li class="item">
        ${entry.type === 'directory' ? html`<button type="button" class="link grow" @click=${() => { void this.open(entry.path) }}><span aria-hidden="true">▸</span> ${entry.name}</button>` : html`<span class="grow name">${entry.name} <span class="facts">${f.bytes(entry.bytes)}</span></span>`}
        ${this.#choice.action?.(entry) ?? nothing}</li>`)}</ul>`}
    </div>`
  }
}
