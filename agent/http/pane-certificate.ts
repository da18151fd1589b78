/** A self-signed certificate for localhost, made at each start; the command line pins it through the runtime file. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

export interface PaneCertificate {
  /** PEM. */
  readonly key: string
  readonly certificate: string
}

const dayMs = 86_400_000

/** ECDSA P-256, because browsers take no Ed25519 certificate. Valid for localhost, 127.0.0.1 and ::1 for 90 days. */
export async function makePaneCertificate(nowMs: number): Promise<PaneCertificate> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost', keys, signingAlgorithm: algorithm,
    notBefore: new Date(nowMs - dayMs), notAfter: new Date(nowMs + 90 * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' }, { type: 'ip', value: '127.0.0.1' }, { type: 'ip', value: '::1' },
      ]),
    ],
  }, webcrypto as unknown as typeof globalThis.crypto)
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { key, certificate: certificate.toString('pem') }
}
