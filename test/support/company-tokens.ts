/** Access tokens as Microsoft Entra signs them, by a key of the test's own whose public half an agent has in its home already. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { homeAt } from '../../agent/home.ts'

export const tenant = '11111111-2222-3333-4444-555555555555'
export const person = '99999999-2222-3333-4444-555555555555'
const client = 'aaaaaaaa-2222-3333-4444-555555555555'

export interface CompanyTokens {
  /** Of the person whose agent it is, good for an hour, unless something is changed. */
  token(change?: { readonly user?: string; readonly tenant?: string; readonly expires?: string }): Promise<string>
}

/** Sets a home up for sign-in by company account, with Microsoft's keys as they were fetched last: nothing is asked of the internet. */
export async function prepareCompanyHome(folder: string): Promise<CompanyTokens> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const audience = `api://localhost:17470/${client}`
  const home = homeAt(folder)
  mkdirSync(folder, { recursive: true })
  writeFileSync(home.config, JSON.stringify({ entra: { tenant, audience, user: person } }))
  writeFileSync(home.entraKeys, JSON.stringify({ uat: Date.now(), jwks: { keys: [{ ...await exportJWK(publicKey), kid: 'k1', alg: 'RS256', use: 'sig' }] } }))
  return {
    token: async ({ user = person, tenant: of = tenant, expires = '1h' } = {}) => await new SignJWT({ tid: of, oid: user, scp: 'access_as_user' }).setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(`https://login.microsoftonline.com/${of}/v2.0`).setAudience(audience).setIssuedAt().setExpirationTime(expires).sign(privateKey),
  }
}
