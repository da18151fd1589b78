/** Preloaded with `--import` into a process under test: Microsoft's hosts are found where start-microsoft.ts serves them. */
import { readFileSync } from 'node:fs'
import { fetchThrough } from './fetch-through.ts'

const place = process.env['HOLDFAST_TEST_MICROSOFT']
if (place !== undefined) {
  const microsoft = fetchThrough(JSON.parse(readFileSync(place, 'utf8')) as { port: number; ca: string })
  const others = globalThis.fetch
  globalThis.fetch = async (input, init) => {
    const { hostname } = new URL(input instanceof Request ? input.url : input)
    return await (/(?:^|\.)(?:microsoft\.com|sharepoint\.com|microsoftonline\.com)$/.test(hostname) ? microsoft : others)(input, init)
  }
}
