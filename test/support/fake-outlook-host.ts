/**
 * Plays classic Outlook for Windows (WebView2) to the real office.js of /office: what outlook-win32-16.02.js expects of
 * `window.external`, and no more; or Word or Excel, whose word-win32-16.01.js and excel-win32-16.01.js expect less. Calls are recorded by their dispatch id, so a test sees what reached the mailbox.
 * Only the host is played: office.js, its checks of arguments and its callbacks are the real ones.
 */
import type { BrowserContext, Page } from 'playwright-core'

/** Dispatch ids of outlook-win32-16.02.js that the tests ask about. */
export const outlookCalls = { writeSettings: -1, replaceNotification: 35, attachBase64: 148 } as const

export interface OutlookScene {
  /** `none`: the pane was opened with no message selected. */
  readonly item: 'read' | 'compose' | 'none'
  readonly dark?: boolean
  readonly locale?: string
  /** What the mailbox keeps for the add-in. */
  readonly roamingSettings?: Readonly<Record<string, unknown>>
  readonly mailboxVersion?: number
  /** Outlook is signed in with a company account and hands over this access token; `asks`: only when the person may be asked. */
  readonly company?: { readonly tenant: string; readonly user: string; readonly accessToken: string; readonly asks?: boolean }
}

/** Word or Excel with a document open. */
export interface DocumentScene {
  readonly app: 'Word' | 'Excel'
  readonly dark?: boolean
}

interface Host {
  /** As in the host information that office.js picks its file by. */
  readonly name: string
  readonly fileVersion: string
  /** Of `OSF.AppName`. */
  readonly appType: number
  readonly requirements: object
}

interface HostCall { readonly dispatch: number; readonly parameters: unknown }

/** Every page opened in this context from now on is a pane inside Outlook. */
export async function playOutlook(context: BrowserContext, scene: OutlookScene): Promise<void> {
  const requirements = { Mailbox: scene.mailboxVersion ?? 1.15, ...(scene.company === undefined ? {} : { NestedAppAuth: 1.1 }) }
  await context.addInitScript(hostScript, { ...scene, host: { name: 'Outlook', fileVersion: '16.02', appType: 8, requirements } })
}

/** Every page opened in this context from now on is a pane inside Word or Excel. */
export async function playDocument(context: BrowserContext, { app, dark = false }: DocumentScene): Promise<void> {
  const host = app === 'Word' ? { appType: 2, requirements: { WordApi: 1.3 } } : { appType: 1, requirements: { ExcelApi: 1.12 } }
  await context.addInitScript(hostScript, { item: 'none' as const, dark, host: { name: app, fileVersion: '16.01', ...host } satisfies Host })
}

/** What the page asked of Outlook so far. */
export async function callsToOutlook(page: Page, dispatch?: number): Promise<HostCall[]> {
  const calls = await page.evaluate('globalThis.__outlookCalls ?? []') as HostCall[]
  return dispatch === undefined ? calls : calls.filter((call) => call.dispatch === dispatch)
}

/** The roaming settings as the page saved them last; empty when it saved none. */
export async function savedRoamingSettings(page: Page): Promise<Record<string, unknown>> {
  const last = (await callsToOutlook(page, outlookCalls.writeSettings)).at(-1)
  if (last === undefined) return {}
  const [names, values] = last.parameters as [string[], string[]]
  const kept = JSON.parse(values[names.indexOf('SettingsKey')] ?? '{}') as Record<string, string>
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, JSON.parse(value) as unknown]))
}

/** Runs inside the page, before anything else: it may use nothing from this file. */
function hostScript({ host, ...scene }: OutlookScene & { readonly host: Host }): void {
  const world = globalThis as unknown as Record<string, unknown>
  const calls: HostCall[] = []
  const richApi = 93 // a batch of requests of Word's and Excel's own library, such as the one that tells that it listens
  world['__outlookCalls'] = calls
  const locale = scene.locale ?? 'en-US'
  const mailbox = {
    permissionLevel: 3, hostVersion: '16.0.20000.20000', owaView: 'TwoColumns', userProfileType: 'office365',
    userDisplayName: 'Ana Ruiz', userEmailAddress: 'ana@contoso.test', userTimeZone: 'UTC', timeZoneOffsets: [],
  }
  const person = { address: 'bo@contoso.test', name: 'Bo Lind' }
  const item = {
    itemType: scene.item === 'compose' ? 4 : 1, isRead: scene.item === 'read', id: 'AAMkItem', itemClass: 'IPM.Note', subject: 'The contract', conversationId: 'c1',
    dateTimeCreated: 1_700_000_000_000, dateTimeModified: 1_700_000_000_000, sender: person, from: person, to: [], cc: [], attachments: [],
  }
  const initialData = scene.item === 'none' ? mailbox : { ...mailbox, ...item }
  const settings: Record<string, string> = Object.fromEntries(Object.entries(scene.roamingSettings ?? {}).map(([name, value]) => [name, JSON.stringify(value)]))
  const colour = (light: number, dark: number) => (scene.dark === true ? dark : light)
  const theme = host.name !== 'Outlook' ? { bodyForegroundColor: colour(0x262626, 0xffffff), bodyBackgroundColor: colour(0xffffff, 0x262626), controlForegroundColor: colour(0x262626, 0xffffff), controlBackgroundColor: colour(0xf0f0f0, 0x3d3d3d) } : {
    primaryFontColor: colour(0x262626, 0xffffff), primaryBackgroundColor: colour(0xffffff, 0x292929),
    secondaryFontColor: colour(0x444444, 0xd6d6d6), secondaryBackgroundColor: colour(0xfafafa, 0x1f1f1f),
  }
  const context: Record<string, () => unknown> = {
    GetAppType: () => host.appType, GetSolutionRef: () => 'holdfast', GetAppVersionMajor: () => 16, GetAppVersionMinor: () => 2,
    GetAppUILocale: () => locale, GetAppDataLocale: () => locale, GetDocUrl: () => '', GetAppCapabilities: () => 0, GetActivationMode: () => 0,
    GetControlIntegrationLevel: () => 0, GetSolutionToken: () => '', GetCorrelationId: () => 'correlation', GetInstanceId: () => 'instance',
    GetTouchEnabled: () => false, GetCommerceAllowed: () => false, GetHostCustomMessage: () => undefined, GetHostFullVersion: () => '16.0.20000.20000',
    GetSupportedMatrix: () => JSON.stringify(host.requirements), GetDialogRequirementMatrix: () => '{}',
    GetFeaturesForSolution: () => '', GetInitialDisplayMode: () => 0, GetOfficeThemeInfo: () => JSON.stringify(theme),
    GetSettings: () => ({
      Read(names: string[], values: string[]) {
        for (const [name, value] of Object.entries(settings)) {
          names.push(name)
          values.push(value)
        }
      },
      Write(names: unknown, values: unknown) {
        calls.push({ dispatch: -1, parameters: [names, values] })
      },
    }),
  }
  const external = {
    GetHostInfo: () => `${host.name}$Win32$${host.fileVersion}$${locale}$correlation$$$0$`,
    GetContext: () => context,
    GetLoggingAllowed: () => false,
    Execute(dispatch: number, parameters: unknown, answer: (data: unknown, status: number) => void) {
      calls.push({ dispatch, parameters: JSON.parse(JSON.stringify(parameters ?? null)) as unknown })
      if (dispatch === richApi) {
        const { Actions: actions } = JSON.parse((parameters as [[unknown, unknown, unknown, unknown, string]])[0][4]) as { Actions: { Id: number }[] }
        const body = JSON.stringify({ Results: actions.map(({ Id }) => ({ ActionId: Id, Value: null })) })
        return void setTimeout(() => answer({ toArray: () => [0, [200, null, body]] }, 0), 0)
      }
      const data = JSON.stringify(dispatch === 1 ? initialData : { data: null })
      setTimeout(() => answer({ toArray: () => [data, 0] }, 0), 0)
    },
    RegisterEvent(dispatch: number, _target: unknown, handler: unknown, answer: (status: number) => void) {
      calls.push({ dispatch, parameters: 'register' })
      world['__outlookHandlers'] = { ...world['__outlookHandlers'] as object, [dispatch]: handler }
      setTimeout(() => answer(0), 0)
    },
    UnregisterEvent(_dispatch: number, _target: unknown, answer: (status: number) => void) {
      setTimeout(() => answer(0), 0)
    },
  }
  const { company } = scene
  if (company !== undefined) {
    const account = { homeAccountId: `${company.user}.${company.tenant}`, localAccountId: company.user, tenantId: company.tenant, environment: 'login.microsoftonline.com', username: 'ana@contoso.test' }
    const part = (document: object) => btoa(JSON.stringify(document)).replaceAll('=', '')
    const idToken = `${part({ alg: 'none' })}.${part({ oid: company.user, tid: company.tenant, preferred_username: account.username })}.`
    const listeners: ((answer: string) => void)[] = []
    world['nestedAppAuthBridge'] = {
      addEventListener: (_kind: string, listener: (answer: string) => void) => { listeners.push(listener) }, removeEventListener: () => {},
      postMessage: (text: string) => {
        const { requestId, method, tokenParams } = JSON.parse(text) as { requestId: string; method: string; tokenParams?: { scope: string } }
        const isRefused = method === 'GetToken' && company.asks === true
        const answer = method === 'GetInitContext' ? { initContext: { sdkName: 'outlook', sdkVersion: '1', capabilities: {}, accountContext: account } }
          : { token: { access_token: company.accessToken, id_token: idToken, expires_in: 3600, scope: tokenParams?.scope ?? '' }, account }
        const envelope = JSON.stringify({ messageType: 'NestedAppAuthResponse', requestId, success: !isRefused, ...(isRefused ? { error: { status: 'USER_INTERACTION_REQUIRED' } } : answer) })
        setTimeout(() => { for (const listener of listeners) listener(envelope) }, 0)
      },
    }
  }
  Object.defineProperty(globalThis, 'external', { value: external, configurable: true, writable: true })
}
