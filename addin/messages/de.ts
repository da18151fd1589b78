/** The strings of the pane in German. */
import type { Messages } from './en.ts'

const one = (count: number, single: string, several: string) => (count === 1 ? single : several)

export const de: Messages = {
  title: 'Holdfast',
  views: { protection: 'Schutz', restore: 'Zurückholen', team: 'Team', settings: 'Einstellungen', attach: 'Anhängen' },
  common: {
    cancel: 'Abbrechen', close: 'Schließen', back: 'Zurück', next: 'Weiter', retry: 'Noch einmal', undo: 'Rückgängig', save: 'Speichern', change: 'Ändern', loading: 'Der Agent wird gefragt …', busy: 'Einen Moment …', never: 'nie',
    copy: 'Kopieren', copied: 'Kopiert', open: 'Öffnen', search: 'Suchen', more: 'Mehr zeigen', up: 'Einen Ordner höher', choose: 'Auswählen', remove: 'Nicht mehr schützen',
    of: (have, all) => `${have} von ${all}`,
  },
  problem: {
    title: 'Das hat nicht geklappt', whatToDo: 'Was zu tun ist',
    agentNotRunning: 'Der Holdfast-Agent läuft auf diesem Rechner nicht',
    agentNotRunningHelp: 'Starten Sie ihn mit `holdfast agent` oder starten Sie den Rechner neu, wenn er von selbst starten soll. Diese Seite verbindet sich von selbst wieder.',
    internal: 'Etwas Unerwartetes ist schiefgegangen. Versuchen Sie es noch einmal; bleibt es so, melden Sie es mit dem Protokoll des Agenten.',
  },
  pairing: {
    heading: 'Mit Holdfast auf diesem Rechner verbinden',
    intro: 'Diese Seite spricht nur mit dem Holdfast-Agenten auf Ihrem Rechner. Verbinden Sie sie einmal.',
    easiest: 'Am einfachsten: `holdfast open` auf diesem Rechner ausführen.',
    orCode: 'Oder `holdfast open --code` ausführen und den angezeigten Code eingeben:',
    code: 'Code aus sechs Zeichen', remember: 'Auf diesem Rechner verbunden bleiben (bis 30 Tage nach der letzten Nutzung)', connect: 'Verbinden', failed: 'Der Code stimmt nicht.',
  },
  protection: {
    heading: 'Sind meine Mails sicher?',
    protected: 'Alles ist geschützt', protectedText: (survives) => (survives === 0 ? 'Es lässt sich zurückholen, aber kein weiterer Rechner darf ausfallen.' : `Auch wenn ${survives} weitere ${one(survives, 'Rechner ausfällt', 'Rechner ausfallen')}, kommt alles zurück.`),
    partial: 'Nur teilweise geschützt', partialText: (placed, wanted) => `${placed} von ${wanted} Rechnern haben es. Schalten Sie die anderen ein oder nehmen Sie weitere dazu; Holdfast macht von selbst weiter.`,
    unprotected: 'Noch nicht geschützt', unprotectedText: 'Wählen Sie, was geschützt werden soll, und sichern Sie einmal; danach läuft es von selbst.',
    atRisk: 'Gefährdet', nothing: 'Noch nichts ist geschützt', nothingText: 'Wählen Sie Ihre Outlook-Archive oder Ordner.',
    alone: 'Noch kein anderer Rechner ist in der Arbeitsgruppe. Laden Sie Ihre Kollegen ein: Deren Rechner bewahren Ihre Sicherung auf.', invite: 'Kollegen einladen',
    attention: 'Nicht alles ließ sich sichern', attentionText: 'Was unten markiert ist, braucht Ihre Aufmerksamkeit; der Rest ist geschützt.', stale: (duration) => `${duration} ohne Sicherung`, staleText: 'Was sich seither geändert hat, ist nicht geschützt. Sichern Sie jetzt oder sehen Sie nach, ob Sicherungen pausiert sind.',
    trouble: {
      missing: () => 'Es ist nicht mehr da; die Sicherungen haben es.', skipped: (name) => `${name} war nicht lesbar: Ein Programm sperrt es vielleicht, oder Sie dürfen es nicht lesen. Die nächste Sicherung versucht es wieder.`,
      placing: (placed, wanted) => `${placed} von ${wanted} Kopien sind gemacht; der Rest folgt, wenn mehr Rechner an sind.`,
      damaged: (name, sound) => (sound === undefined ? `${name} ist selbst beschädigt. Reparieren Sie es mit dem Reparaturprogramm von Outlook (scanpst.exe).` : `${name} ist selbst beschädigt. Die Sicherung von ${sound} ist in Ordnung: Holen Sie diese zurück.`),
    },
    backUpNow: 'Jetzt sichern', pause: 'Einen Tag pausieren', resume: 'Fortsetzen', paused: (until) => `Pausiert bis ${until}`, chooseWhat: 'Auswählen, was geschützt wird', restore: 'Zurückholen', what: 'Was geschützt ist', add: 'Hinzufügen', folder: 'Ordner', size: 'Größe',
    lastSnapshot: 'Letzte Sicherung', nextRun: 'Nächste', whereCopies: 'Wo die Kopien sind', neverBackedUp: 'nie gesichert', changedSince: 'seither geändert', growth: (bytes) => `${bytes} neu seither`,
    whenIdle: 'wenn sich etwas ändert', running: 'läuft gerade', copies: (count) => `${count} ${one(count, 'Rechner bewahrt', 'Rechner bewahren')} Ihre Sicherung auf`,
    noLonger: (name) => `${name} wird nicht mehr gesichert. Sicherungen davon bleiben.`, state: { protected: 'Geschützt', partial: 'Teilweise geschützt', unprotected: 'Nicht geschützt' },
    machine: { online: 'an', away: 'aus', doubtful: 'lange aus', gone: 'weg' },
    kind: { outlook: 'Outlook-Archiv', file: 'Datei', folder: 'Ordner', missing: 'Nicht mehr da' },
    found: 'Outlook-Archive auf diesem Rechner', protectThis: 'Schützen', warnings: 'Bitte beachten',
    kit: 'Ihr Notfallblatt ist noch nicht verwahrt', kitText: 'Ohne es kann niemand Ihre Dateien zurückholen, wenn dieser Rechner verloren geht.', showKit: 'Notfallblatt zeigen',
    keeps: (used, free) => `Dieser Rechner bewahrt ${used} für die anderen auf; ${free} sind noch frei für sie.`,
  },
  progress: {
    names: { 'backup': 'Sichern', 'restore': 'Zurückholen', 'verify': 'Prüfen', 'repair': 'Reparieren', 'recover': 'Wiederherstellen', 'forget': 'Aufräumen', 'prune': 'Platz schaffen' },
    queued: 'wartet, bis es an der Reihe ist', rate: (rate) => `${rate} je Sekunde`, left: (duration) => `noch etwa ${duration}`, cancel: 'Abbrechen', cancelling: 'Hält an …', done: 'von', read: (bytes) => `${bytes} gelesen`,
    cancelled: 'Angehalten. Beim nächsten Start geht es dort weiter.', finished: { backup: 'Sicherung fertig', restore: 'Zurückgeholt' },
  },
  choose: {
    heading: 'Was soll geschützt werden?', here: 'Dieser Ordner', protectHere: 'Diesen Ordner schützen', empty: 'Hier ist nichts', intro: 'Gehen Sie in einen Ordner oder wählen Sie einzelne Dateien.', added: (name) => `${name} ist ab jetzt geschützt.`,
  },
  restore: {
    heading: 'Zurückholen', empty: 'Es gibt noch keine Sicherung', emptyText: 'Sobald die erste Sicherung gemacht ist, können Sie sie hier zurückholen.',
    newest: 'Neueste Sicherung', restoreMine: 'Mein Archiv zurückholen', restoreAll: 'Alles zurückholen', restoreThis: 'Zurückholen', beside: 'Es wird neben das Original gelegt, unter einem Namen, der die Sicherung nennt. Nichts wird überschrieben.',
    from: (when) => `Stand ${when}`, older: 'Eine ältere Sicherung', timeline: 'Sicherungen', what: 'Was', size: (bytes) => `${bytes} insgesamt`, change: (bytes) => `+${bytes}`, files: (count) => `${count} Dateien`,
    incomplete: 'einige Dateien waren nicht lesbar', damaged: 'enthält ein Archiv, das schon beschädigt war', sound: 'Die neueste Sicherung enthält ein Archiv, das schon beschädigt war. Dies ist die neueste unbeschädigte.', browse: 'Hineinsehen', searchLabel: 'Datei oder Ordner suchen', noHits: 'Nichts dieses Namens in dieser Sicherung.', more: 'Es gibt mehr: Suchen Sie nach einem längeren Teil des Namens.',
    found: (answered, asked) => `Neueste gefundene: ${answered} von ${asked} Rechnern haben geantwortet. Auf einem ausgeschalteten kann eine neuere sein.`, confirmed: 'Jeder Rechner wurde gefragt: Das ist die neueste.',
    done: 'Es ist wieder da', doneFiles: (files, bytes) => `${files} Dateien, ${bytes}`, doneSame: 'Es war schon da und ist gleich.', where: 'Wo', skipped: (count) => `${count} ${one(count, 'Datei konnte', 'Dateien konnten')} nicht zurückgeholt werden`,
    inOutlook: 'Zum Lesen in Outlook: Datei, Öffnen und exportieren, Outlook-Datendatei öffnen, dann diese Datei wählen:', inOutlookHere: 'Zum Lesen hier: Datei, Öffnen und exportieren, Outlook-Datendatei öffnen, dann diese Datei wählen:', toBeside: 'Doch neben das Original', toNewest: 'Zurück zur neuesten', otherTarget: 'Anderer Ordner', target: 'Ordner, in den zurückgeholt wird', here: 'In diesen Ordner zurückholen', again: 'Etwas anderes zurückholen', download: 'Herunterladen', computer: (host) => `von ${host}`,
  },
  attach: {
    heading: 'Aus der Sicherung anhängen', intro: 'Wählen Sie eine Datei aus einer Sicherung; sie wird an die Nachricht gehängt, die Sie schreiben.', notComposing: 'Öffnen Sie dies, während Sie in Outlook eine Nachricht schreiben.',
    tooLarge: (limit) => `Zu groß: Outlook nimmt höchstens ${limit}.`, attach: 'Anhängen', attached: (name) => `${name} ist angehängt.`, attaching: (name) => `${name} wird angehängt …`,
  },
  team: {
    heading: 'Sind alle geschützt?', protectedOf: (good, all) => `${good} von ${all} sind geschützt`, all: (all) => (all === 2 ? 'Beide sind geschützt' : `Alle ${all} sind geschützt`), alone: 'Sie sind allein in der Arbeitsgruppe',
    aloneText: 'Sicherungen brauchen andere Rechner. Laden Sie Ihre Kollegen ein: Deren Rechner bewahren Ihre Sicherung auf, und Ihrer die der anderen.', members: 'Mitglieder', yourTeam: 'Ihr Team', seeTeam: 'Zum Team',
    counts: { good: (count) => `${count} geschützt`, warning: (count) => `${count} zu prüfen`, bad: (count) => `${count} nicht geschützt` },
    standing: {
      nothing: 'hat noch nichts gewählt', never: 'nie gesichert', atRisk: 'zu wenige Kopien übrig', gone: 'weg', overdue: 'Sicherung zu alt', frozen: 'viel verschwand aus der Sicherung: war das gewollt?', partly: 'noch nicht alle Kopien', offLong: 'lange ausgeschaltet', aging: 'Sicherung wird alt', unknown: 'Kopien unbekannt', covered: 'geschützt',
    },
    noBackupFor: (duration) => `${duration} ohne Sicherung`, copiesOf: (placed, wanted) => `${placed} von ${wanted} Kopien`, andMore: (count) => `und ${count} weitere`,
    member: 'Mitglied', lastBackup: 'Letzte Sicherung', copies: 'Kopien', waiting: 'Noch ungesichert', verified: 'Zuletzt probeweise zurückgeholt', machine: 'Rechner', none: '–', on: 'an',
    you: 'Sie', offFor: (duration) => `ausgeschaltet, ${duration}`,
    legend: (fresh, old) => `Grün: in den letzten ${fresh} gesichert, mit allen Kopien. Gelb: älter, oder Kopien fehlen. Rot: ${old} ohne Sicherung, oder gar keine. Gestreift: ausgeschaltet, die Sicherung bleibt.`,
    details: 'Alle Zahlen',
    invite: 'Einladen', inviteHeading: 'Kollegen einladen', inviteCount: 'Für wie viele Rechner', inviteText: 'Schicken Sie dies Ihren Kollegen. Jeder öffnet Holdfast, wählt „Ich habe eine Einladung“ und fügt sie ein.', makeInvitation: 'Einladung erzeugen', validUntil: (time) => `gültig bis ${time}`,
    csv: 'Als CSV speichern', level: 'Redundanz', levelText: (level) => `Jeder Teil einer Sicherung liegt auf so vielen Rechnern: ${level}`, machines: (online, all) => `${online} von ${all} Rechnern sind an`,
    offer: (used, offer) => `bewahrt ${used} von ${offer} auf`, site: 'Rechner in einem Gebäude teilen seine Gefahren: Feuer, Wasser, Diebstahl. Ein Rechner anderswo mindert sie.',
  },
  settings: {
    heading: 'Einstellungen', name: 'Name dieses Rechners', schedule: 'Wann', daily: 'Jeden Tag um', cron: 'oder nach einem Zeitplan (cron)', quietFrom: 'Ruhe von', quietTo: 'bis', computer: 'Dieser Rechner', settle: 'Nach einer Änderung warten (Minuten)', growth: 'oder bis so viel neu ist (MB)', caches: 'Auch Zwischenspeicher von Outlook (OST) schützen: Sie lassen sich auch wieder vom Server holen', limits: 'Wie viel vom Netz', upload: 'Höchstens hochladen (MB je Sekunde)', download: 'Höchstens herunterladen (MB je Sekunde)', unlimited: 'keine Grenze',
    space: 'Platz für die anderen', quota: 'Höchstens anbieten (GB)', reserve: 'Auf dieser Platte frei lassen (%)', folders: 'Ordner, in denen nach Archiven gesucht wird', saved: 'Gespeichert', afterRestart: (names) => `Gilt, wenn der Agent das nächste Mal startet: ${names}`, wrong: 'Bitte prüfen',
  },
  start: {
    heading: 'Willkommen bei Holdfast', intro: 'Die Rechner Ihres Teams bewahren gegenseitig ihre Sicherungen auf: verschlüsselt, im Platz, der ohnehin frei ist.', step: (number) => `Schritt ${number} von 3`,
    join: 'Ich habe eine Einladung', joinText: 'Jemand im Team benutzt Holdfast schon.', invitation: 'Einladung', joinNow: 'Beitreten',
    create: 'Arbeitsgruppe gründen', createText: 'Sie sind der Erste. Die anderen laden Sie danach ein.', groupName: 'Name der Arbeitsgruppe', roster: 'Ordner, den alle Rechner des Teams erreichen (oder sharepoint:, exchange:, ldaps:)', createNow: 'Gründen',
    recover: 'Mein alter Rechner ist verloren', recoverText: 'Sie haben Ihr Notfallblatt: 24 Wörter und einen Wegweiser.', words: 'Die 24 Wörter', locator: 'Wegweiser oder Adresse eines Kollegen-Rechners (Rechner:Port)', recoverNow: 'Wiederherstellen',
    protectHeading: 'Was soll geschützt werden?', kitHeading: 'Verwahren Sie Ihr Notfallblatt', recovered: (count) => `${count} ${one(count, 'Sicherung', 'Sicherungen')} gefunden. Der verlorene Rechner ist ausgesperrt.`, recoveredHeading: 'Ihre Sicherung ist wieder da', toRestore: 'Jetzt zurückholen', chosen: (count) => `${count} ${one(count, 'Sache', 'Sachen')} gewählt`, later: 'Später wählen', finish: 'Fertig', yourComputer: 'Name dieses Rechners',
  },
  kit: {
    heading: 'Notfallblatt', text: 'Diese 24 Wörter öffnen Ihre Sicherung, wenn dieser Rechner verloren geht. Drucken Sie sie, bewahren Sie sie woanders auf und zeigen Sie sie niemandem.', words: 'Wörter', locator: 'Wegweiser', print: 'Drucken', save: 'Als Datei speichern', stored: 'Ich habe es sicher verwahrt', erased: 'Die Wörter sind auf diesem Rechner gelöscht. Ab jetzt hat sie nur Ihr Notfallblatt.', later: 'Später',
  },
}
