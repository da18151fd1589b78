/** The recovery kit: shown on request, printed or copied, and then erased here once its owner has it. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandResult } from '../../shared/api.ts'
import type { App, View } from '../app.ts'
import { loading } from '../parts/parts.ts'
import { saveBlob } from '../parts/save.ts'

export class KitView implements View {
  readonly #app: App
  #kit: CommandResult<'key show'> | undefined
  #confirmed = false
  /** It was printed, saved, or written down as the person says: only then can it be confirmed. */
  #isKept = false

  constructor(app: App) {
    this.#app = app
  }

  async enter(): Promise<void> {
    this.#confirmed = this.#app.state.status?.keyConfirmed === true
    this.#kit = this.#confirmed ? undefined : await this.#app.run('key show', {})
    this.#app.draw()
  }

  render(): TemplateResult {
    return html`<h1 tabindex="-1">${this.#app.messages.kit.heading}</h1>${this.card()}
      <div class="row noprint"><fluent-button @click=${() => { this.#app.go('protection') }}>${this.#confirmed ? this.#app.messages.common.close : this.#app.messages.kit.later}</fluent-button></div>`
  }

  card(): TemplateResult {
    const { messages: { kit: m } } = this.#app
    if (this.#confirmed) return html`<div class="message good" role="status">${m.erased}</div>`
    const kit = this.#kit
    if (kit === undefined) return loading(this.#app)
    const { status } = this.#app.state
    return html`<p>${m.text}</p>
      <section class="card kit" aria-label=${m.heading}>
        <p class="facts">${[status?.network?.name, status?.machine.name, this.#app.formats.time(new Date().toISOString())].filter((part) => part !== undefined && part !== '').join(' · ')}</p>
        <h2>${m.words}</h2><ol class="words" lang="en" translate="no">${kit.words.split(' ').map((word) => html`<li>${word}</li>`)}</ol>
        <h2>${m.locator}</h2><code class="path" translate="no">${kit.locator}</code>
      </section>
      <section class="card noprint" aria-labelledby="keep"><h2 id="keep">${m.keep}</h2>
        <div class="row"><fluent-button appearance=${this.#isKept ? nothing : 'primary'} @click=${() => { globalThis.print(); this.#kept(true) }}>${m.print}</fluent-button><fluent-button @click=${() => { this.#save(kit) }}>${m.save}</fluent-button></div>
        <label class="check"><input type="checkbox" .checked=${this.#isKept} @change=${(event: Event) => { this.#kept((event.target as HTMLInputElement).checked) }}> ${m.isKept}</label>
        <p class="facts">${m.after}</p>
        <div class="row"><fluent-button appearance=${this.#isKept ? 'primary' : nothing} ?disabled=${!this.#isKept} aria-disabled=${this.#isKept ? nothing : 'true'} @click=${() => { void this.#confirm() }}>${m.stored}</fluent-button></div>
      </section>`
  }

  #kept(isKept: boolean): void {
    this.#isKept = isKept
    this.#app.draw()
  }

  #save({ words, locator }: CommandResult<'key show'>): void {
    const { messages: { kit: m } } = this.#app
    saveBlob(new Blob([`${m.heading}\n\n${m.text}\n\n${m.words}\n${words}\n\n${m.locator}\n${locator}\n`], { type: 'text/plain' }), 'Holdfast recovery kit.txt')
    this.#kept(true)
  }

  async #confirm(): Promise<void> {
    await this.#app.act(async () => {
      await this.#app.run('key confirm', {})
      this.#confirmed = true
      this.#kit = undefined
    })
    await this.#app.refresh()
  }
}
