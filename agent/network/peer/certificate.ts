/**
 * The self-signed TLS certificate of a machine (docs/protocol.md section 1): Ed25519, CN = machine id, valid 2000 to 2099
 * because clocks are not compared. Serial and dates are fixed and Ed25519 is deterministic, so a machine key always gives
 * the same bytes and the certificate in its peer record never changes.
 */
import { X509Certificate, webcrypto } from 'node:crypto'
import type { MachineId } from '../../../shared/ids.ts'
import { publicJwkOf } from '../../identity/jws.ts'
import { type Machine, thumbprint } from '../../identity/machine.ts'

const algorithm = { name: 'Ed25519' }

/** DER of the certificate, as base64: the `cert` of the peer record. */
export async function makeCertificate(machine: Pick<Machine, 'id' | 'jwk' | 'privateKey'>): Promise<string> {
  await import('reflect-metadata')
  const {
    BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension, X509CertificateGenerator,
  } = await import('@peculiar/x509') // large, and seldom used: a certificate is kept once it was made
  const { subtle } = webcrypto
  const privateKey = await subtle.importKey('pkcs8', machine.privateKey.export({ format: 'der', type: 'pkcs8' }), algorithm, false, ['sign'])
  const publicKey = await subtle.importKey('jwk', { ...machine.jwk }, algorithm, true, ['verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01', name: [{ CN: [machine.id] }], keys: { privateKey, publicKey }, signingAlgorithm: algorithm,
    notBefore: new Date('2000-01-01T00:00:00Z'), notAfter: new Date('2099-12-31T23:59:59Z'),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    ],
  })
  return Buffer.from(certificate.rawData).toString('base64')
}

/** The form that TLS options take as `cert` and `ca`. */
export function certificateToPem(base64Der: string): string {
  return new X509Certificate(Buffer.from(base64Der, 'base64')).toString()
}

/** Machine id of a certificate that a link showed (`getPeerCertificate(true).raw`); undefined when its key is no Ed25519 key. */
export function machineIdOfCertificate(der: Uint8Array): MachineId | undefined {
  try {
    return thumbprint(publicJwkOf(new X509Certificate(der).publicKey)) as MachineId
  } catch {
    return undefined
  }
}
