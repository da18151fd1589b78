/** The group in one look: how many are protected, who is not, and why. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App } from '../app.ts'
import { type Member, countTones, hasCopiesOff, isOff, memberTone, standingOf } from '../members.ts'
import type { Tone } from '../state.ts'
import { signOf } from './parts.ts'

/** Above so many members a tile has no words, so that the whole group stays in one look. */
const mostTilesWithWords = 48
const bestFirst = ['good', 'warning', 'bad'] as const

export function groupTone(members: readonly Member[]): Tone {
  const { bad, warning } = countTones(members)
  return bad > 0 ? 'bad' : warning > 0 ? 'warning' : 'good'
}

export function groupVerdict({ messages: { team: m } }: App, members: readonly Member[]): string {
  const { good } = countTones(members)
  return good === members.length ? m.all(good) : m.protectedOf(good, members.length)
}

/** A part for each member, those of one tone side by side: as long as they are many, half as high where copies are off. The words below say the numbers. */
export function coverageBar({ messages: { team: m } }: App, members: readonly Member[]): TemplateResult {
  const counts = countTones(members)
  const tones = bestFirst.filter((tone) => counts[tone] > 0)
  const words = tones.map((tone) => m.counts[tone](counts[tone]))
  const off = members.filter(hasCopiesOff)
  const offWords = off.length === 0 ? undefined : m.copiesOff(off.length)
  const parts = tones.map((tone) => ({ tone, few: off.filter((member) => memberTone(member) === tone).length, all: counts[tone] }))
  return html`<div class="coverage" role="img" aria-label=${[...words, offWords].filter((text) => text !== undefined).join(', ')}>${parts.flatMap(({ tone, few, all }) => Array.from({ length: all }, (_, at) => html`<span class=${at < all - few ? tone : `${tone} few`}></span>`))}</div>
    <ul class="counts" aria-hidden="true">${tones.map((tone, index) => html`<li><span class="key ${tone}">${signOf(tone)}</span>${words[index]}</li>`)}${offWords === undefined ? nothing : html`<li><span class="key few"></span>${offWords}</li>`}</ul>`
}

/** A tile for each member, worst first as the members come. */
export function coverageMap(app: App, members: readonly Member[]): TemplateResult {
  const isCompact = members.length > mostTilesWithWords
  return html`<ul class="map ${isCompact ? 'compact' : ''}" aria-label=${app.messages.team.members}>${members.map((member) => html`
    <li class="tile ${memberTone(member)} ${isOff(member) ? 'off' : ''}" title=${`${member.name}: ${explain(app, member)}`}>
      <span class="sign" aria-hidden="true">${signOf(memberTone(member))}</span><span class=${isCompact ? 'visually-hidden' : 'name'}>${member.name}</span>
      <span class=${isCompact ? 'visually-hidden' : 'facts'}>${explain(app, member)}</span></li>`)}</ul>`
}

/** Who needs somebody's help, the first few by name. */
export function whoIsNot(app: App, members: readonly Member[], most = 3): TemplateResult {
  const { team: m } = app.messages
  const open = members.filter((member) => memberTone(member) !== 'good')
  if (open.length === 0) return html`${nothing}`
  return html`<ul class="who">${open.slice(0, most).map((member) => html`<li><span class="key ${memberTone(member)}" aria-hidden="true">${signOf(memberTone(member))}</span><strong>${member.name}</strong> <span class="facts">${explain(app, member)}</span></li>`)}
    ${open.length > most ? html`<li class="facts">${m.andMore(open.length - most)}</li>` : nothing}</ul>`
}

/** In a few words why a member is shown as it is. */
export function explain({ messages: { team: m }, formats: f }: App, member: Member): string {
  const standing = standingOf(member)
  const off = member.offSinceSeconds === null ? undefined : m.offFor(f.duration(member.offSinceSeconds))
  const age = member.lastSnapshotAgeSeconds
  switch (standing) {
    case 'notNow': return member.reachable === null ? m.standing.notNow : m.reachableOf(f.number(member.reachable), f.number(member.wanted))
    case 'covered': return off ?? (age === null ? m.standing.covered : f.ago(age))
    case 'aging': case 'overdue': return m.noBackupFor(f.duration(age ?? 0))
    case 'partly': return m.copiesOf(f.number(member.placed), f.number(member.wanted))
    case 'offLong': case 'gone': return member.lost ? m.givenUp : off ?? m.standing[standing]
    default: return m.standing[standing]
  }
}
