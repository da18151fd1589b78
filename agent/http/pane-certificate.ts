/**
 * The certificate of the pane door. It is signed by a CA of this home that may sign names of this machine alone (critical
 * name constraints) and whose key is thrown away after that one signature, so that trusting it cannot be abused. Both are
 * kept in the home and made anew 30 days before they end; then the new CA has to be trusted again (`doctor --fix`).
 */
import { X509Certificate, webcrypto } from 'node:crypto'
import { z } from 'zod'
import { type KeptText, parseKept } from '../kept-text.ts'

const certificateSchema = z.object({
  v: z.literal(1), key: z.string(), certificate: z.string(), authority: z.string(),
  /** CAs of certificates that were replaced: browsers may still trust them. */
  former: z.array(z.string()).max(8).default([]),
})

/** PEM each. */
export type PaneCertificate = z.infer<typeof certificateSchema>

const dayMs = 86_400_000
/** What Apple and others accept at most for a server is 398 days. */
const validDays = 395
/** So that a clock that was ahead when it was made, and was set right since, does not make it invalid. */
const backdatedDays = 3
const renewDays = 30
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } // browsers take no Ed25519
const crypto = webcrypto as unknown as typeof globalThis.crypto

/** The one of the file, or a new one when there is none, it is damaged, or it ends soon. */
export async function paneCertificate(file: KeptText, nowMs: number): Promise<PaneCertificate> {
  const kept = parseKept(file.read(), certificateSchema)
  if (kept !== undefined && Date.parse(new X509Certificate(kept.certificate).validTo) - nowMs > renewDays * dayMs) return kept
  const former = kept === undefined ? [] : [kept.authority, ...kept.former].slice(0, 8)
  const made = { ...await makePaneCertificate(nowMs), former }
  file.write(JSON.stringify(made))
  return made
}

export async function makePaneCertificate(nowMs: number): Promise<PaneCertificate> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509') // large, and used once a year
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()])
  const validity = { notBefore: new Date(nowMs - backdatedDays * dayMs), notAfter: new Date(nowMs + validDays * dayMs) }
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    // The name tells one home's from another's, also in a person's list of certificates.
    name: `CN=Holdfast on this machine ${Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')}`, keys: authorityKeys, signingAlgorithm: algorithm, ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      new x509.Extension('2.5.29.30', true, nameConstraints()),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey, false, crypto),
    ],
  }, crypto)
  const certificate = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost', issuer: authority.subject, publicKey: keys.publicKey, signingKey: authorityKeys.privateKey, signingAlgorithm: algorithm, ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }, { type: 'ip', value: '127.0.0.1' }, { type: 'ip', value: '::1' }]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey, false, crypto),
    ],
  }, crypto)
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { v: 1, key, certificate: certificate.toString('pem'), authority: authority.toString('pem'), former: [] }
}

async function newKeys() {
  return await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

/** RFC 5280 section 4.2.1.10, permitted subtrees: dNSName localhost, iPAddress 127.0.0.0/8 and ::1/128. DER by hand: x509 has none. */
function nameConstraints(): Buffer {
  const der = (tag: number, ...parts: readonly (Buffer | string)[]): Buffer => {
    const content = Buffer.concat(parts.map((part) => Buffer.from(part)))
    return Buffer.concat([Buffer.from([tag, content.length]), content])
  }
  const [subtrees, subtree, dns, ip] = [0xa0, 0x30, 0x82, 0x87]
  const loopback4 = Buffer.from([127, 0, 0, 0, 255, 0, 0, 0])
  const loopback6 = Buffer.concat([Buffer.alloc(15), Buffer.from([1]), Buffer.alloc(16, 0xff)])
  return der(0x30, der(subtrees, der(subtree, der(dns, 'localhost')), der(subtree, der(ip, loopback4)), der(subtree, der(ip, loopback6))))
}
