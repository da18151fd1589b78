/** The first run in three steps: a work group, what to protect, the recovery kit. Each step is done when the agent says so. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { noticesOf } from '../notices.ts'
import { noticeList } from '../parts/notices.ts'
import { emptyPlace, field, nameOf, progressOf } from '../parts/parts.ts'
import { recoveredOf } from '../state.ts'
import type { ChooseView } from './choose.ts'
import type { KitView } from './kit.ts'

type Way = 'join' | 'create' | 'recover'

interface Form {
  readonly invitation: string
  readonly name: string
  readonly roster: string
  readonly words: string
  readonly locator: string
  readonly label: string
}

/** What has to be typed; the rest may stay empty. */
const needed = { join: ['invitation'], create: ['name', 'roster'], recover: ['words'] } as const satisfies Record<Way, readonly (keyof Form)[]>

export class StartView implements View {
  readonly #app: App
  readonly #choose: ChooseView
  readonly #kit: KitView
  #way: Way | undefined
  #form: Form = { invitation: '', name: '', roster: '', words: '', locator: '', label: '' }
  #busy = false
  #recovery: string | undefined
  /** The person went on from what was chosen. */
  #chosen = false

  constructor(app: App, { choose, kit }: { choose: ChooseView; kit: KitView }) {
    this.#app = app
    this.#choose = choose
    this.#kit = kit
  }

  async enter(): Promise<void> {
    this.#chosen = false
    if (this.#app.state.status?.network !== null) await this.#enterGroup()
  }

  async #enterGroup(): Promise<void> {
    await Promise.all([this.#choose.enter(), this.#app.quietly(async () => { this.#app.set({ archives: (await this.#app.run('suggestions', {})).archives }) })])
  }

  render(): TemplateResult {
    const { status } = this.#app.state
    const recovery = this.#app.runOf('recover')
    const recovered = this.#app.ended(this.#recovery)
    if (recovery !== undefined) return html`${this.#heading()}${progressOf(this.#app, recovery)}`
    if (recovered !== undefined && recovered.problem === null) return html`${this.#heading()}${this.#recovered(recovered.result)}`
    if (status === undefined) return this.#heading()
    if (status.network === null) return html`${this.#heading(1)}<p>${this.#app.messages.start.intro}</p>${status.notices.length === 0 ? nothing : html`<div class="message warning">${noticeList(this.#app, noticesOf(status))}</div>`}${this.#ways()}`
    if (!this.#chosen) return html`${this.#heading(2)}${this.#what()}`
    return html`${this.#heading(3)}${this.#keys()}`
  }

  #heading(step?: number): TemplateResult {
    const { start: m } = this.#app.messages
    return html`<h1 tabindex="-1">${step === 2 ? m.protectHeading : step === 3 ? m.kitHeading : m.heading}</h1>${step === undefined ? nothing : html`<p class="facts">${m.step(step)}</p>`}`
  }

  #ways(): TemplateResult {
    const { start: m } = this.#app.messages
    const ways: readonly [Way, string, string][] = [['join', m.join, m.joinText], ['create', m.create, m.createText], ['recover', m.recover, m.recoverText]]
    return html`${ways.map(([way, name, text]) => html`<section class="card">
      <button type="button" class="link way" aria-expanded=${this.#way === way ? 'true' : 'false'} @click=${() => { this.#way = this.#way === way ? undefined : way; this.#app.draw() }}><strong>${name}</strong><span class="facts">${text}</span></button>
      ${this.#way === way ? this.#wayForm(way) : nothing}</section>`)}`
  }

  #wayForm(way: Way): TemplateResult {
    const { start: m } = this.#app.messages
    const submit = (event: Event) => {
      event.preventDefault()
      if (isReady) void this.#go(way)
    }
    const label = this.#field('label', m.yourComputer)
    const isReady = !this.#busy && needed[way].every((name) => this.#form[name].trim() !== '')
    return html`<form @submit=${submit}>
      ${way === 'join' ? html`${this.#field('invitation', m.invitation, 4)}${label}` : way === 'create' ? html`${this.#field('name', m.groupName)}${this.#field('roster', m.roster)}${label}` : html`${this.#field('words', m.words, 5)}${this.#field('locator', m.locator, 3)}${label}`}
      <fluent-button appearance="primary" type="submit" ?disabled=${!isReady} aria-disabled=${isReady ? nothing : 'true'}>${this.#busy ? this.#app.messages.common.busy : { join: m.joinNow, create: m.createNow, recover: m.recoverNow }[way]}</fluent-button>
    </form>`
  }

  #field(name: keyof Form, label: string, rows?: number): TemplateResult {
    return field({ label, value: this.#form[name], onInput: (text) => { this.#form = { ...this.#form, [name]: text }; this.#app.draw() }, ...(rows === undefined ? {} : { rows }) })
  }

  async #go(way: Way): Promise<void> {
    const { invitation, name, roster, words, locator, label: typed } = this.#form
    const label = typed.trim() === '' ? {} : { label: typed.trim() }
    if (way === 'recover') {
      const from = locator.trim()
      const where = from === '' ? {} : isAddress(from) ? { peer: from } : from.startsWith('holdfast-invite:') ? { invitation: from } : { locator: from }
      this.#recovery = await this.#app.launch('recover', { words: words.trim(), ...where, ...label })
      return
    }
    this.#busy = true
    this.#app.draw()
    await this.#app.act(async () => {
      if (way === 'join') await this.#app.run('network join', { invitation: invitation.trim(), ...label })
      else await this.#app.run('network create', { name: name.trim(), roster: locatorOf(roster), ...label })
      this.#app.set({ problem: undefined, signIn: undefined })
      this.#form = { ...this.#form, invitation: '' }
      await this.#app.refresh()
      await this.#enterGroup()
    })
    const { signIn } = this.#app.state
    if (way === 'create' && signIn !== undefined) this.#app.set({ signIn: { ...signIn, prepare: true } })
    this.#busy = false
    this.#app.draw()
  }

  #what(): TemplateResult {
    const { messages: { start: m, protection, common }, state: { archives, status } } = this.#app
    const chosen = status?.paths ?? []
    return html`${(archives ?? []).length === 0 ? nothing : html`<h2>${protection.found}</h2><ul class="list">${archives?.map(({ path, bytes, protected: isProtected }) => html`<li class="item"><div class="grow"><strong class="name">${nameOf(path)}</strong><p class="facts">${this.#app.formats.bytes(bytes)}</p></div>
        <fluent-button size="small" ?disabled=${isProtected} aria-disabled=${isProtected ? 'true' : nothing} aria-label=${`${protection.protectThis}: ${nameOf(path)}`} @click=${() => { void this.#protect(path) }}>${isProtected ? '✓' : protection.protectThis}</fluent-button></li>`)}</ul>`}
      ${this.#choose.browser()}
      <div class="row"><span class="facts grow">${m.chosen(chosen.length)}</span><fluent-button appearance="primary" @click=${() => { void this.#next(chosen.length > 0 && (status?.network?.members ?? 0) > 1) }}>${chosen.length > 0 ? common.next : m.later}</fluent-button></div>`
  }

  async #protect(path: string): Promise<void> {
    await this.#app.act(async () => { await this.#app.run('protect', { paths: [path] }) })
    await Promise.all([this.#app.refresh(), this.#enterGroup()])
  }

  /** The first backup begins while the kit is stored. */
  async #next(begin: boolean): Promise<void> {
    this.#chosen = true
    if (begin) await this.#app.launch('backup', { offlineOk: true })
    await this.#app.act(async () => { await this.#kit.enter() })
    this.#app.draw()
  }

  #keys(): TemplateResult {
    const running = this.#app.runOf('backup')
    return html`${running === undefined ? nothing : progressOf(this.#app, running)}${this.#kit.card()}
      <div class="row noprint"><fluent-button @click=${() => { this.#app.go('protection') }}>${this.#app.state.status?.keyConfirmed === true ? this.#app.messages.start.finish : this.#app.messages.kit.later}</fluent-button></div>`
  }

  #recovered(answer: unknown): TemplateResult {
    const { start: m } = this.#app.messages
    return emptyPlace({ sign: '✓', heading: m.recoveredHeading, text: m.recovered(recoveredOf(answer)?.snapshots ?? 0), action: html`<fluent-button appearance="primary" @click=${() => { this.#recovery = undefined; this.#app.go('restore') }}>${m.toRestore}</fluent-button>` })
  }
}

/** `host:port`; a locator has its own beginning. */
function isAddress(text: string): boolean {
  return /^[^\s/:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/u.test(text)
}

/** A bare folder, as a person types one, is a folder roster. */
export function locatorOf(text: string): string {
  const given = text.trim()
  return /^([A-Za-z]:[\\/]|\/|\\\\|~)/u.test(given) ? `folder:${given}` : given
}
