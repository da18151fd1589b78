/** Out of the work group in good order: what becomes of my backups, the way of what this computer keeps for the others, and what is in the way. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandInput } from '../../shared/api.ts'
import { leastKeepDays } from '../../shared/network-commands.ts'
import type { Problem } from '../agent-client.ts'
import type { App } from '../app.ts'
import type { Member } from '../members.ts'
import { field, progressOf, textOf } from '../parts/parts.ts'
import { type Status, leftOf } from '../state.ts'
import type { Administration } from './administration.ts'

type Way = 'keep' | 'hand' | 'erase'
const ways = ['keep', 'hand', 'erase'] as const
const usualDays = { keep: '90', hand: '365' } as const
const mostDays = 36_500

export class Leave {
  readonly #app: App
  readonly #administration: Administration
  #isOpen = false
  #way: Way = 'keep'
  #days = { ...usualDays } as Record<keyof typeof usualDays, string>
  #colleague = ''
  /** The name of this computer, typed by who erases the backups. */
  #typed = ''
  #run: string | undefined
  #asked: CommandInput<'network leave'> | undefined

  constructor(app: App, administration: Administration) {
    this.#app = app
    this.#administration = administration
  }

  /** Of a group that has just been left: what became of everything. */
  left(): TemplateResult | undefined {
    const { messages: { leave: m }, formats: f } = this.#app
    const left = leftOf(this.#app.ended(this.#run)?.result)
    if (left === undefined) return undefined
    const { network, shards, handedOver, safe, kept, keepDays, handedTo } = left
    const days = f.days(keepDays ?? 0)
    return html`<section class="verdict good" aria-labelledby="left"><div class="head"><div class="seal" aria-hidden="true">✓</div><div class="grow"><h2 id="left">${m.left(network)}</h2>
      <p>${keepDays === null ? m.leftStays : keepDays === 0 ? m.leftErased : handedTo === null ? m.leftKept(days) : m.leftHanded(this.#nameOf(handedTo), days)}</p></div></div>
      ${shards === 0 ? nothing : html`<p class="facts">${m.leftShards(f.number(handedOver + safe), f.number(shards))}${kept === 0 ? nothing : ` ${m.leftShardsKept}`}</p>`}
      <p class="facts">${m.leftNext}</p></section>`
  }

  render({ network, machine, keyConfirmed }: Status): TemplateResult {
    const { messages: { leave: m } } = this.#app
    const running = this.#app.runOf('network leave')
    if (running !== undefined) return progressOf(this.#app, running)
    const problem = this.#app.ended(this.#run)?.problem ?? undefined
    const toggle = (event: Event) => {
      this.#isOpen = (event.target as HTMLDetailsElement).open
      this.#app.draw()
    }
    return html`<details class="card leave" .open=${this.#isOpen} @toggle=${toggle}><summary><h2>${m.heading}</h2></summary>
      ${!this.#isOpen ? nothing : html`<div class="inside"><p class="facts">${m.text}</p>
        ${problem === undefined ? nothing : this.#problem(problem, network?.name ?? '')}
        ${this.#administration.isLastAdmin ? this.#lastAdmin() : this.#form({ group: network?.name ?? '', machine: machine.name, keyConfirmed })}</div>`}</details>`
  }

  #form({ group, machine, keyConfirmed }: { group: string; machine: string; keyConfirmed: boolean }): TemplateResult {
    const { messages: { leave: m, protection } } = this.#app
    const others = this.#own().map(({ name }) => name)
    const isReady = others.length > 0 || (this.#way === 'erase' ? this.#typed.trim() === machine && machine !== '' : this.#daysOf(this.#way) !== undefined && (this.#way !== 'hand' || this.#chosen() !== undefined))
    const submit = (event: Event) => {
      event.preventDefault()
      if (isReady) void this.#leave(group)
    }
    return html`<form @submit=${submit}>
      ${others.length > 0 ? html`<p>${m.stays(this.#app.formats.list(others))}</p>` : html`<h3 id="backups">${m.what}</h3><div class="inside" role="radiogroup" aria-labelledby="backups">${ways.map((way) => this.#choice(way, machine))}</div>`}
      ${others.length > 0 || this.#way === 'hand' || keyConfirmed ? nothing : html`<div class="message warning"><strong>${protection.kit}</strong><p>${m.kitFirst}</p><fluent-button size="small" @click=${() => { this.#app.go('kit') }}>${protection.showKit}</fluent-button></div>`}
      <div class="row"><fluent-button type="submit" class="danger" appearance="outline" ?disabled=${!isReady} aria-disabled=${isReady ? nothing : 'true'}>${m.leave}</fluent-button></div></form>`
  }

  #choice(way: Way, machine: string): TemplateResult {
    const { messages: { leave: m, contacts } } = this.#app
    const isChosen = this.#way === way
    const choose = () => {
      this.#way = way
      this.#app.draw()
    }
    return html`<div><label class="check"><input type="radio" name="leave" value=${way} .checked=${isChosen} @change=${choose}> <span><strong>${m.ways[way].name}</strong><span class="facts">${m.ways[way].text}</span></span></label>
      ${!isChosen ? nothing : html`<div class="pair">
        ${way !== 'hand' ? nothing : html`<label class="field"><span>${contacts.colleague}</span><select @change=${(event: Event) => { this.#colleague = textOf(event) }}>${this.#colleagues().map(({ machine: id, name }) => html`<option value=${id} ?selected=${id === this.#chosen()?.machine}>${name}</option>`)}</select></label>`}
        ${way === 'erase' ? field({ label: m.typeName(machine), value: this.#typed, onInput: (text) => { this.#typed = text; this.#app.draw() } })
    : field({ label: m.days, type: 'number', value: this.#days[way], onInput: (text) => { this.#days[way] = text; this.#app.draw() } })}</div>`}</div>`
  }

  /** Nobody could let machines in or shut them out any more. */
  #lastAdmin(): TemplateResult {
    const { messages: { leave: m, contacts } } = this.#app
    const colleagues = this.#colleagues()
    const make = (event: Event) => {
      event.preventDefault()
      const chosen = this.#chosen()
      if (chosen !== undefined) void this.#makeAdmin(chosen)
    }
    return html`<div class="message warning">${m.lastAdmin}</div>
      <form class="pair" @submit=${make}><label class="field"><span>${contacts.colleague}</span><select @change=${(event: Event) => { this.#colleague = textOf(event) }}>${colleagues.map(({ machine, name }) => html`<option value=${machine}>${name}</option>`)}</select></label><fluent-button type="submit">${m.makeAdmin}</fluent-button></form>`
  }

  async #makeAdmin({ machine, name }: Member): Promise<void> {
    await this.#app.act(async () => {
      await this.#app.run('network admin add', { machine })
      this.#app.set({ notice: { text: this.#app.messages.leave.isAdmin(name) } })
    })
    await this.#administration.enter()
  }

  #problem(problem: Problem, group: string): TemplateResult {
    const { messages: { leave: m, problem: told }, formats: f } = this.#app
    const { kept, shards, stranded } = problem.details
    if (problem.code === 'cancelled') return html`<div class="message warning" role="status">${m.cancelled}</div>`
    if (Array.isArray(stranded)) return this.#blocked({ heading: m.stranded(f.list(stranded.map(String))), text: m.strandedText, group })
    if (problem.code !== 'too-few-holders') return html`<div class="message bad" role="alert"><strong>${told.told[problem.code as keyof typeof told.told]?.title ?? told.title}</strong><p>${m.stillMember}</p><p class="facts" lang="en">${problem.detail}</p></div>`
    if (typeof kept !== 'number' || typeof shards !== 'number') return html`<div class="message bad" role="alert"><strong>${m.nobodyOn}</strong><p>${m.nobodyOnText}</p></div>`
    return this.#blocked({ heading: m.nowhere(f.number(kept), f.number(shards)), text: m.nowhereText, group })
  }

  #blocked({ heading, text, group }: { heading: string; text: string; group: string }): TemplateResult {
    const { leave: m } = this.#app.messages
    return html`<div class="message bad" role="alert"><strong>${heading}</strong><p>${text}</p>
      <fluent-button size="small" class="danger" appearance="outline" @click=${() => { void this.#force(group) }}>${m.force}</fluent-button></div>`
  }

  async #leave(group: string): Promise<void> {
    const { messages: { leave: m }, formats: f } = this.#app
    const [way, colleague] = [this.#own().length > 0 ? 'stays' : this.#way, this.#chosen()]
    const days = way === 'keep' || way === 'hand' ? this.#daysOf(way) : undefined
    const duration = f.days(days ?? 0)
    const text = way === 'stays' ? m.askStays : way === 'erase' ? m.askErase : way === 'hand' ? m.askHand(colleague?.name ?? '', duration) : m.askKeep(duration)
    const choice = await this.#app.ask({ heading: m.askHeading(group), text, choices: [{ name: 'yes', text: way === 'erase' ? m.eraseAndLeave : m.leave, meaning: m.askMeaning, isDangerous: true }] })
    if (choice === undefined) return
    await this.#start({
      ...(way === 'erase' ? { backups: 'erase' as const } : {}), ...(days === undefined ? {} : { days }),
      ...(way === 'hand' && colleague !== undefined ? { handTo: colleague.machine } : {}),
    })
  }

  async #force(group: string): Promise<void> {
    const { leave: m } = this.#app.messages
    const choice = await this.#app.ask({ heading: m.askHeading(group), text: m.forceText, choices: [{ name: 'yes', text: m.force, isDangerous: true }] })
    if (choice !== undefined) await this.#start({ ...this.#asked, force: true })
  }

  /** What goes wrong is told in the card, where one can do something about it. */
  async #start(input: CommandInput<'network leave'>): Promise<void> {
    this.#asked = input
    this.#typed = ''
    this.#run = await this.#app.act(async () => await this.#app.client.start('network leave', input))
    this.#app.draw()
  }

  /** Days as typed; undefined when they are none. */
  #daysOf(way: 'keep' | 'hand'): number | undefined {
    const days = Number(this.#days[way])
    return Number.isInteger(days) && days >= leastKeepDays && days <= mostDays ? days : undefined
  }

  #members(): readonly Member[] {
    return (this.#app.state.members ?? []).filter(({ self, lost, machineState }) => !self && !lost && machineState !== 'gone')
  }

  /** Other machines of this person: the backups go on there. */
  #own(): readonly Member[] {
    const owner = this.#app.state.status?.machine.owner
    return this.#members().filter((member) => member.owner === owner)
  }

  #colleagues(): readonly Member[] {
    const owner = this.#app.state.status?.machine.owner
    return this.#members().filter((member) => member.owner !== owner)
  }

  #chosen(): Member | undefined {
    const colleagues = this.#colleagues()
    return colleagues.find(({ machine }) => machine === this.#colleague) ?? colleagues[0]
  }

  #nameOf(machine: string): string {
    return this.#app.state.members?.find((member) => member.machine === machine)?.name ?? machine.slice(0, 8)
  }
}

