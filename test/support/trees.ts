/** Folders of files for tests, and a byte-for-byte comparison of two of them. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, utimesSync, writeFileSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { keystream } from './keystream.ts'

/** Bytes that depend on the seed alone; they do not compress. */
export function seededBytes(length: number, seed: number): Buffer {
  return keystream(createHash('sha256').update(String(seed)).digest(), length)
}

/** A folder with all that a backup must bring back: sizes at borders, empty, nested, links, modes, times, odd names. */
export function makeTree(root: string): void {
  mkdirSync(join(root, 'nested', 'deeper'), { recursive: true })
  mkdirSync(join(root, 'empty folder'))
  const sizes = [0, 1, 4095, 16_384, 65_536, 65_537, 300_000, 1_100_000]
  for (const [index, size] of sizes.entries()) writeFileSync(join(root, `file-${size}`), seededBytes(size, index))
  writeFileSync(join(root, 'nested', 'grüße – ☂.txt'), 'text '.repeat(5000))
  writeFileSync(join(root, 'nested', 'deeper', 'script.sh'), '#!/bin/sh\n')
  chmodSync(join(root, 'nested', 'deeper', 'script.sh'), 0o750)
  writeFileSync(join(root, 'nested', 'sparse'), Buffer.concat([Buffer.alloc(500_000), seededBytes(10, 99), Buffer.alloc(500_000)]))
  symlinkSync('../file-1', join(root, 'nested', 'link'))
  symlinkSync('/nowhere/at/all', join(root, 'dangling'))
  // Older than the two seconds in which a time is not trusted to show every change.
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (lstatSync(join(root, name)).isFile()) utimesSync(join(root, name), 1_200_000_000, 1_200_000_000)
  }
  utimesSync(join(root, 'file-1'), 1_000_000_000.5, 1_000_000_000.5)
  utimesSync(join(root, 'nested', 'deeper'), 1_100_000_000, 1_100_000_000)
}

/** One line for each entry: type, permission bits, modification time in ms, digest or target; equal trees give equal lines. */
export function describeTree(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).sort().map((name) => {
    const path = join(root, name)
    const entry = lstatSync(path)
    if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`
    const mode = (entry.mode & 0o777).toString(8)
    const mtime = Math.floor(entry.mtimeMs)
    return entry.isDirectory() ? `${name}/ ${mode} ${mtime}` : `${name} ${mode} ${mtime} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  })
}
