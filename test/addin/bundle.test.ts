import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'

const dist = join(import.meta.dirname, '..', '..', 'dist', 'pane')
const most = 200 * 1024

test('all that a browser loads for the pane is at most 200 KB gzipped, the ribbon\'s page at most a tenth of that', () => {
  const sizeOf = (pattern: string) => globSync(join(dist, pattern)).reduce((sum, path) => sum + gzipSync(readFileSync(path), { level: 9 }).length, 0)
  const pane = sizeOf('{pane,sign-in}.*.{js,css}') + sizeOf('index.html')
  assert.ok(pane > 10_000, 'the pane is not built: npm run build')
  assert.ok(pane <= most, `${pane} bytes`)
  assert.ok(sizeOf('commands.*.js') <= most / 10)
})

test('the pages load only files of their own, and have no script or style inside', () => {
  for (const page of ['index.html', 'commands.html']) {
    const text = readFileSync(join(dist, page), 'utf8')
    const addresses = [...text.matchAll(/(?:src|href)="?([^"\s>]+)/gu)].map(([, address]) => address)
    assert.ok(addresses.length > 0)
    assert.deepEqual(addresses.filter((address) => !address?.startsWith('/') || address.startsWith('//')), [])
    assert.doesNotMatch(text, /<script(?![^>]*src)|<style|style=/u)
  }
})
