/** What a dialler shows at the door (docs/protocol.md section 1), and who it is then. */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import type { Membership } from '../membership/membership.ts'
import { verifyRecoveryProof } from '../membership/records.ts'
import { maxCredential } from './wire.ts'

export const authorizationScheme = 'Holdfast'
const recoverySkewMs = 3 * 86_400_000

const jws = z.string().max(16_384)
const credentialSchema = z.discriminatedUnion('as', [
  z.object({ v: z.literal(1), as: z.literal('member'), peer: jws }),
  z.object({ v: z.literal(1), as: z.literal('recovery'), proof: jws }),
])
export type Credential = z.infer<typeof credentialSchema>

/** Who is at the other end of a link that this machine's door let in. */
export type Caller =
  | { readonly as: 'member'; readonly machine: MachineId; readonly name: string }
  | { readonly as: 'recovery'; readonly machine: MachineId; readonly name: string; readonly owner: OwnerId }

/** Value of the Authorization header. */
export function authorizationOf(credential: Credential): string {
  return `${authorizationScheme} ${Buffer.from(JSON.stringify(credential)).toString('base64url')}`
}

export interface CredentialCheck {
  readonly membership: Pick<Membership, 'admits'>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * The caller, when the header is a valid credential of `machine`, the key of the connection's certificate.
 * Throws `unauthorized`, `revoked`, `record-invalid` or `format-unknown`.
 */
export async function checkAuthorization(header: string | undefined, machine: MachineId, { membership, now }: CredentialCheck): Promise<Caller> {
  const credential = parseAuthorization(header)
  if (credential.as === 'member') {
    const member = await membership.admits(credential.peer)
    if (member.id !== machine) throw refused('the credential is that of another machine')
    return { as: 'member', machine, name: member.name }
  }
  const proof = await verifyRecoveryProof(credential.proof)
  if (proof.machine !== machine) throw refused('the proof is that of another machine')
  if (Math.abs(proof.iat * 1000 - now()) > recoverySkewMs) throw refused('the proof is from another time')
  return { as: 'recovery', machine, name: `recovery ${machine.slice(0, 8)}`, owner: proof.owner }
}

function parseAuthorization(header: string | undefined): Credential {
  const [scheme, value, ...rest] = (header ?? '').split(' ')
  if (scheme !== authorizationScheme || value === undefined || value.length > maxCredential || rest.length > 0) throw refused('no credential')
  try {
    return credentialSchema.parse(JSON.parse(Buffer.from(value, 'base64url').toString('utf8')))
  } catch (cause) {
    throw refused('no credential', cause)
  }
}

function refused(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('unauthorized', `Cannot let the machine in: ${state}`, { cause, details: { state } })
}
