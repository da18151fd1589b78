/** What needs somebody's attention, in the language of the pane; what a program said of it stands below, as it said it. */
import { type TemplateResult, html, nothing } from 'lit-html'
import { sayNotice } from '../../shared/notices.ts'
import type { App } from '../app.ts'
import { type ShownNotice, inWords } from '../notices.ts'
import { withCode } from './parts.ts'

export function noticeList(app: App, shown: readonly ShownNotice[]): TemplateResult {
  const { messages: { notices: texts, protection: m }, formats: f } = app
  return html`<ul class="notes">${shown.map(({ notice, since }) => html`<li>${withCode(sayNotice(texts, inWords(notice)))}
    ${since === undefined ? nothing : html`<p class="facts">${m.since(f.time(since))}</p>`}
    ${notice.code !== 'sign-in-needed' ? nothing : html`<p><fluent-button size="small" @click=${() => { app.set({ signIn: { locator: notice.locator, prepare: false } }) }}>${app.messages.signIn.signIn}</fluent-button></p>`}
    ${notice.detail === undefined ? nothing : html`<p class="facts" lang="en">${notice.detail}</p>`}</li>`)}</ul>`
}
