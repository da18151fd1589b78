/** Backups that colleagues who left handed to this person: looked at, restored to a folder, passed on, let go. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandResult } from '../../shared/api.ts'
import type { App } from '../app.ts'
import type { Member } from '../members.ts'
import { FolderBrowser } from '../parts/folder-browser.ts'
import { loading, progressOf, textOf } from '../parts/parts.ts'
import { restoredOf } from '../state.ts'

type Backup = CommandResult<'handed-over list'>['backups'][number]
type Snapshots = CommandResult<'handed-over snapshots'>['snapshots']

/** Which one is to come into which folder, while that is chosen; its snapshots once they are read. */
interface Opening {
  readonly contact: string
  readonly snapshots?: Snapshots
  readonly snapshot: string
}

export class HandedOver {
  readonly #app: App
  readonly #targets: FolderBrowser
  #backups: readonly Backup[] = []
  #opening: Opening | undefined
  /** Whose receiver is being chosen, and who that is. */
  #passing: { readonly contact: string; readonly to: string } | undefined
  #run: string | undefined

  constructor(app: App) {
    this.#app = app
    this.#targets = new FolderBrowser(app, { files: false, here: (path) => html`<fluent-button size="small" appearance="primary" @click=${() => { void this.#restore(path) }}>${app.messages.restore.here}</fluent-button>` })
  }

  async enter(): Promise<void> {
    await this.#app.quietly(async () => { this.#backups = (await this.#app.run('handed-over list', {})).backups })
    this.#app.draw()
  }

  render(): TemplateResult {
    const { messages: { handedOver: m } } = this.#app
    const restored = this.#restored()
    if (this.#backups.length === 0 && restored === undefined) return html`${nothing}`
    return html`<section class="card contacts" aria-labelledby="handed-over"><h2 id="handed-over">${m.heading}</h2>
      <ul class="list">${this.#backups.map((backup) => this.#backup(backup))}</ul>${restored ?? nothing}</section>`
  }

  #backup(backup: Backup): TemplateResult {
    const { messages: { handedOver: m, contacts }, formats: f } = this.#app
    const { contact, name, made, keepDays, opensOn } = backup
    return html`<li class="item"><div class="grow"><span class="name">${name}</span><p class="facts">${m.since(f.time(made))}${keepDays === null ? nothing : ` · ${m.keptFor(f.days(keepDays))}`}${opensOn.length > 1 ? ` · ${m.opensOn(f.list(opensOn))}` : nothing}</p></div>
      <span class="actions"><fluent-button size="small" aria-label=${`${contacts.restore}: ${name}`} @click=${() => { void this.#open(contact) }}>${contacts.restore}</fluent-button>
        ${this.#receivers(backup).length === 0 ? nothing : html`<fluent-button size="small" appearance="subtle" aria-label=${`${m.passOn}: ${name}`} @click=${() => { this.#choose(backup) }}>${m.passOn}</fluent-button>`}
        <fluent-button size="small" appearance="subtle" aria-label=${`${m.letGo}: ${name}`} @click=${() => { void this.#letGo(backup) }}>${m.letGo}</fluent-button></span>
      ${this.#opening?.contact === contact ? this.#chooser(this.#opening) : nothing}${this.#passing?.contact === contact ? this.#passer(backup) : nothing}</li>`
  }

  /** Machines on which it does not open yet, one's own among them. */
  #receivers({ opensOn }: Backup): readonly Member[] {
    return (this.#app.state.members ?? []).filter(({ self, lost, machineState, name }) => !self && !lost && machineState !== 'gone' && !opensOn.includes(name))
  }

  /** A second click closes it. */
  #choose(backup: Backup): void {
    const [first] = this.#receivers(backup)
    this.#passing = this.#passing?.contact === backup.contact || first === undefined ? undefined : { contact: backup.contact, to: first.machine }
    this.#app.draw()
  }

  #passer(backup: Backup): TemplateResult {
    const { handedOver: m } = this.#app.messages
    const pass = (event: Event) => {
      event.preventDefault()
      void this.#passOn(backup)
    }
    const pick = (event: Event) => { this.#passing = { contact: backup.contact, to: textOf(event) } }
    return html`<form class="pair" @submit=${pass}><label class="field"><span>${m.passTo}</span><select @change=${pick}>${this.#receivers(backup).map(({ machine, name }) => html`<option value=${machine} ?selected=${machine === this.#passing?.to}>${name}</option>`)}</select></label><fluent-button type="submit">${m.passOn}</fluent-button></form>`
  }

  async #passOn({ contact, name }: Backup): Promise<void> {
    const to = this.#passing?.to
    if (to === undefined) return
    await this.#app.act(async () => {
      const { opensOn } = await this.#app.run('handed-over pass-on', { owner: contact, to })
      this.#passing = undefined
      await this.enter() // whom it can be passed on to next
      this.#app.set({ notice: { text: this.#app.messages.handedOver.isPassed(name, this.#app.formats.list(opensOn)) } })
    })
  }

  #chooser({ snapshots, snapshot }: Opening): TemplateResult {
    const { messages: { handedOver: m, restore }, formats: f } = this.#app
    if (snapshots === undefined) return loading(this.#app)
    if (snapshots.length === 0) return html`<p class="facts" role="status">${restore.empty}</p>`
    return html`<div class="browser"><label class="field"><span>${m.which}</span><select @change=${(event: Event) => { this.#pick(textOf(event)) }}>
        ${snapshots.toReversed().map(({ id, time, bytes }) => html`<option value=${id} ?selected=${id === snapshot}>${f.time(time)} · ${f.bytes(bytes)}</option>`)}</select></label>
      ${this.#targets.render()}</div>`
  }

  #restored(): TemplateResult | undefined {
    const { messages: { contacts: m, restore } } = this.#app
    const running = this.#app.runOf('handed-over restore')
    if (running !== undefined) return progressOf(this.#app, running)
    const restored = restoredOf(this.#app.ended(this.#run)?.result)
    return restored === undefined ? undefined : html`<div class="message good" role="status"><strong>${restore.done}</strong><p>${m.into} <code class="path">${restored.target}</code></p></div>`
  }

  /** A second click closes it. */
  async #open(contact: string): Promise<void> {
    const isOpen = this.#opening?.contact === contact
    this.#opening = isOpen ? undefined : { contact, snapshot: 'latest' }
    this.#app.draw()
    if (isOpen) return
    await this.#targets.open()
    const listed = await this.#app.act(async () => await this.#app.run('handed-over snapshots', { owner: contact }))
    if (this.#opening?.contact !== contact) return
    this.#opening = listed === undefined ? undefined : { contact, snapshots: listed.snapshots, snapshot: listed.snapshots.at(-1)?.id ?? 'latest' }
    this.#app.draw()
  }

  #pick(snapshot: string): void {
    if (this.#opening !== undefined) this.#opening = { ...this.#opening, snapshot }
  }

  async #restore(target: string): Promise<void> {
    if (this.#opening === undefined) return
    const { contact, snapshot } = this.#opening
    this.#opening = undefined
    this.#run = await this.#app.launch('handed-over restore', { owner: contact, snapshot, target })
    this.#app.draw()
  }

  async #letGo({ contact, name }: Backup): Promise<void> {
    const { handedOver: m } = this.#app.messages
    const choice = await this.#app.ask({ heading: m.letGoHeading(name), text: m.letGoText, choices: [{ name: 'yes', text: m.letGo, isDangerous: true }] })
    if (choice === undefined) return
    await this.#app.act(async () => {
      await this.#app.run('handed-over remove', { owner: contact })
      this.#opening = undefined
      this.#app.set({ notice: { text: m.isGone(name) } })
    })
    await this.enter()
  }
}
