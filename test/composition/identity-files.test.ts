import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadCertificate, loadMachine } from '../../agent/composition/identity-files.ts'
import { homeAt, isHome } from '../../agent/home.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import { makeCertificate } from '../../agent/network/peer/certificate.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

test('the certificate of the machine is kept; one that is gone, damaged anywhere, or of another key is made anew with the same bytes', async (t) => {
  const home = homeAt(join(await scratchFolder(t), 'home'))
  const machine = loadMachine(home)
  const certificate = await loadCertificate(home, machine, assert.ifError)
  assert.equal(certificate, await makeCertificate(machine))
  assert.equal(readFileSync(home.certificate, 'utf8'), certificate)
  assert.equal(await loadCertificate(home, loadMachine(home), assert.ifError), certificate)
  const der = Buffer.from(certificate, 'base64')
  const flipped = (at: number) => Buffer.from(der.map((byte, index) => (index === at ? byte ^ 1 : byte))).toString('base64')
  for (const text of ['', 'no certificate', certificate.slice(0, -20), ...[0, 20, 90, der.length - 1].map(flipped), await makeCertificate(generateMachine())]) {
    writeFileSync(home.certificate, text)
    assert.equal(await loadCertificate(home, machine, assert.ifError), certificate)
    assert.equal(readFileSync(home.certificate, 'utf8'), certificate)
  }
})

test('a certificate that cannot be kept serves all the same, and is reported', async (t) => {
  const home = homeAt(join(await scratchFolder(t), 'home'))
  const machine = loadMachine(home)
  const reported: unknown[] = []
  const certificate = await loadCertificate({ ...home, certificate: join(home.machine, 'certificate') }, machine, (error) => { reported.push(error) })
  assert.equal(certificate, await makeCertificate(machine))
  assert.equal(reported.length, 1)
})

test('a home of a work group whose key is gone gets no new one, and says what to do', async (t) => {
  const home = homeAt(join(await scratchFolder(t), 'home'))
  assert.equal(isHome(home), false)
  mkdirSync(home.directory)
  writeFileSync(home.owner, '{}')
  assert.equal(isHome(home), true)
  assert.throws(() => loadMachine(home), (error: unknown) => error instanceof HoldfastError && error.code === 'key-missing' && /gone from a home that was in a work group/.test(error.message) && /recover --home DIR/.test(error.guidance))
  assert.equal(existsSync(home.machine), false)
})
