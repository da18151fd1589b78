/**
 * Connecting the pane by the company account that Outlook is signed in with (nested app authentication): Outlook hands
 * over an access token for the agent's own scope, and the agent checks it (agent/http/entra-sign-in.ts). Optional: without
 * it a code connects the pane. Microsoft's library is loaded only when a company uses this. Touches no page.
 */
import type { CompanySignIn } from '../shared/api.ts'

/** Undefined when Outlook would have to ask the person and `ask` is false. Rejects with Outlook's words. */
export async function companyToken({ tenant, client, scope }: CompanySignIn, { ask }: { ask: boolean }): Promise<string | undefined> {
  const { InteractionRequiredAuthError, createNestablePublicClientApplication } = await import(/* webpackChunkName: "sign-in" */ '@azure/msal-browser')
  const application = await createNestablePublicClientApplication({
    auth: { clientId: client, authority: `https://login.microsoftonline.com/${tenant}` }, cache: { cacheLocation: 'memoryStorage' },
  })
  const request = { scopes: [scope] }
  try {
    return (await application.acquireTokenSilent(request)).accessToken
  } catch (error) {
    if (!ask) {
      if (error instanceof InteractionRequiredAuthError) return undefined
      throw error
    }
    return (await application.acquireTokenPopup(request)).accessToken
  }
}
