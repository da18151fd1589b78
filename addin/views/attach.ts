/** A file out of a snapshot, attached to the message that is being written. */
import { type TemplateResult, html, nothing } from 'lit-html'
import type { ListedEntry } from '../../shared/restore-results.ts'
import type { App, View } from '../app.ts'
import { maxAttachmentBytes } from '../office/office-host.ts'
import { emptyPlace } from '../parts/parts.ts'
import { SnapshotBrowser } from '../parts/snapshot-browser.ts'

export class AttachView implements View {
  readonly #app: App
  readonly #files: SnapshotBrowser
  #busy: string | undefined

  constructor(app: App) {
    this.#app = app
    this.#files = new SnapshotBrowser(app, (entry) => this.#action(entry))
  }

  async enter(): Promise<void> {
    if (this.#app.host.isComposing) await this.#files.open('latest')
  }

  render(): TemplateResult {
    const { messages: { attach: m }, host } = this.#app
    const heading = html`<h1 tabindex="-1">${m.heading}</h1>`
    if (!host.isComposing) return html`${heading}${emptyPlace({ sign: '✉', heading: m.notComposing, text: m.intro })}`
    return html`${heading}<p class="facts">${m.intro}</p>
      ${this.#busy === undefined ? nothing : html`<div class="message" role="status">${m.attaching(this.#busy)}</div>`}
      ${this.#files.render()}`
  }

  #action(entry: ListedEntry): TemplateResult {
    const { messages: { attach: m }, formats: f } = this.#app
    if (entry.type !== 'file') return html`${nothing}`
    if (entry.size > maxAttachmentBytes) return html`<span class="facts">${m.tooLarge(f.bytes(maxAttachmentBytes))}</span>`
    return html`<fluent-button size="small" ?disabled=${this.#busy !== undefined} aria-disabled=${this.#busy !== undefined ? 'true' : nothing} aria-label=${`${m.attach}: ${entry.name}`} @click=${() => { void this.#attach(entry) }}>${m.attach}</fluent-button>`
  }

  async #attach({ name, path }: ListedEntry): Promise<void> {
    this.#busy = name
    this.#app.draw()
    await this.#app.act(async () => {
      const blob = await this.#app.client.file(this.#files.snapshot ?? 'latest', path)
      await this.#app.host.attach(name, await base64Of(blob))
      this.#app.set({ notice: { text: this.#app.messages.attach.attached(name) } })
    })
    this.#busy = undefined
    this.#app.draw()
  }
}

async function base64Of(blob: Blob): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => { resolve(String(reader.result).replace(/^data:[^,]*,/u, '')) })
    reader.addEventListener('error', () => { reject(reader.error ?? new Error('the file could not be read')) })
    reader.readAsDataURL(blob)
  })
}
