/** What the ribbon's function commands say, apart from the pane's texts so that their page stays small. */

export interface CommandMessages {
  readonly started: string
  readonly notConnected: string
  readonly agentNotRunning: string
  readonly failed: (reason: string) => string
}

const languages = {
  en: {
    started: 'Holdfast has started a backup. Open Protection to watch it.',
    notConnected: 'Holdfast does not know this Outlook yet. Open Protection once and connect it; then this button works.',
    agentNotRunning: 'No backup was started: the Holdfast agent is not running on this computer.',
    failed: (reason: string) => `No backup was started. ${reason}`,
  },
  de: {
    started: 'Holdfast hat eine Sicherung gestartet. Unter „Schutz“ sehen Sie, wie weit sie ist.',
    notConnected: 'Holdfast kennt dieses Outlook noch nicht. Öffnen Sie einmal „Schutz“ und verbinden Sie es; dann geht diese Schaltfläche.',
    agentNotRunning: 'Keine Sicherung gestartet: Der Holdfast-Agent läuft auf diesem Rechner nicht.',
    failed: (reason: string) => `Keine Sicherung gestartet. ${reason}`,
  },
} as const satisfies Record<string, CommandMessages>

/** `locale` as Office gives it, such as de-AT. */
export function messagesFor(locale: string): CommandMessages {
  return locale.toLowerCase().startsWith('de') ? languages.de : languages.en
}

/** Outlook refuses a notification of more characters. */
export const notificationLimit = 150

export function shorten(text: string): string {
  return text.length <= notificationLimit ? text : `${text.slice(0, notificationLimit - 1).trimEnd()}…`
}
