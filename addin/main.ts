/** The pane: in Outlook, in Word and Excel, and in a plain browser. */
import '@fluentui/web-components/button.js'
import '@fluentui/web-components/spinner.js'
import './styles.css'
import { App } from './app.ts'
import { findOffice } from './office/office-host.ts'
import { followTheme } from './theme.ts'
import { AttachView } from './views/attach.ts'
import { ChooseView } from './views/choose.ts'
import { Contacts } from './views/contacts.ts'
import { frame } from './views/frame.ts'
import { KitView } from './views/kit.ts'
import { PairingView } from './views/pairing.ts'
import { ProtectionView } from './views/protection.ts'
import { RestoreView } from './views/restore.ts'
import { SettingsView } from './views/settings.ts'
import { StartView } from './views/start.ts'
import { TeamView } from './views/team.ts'

const host = await findOffice()
followTheme(host)
const app = new App(host)
const [choose, kit, contacts] = [new ChooseView(app), new KitView(app), new Contacts(app)]
await app.start({
  frame: frame(app),
  pairing: new PairingView(app),
  views: {
    choose, kit, protection: new ProtectionView(app, contacts), restore: new RestoreView(app), team: new TeamView(app, contacts), settings: new SettingsView(app),
    attach: new AttachView(app), start: new StartView(app, { choose, kit }),
  },
})
