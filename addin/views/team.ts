/** Who is protected and who is not, worst first: a picture for everybody, the figures for admins. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App, View } from '../app.ts'
import { type Member, ageTone, freshSeconds, isOff, memberTone, membersAsCsv, oldSeconds, standingOf, worstFirst } from '../members.ts'
import { badge, emptyPlace, loading, signOf } from '../parts/parts.ts'
import { saveBlob } from '../parts/save.ts'
import { coverageBar, coverageMap, explain, groupTone, groupVerdict } from '../parts/team-picture.ts'
import { Administration } from './administration.ts'
import type { Contacts } from './contacts.ts'
import { HandedOver } from './handed-over.ts'
import { Leave } from './leave.ts'

export class TeamView implements View {
  readonly #app: App
  readonly #administration: Administration
  readonly #contacts: Contacts
  readonly #handedOver: HandedOver
  readonly #leave: Leave

  constructor(app: App, contacts: Contacts) {
    this.#app = app
    this.#contacts = contacts
    this.#administration = new Administration(app)
    this.#handedOver = new HandedOver(app)
    this.#leave = new Leave(app, this.#administration)
  }

  /** What is known at once, then what the others say now. */
  async enter(): Promise<void> {
    if (this.#app.state.status?.network === null) return this.#app.go('start')
    await Promise.all([this.#app.askMembers(), this.#administration.enter(), this.#contacts.enter(), this.#handedOver.enter()])
    void this.#app.askMembers({ fresh: true })
  }

  render(): TemplateResult {
    const { state: { members, status, connection }, messages: { team: m } } = this.#app
    const heading = html`<h1 tabindex="-1">${m.heading}</h1>`
    if (status?.network === null) {
      const left = this.#leave.left()
      if (left !== undefined) return html`<h1 tabindex="-1">${this.#app.messages.leave.done}</h1>${left}`
    }
    if (members === undefined || status?.network === undefined || status.network === null) return html`${heading}${connection === 'offline' ? nothing : loading(this.#app)}`
    const sorted = worstFirst(members)
    const isAdmin = this.#administration.mayChange
    return html`${heading}
      ${members.length < 2 ? emptyPlace({ sign: '☍', heading: m.alone, text: m.aloneText }) : this.#picture(sorted, status.network)}
      ${members.length < 2 || !isAdmin ? nothing : this.#figures(sorted)}
      ${this.#contacts.render()}
      ${this.#handedOver.render()}
      ${this.#administration.render()}
      ${this.#administration.level(status.network.level)}
      ${this.#leave.render(status)}`
  }

  #picture(members: readonly Member[], { online, members: all, name }: { online: number; members: number; name: string }): TemplateResult {
    const { messages: { team: m }, formats: f } = this.#app
    const tone = groupTone(members)
    return html`<section class="verdict ${tone}" aria-labelledby="group">
      <div class="head"><div class="seal" aria-hidden="true">${signOf(tone)}</div><div class="grow"><h2 id="group">${groupVerdict(this.#app, members)}</h2><p class="facts">${name} · ${m.machines(online, all)}</p></div></div>
      ${coverageBar(this.#app, members)}
      ${coverageMap(this.#app, members)}
      <p class="facts">${m.legend(f.duration(freshSeconds), f.duration(oldSeconds))}</p></section>`
  }

  #figures(members: readonly Member[]): TemplateResult {
    const { messages: { team: m } } = this.#app
    const save = () => { saveBlob(new Blob(['\uFEFF', membersAsCsv(members)], { type: 'text/csv' }), 'holdfast-coverage.csv') }
    return html`<section class="figures" aria-labelledby="figures"><div class="row"><h2 id="figures" class="grow">${m.details}</h2><fluent-button size="small" @click=${save}>${m.csv}</fluent-button></div>
      <table class="team" role="table"><thead role="rowgroup"><tr role="row">${[m.member, m.lastBackup, m.copies, m.waiting, m.verified, m.machine].map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}<th role="columnheader" scope="col"><span class="visually-hidden">${this.#app.messages.admin.actions}</span></th></tr></thead>
      <tbody role="rowgroup">${members.map((member) => this.#row(member))}</tbody></table></section>`
  }

  /** Those that can be reached now, and those that were made. */
  #copies({ placed, wanted, reachable }: Member): TemplateResult {
    const { messages: { team: m }, formats: f } = this.#app
    const made = m.copiesMade(f.number(placed), f.number(wanted))
    return reachable === null ? html`${made}` : html`${m.reachableOf(f.number(reachable), f.number(wanted))} <span class="facts">${made}</span>`
  }

  #row(member: Member): TemplateResult {
    const { messages: { team: m, common, protection }, formats: f } = this.#app
    const { lastSnapshotAgeSeconds: age, usedBytes, offerBytes, offSinceSeconds, unprotectedBytes, lastVerifiedRestore, verifiedInPart } = member
    const cell = (label: string, content: unknown) => html`<td role="cell" data-label=${label}>${content}</td>`
    const standing = standingOf(member)
    return html`<tr role="row">
      <th role="rowheader" scope="row"><span class="name">${member.name}</span>${member.self ? html` <span class="facts">(${m.you})</span>` : nothing}<br>${badge(memberTone(member), standing === 'covered' ? m.standing.covered : explain(this.#app, member))}</th>
      ${cell(m.lastBackup, html`<span class="age"><meter aria-hidden="true" class=${ageTone(age)} min="0" max="1" .value=${freshness(age)}></meter>${age === null ? common.never : f.ago(age)}</span>`)}
      ${cell(m.copies, member.wanted === 0 || age === null ? m.none : this.#copies(member))}
      ${cell(m.waiting, unprotectedBytes === null ? m.none : f.bytes(unprotectedBytes))}
      ${cell(m.verified, lastVerifiedRestore === null ? common.never : (verifiedInPart ? m.inPart : (time: string) => time)(f.relative(lastVerifiedRestore, Date.now())))}
      ${cell(m.machine, html`${isOff(member) ? (offSinceSeconds === null ? protection.machine[member.machineState] : m.offFor(f.duration(offSinceSeconds))) : m.on}${offerBytes === null || usedBytes === null ? nothing : html` <span class="facts">${m.offer(f.bytes(usedBytes), f.bytes(offerBytes))}</span>`}`)}
      ${cell('', this.#administration.actionsFor(member))}
    </tr>`
  }
}

/** 1 just now, 0 at twice the age at which a backup is old. */
export function freshness(ageSeconds: number | null): number {
  return ageSeconds === null ? 0 : Math.max(0.04, 1 - ageSeconds / (oldSeconds * 2))
}
