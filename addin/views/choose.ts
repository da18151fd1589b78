/** What is protected: what Outlook uses, and any folder or file of this computer. */
import { type TemplateResult, html } from 'lit-html'
import type { App, View } from '../app.ts'
import { FolderBrowser, type FolderEntry } from '../parts/folder-browser.ts'
import { nameOf } from '../parts/parts.ts'

export class ChooseView implements View {
  readonly #app: App
  readonly #folders: FolderBrowser

  constructor(app: App) {
    this.#app = app
    this.#folders = new FolderBrowser(app, { files: true, here: (path) => this.#button(path, app.messages.choose.protectHere), action: (entry) => this.#entry(entry) })
  }

  async enter(): Promise<void> {
    await this.#folders.open()
  }

  render(): TemplateResult {
    const { messages: { choose: m, common } } = this.#app
    return html`<h1 tabindex="-1">${m.heading}</h1><p class="facts">${m.intro}</p>${this.#folders.render()}
      <div class="row"><fluent-button @click=${() => { this.#app.go('protection') }}>${common.back}</fluent-button></div>`
  }

  /** Also drawn inside the first run. */
  browser(): TemplateResult {
    return this.#folders.render()
  }

  #entry(entry: FolderEntry): TemplateResult {
    return this.#button(entry.path, this.#app.messages.protection.protectThis)
  }

  #button(path: string, text: string): TemplateResult {
    const { messages: { protection: m } } = this.#app
    const isProtected = this.#app.state.status?.paths.some((one) => one.path === path) === true
    return isProtected ? html`<span class="badge good"><span class="sign" aria-hidden="true">✓</span>${m.state.protected}</span>`
      : html`<fluent-button size="small" aria-label=${`${text}: ${nameOf(path)}`} @click=${() => { void this.#protect(path) }}>${text}</fluent-button>`
  }

  async #protect(path: string): Promise<void> {
    await this.#app.act(async () => {
      await this.#app.run('protect', { paths: [path] })
      this.#app.set({ notice: { text: this.#app.messages.choose.added(nameOf(path)) } })
    })
    await this.#app.refresh()
  }
}
