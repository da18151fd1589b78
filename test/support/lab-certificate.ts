/** A certificate authority and one server certificate, for servers of a test. */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

/** All PEM. */
export interface LabCertificate {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** For one day. RSA, because Samba's TLS wants it. */
export async function makeLabCertificate({ dns, ip = [] }: { dns: readonly string[]; ip?: readonly string[] }): Promise<LabCertificate> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength: 2048 }
  const crypto = webcrypto as unknown as typeof globalThis.crypto
  const [caKeys, keys] = [await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']), await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])]
  const [notBefore, notAfter] = [new Date(Date.now() - 86_400_000), new Date(Date.now() + 86_400_000)]
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Lab CA', keys: caKeys, signingAlgorithm: algorithm, notBefore, notAfter, extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  }, crypto)
  const names = [...dns.map((value) => ({ type: 'dns' as const, value })), ...ip.map((value) => ({ type: 'ip' as const, value }))]
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${dns[0]}`, issuer: ca.subject, publicKey: keys.publicKey, signingKey: caKeys.privateKey, signingAlgorithm: algorithm, notBefore, notAfter,
    extensions: [new x509.SubjectAlternativeNameExtension(names)],
  }, crypto)
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { ca: ca.toString('pem'), certificate: leaf.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n` }
}
