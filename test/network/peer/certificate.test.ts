import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type ConnectionOptions, type TLSSocket, type TlsOptions, connect, createServer } from 'node:tls'
import { type Machine, generateMachine } from '../../../agent/identity/machine.ts'
import { certificateToPem, machineIdOfCertificate, makeCertificate } from '../../../agent/network/peer/certificate.ts'

async function side(machine: Machine): Promise<{ cert: string; key: string }> {
  return {
    cert: certificateToPem(await makeCertificate(machine)),
    key: machine.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
  }
}

/** Dials a server of `server` as `client`, each pinning by `ca`; says what the server saw of the client. */
async function handshake(server: TlsOptions, client: ConnectionOptions): Promise<{ seen: string | undefined; protocol: string | null }> {
  const door = createServer({ ...server, minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: true })
  try {
    door.listen(0, '127.0.0.1')
    await once(door, 'listening')
    const accepted = new Promise<string | undefined>((resolve, reject) => {
      door.once('secureConnection', (socket: TLSSocket) => {
        resolve(machineIdOfCertificate(socket.getPeerCertificate(true).raw))
        socket.end('hello')
      })
      door.once('tlsClientError', reject)
    })
    const socket = connect({ ...client, port: (door.address() as AddressInfo).port, host: '127.0.0.1', minVersion: 'TLSv1.3', rejectUnauthorized: true, checkServerIdentity: () => undefined })
    const [seen, protocol] = await Promise.all([
      accepted,
      (async () => { await once(socket, 'secureConnect'); const name = socket.getProtocol(); socket.resume(); await once(socket, 'close'); return name })(),
    ])
    return { seen, protocol }
  } finally {
    door.close()
  }
}

test('a machine key always gives the same certificate, named by the machine id and valid for a century', async () => {
  const machine = generateMachine()
  const [first, second] = [await makeCertificate(machine), await makeCertificate(machine)]
  assert.equal(first, second)
  const certificate = new X509Certificate(Buffer.from(first, 'base64'))
  assert.equal(certificate.subject, `CN=${machine.id}`)
  assert.deepEqual([certificate.validFromDate.getUTCFullYear(), certificate.validToDate.getUTCFullYear()], [2000, 2099])
  assert.equal(machineIdOfCertificate(certificate.raw), machine.id)
})

test('TLS 1.3 accepts the certificates on both sides when each side pins the other by ca', async () => {
  const [server, client] = [generateMachine(), generateMachine()]
  const [serverSide, clientSide] = [await side(server), await side(client)]
  const result = await handshake({ ...serverSide, ca: [clientSide.cert] }, { ...clientSide, ca: [serverSide.cert] })
  assert.deepEqual(result, { seen: client.id, protocol: 'TLSv1.3' })
})

test('a pinned dialler refuses the certificate of another machine', async () => {
  const [serverSide, clientSide, other] = [await side(generateMachine()), await side(generateMachine()), await side(generateMachine())]
  await assert.rejects(handshake({ ...serverSide, ca: [clientSide.cert] }, { ...clientSide, ca: [other.cert] }))
})

test('bytes that are no certificate belong to no machine', () => {
  assert.equal(machineIdOfCertificate(new Uint8Array([1, 2, 3])), undefined)
})
