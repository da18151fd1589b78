/** Connects this pane to the agent, once: by the code that `holdfast open --code` shows. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { field, withCode } from '../parts/parts.ts'

export class PairingView implements View {
  readonly #app: App
  #code = ''
  /** In Outlook nobody opens the pane by `holdfast open`: it would ask for a code each day. */
  #remember: boolean

  constructor(app: App) {
    this.#app = app
    this.#remember = app.host.name !== 'browser'
  }

  render(): TemplateResult {
    const { pairing: m } = this.#app.messages
    const connect = (event: Event) => {
      event.preventDefault()
      void this.#connect()
    }
    return html`<h1 tabindex="-1">${m.heading}</h1>
      ${this.#app.state.hasEnded ? html`<div class="message warning" role="status">${m.ended}</div>` : nothing}
      <p>${m.intro}</p>
      ${this.#app.state.company === undefined ? nothing : html`<section class="card"><fluent-button appearance="primary" @click=${() => { void this.#app.connectByCompany() }}>${m.company}</fluent-button></section>`}
      <section class="card"><p>${withCode(m.easiest)}</p></section>
      <form class="card" @submit=${connect}>
        <p>${withCode(m.orCode)}</p>
        ${field({ label: m.code, value: this.#code, autocomplete: 'one-time-code', placeholder: 'ABC 123', onInput: (text) => { this.#code = text } })}
        <label class="check"><input type="checkbox" .checked=${this.#remember} @change=${(event: Event) => { this.#remember = (event.target as HTMLInputElement).checked }}> ${m.remember}</label>
        <fluent-button appearance="primary" type="submit">${m.connect}</fluent-button>
      </form>`
  }

  async #connect(): Promise<void> {
    const token = await this.#app.act(async () => await this.#app.client.pair({ code: this.#code, remember: this.#remember }))
    if (token === undefined) return
    this.#app.session.set(token, this.#remember)
    this.#code = ''
    this.#app.set({ connection: 'starting', hasEnded: false, problem: undefined })
    this.#app.connect()
  }
}
