/**
 * The Office manifests of this project, written for another address: manifest.xml (Outlook) and manifest.office.xml
 * (Word and Excel) name https://localhost:17470; an agent on another port, or icons on a company's web server, need
 * other URLs. The file is parsed, every URL of ours is replaced, and the rest stays as it is. Ids never change.
 */
import { readFileSync } from 'node:fs'
import { XMLBuilder, XMLParser } from 'fast-xml-parser'
import { z } from 'zod'
import { defaultConfig } from '../config.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type ManifestKind, manifestFileNames } from './manifest-files.ts'

const maximumUrlLength = 2048

const secureUrl = z.url({ protocol: /^https$/u, error: 'it must be an https address' }).transform((text) => new URL(text))
  .refine((url) => url.search === '' && url.hash === '' && url.username === '' && url.password === '', 'it must be a plain address without user, query or fragment')

export const manifestOptionsSchema = z.strictObject({
  /** Where the agent answers, such as https://localhost:17471. No path: the pane calls /api beside it. */
  baseUrl: secureUrl.refine((url) => url.pathname === '/', 'it must not have a path'),
  /** Folder of the icons, such as https://intranet.example/holdfast/icons. Default: the agent's own. */
  iconBaseUrl: secureUrl.optional(),
  /** Four numbers, as Office wants them; a package version gets a fourth. Default: the one in the file. */
  version: z.string().regex(/^\d{1,5}(\.\d{1,5}){2,3}(-.*)?$/u, 'it must be a version such as 1.2.3').optional(),
})
export type ManifestOptions = z.input<typeof manifestOptionsSchema>

const ourOrigin = `https://localhost:${defaultConfig.paneAddress.port}`
const iconFolder = '/icons/'
const attributesKey = ':@'
const xmlOptions = { preserveOrder: true, ignoreAttributes: false, attributeNamePrefix: '', commentPropName: '#comment' } as const

/** One element as the parser gives it: its tag with its children, its attributes, or a text. */
type XmlNode = Readonly<Record<string, unknown>>

/** The manifest as XML text. Throws `invalid-input` naming the option. */
export function renderManifest(kind: ManifestKind, options: ManifestOptions): string {
  const parsed = manifestOptionsSchema.safeParse(options)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new HoldfastError('invalid-input', `Cannot write a manifest for ${issue?.path.join('.')}: ${issue?.message}`, { cause: parsed.error })
  }
  const { baseUrl, iconBaseUrl, version } = parsed.data
  const icons = new URL(iconBaseUrl ?? new URL(iconFolder, baseUrl))
  if (!icons.pathname.endsWith('/')) icons.pathname += '/'
  const move = (value: string) => moveUrl(value, baseUrl, icons)
  const document = new XMLParser({ ...xmlOptions, parseTagValue: false, parseAttributeValue: false }).parse(readManifest(kind)) as XmlNode[]
  const moved = document.map((node) => rewrite(node, move, version === undefined ? undefined : fourParts(version)))
  return new XMLBuilder({ ...xmlOptions, format: true, indentBy: '  ', suppressEmptyNode: true }).build(moved).trim() + '\n'
}

function readManifest(kind: ManifestKind): string {
  return readFileSync(new URL(`../../${manifestFileNames[kind]}`, import.meta.url), 'utf8')
}

function rewrite(node: XmlNode, move: (value: string) => string, version: string | undefined): XmlNode {
  return Object.fromEntries(Object.entries(node).map(([key, value]) => {
    if (key === attributesKey) return [key, mapValues(value as Readonly<Record<string, string>>, move)]
    if (key === 'Version' && version !== undefined) return [key, [{ '#text': version }]]
    if (Array.isArray(value)) return [key, value.map((child: XmlNode) => rewrite(child, move, version))]
    return [key, key === '#text' ? move(String(value)) : value]
  }))
}

const mapValues = (record: Readonly<Record<string, string>>, change: (value: string) => string) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))

function moveUrl(value: string, base: URL, icons: URL): string {
  if (!URL.canParse(value) || new URL(value).origin !== ourOrigin) return value
  const { pathname, search, hash } = new URL(value)
  const moved = pathname.startsWith(iconFolder) ? new URL(pathname.slice(iconFolder.length), icons) : new URL(`${pathname}${search}${hash}`, base)
  if (moved.href.length > maximumUrlLength) throw new HoldfastError('invalid-input', `Cannot write a manifest: an address is longer than ${maximumUrlLength} characters`)
  return moved.href
}

/** 0.1.0 → 0.1.0.0; a pre-release mark is left out, Office knows none. */
function fourParts(version: string): string {
  const numbers = version.replace(/-.*$/u, '').split('.')
  return [...numbers, '0'].slice(0, 4).join('.')
}
