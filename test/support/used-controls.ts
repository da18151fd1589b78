/**
 * Notes which controls of the pane a test really used, for the check after a whole run (scripts/unused-controls.ts):
 * what was clicked by a pointer and could be, fields that were typed into or chosen from. Runs started otherwise note nothing.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContext } from 'playwright-core'

const folder = process.env['HOLDFAST_USED_CONTROLS']
const binding = '__holdfastControlUsed'

export async function noteUsedControls(context: BrowserContext): Promise<void> {
  if (folder === undefined) return
  await context.exposeBinding(binding, (_page, control: string, text: string) => { appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify({ control, text })}\n`) })
  await context.addInitScript(listen, binding)
}

/** What it asks of the page's nodes: no types of a browser are known here. */
interface PageNode {
  readonly nodeType: number
  readonly nodeValue: string | null
  readonly childNodes: Iterable<PageNode>
  readonly labels?: ArrayLike<PageNode> | null
  matches?(selector: string): boolean
  getAttribute?(name: string): string | null
}

interface PageEvent {
  readonly isTrusted: boolean
  readonly detail: number
  composedPath(): PageNode[]
}

/** Runs inside the page: it may use nothing from this file. */
function listen(name: string): void {
  const world = globalThis as unknown as Record<string, (control: string, text: string) => void> & { addEventListener(type: string, listener: (event: PageEvent) => void, options: object): void }
  const wordsOf = (node: PageNode): string => (node.matches?.('select, textarea') === true ? '' : node.nodeType === 3 ? node.nodeValue ?? '' : [...node.childNodes].map(wordsOf).join(' '))
  const note = (event: PageEvent, isField: boolean) => {
    const control = event.composedPath().find((node) => node.matches?.('[data-control]') === true)
    if (control === undefined || control.matches?.('input, select, textarea') !== isField || control.getAttribute?.('aria-disabled') === 'true') return
    world[name]?.(control.getAttribute?.('data-control') ?? '', wordsOf(control.labels?.[0] ?? control).replaceAll(/\s+/gu, ' ').trim())
  }
  // A keyboard, a form and a script click too, with no detail or trust; what a field tells is made by the test's own typing.
  world.addEventListener('click', (event) => { if (event.isTrusted && event.detail > 0) note(event, false) }, { capture: true })
  for (const type of ['input', 'change']) world.addEventListener(type, (event) => { note(event, true) }, { capture: true })
}
