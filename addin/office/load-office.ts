/** Loads the office.js that the agent serves: nothing is asked from the internet. */
import { provideMicrosoftAjax } from './microsoft-ajax.ts'

/** Rejects when the agent does not answer. */
export async function loadOffice(): Promise<void> {
  provideMicrosoftAjax()
  await new Promise<void>((resolve, reject) => {
    const script = Object.assign(document.createElement('script'), { src: '/office/office.js' })
    script.addEventListener('load', () => { resolve() })
    script.addEventListener('error', () => { reject(new Error('Cannot load /office/office.js')) })
    document.head.append(script)
  })
}
