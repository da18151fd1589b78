/** `holdfast manifest`: the Office manifest for the address of this home's agent, or for the one given. */
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import { systemReason } from '../../shared/system-reasons.ts'
import { readConfig } from '../config.ts'
import { type Home, makeFolders, readFileIfThere } from '../home.ts'
import { parseRuntime } from '../http/runtime-file.ts'
import { renderManifest } from '../manifest/manifest.ts'
import { type ManifestKind, manifestFileNames } from '../manifest/manifest-files.ts'
import type { Invocation } from './arguments.ts'

/** Prints one manifest, or writes it into `--out`. Throws `invalid-input` for an address that Office does not take. */
export function writeManifest(home: Home, invocation: Invocation, version: string): number {
  if (invocation.positionals.length > 0) throw new HoldfastError('invalid-input', `Cannot run manifest: ${invocation.positionals[0]} is one word too many`)
  const option = (name: string) => invocation.values[name] as string | undefined
  const kind: ManifestKind = invocation.values['office'] === true ? 'office' : 'outlook'
  const baseUrl = option('base-url') ?? `https://localhost:${panePort(home)}`
  const iconBaseUrl = option('icon-base-url')
  const manifest = renderManifest(kind, { baseUrl, version, ...(iconBaseUrl === undefined ? {} : { iconBaseUrl }) })
  const folder = option('out')
  if (folder === undefined) {
    process.stdout.write(invocation.json ? `${JSON.stringify({ kind, baseUrl, manifest })}\n` : manifest)
    return 0
  }
  const file = join(resolve(folder), manifestFileNames[kind])
  try {
    makeFolders(resolve(folder), 0o777)
    writeFileSync(file, manifest)
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw new HoldfastError('target-unwritable', `Cannot write ${file}: ${systemReason(cause)}`, { cause })
  }
  process.stdout.write(invocation.json ? `${JSON.stringify({ kind, baseUrl, file })}\n` : `${file}\n`)
  return 0
}

/** The port of the running agent, else the one of the configuration. */
function panePort(home: Home): number {
  const runtime = readFileIfThere(home.runtime)
  return runtime === undefined ? readConfig(home.config).paneAddress.port : parseRuntime(runtime).pane.port
}
