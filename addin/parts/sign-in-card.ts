/** Signs this computer in where the list of the team is kept: at Microsoft in the browser, in a directory with a password. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandInput } from '../../shared/api.ts'
import type { App } from '../app.ts'
import { placeOf } from '../notices.ts'
import type { SignInAsked, WatchedRun } from '../state.ts'
import { field, progressOf } from './parts.ts'

type Given = Omit<CommandInput<'sign-in'>, 'locator' | 'prepare'>

const nothingTyped = { user: '', password: '', ca: '', folder: '' }

export class SignInCard {
  readonly #app: App
  #form = nothingTyped

  constructor(app: App) {
    this.#app = app
  }

  render(asked: SignInAsked): TemplateResult {
    const { messages: { signIn: m, common } } = this.#app
    const running = this.#app.runOf('sign-in')
    return html`<section class="card sign-in" aria-labelledby="sign-in"><h2 id="sign-in">${m.heading}</h2>
      <p role="alert">${m.text(placeOf(asked.locator))}</p>
      ${running === undefined ? this.#ways(asked) : html`${progressOf(this.#app, running)}${pageOf(running) === undefined ? nothing : html`<p class="facts">${m.goOn} <a href=${pageOf(running)} target="_blank" rel="noopener noreferrer">${m.openPage}</a></p>`}`}
      ${running === undefined ? html`<fluent-button @click=${() => { this.#close() }}>${common.cancel}</fluent-button>` : nothing}</section>`
  }

  #ways(asked: SignInAsked): TemplateResult {
    const { messages: { signIn: m } } = this.#app
    if (/^ldaps?:/iu.test(asked.locator)) return this.#directory(asked)
    return html`<fluent-button appearance="primary" @click=${() => { void this.#signIn(asked, {}) }}>${m.atMicrosoft}</fluent-button>
      ${asked.locator.startsWith('sharepoint:') ? html`<details .open=${this.#form.folder !== ''}><summary>${m.synced}</summary>${this.#formOf(asked, () => ({ folder: this.#form.folder.trim() }), html`${this.#field('folder', m.folder)}<fluent-button type="submit">${m.useFolder}</fluent-button>`)}</details>` : nothing}`
  }

  #directory(asked: SignInAsked): TemplateResult {
    const { messages: { signIn: m } } = this.#app
    const given = () => {
      const { user, password, ca } = this.#form
      return { user: user.trim(), password, ...(ca.trim() === '' ? {} : { ca }) }
    }
    return this.#formOf(asked, given, html`${this.#field('user', m.user)}${this.#field('password', m.password)}
      <details .open=${this.#form.ca !== ''}><summary>${m.ownAuthority}</summary>${this.#field('ca', m.authority)}</details>
      <fluent-button appearance="primary" type="submit">${m.signIn}</fluent-button>`)
  }

  #formOf(asked: SignInAsked, given: () => Given, content: TemplateResult): TemplateResult {
    return html`<form @submit=${(event: Event) => { event.preventDefault(); void this.#signIn(asked, given()) }}>${content}</form>`
  }

  #field(name: keyof typeof nothingTyped, label: string): TemplateResult {
    const kind = name === 'password' ? { type: 'password' } : name === 'ca' ? { rows: 4 } : {}
    return field({ label, value: this.#form[name], onInput: (text) => { this.#form = { ...this.#form, [name]: text } }, ...kind })
  }

  async #signIn({ locator, prepare }: SignInAsked, given: Given): Promise<void> {
    this.#app.set({ problem: undefined, notice: undefined })
    const signedIn = await this.#app.act(async () => await this.#app.run('sign-in', { locator, prepare, ...given }))
    if (this.#app.state.problem?.code === 'cancelled') this.#app.set({ problem: undefined })
    if (signedIn === undefined) return
    const { signIn: m } = this.#app.messages
    this.#close()
    this.#app.set({ notice: { text: given.folder === undefined ? m.done(signedIn.account) : m.usesFolder(given.folder) } })
    await this.#app.refresh()
  }

  #close(): void {
    this.#form = nothingTyped
    this.#app.set({ signIn: undefined })
  }
}

/** Where a sign-in in the browser goes on, as the agent tells it; no other address is ever made a link. */
function pageOf({ progress }: WatchedRun): string | undefined {
  return /https:\/\/login\.microsoftonline\.com\/\S+/u.exec(progress?.detail ?? '')?.[0]
}
