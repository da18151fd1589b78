/** Pieces that several views draw. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { App } from '../app.ts'
import { type Tone, type WatchedRun, secondsLeft, shareDone, waitReason } from '../state.ts'

/** A sign and a word: colour alone tells nobody anything. */
export function badge(tone: Tone, text: string): TemplateResult {
  return html`<span class="badge ${tone}"><span class="sign" aria-hidden="true">${signOf(tone)}</span>${text}</span>`
}

export function signOf(tone: Tone): string {
  return { good: '✓', warning: '!', bad: '✕' }[tone]
}

/** A run with its bar, rate, time left, and the button that stops it. */
export function progressOf(app: App, run: WatchedRun): TemplateResult {
  const { messages: { progress: m, protection }, formats: f, state: { connection, status } } = app
  const waits = waitReason(status, run)
  const share = shareDone(run)
  const left = secondsLeft(run)
  const { bytesDone, bytesTotal } = run.progress ?? {}
  const facts = [
    run.stage === 'queued' ? m.queued : waits === undefined ? undefined : `${protection.pace.waits[waits]}. ${protection.pace.until[waits]}`,
    bytesDone === undefined ? undefined : bytesTotal === undefined ? m.read(f.bytes(bytesDone)) : app.messages.common.of(f.bytes(bytesDone), f.bytes(bytesTotal)),
    waits !== undefined || run.rate === undefined || run.rate < 1 ? undefined : m.rate(f.bytes(run.rate)), waits !== undefined || left === undefined || left < 1 ? undefined : m.left(f.duration(left)),
  ].filter((fact) => fact !== undefined)
  const name = m.names[run.name] ?? run.name
  return html`<section class="card run" aria-label=${name}>
    <div class="row"><strong>${name}</strong><span class="grow"></span>
      ${connection === 'offline' ? nothing : html`<fluent-button size="small" ?disabled=${run.isCancelling} aria-disabled=${run.isCancelling ? 'true' : nothing} @click=${() => { void app.cancel(run.id) }}>${run.isCancelling ? m.cancelling : m.cancel}</fluent-button>`}</div>
    <progress aria-label=${name} max="1" .value=${share ?? 0} ?hidden=${share === undefined}></progress>
    <div class=${waits === undefined && run.stage !== 'queued' ? 'bar moving' : 'bar'} ?hidden=${share !== undefined || connection === 'offline'} role="status" aria-label=${name}></div>
    <p class="facts">${facts.join(' · ')}</p>
  </section>`
}

export function loading(app: App): TemplateResult {
  return html`<p class="loading" role="status"><fluent-spinner size="tiny" aria-hidden="true"></fluent-spinner> ${app.messages.common.loading}</p>`
}

/** An empty or broken place: what it is, and the one thing to do about it. */
export function emptyPlace({ sign, heading, text, action }: { sign: string; heading: string; text: string; action?: TemplateResult }): TemplateResult {
  return html`<section class="empty"><div class="big-sign" aria-hidden="true">${sign}</div><h2>${heading}</h2><p>${text}</p>${action ?? nothing}</section>`
}

/** Text with `commands` in it. */
export function withCode(text: string): TemplateResult {
  return html`${text.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}

export function nameOf(path: string): string {
  return path.split(/[\\/]/).filter((part) => part !== '').at(-1) ?? path
}

export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.length - nameOf(path).length - 1))
}

/** Text of the field that an event came from. */
export function textOf(event: Event): string {
  return (event.target as HTMLInputElement | HTMLTextAreaElement).value
}

/** A labelled field of the browser's own: it needs no help from anybody to be accessible. */
export function field({ label, value, onInput, type = 'text', placeholder = '', autocomplete = 'off', rows }: {
  label: string; value: string; onInput: (text: string) => void; type?: string; placeholder?: string; autocomplete?: string; rows?: number
}): TemplateResult {
  const input = (event: Event) => { onInput(textOf(event)) }
  return html`<label class="field"><span>${label}</span>${rows === undefined
    ? html`<input type=${type} .value=${value} placeholder=${placeholder} autocomplete=${autocomplete as 'off'} spellcheck="false" @input=${input}>`
    : html`<textarea rows=${rows} .value=${value} placeholder=${placeholder} autocomplete="off" spellcheck="false" @input=${input}></textarea>`}</label>`
}
