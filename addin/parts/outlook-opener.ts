/** What to do with restored archives in Outlook: a button where the agent can have Outlook open them, and the way by hand. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App } from '../app.ts'
import { nameOf } from './parts.ts'

export class OutlookOpener {
  readonly #app: App
  #available = false
  #opening: string | undefined

  constructor(app: App) {
    this.#app = app
  }

  /** Whether there is an Outlook to ask, which takes Windows some seconds to say. */
  async look(): Promise<void> {
    await this.#app.quietly(async () => { this.#available = (await this.#app.run('outlook', {})).available })
    this.#app.draw()
  }

  render(archives: readonly string[]): TemplateResult {
    const { messages: { restore: m, common }, host } = this.#app
    const isBusy = this.#opening !== undefined
    return html`<div class="message">
      ${!this.#available ? nothing : html`${archives.map((path) => html`<div class="actions"><fluent-button appearance="primary" class="wide" aria-label=${`${m.openInOutlook}: ${nameOf(path)}`} ?disabled=${isBusy} aria-disabled=${isBusy ? 'true' : nothing} @click=${() => { void this.#open(path) }}>${this.#opening === path ? m.opening : archives.length === 1 ? m.openInOutlook : `${m.openInOutlook}: ${nameOf(path)}`}</fluent-button></div>`)}<p class="facts">${m.byHand}</p>`}
      <p>${host.name === 'outlook' ? m.inOutlookHere : m.inOutlook}</p>
      ${archives.map((path) => html`<div class="row"><code class="grow path">${path}</code><fluent-button size="small" @click=${() => { void this.#app.copy(path) }}>${common.copy}</fluent-button></div>`)}</div>`
  }

  async #open(path: string): Promise<void> {
    this.#opening = path
    this.#app.set({ problem: undefined, notice: undefined })
    await this.#app.act(async () => {
      const { name } = await this.#app.run('outlook open', { path })
      this.#app.set({ notice: { text: this.#app.messages.restore.opened(name) } })
    })
    this.#opening = undefined
    this.#app.draw()
  }
}
