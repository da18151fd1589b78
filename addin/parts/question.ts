/** A question over the page that must be answered first: the browser's own dialog, which keeps the focus and closes by Escape. */
import { type TemplateResult, html } from 'lit-html'
import type { Question } from '../state.ts'

export function questionDialog({ heading, text, choices, cancel, answer }: Question): TemplateResult {
  return html`<dialog class="question" aria-labelledby="question" @cancel=${(event: Event) => { event.preventDefault(); answer(undefined) }}>
    <h2 id="question">${heading}</h2><p>${text}</p>
    ${choices.map((choice) => html`<div class="choice">${choice.meaning === undefined ? '' : html`<p class="facts">${choice.meaning}</p>`}<fluent-button class=${choice.isDangerous === true ? 'danger' : ''} appearance=${choice.isDangerous === true ? 'outline' : 'primary'} @click=${() => { answer(choice.name) }}>${choice.text}</fluent-button></div>`)}
    <fluent-button @click=${() => { answer(undefined) }}>${cancel}</fluent-button></dialog>`
}

/** After the page is drawn: a dialog that stands in it is shown above it. */
export function showDialog(): void {
  const dialog = document.querySelector<HTMLDialogElement>('dialog.question')
  if (dialog !== null && !dialog.open) dialog.showModal()
}
