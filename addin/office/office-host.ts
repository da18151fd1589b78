/**
 * What the pane wants of Outlook, Word or Excel. The same page works in a plain browser, where there is none of it: the
 * pane never waits long for office.js, and everything here is optional.
 */
import { loadOffice } from './load-office.ts'

export interface OfficeColors {
  readonly isDark: boolean
}

export interface OfficeHost {
  readonly name: 'outlook' | 'office' | 'browser'
  readonly locale: string
  /** Writing a message, where a file can be attached. */
  readonly isComposing: boolean
  /** It hands over tokens of the account that it is signed in with (nested app authentication). */
  readonly canSignIn: boolean
  colors(): OfficeColors | undefined
  onColorsChanged(listener: () => void): void
  /** Attaches a file to the message that is being written. Rejects with Outlook's words. */
  attach(name: string, base64: string): Promise<void>
  readonly roaming: Office.RoamingSettings | undefined
}

const patienceMs = 3_000

const plainBrowser: OfficeHost = {
  name: 'browser', locale: navigator.language, isComposing: false, canSignIn: false, colors: () => undefined, onColorsChanged: () => {}, roaming: undefined,
  attach: async () => { throw new Error('there is no message to attach to') },
}

/** office.js throws for more than 27,892,122 characters of base64 (`MaxBase64AttachmentSize` in its outlook-*.js, 1.1.110). */
export const maxAttachmentBytes = Math.floor(27_892_122 / 4) * 3 // 20,919,090

/** Where the pane runs, after 3 seconds at the latest. */
export async function findOffice(): Promise<OfficeHost> {
  // office.js sends a frame without a host to about:blank, and a page of its own has no use for it.
  if (globalThis.parent === globalThis.self && !('external' in globalThis && 'GetContext' in (globalThis.external as object)) && !/_host_info=/i.test(location.search)) return plainBrowser
  try {
    await loadOffice()
    const ready = await Promise.race([Office.onReady(), new Promise<undefined>((resolve) => { setTimeout(() => { resolve(undefined) }, patienceMs) })])
    return ready === undefined || !ready.host ? plainBrowser : hostOf(ready.host)
  } catch {
    return plainBrowser
  }
}

function hostOf(host: Office.HostType): OfficeHost {
  const { mailbox } = Office.context
  const item = mailbox?.item
  const compose = item !== undefined && item !== null && 'addFileAttachmentFromBase64Async' in item ? item as unknown as Office.MessageCompose : undefined
  return {
    name: String(host) === 'Outlook' ? 'outlook' : 'office', locale: Office.context.displayLanguage || navigator.language,
    isComposing: compose !== undefined && Office.context.requirements.isSetSupported('Mailbox', '1.8'),
    canSignIn: Office.context.requirements.isSetSupported('NestedAppAuth', '1.1'),
    colors: () => {
      // Outlook leaves isDarkTheme empty: the background tells. It may be stale right after a change (office-js#6912).
      const background = Office.context.officeTheme?.bodyBackgroundColor
      return background === undefined ? undefined : { isDark: luminanceOf(background) < 0.5 }
    },
    onColorsChanged: (listener) => {
      try {
        mailbox?.addHandlerAsync?.('officeThemeChanged' as unknown as Office.EventType, listener)
      } catch {
        // an Outlook older than Mailbox 1.14
      }
    },
    attach: async (name, base64) => {
      if (compose === undefined) throw new Error('there is no message to attach to')
      await new Promise<void>((resolve, reject) => {
        compose.addFileAttachmentFromBase64Async(base64, name, (result) => {
          if (String(result.status) === 'succeeded') resolve()
          else reject(new Error(result.error?.message ?? 'Outlook refused the file'))
        })
      })
    },
    roaming: Office.context.roamingSettings,
  }
}

/** 0 black to 1 white, of `#rrggbb`. */
function luminanceOf(color: string): number {
  const [red = 255, green = 255, blue = 255] = (/[0-9a-f]{6}/i.exec(color)?.[0].match(/../g) ?? []).map((part) => Number.parseInt(part, 16))
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
}
