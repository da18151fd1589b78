// Checks who imports whom (docs/architecture.md): every relative import must go to a layer that the importer may see.
// A rule names a folder (longest prefix wins) and the prefixes that it may import besides its own.
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

const foundation = ['shared/', 'agent/object-store.ts', 'agent/merkle.ts', 'agent/release-bytes.ts', 'agent/module-url.ts', 'agent/uncached-file.ts', 'agent/powershell.ts', 'agent/kept-text.ts']
const rules = {
  'shared/': [],
  'addin/': ['shared/'],
  'agent/object-store.ts': ['shared/', 'agent/merkle.ts'],
  'agent/merkle.ts': ['shared/'],
  'agent/release-bytes.ts': [],
  'agent/module-url.ts': [],
  'agent/uncached-file.ts': [],
  'agent/identity/': [...foundation],
  'agent/powershell.ts': [],
  'agent/kept-text.ts': [],
  'agent/source/': ['shared/', 'agent/powershell.ts', 'agent/kept-text.ts'],
  'agent/repository/': [...foundation, 'agent/identity/'],
  'agent/network/': [...foundation, 'agent/identity/'],
  'agent/commands/': [...foundation, 'agent/identity/', 'agent/source/', 'agent/repository/', 'agent/network/', 'agent/trust/', 'agent/mail/', 'agent/conditions/port.ts', 'agent/outlook/port.ts', 'agent/config.ts'],
  'agent/run-tool.ts': [],
  'agent/trust/': ['agent/run-tool.ts'],
  'agent/conditions/': ['agent/run-tool.ts', 'agent/powershell.ts'],
  'agent/outlook/': ['shared/', 'agent/powershell.ts'],
  'agent/autostart/': ['shared/', 'agent/run-tool.ts'],
  'agent/mail/': ['shared/'],
  'agent/triggers/': [...foundation, 'agent/conditions/port.ts', 'agent/commands/', 'agent/config.ts', 'agent/source/'],
  'agent/manifest/': ['shared/', 'agent/config.ts'],
  'agent/http/': [...foundation, 'agent/manifest/', 'agent/commands/', 'agent/config.ts', 'agent/identity/'],
  'agent/cli/': ['shared/', 'agent/'],
  'agent/demo/outlook-archive/': ['shared/'],
  'agent/demo/': ['shared/', 'agent/demo/', 'agent/http/', 'agent/commands/command.ts', 'agent/home.ts', 'agent/launching.ts'],
  'agent/home.ts': ['shared/'],
  'agent/system-browser.ts': [],
  'agent/config.ts': ['shared/'],
  'agent/launching.ts': ['agent/module-url.ts'],
  'agent/main.ts': ['shared/', 'agent/'],
  'agent/composition/': ['shared/', 'agent/'],
  'test/': ['shared/', 'agent/', 'test/', 'addin/', 'bench/', 'scripts/'],
  'bench/': ['shared/', 'agent/', 'bench/', 'test/support/', 'test/endurance/'],
  'scripts/': [],
}

const layers = Object.keys(rules).sort((a, b) => b.length - a.length)
const layerOf = (file) => layers.find((layer) => file.startsWith(layer))
const failures = []
const graph = new Map()
for (const file of globSync('{shared,addin,agent,test,bench,scripts}/**/*.ts').map((f) => f.replaceAll('\\', '/'))) {
  const layer = layerOf(file)
  if (layer === undefined) failures.push(`${file}: belongs to no layer`)
  const text = readFileSync(file, 'utf8')
  const targets = []
  for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
    const target = posix.normalize(join(dirname(file), specifier).replaceAll('\\', '/'))
    targets.push(target)
    const allowed = layer !== undefined && (target.startsWith(layer) || rules[layer].some((prefix) => target.startsWith(prefix)))
    if (!allowed) failures.push(`${file}: may not import ${target}`)
  }
  graph.set(file, targets)
}
if (failures.length > 0) {
  process.stderr.write(`${failures.join('\n')}\n`)
  process.exit(1)
}
process.stdout.write(`layers: ${graph.size} files keep the rules\n`)
