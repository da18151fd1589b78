/** Recovery contacts: who may open my backup when I lose the words, whose backup I may open, and what is asked of whom. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandResult } from '../../shared/api.ts'
import type { App } from '../app.ts'
import { FolderBrowser } from '../parts/folder-browser.ts'
import { field, progressOf, textOf } from '../parts/parts.ts'
import { type Status, restoredOf } from '../state.ts'

type Listed = CommandResult<'recovery-contact list'>
type Contact = Listed['mine'][number]

/** Days that an owner has to refuse, to choose from. */
const waits = ['1', '3', '7', '14', '30'] as const

export class Contacts {
  readonly #app: App
  readonly #targets: FolderBrowser
  #listed: Listed | undefined
  #chosen = ''
  #waitDays = '3'
  #why = ''
  /** Whose backup is about to be asked for: its name. */
  #asking: string | undefined
  /** Whose backup is to come into which folder: its name, while the folder is chosen. */
  #opening: string | undefined
  #run: string | undefined
  /** The status that tells something else than the list that is shown: it was asked for anew. */
  #askedBy: Status | undefined

  constructor(app: App) {
    this.#app = app
    this.#targets = new FolderBrowser(app, { files: false, here: (path) => html`<fluent-button size="small" appearance="primary" @click=${() => { void this.#restore(path) }}>${app.messages.restore.here}</fluent-button>` })
  }

  async enter(): Promise<void> {
    await this.#app.quietly(async () => { this.#listed = await this.#app.run('recovery-contact list', {}) })
    this.#app.draw()
  }

  render(): TemplateResult {
    const { messages: { contacts: m } } = this.#app
    if (this.#listed === undefined) return html`${nothing}`
    const mine = this.#listed.mine.filter(({ state }) => state !== 'ended')
    const others = this.#listed.others.filter(({ state }) => state !== 'ended')
    return html`<section class="card contacts" aria-labelledby="contacts"><h2 id="contacts">${m.heading}</h2><p class="facts">${mine.length === 0 ? m.none : m.text}</p>
      ${mine.length === 0 ? nothing : html`<ul class="list">${mine.map((contact) => this.#mine(contact))}</ul>`}
      ${this.#add(mine)}
      ${others.length === 0 ? nothing : html`<h3>${m.ofOthers}</h3><ul class="list">${others.map((contact) => this.#other(contact))}</ul>`}
      ${this.#restored()}</section>`
  }

  /** A request for this machine's own backup: somebody is about to open it. Stands loudly on the first screen. */
  alarm(status: Status): TemplateResult {
    const { messages: { contacts: m } } = this.#app
    const asked = (this.#listed?.mine ?? []).filter(({ state }) => state === 'asked' || state === 'open')
    const isTold = status.notices.some(({ code }) => code === 'contact-asked' || code === 'contact-open')
    if (isTold !== asked.length > 0 && this.#askedBy !== status) {
      this.#askedBy = status
      void this.enter()
    }
    return html`${asked.map((contact) => html`<div class="message bad" role="alert"><strong>${m.alarm(contact.asked?.by ?? contact.name)}</strong>
      <p>${this.#stateOf(contact)}${contact.asked === null || contact.asked.why === '' ? nothing : html` ${m.why(contact.asked.why)}`}</p><p>${m.alarmText}</p>
      <fluent-button size="small" @click=${() => { void this.#remove(contact) }}>${m.end}</fluent-button></div>`)}`
  }

  #stateOf({ state, asked, opensInSeconds, waitDays }: Contact): string {
    const { messages: { contacts: m }, formats: f } = this.#app
    if (state === 'open') return m.open
    return state === 'asked' ? m.asked(f.relative(asked?.time ?? '', Date.now()), f.duration(opensInSeconds ?? 0)) : m.ready(f.duration(waitDays * 86_400))
  }

  #mine(contact: Contact): TemplateResult {
    const { messages: { contacts: m } } = this.#app
    return html`<li class="item"><div class="grow"><span class="name">${contact.name}</span><p class="facts">${this.#stateOf(contact)}</p></div>
      <fluent-button size="small" aria-label=${`${m.end}: ${contact.name}`} @click=${() => { void this.#remove(contact) }}>${m.end}</fluent-button></li>`
  }

  #add(mine: readonly Contact[]): TemplateResult {
    const { messages: { contacts: m }, formats: f, state: { members } } = this.#app
    const own = members?.find(({ self }) => self)?.owner
    const open = (members ?? []).filter(({ owner, lost, name }) => owner !== own && !lost && !mine.some((contact) => contact.name.split(', ').includes(name)))
    if (open.length === 0) return html`${nothing}`
    const choose = (event: Event) => {
      event.preventDefault()
      void this.#choose(open.find(({ machine }) => machine === this.#chosen) ?? open[0])
    }
    return html`<form class="pair" @submit=${choose}>
      <label class="field"><span>${m.colleague}</span><select @change=${(event: Event) => { this.#chosen = textOf(event) }}>${open.map(({ machine, name }) => html`<option value=${machine} ?selected=${machine === this.#chosen}>${name}</option>`)}</select></label>
      <label class="field"><span>${m.wait}</span><select @change=${(event: Event) => { this.#waitDays = textOf(event) }}>${waits.map((days) => html`<option value=${days} ?selected=${days === this.#waitDays}>${f.duration(Number(days) * 86_400)}</option>`)}</select></label>
      <fluent-button type="submit">${m.add}</fluent-button></form>`
  }

  #other(contact: Contact): TemplateResult {
    const { messages: { contacts: m } } = this.#app
    const { name, state } = contact
    return html`<li class="item"><div class="grow"><span class="name">${name}</span><p class="facts">${this.#stateOf(contact)}</p></div>
      ${state === 'ready' ? html`<fluent-button size="small" aria-label=${`${m.ask}: ${name}`} @click=${() => { this.#startAsking(name) }}>${m.ask}</fluent-button>` : nothing}
      ${state === 'asked' || state === 'open' ? html`<fluent-button size="small" aria-label=${`${m.restore}: ${name}`} @click=${() => { this.#startOpening(name) }}>${m.restore}</fluent-button>` : nothing}
      ${this.#asking === name ? this.#askForm(name) : nothing}
      ${this.#opening === name ? this.#targets.render() : nothing}</li>`
  }

  #askForm(name: string): TemplateResult {
    const { messages: { contacts: m, common } } = this.#app
    const ask = (event: Event) => {
      event.preventDefault()
      void this.#ask(name)
    }
    return html`<form class="browser" @submit=${ask}><p class="facts">${m.askText(name)}</p>${field({ label: m.whyLabel, value: this.#why, onInput: (text) => { this.#why = text } })}
      <div class="row"><fluent-button type="submit" appearance="primary">${m.askNow}</fluent-button><fluent-button @click=${() => { this.#startAsking(undefined) }}>${common.cancel}</fluent-button></div></form>`
  }

  #restored(): TemplateResult {
    const { messages: { contacts: m, restore } } = this.#app
    const running = this.#app.runOf('recovery-contact restore')
    if (running !== undefined) return progressOf(this.#app, running)
    const restored = restoredOf(this.#app.ended(this.#run)?.result)
    return restored === undefined ? html`${nothing}` : html`<div class="message good" role="status"><strong>${restore.done}</strong><p>${m.into} <code class="path">${restored.target}</code></p></div>`
  }

  #startAsking(name: string | undefined): void {
    this.#asking = name
    this.#opening = undefined
    this.#app.draw()
  }

  #startOpening(name: string): void {
    this.#asking = undefined
    this.#opening = this.#opening === name ? undefined : name
    if (this.#opening !== undefined) void this.#targets.open()
    this.#app.draw()
  }

  async #choose(member: { readonly machine: string; readonly name: string } | undefined): Promise<void> {
    const { messages: { contacts: m }, formats: f } = this.#app
    if (member === undefined) return
    const waitDays = Number(this.#waitDays)
    const choice = await this.#app.ask({ heading: m.addHeading(member.name), text: m.addText(f.duration(waitDays * 86_400)), choices: [{ name: 'yes', text: m.add }] })
    if (choice === undefined) return
    await this.#act(async () => {
      const { name, missing } = await this.#app.run('recovery-contact add', { machine: member.machine, waitDays })
      this.#app.set({ notice: { text: `${m.added(name)}${missing.length === 0 ? '' : ` ${m.missing(f.list(missing))}`}` } })
    })
  }

  async #remove({ contact, name }: Contact): Promise<void> {
    const { contacts: m } = this.#app.messages
    const choice = await this.#app.ask({ heading: m.endHeading(name), text: m.endText, choices: [{ name: 'yes', text: m.end, isDangerous: true }] })
    if (choice === undefined) return
    await this.#act(async () => {
      await this.#app.run('recovery-contact remove', { contact })
      this.#app.set({ notice: { text: m.ended(name) } })
    })
  }

  async #ask(owner: string): Promise<void> {
    await this.#act(async () => {
      const { opensInSeconds } = await this.#app.run('recovery-contact request', { owner, why: this.#why })
      this.#asking = undefined
      this.#app.set({ notice: { text: this.#app.messages.contacts.requested(owner, this.#app.formats.duration(opensInSeconds)) } })
    })
  }

  async #restore(target: string): Promise<void> {
    const owner = this.#opening
    if (owner === undefined) return
    this.#opening = undefined
    this.#run = await this.#app.launch('recovery-contact restore', { owner, target })
    this.#app.draw()
  }

  /** What it changed shows at once. */
  async #act(work: () => Promise<void>): Promise<void> {
    await this.#app.act(work)
    await Promise.all([this.#app.refresh(), this.enter()])
  }
}
