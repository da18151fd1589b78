/** The page behind the ribbon's function commands (manifest.xml, FunctionFile). It draws nothing and loads no pane. */
import { loadOffice } from '../office/load-office.ts'
import { backUpNow } from './back-up-now.ts'
import { readBackupTokens } from './backup-token.ts'
import { messagesFor } from './messages.ts'

const startTimeoutMs = 20_000
const notificationKey = 'holdfastBackup'

/** Always completes the event: Outlook shows the command as busy, and refuses others, until it is. */
async function onBackUpNow(event: Office.AddinCommands.Event): Promise<void> {
  try {
    const { text, ok } = await backUpNow({
      fetch: (address, init) => fetch(address, init),
      tokens: readBackupTokens({ storage: browserStorage(), roaming: Office.context.roamingSettings }),
      messages: messagesFor(Office.context.displayLanguage ?? navigator.language),
      signal: AbortSignal.timeout(startTimeoutMs),
    })
    await notify(text, ok)
  } finally {
    event.completed()
  }
}

/** Without a selected message there is nowhere to say it; the backup runs all the same. */
async function notify(message: string, ok: boolean): Promise<void> {
  const item = Office.context.mailbox?.item
  if (!item) return
  const details: Office.NotificationMessageDetails = ok
    ? { type: 'informationalMessage' as Office.MailboxEnums.ItemNotificationMessageType, message, icon: 'icon.backup.16', persistent: false }
    : { type: 'errorMessage' as Office.MailboxEnums.ItemNotificationMessageType, message }
  await new Promise<void>((resolve) => item.notificationMessages.replaceAsync(notificationKey, details, () => resolve()))
}

function browserStorage(): Storage | undefined {
  try {
    return localStorage
  } catch {
    return undefined // a host may forbid it; then the roaming settings answer
  }
}

const backUpNowCommand = (event: Office.AddinCommands.Event): void => void onBackUpNow(event)
Object.assign(globalThis, { backUpNow: backUpNowCommand }) // clients without Office.actions look for a global function
await loadOffice()
void Office.onReady(() => Office.actions?.associate('backUpNow', backUpNowCommand))
