// Compiles the AssemblyScript kernels (assembly/*.ts) to WebAssembly in agent/kernels/.
import { globSync, mkdirSync } from 'node:fs'
import { basename } from 'node:path'
import { main as compile } from 'assemblyscript/asc'

mkdirSync('agent/kernels', { recursive: true })
for (const source of globSync('assembly/*.ts').sort()) {
  const target = `agent/kernels/${basename(source, '.ts')}.wasm`
  const { error, stderr } = await compile([
    source, '--outFile', target, '-O3', '--runtime', 'stub', '--noAssert', '--importMemory', '--enable', 'simd', '--enable', 'relaxed-simd',
  ])
  if (error) {
    process.stderr.write(`Cannot compile ${source}: ${error.message}\n${stderr.toString()}\n`)
    process.exit(1)
  }
}
