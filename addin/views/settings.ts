/** What a person may set on this computer. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { field, loading } from '../parts/parts.ts'
import { type SettingsForm, changeOf, formOf, savedText } from '../settings-form.ts'

export class SettingsView implements View {
  readonly #app: App
  #form: SettingsForm | undefined
  #wrong: readonly (keyof SettingsForm)[] = []

  constructor(app: App) {
    this.#app = app
  }

  async enter(): Promise<void> {
    const { settings } = await this.#app.run('settings', {})
    this.#form = formOf(settings)
    this.#wrong = []
    this.#app.set({ settings })
  }

  render(): TemplateResult {
    const { messages: { settings: m, common, protection }, state: { settings, status } } = this.#app
    const form = this.#form
    if (settings === undefined || form === undefined) return html`<h1 tabindex="-1">${m.heading}</h1>${loading(this.#app)}`
    const save = (event: Event) => {
      event.preventDefault()
      void this.#save()
    }
    return html`<h1 tabindex="-1">${m.heading}</h1><form @submit=${save}>
      <fieldset class="card"><legend>${m.computer}</legend>${this.#field('label', m.name)}</fieldset>
      <fieldset class="card"><legend>${m.schedule}</legend>
        ${this.#field('daily', m.daily, 'time')}
        <div class="pair">${this.#field('quietFrom', m.quietFrom, 'time')}${this.#field('quietTo', m.quietTo, 'time')}</div>
        <details ?open=${form.cron !== ''}><summary>${m.advanced}</summary><div class="inside">${this.#field('settleMinutes', m.settle)}${this.#field('growthMB', m.growth)}${this.#field('cron', m.cron)}</div></details></fieldset>
      <fieldset class="card"><legend>${m.limits}</legend><div class="pair">${this.#field('uploadMB', m.upload)}${this.#field('downloadMB', m.download)}</div>
        <details ?open=${form.slowLinks !== ''}><summary>${m.advanced}</summary><div class="inside">${this.#field('slowLinks', m.slowLinks, 'text', 2)}</div></details></fieldset>
      <fieldset class="card"><legend>${m.space}</legend><div class="pair">${this.#field('quotaGB', m.quota)}${this.#field('reservePercent', m.reserve)}</div></fieldset>
      <fieldset class="card"><legend>${protection.found}</legend>${this.#field('folders', m.folders, 'text', 3)}
        <label class="check"><input type="checkbox" .checked=${form.caches} @change=${(event: Event) => { this.#set('caches', (event.target as HTMLInputElement).checked) }}> ${m.caches}</label></fieldset>
      ${settings.afterRestart.length === 0 ? nothing : html`<p class="facts">${m.afterRestart(settings.afterRestart.map((name) => (name === 'limits' ? m.limits : m.space)).join(', '))}</p>`}
      <div class="row"><fluent-button appearance="primary" type="submit">${common.save}</fluent-button>
        ${status?.keyConfirmed === false ? html`<fluent-button appearance="subtle" @click=${() => { this.#app.go('kit') }}>${protection.showKit}</fluent-button>` : nothing}</div>
    </form>`
  }

  #field(name: Exclude<keyof SettingsForm, 'caches'>, label: string, type = 'text', rows?: number): TemplateResult {
    const { messages: { settings: m } } = this.#app
    return html`<div>${field({ label, type, value: this.#form?.[name] ?? '', placeholder: name.endsWith('MB') && name !== 'growthMB' ? m.unlimited : '', onInput: (text) => { this.#set(name, text) }, ...(rows === undefined ? {} : { rows }) })}
      ${this.#wrong.includes(name) ? html`<p class="reason" role="alert">${m.wrong}<span class="visually-hidden">: ${label}</span></p>` : nothing}</div>`
  }

  #set(name: keyof SettingsForm, value: string | boolean): void {
    if (this.#form !== undefined) this.#form = { ...this.#form, [name]: value }
  }

  /** What is wrong may be far above the button, and under "More". */
  #showWrong(): void {
    this.#app.draw()
    queueMicrotask(() => {
      const first = document.querySelector('form .reason')
      first?.closest('details')?.setAttribute('open', '')
      first?.scrollIntoView({ block: 'center' })
    })
  }

  async #save(): Promise<void> {
    const { settings: before } = this.#app.state
    if (this.#form === undefined || before === undefined) return
    const { change, wrong } = changeOf(this.#form, before)
    this.#wrong = wrong
    if (wrong.length > 0) return this.#showWrong()
    await this.#app.act(async () => {
      const { settings } = await this.#app.run('settings', { change })
      this.#form = formOf(settings)
      this.#app.set({ settings, notice: { text: savedText(this.#app.messages.settings, change, settings) }, problem: undefined })
    })
  }
}
