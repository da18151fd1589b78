/** Picks the language: as Office says, else as the browser does. */
import { de } from './de.ts'
import { type Messages, en } from './en.ts'

export type { Messages } from './en.ts'

export function messagesFor(locale: string): { messages: Messages; language: 'en' | 'de' } {
  return locale.toLowerCase().startsWith('de') ? { messages: de, language: 'de' } : { messages: en, language: 'en' }
}
