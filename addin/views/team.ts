/** Who is covered and who is not, worst first: one look tells. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { CommandResult } from '../../shared/api.ts'
import type { App, View } from '../app.ts'
import { badge, emptyPlace, field, loading } from '../parts/parts.ts'
import { saveBlob } from '../parts/save.ts'
import { type Member, type Tone, ageTone, isFailing, memberTone, membersAsCsv, oldSeconds, worstFirst } from '../state.ts'

export class TeamView implements View {
  readonly #app: App
  #invitation: CommandResult<'network invite'> | undefined
  #count = '5'

  constructor(app: App) {
    this.#app = app
  }

  async enter(): Promise<void> {
    this.#app.set({ members: (await this.#app.run('coverage', {})).members })
  }

  render(): TemplateResult {
    const { state: { members, status, connection }, messages: { team: m } } = this.#app
    const heading = html`<h1 tabindex="-1">${m.heading}</h1>`
    if (members === undefined || status?.network === undefined || status.network === null) return html`${heading}${connection === 'offline' ? nothing : loading(this.#app)}`
    const sorted = worstFirst(members)
    return html`${heading}${members.length < 2 ? emptyPlace({ sign: '☍', heading: m.alone, text: m.aloneText }) : this.#summary(sorted, status.network)}
      ${members.length < 2 ? nothing : this.#table(sorted)}
      ${this.#invite()}
      <section class="card"><h2>${m.level}</h2><p>${m.levelText(status.network.level)}</p><p class="facts">${m.site}</p></section>`
  }

  #summary(members: readonly Member[], { online, members: all, name }: { online: number; members: number; name: string }): TemplateResult {
    const { messages: { team: m } } = this.#app
    const good = members.filter((member) => memberTone(member) === 'good').length
    const tone: Tone = good === members.length ? 'good' : members.some((member) => memberTone(member) === 'bad') ? 'bad' : 'warning'
    const text = good === members.length ? m.all : m.covered(good, members.length)
    return html`<section class="card"><h2>${name}: ${badge(tone, text)}</h2>
      <div class="coverage" role="img" aria-label=${text}>${members.map((member) => html`<span class=${memberTone(member)} title=${`${member.name}: ${m.state[member.state]}`}></span>`)}</div>
      <p class="facts">${m.machines(online, all)} · ${m.legend}: <span class="key good"></span>${m.fresh} <span class="key warning"></span>${m.aging} <span class="key bad"></span>${m.old}</p></section>`
  }

  #table(members: readonly Member[]): TemplateResult {
    const { messages: { team: m } } = this.#app
    const save = () => { saveBlob(new Blob(['\uFEFF', membersAsCsv(members)], { type: 'text/csv' }), 'holdfast-coverage.csv') }
    return html`<table class="team" role="table"><thead role="rowgroup"><tr role="row">${[m.member, m.lastBackup, m.copies, m.waiting, m.verified, m.machine].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
      <tbody role="rowgroup">${members.map((member) => this.#row(member))}</tbody></table>
      <div class="row"><fluent-button size="small" @click=${save}>${m.csv}</fluent-button></div>`
  }

  #row(member: Member): TemplateResult {
    const { messages: { team: m, common }, formats: f } = this.#app
    const age = member.lastSnapshotAgeSeconds
    const off = member.offSinceSeconds !== null && member.machineState !== 'online' ? m.offFor(f.duration(member.offSinceSeconds)) : undefined
    const ago = age === null ? common.never : f.relative(new Date(Date.now() - age * 1000).toISOString(), Date.now())
    const cell = (label: string, content: unknown) => html`<td role="cell" data-label=${label}>${content}</td>`
    return html`<tr role="row">
      <th role="rowheader" scope="row">${member.name}${member.self ? html` <span class="facts">(${m.you})</span>` : nothing}<br>${badge(memberTone(member), isFailing(member) ? m.failing : m.state[member.state])}</th>
      ${cell(m.lastBackup, html`<span class="age"><meter aria-hidden="true" class=${ageTone(age)} min="0" max="1" .value=${freshness(age)}></meter> ${ago}</span>`)}
      ${cell(m.copies, member.wanted === 0 ? '–' : common.of(f.number(member.placed), f.number(member.wanted)))}
      ${cell(m.waiting, member.unprotectedBytes === null ? '–' : f.bytes(member.unprotectedBytes))}
      ${cell(m.verified, member.lastVerifiedRestore === null ? common.never : f.relative(member.lastVerifiedRestore, Date.now()))}
      ${cell(m.machine, html`${off ?? this.#app.messages.protection.machine[member.machineState]}${member.offerBytes === null || member.usedBytes === null ? nothing : html`<br><span class="facts">${m.offer(f.bytes(member.usedBytes), f.bytes(member.offerBytes))}</span>`}`)}
    </tr>`
  }

  #invite(): TemplateResult {
    const { messages: { team: m, common }, formats: f } = this.#app
    const make = (event: Event) => {
      event.preventDefault()
      void this.#makeInvitation()
    }
    return html`<section class="card"><h2>${m.inviteHeading}</h2>
      ${this.#invitation === undefined ? html`<form class="row" @submit=${make}>${field({ label: m.inviteCount, type: 'number', value: this.#count, onInput: (text) => { this.#count = text } })}<fluent-button type="submit">${m.makeInvitation}</fluent-button></form>`
    : html`<p>${m.inviteText}</p><code class="path invitation" translate="no">${this.#invitation.invitation}</code><p class="facts">${m.validUntil(f.time(this.#invitation.expires))}</p>
        <div class="row"><fluent-button appearance="primary" @click=${() => { void this.#app.copy(this.#invitation?.invitation ?? '') }}>${common.copy}</fluent-button><fluent-button appearance="subtle" @click=${() => { this.#invitation = undefined; this.#app.draw() }}>${common.close}</fluent-button></div>`}
    </section>`
  }

  async #makeInvitation(): Promise<void> {
    const count = Number(this.#count)
    this.#invitation = await this.#app.act(async () => await this.#app.run('network invite', { count: Number.isInteger(count) && count > 0 ? count : 1 }))
    this.#app.draw()
  }
}

/** 1 just now, 0 at twice the age at which a backup is old. */
export function freshness(ageSeconds: number | null): number {
  return ageSeconds === null ? 0 : Math.max(0.04, 1 - ageSeconds / (oldSeconds * 2))
}

