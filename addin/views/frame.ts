/** What stands around every view: the name, where one can go, and what went wrong. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { ErrorCode } from '../../shared/errors.ts'
import type { Problem } from '../agent-client.ts'
import type { App } from '../app.ts'
import { withCode } from '../parts/parts.ts'
import { questionDialog } from '../parts/question.ts'
import { SignInCard } from '../parts/sign-in-card.ts'
import type { RouteName } from '../routes.ts'

export function frame(app: App): (content: TemplateResult) => TemplateResult {
  const signInCard = new SignInCard(app)
  return (content) => {
    const { state: { connection, status, problem, notice, signIn, question }, messages: m } = app
    const hasGroup = connection !== 'unpaired' && status?.network !== null
    return html`
      ${hasGroup ? navigation(app) : html`<header class="top"><strong class="brand">${m.title}</strong></header>`}
      <main aria-busy=${app.isBusy ? 'true' : nothing}>
        ${connection === 'offline' ? html`<div class="message bad" role="alert"><strong>${m.problem.agentNotRunning}</strong><p>${withCode(m.problem.agentNotRunningHelp)}</p></div>` : nothing}
        ${problem === undefined ? nothing : problemMessage(app, problem)}
        <div role="status" aria-live="polite">${notice === undefined ? nothing : html`<div class="message good"><div class="row"><span class="grow">${notice.text}</span>${notice.undo === undefined ? nothing : html`<fluent-button size="small" @click=${notice.undo}>${m.common.undo}</fluent-button>`}</div></div>`}</div>
        ${signIn === undefined || connection !== 'connected' ? nothing : signInCard.render(signIn)}
        ${content}
      </main>
      ${question === undefined ? nothing : questionDialog(question)}`
  }
}

/** In the words of the pane's language, with the agent's own below: those name what it was about. */
function problemMessage(app: App, { code, title, detail, guidance }: Problem): TemplateResult {
  const { common, problem: m } = app.messages
  const told = m.told[code as ErrorCode] ?? { title: title || m.title, guidance }
  return html`<div class="message bad" role="alert"><strong>${told.title}</strong>${told.guidance === '' ? nothing : html`<p>${withCode(told.guidance)}</p>`}
    ${detail === '' ? nothing : html`<p class="facts" lang="en">${detail}</p>`}
    <fluent-button size="small" @click=${() => { app.set({ problem: undefined }) }}>${common.close}</fluent-button></div>`
}

function navigation(app: App): TemplateResult {
  const { messages: m } = app
  const places: RouteName[] = ['protection', 'restore', 'team', ...(app.host.isComposing ? ['attach' as const] : []), 'settings']
  return html`<header class="top"><nav aria-label=${m.title}>
    ${places.map((place) => html`<a href="#/${place}" aria-current=${app.route === place ? 'page' : nothing}>${m.views[place as keyof typeof m.views]}</a>`)}
  </nav></header>`
}
