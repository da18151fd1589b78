/** What admins do to the group: let machines in, give them up or shut them out, and set how many copies are made. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandResult } from '../../shared/api.ts'
import type { App } from '../app.ts'
import type { Member } from '../members.ts'
import { field } from '../parts/parts.ts'

type Invitation = CommandResult<'network invitations'>['invitations'][number]

/** Those that a person picks from; a group may have another one by the command line. */
const levels = ['auto', 'mirror-2', 'mirror-3', 'raid5', 'raid6', 'triple'] as const

export class Administration {
  readonly #app: App
  #made: CommandResult<'network invite'> | undefined
  #count = '5'
  #invitations: readonly Invitation[] = []
  #requests: CommandResult<'network requests'>['requests'] = []
  /** A machine that was let in goes on asking until it has read that. */
  readonly #decided = new Set<string>()
  #settings: CommandResult<'network settings'> | undefined

  constructor(app: App) {
    this.#app = app
  }

  get mayChange(): boolean {
    return this.#settings?.mayChange === true
  }

  /** This machine has the only admin: while there are others, it cannot go. */
  get isLastAdmin(): boolean {
    const [only, ...more] = this.#settings?.admins ?? []
    return only?.self === true && more.length === 0 && only.machines.length <= 1 && (this.#app.state.status?.network?.members ?? 0) > 1
  }

  async enter(): Promise<void> {
    await this.#app.quietly(async () => {
      this.#settings = await this.#app.run('network settings', {})
      if (this.mayChange) await this.#askWhoMayCome()
    })
    this.#app.draw()
  }

  async #askWhoMayCome(): Promise<void> {
    const [{ invitations }, { requests }] = await Promise.all([this.#app.run('network invitations', {}), this.#app.run('network requests', {})])
    this.#invitations = invitations.filter(({ state }) => state === 'open')
    this.#requests = requests.filter(({ machine }) => !this.#decided.has(machine))
  }

  render(): TemplateResult {
    if (!this.mayChange) return html`${nothing}`
    return html`${this.#asking()}${this.#invite()}`
  }

  #asking(): TemplateResult {
    const { messages: { admin: m }, formats: f } = this.#app
    if (this.#requests.length === 0) return html`${nothing}`
    return html`<section class="card" aria-labelledby="asking"><h2 id="asking">${m.asking}</h2><ul class="list">${this.#requests.map(({ machine, name, asked }) => html`<li class="item">
      <div class="grow"><span class="name">${name}</span><p class="facts">${f.relative(asked, Date.now())} · ${machine.slice(0, 8)}</p></div>
      <fluent-button size="small" appearance="primary" aria-label=${`${m.decide}: ${name}`} @click=${() => { void this.#decide(machine, name) }}>${m.decide}</fluent-button></li>`)}</ul></section>`
  }

  async #decide(machine: string, name: string): Promise<void> {
    const { admin: m } = this.#app.messages
    const choice = await this.#app.ask({ heading: m.approveHeading(name), text: m.approveText(machine.slice(0, 8)), choices: [{ name: 'approve', text: m.approve }, { name: 'refuse', text: m.refuse, meaning: m.refuseText, isDangerous: true }] })
    if (choice === undefined) return
    await this.#act(async () => {
      if (choice === 'approve') await this.#app.run('network approve', { machine })
      else await this.#app.run('network revoke', { machine })
      this.#decided.add(machine)
      this.#app.set({ notice: { text: choice === 'approve' ? m.approved(name) : m.refused(name) } })
    })
  }

  #invite(): TemplateResult {
    const { messages: { team: m, common, admin }, formats: f } = this.#app
    const make = (event: Event) => {
      event.preventDefault()
      void this.#makeInvitation()
    }
    return html`<section class="card" aria-labelledby="invite"><h2 id="invite">${m.inviteHeading}</h2>
      ${this.#made === undefined ? html`<form class="row" @submit=${make}>${field({ label: m.inviteCount, type: 'number', value: this.#count, onInput: (text) => { this.#count = text } })}<fluent-button type="submit">${m.makeInvitation}</fluent-button></form>`
    : html`<p>${m.inviteText}</p><code class="path invitation" translate="no" tabindex="0">${this.#made.invitation}</code><p class="facts">${m.validUntil(f.time(this.#made.expires))}</p>
        <div class="row"><fluent-button appearance="primary" @click=${() => { void this.#app.copy(this.#made?.invitation ?? '') }}>${common.copy}</fluent-button><fluent-button @click=${() => { this.#made = undefined; this.#app.draw() }}>${common.close}</fluent-button></div>`}
      ${this.#invitations.length === 0 ? nothing : html`<details><summary>${admin.openInvitations(this.#invitations.length)}</summary><ul class="list">${this.#invitations.map((invitation) => html`<li class="item">
        <div class="grow"><span class="name">${admin.usedOf(invitation.used, invitation.count)}</span><p class="facts">${m.validUntil(f.time(invitation.expires))} · ${admin.madeBy(invitation.by)}</p></div>
        <fluent-button size="small" aria-label=${`${admin.withdraw}: ${f.time(invitation.expires)}`} @click=${() => { void this.#withdraw(invitation) }}>${admin.withdraw}</fluent-button></li>`)}</ul></details>`}
    </section>`
  }

  async #makeInvitation(): Promise<void> {
    const count = Number(this.#count)
    await this.#act(async () => { this.#made = await this.#app.run('network invite', { count: Number.isInteger(count) && count > 0 ? count : 1 }) })
  }

  async #withdraw({ id }: Invitation): Promise<void> {
    const { admin: m } = this.#app.messages
    const choice = await this.#app.ask({ heading: m.withdrawHeading, text: m.withdrawText, choices: [{ name: 'yes', text: m.withdraw }] })
    if (choice === undefined) return
    await this.#act(async () => {
      await this.#app.run('network uninvite', { id })
      this.#made = undefined
      this.#app.set({ notice: { text: m.withdrawn } })
    })
  }

  /** What can be done about a member that is not this machine. */
  actionsFor(member: Member): TemplateResult {
    const { admin: m } = this.#app.messages
    if (member.self || !this.mayChange) return html`${nothing}`
    return member.lost
      ? html`<fluent-button size="small" aria-label=${`${m.takeBack}: ${member.name}`} @click=${() => { void this.#giveUp(member, false) }}>${m.takeBack}</fluent-button>`
      : html`<fluent-button size="small" aria-label=${`${m.remove}: ${member.name}`} @click=${() => { void this.#remove(member) }}>${m.remove}</fluent-button>`
  }

  async #remove(member: Member): Promise<void> {
    const { admin: m } = this.#app.messages
    const choice = await this.#app.ask({
      heading: m.removeHeading(member.name), text: m.replaceText,
      choices: [{ name: 'lost', text: m.giveUp, meaning: m.giveUpText }, { name: 'revoke', text: m.shutOut, meaning: m.shutOutText, isDangerous: true }],
    })
    if (choice === 'lost') await this.#giveUp(member, true)
    if (choice === 'revoke') {
      await this.#act(async () => {
        await this.#app.run('network revoke', { machine: member.machine })
        this.#app.set({ notice: { text: m.isShutOut(member.name) } })
      })
    }
  }

  async #giveUp(member: Member, lost: boolean): Promise<void> {
    const { admin: m } = this.#app.messages
    await this.#act(async () => {
      await this.#app.run('network lost', { machine: member.machine, found: !lost })
      this.#app.set({ notice: lost ? { text: m.isGivenUp(member.name), undo: () => { void this.#giveUp(member, false) } } : { text: m.isBack(member.name) } })
    })
  }

  /** How many copies are made, for everybody to see; admins change it. */
  level(current: string): TemplateResult {
    const { messages: { admin: m, team } } = this.#app
    const wanted = this.#settings?.settings.redundancy
    const known = levels.some((level) => level === wanted) || wanted === undefined ? levels : [...levels, wanted]
    return html`<section class="card" aria-labelledby="level"><h2 id="level">${team.level}</h2><p>${m.levelNow(...machinesOf(current))}</p>
      ${!this.mayChange || wanted === undefined ? nothing : html`<label class="field"><span>${m.levelFor}</span><select @change=${(event: Event) => { void this.#setLevel(event.target as HTMLSelectElement, wanted) }}>
        ${known.map((level) => html`<option value=${level} ?selected=${level === wanted}>${m.levels[level as keyof typeof m.levels] ?? level}</option>`)}</select></label>`}
      <p class="facts">${team.site}</p></section>`
  }

  async #setLevel(select: HTMLSelectElement, before: string): Promise<void> {
    const { admin: m } = this.#app.messages
    const level = select.value
    const name = m.levels[level as keyof typeof m.levels] ?? level
    const choice = await this.#app.ask({ heading: m.levelHeading(name), text: m.levelText, choices: [{ name: 'yes', text: this.#app.messages.common.change }] })
    if (choice === undefined) select.value = before
    else await this.#change(level, { undo: () => { void this.#change(before) } })
  }

  async #change(redundancy: string, back: { readonly undo?: () => void } = {}): Promise<void> {
    const { admin: m } = this.#app.messages
    await this.#act(async () => {
      this.#settings = await this.#app.run('network settings', { change: { redundancy } })
      this.#app.set({ notice: { text: m.levelChanged(m.levels[redundancy as keyof typeof m.levels] ?? redundancy), ...back } })
    })
  }

  /** What it changed shows at once. */
  async #act(work: () => Promise<void>): Promise<void> {
    await this.#app.act(work)
    await Promise.all([this.#app.refresh(), this.enter()])
  }
}

/** `3-of-6` and `mirror-2` as status tells them: machines needed to bring a part back, of those that have some of it. */
function machinesOf(level: string): [need: number, of: number] {
  const [, need = '1', of = '1'] = /^(?:(\d+)-of-|mirror-)(\d+)$/u.exec(level) ?? []
  return [Number(need), Number(of)]
}
