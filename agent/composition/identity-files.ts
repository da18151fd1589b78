/** The machine's key in the home, made at the first start and never replaced when it cannot be read, and its certificate. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { HoldfastError } from '../../shared/errors.ts'
import { type Machine, generateMachine, machineFromJson, machineToJson } from '../identity/machine.ts'
import { makeCertificate, machineIdOfCertificate } from '../network/peer/certificate.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'

const lostKeyGuidance = 'Put the file back if you have a copy. Else recover with the recovery kit into another home: `holdfast recover --home DIR`.'

/** Throws `key-missing` when the file is damaged, or gone from a home that was in a work group: a new key would be another machine, and nobody would let it in. */
export function loadMachine(home: Home): Machine {
  const text = readFileIfThere(home.machine)
  if (text !== undefined) {
    try {
      return machineFromJson(text)
    } catch (cause) {
      throw new HoldfastError('key-missing', `Cannot read the machine's key ${home.machine}: it is damaged`, { guidance: lostKeyGuidance, cause })
    }
  }
  if (existsSync(home.owner) || existsSync(home.group)) throw new HoldfastError('key-missing', `Cannot find the machine's key ${home.machine}: it is gone from a home that was in a work group`, { guidance: lostKeyGuidance })
  const machine = generateMachine()
  writePrivateFile(home.machine, machineToJson(machine))
  return machine
}

/**
 * DER as base64. Kept because making it takes a large library; one that is damaged, or of another key, is made anew, with the same bytes.
 * One that cannot be kept serves all the same, and is told to `report`.
 */
export async function loadCertificate(home: Home, machine: Machine, report: (error: unknown) => void): Promise<string> {
  const kept = readFileIfThere(home.certificate)
  if (kept !== undefined && isCertificateOf(machine, Buffer.from(kept, 'base64'))) return kept
  const certificate = await makeCertificate(machine)
  try {
    writePrivateFile(home.certificate, certificate)
  } catch (error) {
    report(error)
  }
  return certificate
}

function isCertificateOf(machine: Machine, der: Buffer): boolean {
  if (machineIdOfCertificate(der) !== machine.id) return false
  const certificate = new X509Certificate(der)
  return certificate.verify(certificate.publicKey)
}
