/**
 * The controls that the pane's source can render: every button, link, field, choice and fold in an html`…` of addin/.
 * webpack marks each with its number there (mark-controls.mjs), the browser tests note which of them were really used
 * (test/support/used-controls.ts), and after a whole run scripts/test.mjs names those that no test used.
 */
import { globSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { type AnyNode, type ArrayExpression, type Expression, type MemberExpression, type ObjectExpression, type Pattern, type Program, type TemplateLiteral, parse } from 'acorn'

const controlTags = 'fluent-button|button|a|input|select|textarea|summary'
/** Elements that only hear what their controls did. */
const otherTags = new Set(['form', 'details', 'dialog'])
const labelled = new Set(['input', 'select', 'textarea'])
/** Stands for an expression in the text of a template. */
const hole = (index: number) => `⟦${index}⟧`

export interface Control {
  /** File and number in it: `views/kit:2`. */
  readonly id: string
  readonly tag: string
  /** Where in the source its start tag has its name behind it. */
  readonly at: number
  /** Its words, as paths into the messages (`*`: any name); none: words of its own, such as the name of a file. */
  readonly labels: readonly string[]
  /** Whoever has it drawn gives the words. */
  readonly given?: string
}

export interface PaneControls {
  readonly controls: readonly Control[]
  /** Words that calls give to controls drawn elsewhere. */
  readonly given: readonly { readonly to: string; readonly labels: readonly string[] }[]
}

/** Controls whose words come from elsewhere, by file and expression: who gives them is found by `controlsIn`. */
const givenTo: Readonly<Record<string, string>> = { 'parts/parts <input>': 'field', 'parts/parts <textarea>': 'field', 'parts/question choice.text': 'answer', 'views/choose text': 'entry' }

/** Of all of addin/. */
export function paneControls(root: string): PaneControls {
  const found = globSync('addin/{views,parts}/*.ts', { cwd: root }).sort().map((path) => controlsIn(readFileSync(join(root, path), 'utf8'), nameOf(path)))
  return { controls: found.flatMap(({ controls }) => controls), given: found.flatMap(({ given }) => given) }
}

/** `views/kit` of `…/addin/views/kit.ts`. */
export function nameOf(path: string): string {
  return path.replaceAll('\\', '/').replace(/^.*addin\//u, '').replace(/\.ts$/u, '')
}

/** Of one file. Throws for what could not be told apart afterwards. */
export function controlsIn(source: string, name: string): PaneControls {
  const javascript = stripTypeScriptTypes(source) // every place stays where it is
  const program = parse(javascript, { ecmaVersion: 'latest', sourceType: 'module' })
  const controls: Control[] = []
  const given: { to: string; labels: string[] }[] = []
  const give = (to: string, words: AnyNode | undefined, aliases: Aliases) => {
    const labels = labelsOf(words, aliases)
    if (labels.length === 0) throw new Error(`${name}: the words of a control (${to}) are not taken from the messages: ${words === undefined ? 'none' : javascript.slice(words.start, words.end)}`)
    given.push({ to, labels })
  }
  for (const { node, aliases } of partsOf(program).flatMap((part) => withAliases(part))) {
    if (node.type === 'TaggedTemplateExpression' && node.tag.type === 'Identifier' && node.tag.name === 'html') {
      for (const { shown, ...control } of controlsOf(node.quasi, aliases, name)) {
        const to = givenTo[`${name} ${shown.length === 0 ? `<${control.tag}>` : shown.map(({ start, end }) => javascript.slice(start, end)).join(' ')}`]
        controls.push({ ...control, id: `${name}:${controls.length + 1}`, ...(to === undefined ? {} : { given: to }) })
      }
    }
    if (node.type === 'CallExpression') {
      const { callee, arguments: [first, second] } = node
      const method = callee.type === 'MemberExpression' && 'name' in callee.property ? callee.property.name : undefined
      if (method === 'field') give('field', second, aliases)
      if (method === 'button' && name === 'views/choose') give('entry', second, aliases)
      const label = callee.type === 'Identifier' && callee.name === 'field' && first?.type === 'ObjectExpression' ? valueOf(first, 'label') : undefined
      if (label !== undefined && label.type !== 'Identifier') give('field', label, aliases) // an identifier: one of the methods above passes it on
    }
    if (node.type === 'Property' && node.key.type === 'Identifier' && node.key.name === 'choices' && node.value.type === 'ArrayExpression') {
      for (const choice of objectsIn(node.value)) give('answer', valueOf(choice, 'text'), aliases)
    }
  }
  return { controls, given }
}

type Aliases = ReadonlyMap<string, readonly (readonly string[])[]>

function controlsOf({ quasis, expressions }: TemplateLiteral, aliases: Aliases, name: string) {
  const flat = quasis.map(({ value }, index) => value.raw + (index < expressions.length ? hole(index) : '')).join('')
  for (const [, tag = ''] of flat.matchAll(/<([a-z-]+)[^<>]*\s@\w+=/gu)) {
    if (!new RegExp(`^(?:${controlTags})$`, 'u').test(tag) && !otherTags.has(tag)) throw new Error(`${name}: <${tag}> is no control; make it a button`)
  }
  return [...flat.matchAll(new RegExp(`<(${controlTags})(?=[\\s>])`, 'gu'))].map(({ 0: start, 1: tag = '', index }) => {
    const words = (labelled.has(tag) ? labelAround(flat, { index, tag, name }) : contentOf(flat, index, tag)).replaceAll(/<[^>]*>/gu, ' ')
    const shown = [...words.matchAll(/⟦(\d+)⟧/gu)].map(([, number]) => expressions[Number(number)] as Expression)
    return { tag, at: sourceOffset(quasis, index + start.length), labels: shown.map((expression) => labelsOf(expression, aliases)).find((labels) => labels.length > 0) ?? [], shown }
  })
}

function contentOf(flat: string, index: number, tag: string): string {
  return flat.slice(flat.indexOf('>', index) + 1, flat.indexOf(`</${tag}>`, index))
}

function labelAround(flat: string, { index, tag, name }: { index: number; tag: string; name: string }): string {
  const [from, to] = [flat.lastIndexOf('<label', index), flat.indexOf('</label>', index)]
  if (from !== -1 && to !== -1) return flat.slice(flat.indexOf('>', from) + 1, to).replace(/<select[^]*<\/select>/u, '')
  if (name !== 'parts/parts') throw new Error(`${name}: <${tag}> has no label around it`)
  return '' // the two fields of parts.ts, which are chosen from within the label that is around both
}

/** Where a place of the flat text stands in the source. */
function sourceOffset(quasis: TemplateLiteral['quasis'], place: number): number {
  let from = 0
  for (const [index, { value, start }] of quasis.entries()) {
    if (place <= from + value.raw.length) return start + place - from
    from += value.raw.length + hole(index).length
  }
  throw new RangeError(`${place} is outside of the template`)
}

/** Paths of the messages that an expression may be. */
function labelsOf(node: AnyNode | null | undefined, aliases: Aliases): string[] {
  switch (node?.type) {
    case 'ConditionalExpression': return [...labelsOf(node.consequent, aliases), ...labelsOf(node.alternate, aliases)]
    case 'LogicalExpression': return [...labelsOf(node.left, aliases), ...labelsOf(node.right, aliases)]
    case 'TemplateLiteral': return node.expressions.flatMap((part) => labelsOf(part, aliases))
    case 'CallExpression': return labelsOf(node.callee, aliases)
    case 'MemberExpression': return node.object.type === 'ObjectExpression' ? node.object.properties.flatMap((property) => (property.type === 'Property' ? labelsOf(property.value, aliases) : [])) : pathsOf(node, aliases)
    default: return []
  }
}

/** `m.open`, `m.levels[level]` and `this.#app.messages.common.next`, from the top of the messages. */
function pathsOf(node: MemberExpression, aliases: Aliases): string[] {
  const names: string[] = []
  let object: AnyNode = node
  for (; object.type === 'MemberExpression'; object = object.object) names.unshift(object.computed || !('name' in object.property) ? '*' : object.property.name)
  const top = names.lastIndexOf('messages')
  if (top !== -1) return [names.slice(top + 1).join('.')]
  return object.type !== 'Identifier' ? [] : [...new Set((aliases.get(object.name) ?? []).map((section) => [...section, ...names].join('.')))]
}

/** Names under which parts of the messages are known in a function, and which parts. */
function aliasesIn(part: AnyNode): Aliases {
  const aliases = new Map<string, (readonly string[])[]>()
  const add = (pattern: Pattern, section: readonly string[]): void => {
    if (pattern.type === 'Identifier') aliases.set(pattern.name, [...aliases.get(pattern.name) ?? [], section])
    if (pattern.type !== 'ObjectPattern') return
    for (const property of pattern.properties) if (property.type === 'Property' && property.key.type === 'Identifier') add(property.value, [...section, property.key.name])
  }
  for (const node of nodesIn(part)) {
    if (node.type === 'Property' && node.key.type === 'Identifier' && node.key.name === 'messages') add(node.value as Pattern, [])
    if (node.type === 'VariableDeclarator' && node.init?.type === 'MemberExpression') {
      const [path] = pathsOf(node.init, new Map())
      if (path !== undefined) add(node.id, path === '' ? [] : path.split('.'))
    }
  }
  return aliases
}

/** The functions and methods of a file, in which a name means one thing, and whatever stands beside them. */
function partsOf({ body }: Program): AnyNode[] {
  return body.flatMap((statement): AnyNode[] => {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    return declared?.type === 'ClassDeclaration' ? declared.body.body : declared === null || declared === undefined ? [] : [declared]
  })
}

function withAliases(part: AnyNode): { node: AnyNode; aliases: Aliases }[] {
  const aliases = aliasesIn(part)
  return [...nodesIn(part)].map((node) => ({ node, aliases }))
}

function objectsIn({ elements }: ArrayExpression): ObjectExpression[] {
  return elements.filter((element) => element?.type === 'ObjectExpression')
}

function valueOf({ properties }: ObjectExpression, name: string): Expression | undefined {
  return properties.filter((property) => property.type === 'Property').find(({ key }) => key.type === 'Identifier' && key.name === name)?.value
}

function* nodesIn(node: AnyNode): Generator<AnyNode> {
  yield node
  for (const value of Object.values(node) as unknown[]) {
    for (const one of Array.isArray(value) ? value as unknown[] : [value]) if (isNode(one)) yield* nodesIn(one)
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
