import assert from 'node:assert/strict'
import { test } from 'node:test'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { controlsIn, paneControls } from '../../scripts/pane-controls.ts'
import { unusedControls } from '../../scripts/unused-controls.ts'

const view = (template: string) => `export function draw(app: App): TemplateResult {\n  const { messages: { kit: m, protection, common } } = app\n  return ${template}\n}\n`
const html = (content: string) => view(`html\`${content}\``)
const unused = (source: string, uses: { control: string; text: string }[] = []) => unusedControls(controlsIn(source, 'views/new'), uses, [en, de])

test('a button that no browser test clicked is named, with its words', () => {
  const source = html('<p>${m.text}</p><fluent-button size="small" @click=${() => { globalThis.print() }}>${m.print}</fluent-button>')
  assert.deepEqual(unused(source), ['views/new:1 <fluent-button> kit.print'])
  assert.deepEqual(unused(source, [{ control: 'views/new:1', text: 'Print' }]), [])
  assert.deepEqual(unused(source, [{ control: 'views/other:1', text: 'Print' }]), ['views/new:1 <fluent-button> kit.print'])
})

test('a button that says one thing or another is to be used as both, in any language', () => {
  const source = html('<fluent-button @click=${pause}>${paused ? protection.resume : protection.pause}</fluent-button>')
  assert.deepEqual(unused(source, [{ control: 'views/new:1', text: de.protection.resume }]), ['views/new:1 <fluent-button> protection.pause'])
  assert.deepEqual(unused(source, [{ control: 'views/new:1', text: de.protection.resume }, { control: 'views/new:1', text: en.protection.pause }]), [])
})

test('the longest words count: "Restore everything" is not "Restore"', () => {
  const source = view('html`<fluent-button>${single ? app.messages.restore.restoreThis : app.messages.restore.restoreAll}</fluent-button>`')
  assert.deepEqual(unused(source, [{ control: 'views/new:1', text: 'Restore everything' }]), ['views/new:1 <fluent-button> restore.restoreThis'])
})

test('fields, choices of a question, links, folds and what is drawn in a part of a template are controls', () => {
  const source = view('html`${field({ label: m.words, value })}<details><summary><h2>${m.keep}</h2></summary>${names.map((name) => html`<li><button @click=${open}>${name}</button></li>`)}</details><label>${m.isKept}<input type="checkbox" @change=${set}></label><a href="#/${name}">${app.messages.views[name]}</a>`')
  const asking = 'async function ask(app: App) {\n  const { admin: m } = app.messages\n  return await app.ask({ heading: m.removeHeading(name), choices: [{ name: \'yes\', text: m.shutOut }] })\n}\n'
  assert.deepEqual(unused(`${source}${asking}`).toSorted(), [
    'answer admin.shutOut', 'field kit.words', 'views/new:1 <summary> kit.keep', 'views/new:2 <input> kit.isKept',
    ...['attach', 'protection', 'restore', 'settings', 'team'].map((place) => `views/new:3 <a> views.${place}`), 'views/new:4 <button>',
  ])
})

test('what could not be told apart is refused', () => {
  assert.throws(() => controlsIn(html('<div class="row" @click=${open}>${m.print}</div>'), 'views/new'), /<div> is no control/u)
  assert.throws(() => controlsIn(html('<input type="checkbox" @change=${set}>'), 'views/new'), /has no label/u)
  assert.throws(() => controlsIn(view('field({ label: titleOf(name), value })'), 'views/new'), /not taken from the messages/u)
})

test('a marked place is within the tag that it marks, in every file of the pane', () => {
  const { controls } = paneControls('.')
  assert.ok(controls.length > 100)
  assert.equal(new Set(controls.map(({ id }) => id)).size, controls.length)
  const named = controls.flatMap(({ labels }) => labels)
  assert.ok(named.includes('kit.print') && named.includes('common.up'))
})
