/** Light, dark or the system's high contrast: as Office says, else as the system does. */
import { setTheme } from '@fluentui/web-components'
import { webDarkTheme, webLightTheme } from '@fluentui/tokens'
import type { OfficeHost } from './office/office-host.ts'

export function followTheme(host: OfficeHost): void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  const apply = () => {
    const isDark = host.colors()?.isDark ?? system.matches
    setTheme(isDark ? webDarkTheme : webLightTheme)
    document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light'
  }
  apply()
  system.addEventListener('change', apply)
  host.onColorsChanged(apply)
}
