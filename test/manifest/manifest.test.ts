/** What Microsoft's validation service would say of the manifests, as far as it can be said without it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { OfficeAddinManifest } from 'office-addin-manifest'
import { configSchema } from '../../agent/config.ts'
import { renderManifest } from '../../agent/manifest/manifest.ts'
import { manifestFileNames, manifestKinds } from '../../agent/manifest/manifest-files.ts'
import { hasCode } from '../../shared/errors.ts'

const root = new URL('../../', import.meta.url)
const pathOf = (name: string) => fileURLToPath(new URL(name, root))
const textOf = (kind: 'outlook' | 'office') => readFileSync(pathOf(manifestFileNames[kind]), 'utf8')
const origin = `https://localhost:${configSchema.parse({}).paneAddress.port}`

interface Element { readonly name: string; readonly attributes: Readonly<Record<string, string>>; readonly children: readonly Element[]; readonly text: string }

function parse(xml: string): Element {
  assert.equal(XMLValidator.validate(xml), true)
  const nodes = new XMLParser({ preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: '', parseTagValue: false }).parse(xml) as Record<string, unknown>[]
  const toElement = (node: Record<string, unknown>): Element[] => Object.entries(node).flatMap(([name, value]) => {
    if (!Array.isArray(value)) return []
    const children = value as Record<string, unknown>[]
    const text = children.map((child) => String(child['#text'] ?? '')).join('').trim()
    return [{ name, attributes: (node[':@'] ?? {}) as Record<string, string>, children: children.flatMap(toElement), text }]
  })
  return nodes.flatMap(toElement).find(({ name }) => name === 'OfficeApp') as Element
}

function* all(element: Element): Generator<Element> {
  yield element
  for (const child of element.children) yield* all(child)
}
const named = (element: Element, name: string) => [...all(element)].filter((each) => each.name === name)
const child = (element: Element, name: string) => element.children.find((each) => each.name === name)
const textIn = (element: Element, name: string) => child(element, name)?.text
/** Those below one VersionOverrides, without the nested one: it has resources of its own. */
function ownElements(overrides: Element): Element[] {
  return overrides.children.filter(({ name }) => name !== 'VersionOverrides').flatMap((each) => [...all(each)])
}

/** Order of children as the schemas want it (offappmanifest-1.1, mailappversionoverrides, taskpaneappversionoverrides). */
const orders: Readonly<Record<string, readonly string[]>> = {
  OfficeApp: ['Id', 'AlternateId', 'Version', 'ProviderName', 'DefaultLocale', 'DisplayName', 'Description', 'IconUrl', 'HighResolutionIconUrl', 'SupportUrl', 'AppDomains', 'Hosts', 'Requirements', 'FormSettings', 'DefaultSettings', 'Permissions', 'Rule', 'DisableEntityHighlighting', 'VersionOverrides'],
  VersionOverrides: ['Description', 'Requirements', 'Hosts', 'Resources', 'WebApplicationInfo', 'EquivalentAddins', 'ExtendedPermissions', 'VersionOverrides'],
  DesktopSettings: ['SourceLocation', 'RequestedHeight'],
  DesktopFormFactor: ['GetStarted', 'FunctionFile', 'SupportsSharedFolders', 'ExtensionPoint'],
  Group: ['Label', 'Icon', 'Control'],
  Control: ['Label', 'ToolTip', 'Supertip', 'Icon', 'Action'],
  Supertip: ['Title', 'Description'],
  Action: ['FunctionName', 'TaskpaneId', 'SourceLocation', 'Title', 'SupportsPinning', 'SupportsMultiSelect', 'SupportsNoItemContext'],
  Resources: ['bt:Images', 'bt:Urls', 'bt:ShortStrings', 'bt:LongStrings'],
}

function pngSize(file: string): { width: number; height: number } {
  const bytes = readFileSync(pathOf(file))
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\u0089PNG\r\n\u001a\n', file)
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

/** The icon that an address of ours means, with the size in its name. */
function iconAt(address: string): { width: number; height: number; named: number } {
  const [, file, size] = new RegExp(`^${origin}/icons/([a-z]+-(\\d+)\\.png)$`, 'u').exec(address) ?? assert.fail(`${address} is no icon of ours`)
  return { ...pngSize(`addin/icons/${file}`), named: Number(size) }
}

for (const kind of manifestKinds) {
  const manifest = parse(textOf(kind))
  const levels = named(manifest, 'VersionOverrides')

  test(`${kind}: office-addin-manifest reads it`, async () => {
    const info = await OfficeAddinManifest.readManifestFile(pathOf(manifestFileNames[kind]))
    assert.equal(info.displayName, 'Holdfast')
    assert.equal(info.officeAppType, kind === 'outlook' ? 'MailApp' : 'TaskPaneApp')
    assert.deepEqual(info.hosts, kind === 'outlook' ? ['Mailbox'] : ['Document', 'Workbook'])
    assert.equal(info.permissions, kind === 'outlook' ? 'ReadWriteItem' : 'Restricted')
  })

  test(`${kind}: the elements stand in the order of the schema`, () => {
    for (const { name, children } of all(manifest)) {
      const order = orders[name]
      if (order === undefined) continue
      const places = children.map((each) => order.indexOf(each.name))
      assert.ok(places.every((place) => place >= 0), `${name} holds ${children.map((each) => each.name).join(', ')}`)
      assert.deepEqual(places, places.toSorted((a, b) => a - b), `${name}: ${children.map((each) => each.name).join(', ')}`)
    }
  })

  test(`${kind}: every resid is defined, short, of the right sort, and every id is there once`, () => {
    const sorts: Record<string, string> = { 'bt:Image': 'bt:Images', 'FunctionFile': 'bt:Urls', 'SourceLocation': 'bt:Urls', 'Label': 'bt:ShortStrings', 'Title': 'bt:ShortStrings', 'Description': 'bt:LongStrings' }
    for (const level of levels) {
      const elements = ownElements(level)
      const resources = elements.find(({ name }) => name === 'Resources') as Element
      const defined = new Map(resources.children.map((sort) => [sort.name, sort.children.map(({ attributes }) => attributes['id'] as string)]))
      const used = new Set<string>()
      for (const { name, attributes } of elements) {
        const resid = attributes['resid']
        if (resid === undefined) continue
        used.add(resid)
        assert.ok(defined.get(sorts[name] as string)?.includes(resid), `${name} ${resid} is not defined`)
      }
      const ids = elements.flatMap(({ attributes }) => attributes['id'] ?? []).filter((id) => !id.startsWith('Tab'))
      assert.deepEqual(ids.filter((id, index) => ids.indexOf(id) !== index), [], 'an id is there twice')
      for (const id of ids) assert.ok(id.length <= 32, `${id} is longer than 32`)
      assert.deepEqual([...defined.values()].flat().filter((id) => !used.has(id)), [], 'defined, never used')
    }
  })

  test(`${kind}: texts keep to their lengths, in English and German, and addresses are https of the agent's port`, () => {
    const limits: Record<string, number> = { 'bt:ShortStrings': 125, 'bt:LongStrings': 250 }
    for (const [sort, limit] of Object.entries(limits)) {
      for (const text of named(manifest, sort).flatMap(({ children }) => children)) {
        const german = text.children.find(({ attributes }) => attributes['Locale'] === 'de-DE')?.attributes['Value']
        for (const value of [text.attributes['DefaultValue'], german]) assert.ok(value !== undefined && value.length > 0 && value.length <= limit, `${text.attributes['id']}: ${value}`)
      }
    }
    assert.ok((child(manifest, 'Description')?.attributes['DefaultValue'] ?? '').length <= 250)
    const addresses = [...all(manifest)].flatMap(({ attributes }) => Object.entries(attributes))
      .flatMap(([name, value]) => (!name.startsWith('xmlns') && /^[a-z]+:\/\//u.test(value) ? [value] : []))
    assert.ok(addresses.length > 10)
    for (const address of addresses) {
      assert.equal(new URL(address).origin, origin)
      assert.ok(address.length <= 2048)
    }
    assert.ok(Buffer.byteLength(textOf(kind)) <= 256 * 1024)
  })

  test(`${kind}: each icon is a PNG of exactly the size that the manifest says, 16, 32 and 80 among them`, () => {
    for (const icon of named(manifest, 'Icon')) {
      const sizes = icon.children.map(({ attributes }) => Number(attributes['size']))
      for (const size of [16, 32, 80]) assert.ok(sizes.includes(size))
      for (const { attributes } of icon.children) assert.match(attributes['resid'] ?? '', new RegExp(`\\.${attributes['size']}$`, 'u'))
    }
    for (const image of named(manifest, 'bt:Images').flatMap(({ children }) => children)) {
      const { width, height, named } = iconAt(image.attributes['DefaultValue'] as string)
      assert.deepEqual([width, height, named], [named, named, Number(image.attributes['id']?.split('.').at(-1))])
    }
    const iconUrl = (name: string) => iconAt(child(manifest, name)?.attributes['DefaultValue'] as string).width
    assert.deepEqual([iconUrl('IconUrl'), iconUrl('HighResolutionIconUrl')], [64, 128])
  })

  test(`${kind}: id, version and what a client looks at first`, () => {
    assert.match(textIn(manifest, 'Id') ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u)
    const { version } = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as { version: string }
    assert.equal(textIn(manifest, 'Version'), `${version}.0`)
    assert.equal(textIn(manifest, 'DefaultLocale'), 'en-US')
  })

  test(`${kind}: written for its own address it is the committed file, byte for byte`, () => {
    assert.equal(renderManifest(kind, { baseUrl: origin }), textOf(kind))
  })

  test(`${kind}: written for another port and icon server, no address of the old one is left`, () => {
    const text = renderManifest(kind, { baseUrl: 'https://localhost:4443', iconBaseUrl: 'https://intranet.example/holdfast/icons', version: '2.3.4-beta.1' })
    assert.doesNotMatch(text, /localhost:17470/u)
    const moved = parse(text)
    assert.equal(textIn(moved, 'Version'), '2.3.4.0')
    assert.equal(textIn(moved, 'Id'), textIn(manifest, 'Id'))
    assert.equal(child(moved, 'IconUrl')?.attributes['DefaultValue'], 'https://intranet.example/holdfast/icons/holdfast-64.png')
    assert.ok([...all(moved)].some(({ attributes }) => attributes['DefaultValue'] === 'https://localhost:4443/#/restore'))
  })
}

test('the two add-ins have ids of their own', () => {
  const [outlook, office] = manifestKinds.map((kind) => textIn(parse(textOf(kind)), 'Id'))
  assert.notEqual(outlook, office)
})

test('the ribbon: what opens where, and what runs without the pane', () => {
  const levels = named(parse(textOf('outlook')), 'VersionOverrides')
  assert.deepEqual(levels.map(({ attributes }) => attributes['xsi:type']), ['VersionOverridesV1_0', 'VersionOverridesV1_1'])
  for (const level of levels) {
    const elements = ownElements(level)
    const urls = new Map(elements.filter(({ name }) => name === 'bt:Url').map(({ attributes }) => [attributes['id'], attributes['DefaultValue']]))
    const buttons = elements.filter(({ name }) => name === 'Control').map((control) => {
      const action = child(control, 'Action') as Element
      return [control.attributes['id'], textIn(action, 'FunctionName') ?? urls.get(child(action, 'SourceLocation')?.attributes['resid']), textIn(action, 'SupportsNoItemContext') ?? 'no']
    })
    const anywhere = level.attributes['xsi:type'] === 'VersionOverridesV1_1' ? 'true' : 'no'
    assert.deepEqual(buttons, [
      ['restoreButton', `${origin}/#/restore`, anywhere], ['backupButton', 'backUpNow', 'no'],
      ['protectionButton', `${origin}/#/protection`, anywhere], ['attachButton', `${origin}/#/attach`, 'no'],
    ])
    assert.equal(urls.get('commands.url'), `${origin}/commands.html`)
    assert.equal(elements.find(({ name }) => name === 'bt:Sets')?.attributes['DefaultMinVersion'], anywhere === 'true' ? '1.13' : '1.3')
  }
})

for (const [option, address] of [['http', 'http://localhost:1'], ['a path', 'https://localhost:1/x'], ['a query', 'https://localhost:1/?a'], ['no address', 'localhost']] as const) {
  test(`a manifest for ${option} is refused`, () => {
    assert.throws(() => renderManifest('outlook', { baseUrl: address }), (error) => hasCode(error, 'invalid-input'))
  })
}
