/**
 * Runs code that permissions must be able to stop: root may do everything, so as root it runs in a process of the
 * user `nobody`, after its imports.
 */
import { spawn } from 'node:child_process'
import { buffer } from 'node:stream/consumers'

/**
 * `body` is an async function's body that sees the exports of `module` (a path from the root of the repository) as
 * `api` and `argument`; what it returns comes back through JSON, with bigints as strings.
 */
export async function runUnprivileged(module: string, body: string, argument: string): Promise<unknown> {
  const url = new URL(`../../${module}`, import.meta.url).href
  const script = `const api = await import(${JSON.stringify(url)})
    if (process.getuid() === 0) process.setuid(65534)
    const result = await (async (argument) => { ${body} })(process.argv[1])
    process.stdout.write(JSON.stringify(result, (_, value) => typeof value === 'bigint' ? String(value) : value))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, argument], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse((await buffer(child.stdout)).toString()) as unknown
}
