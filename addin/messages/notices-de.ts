/** The notices in German; in English: shared/notice-texts.ts. */
import type { NoticeTexts } from '../../shared/notices.ts'

const list = (names: readonly string[]) => new Intl.ListFormat('de').format(names)
const machines = (count: number) => (count === 1 ? '1 Rechner' : `${count} Rechner`)
const days = (count: number) => (count === 1 ? 'einem Tag' : `${count} Tagen`)

export const noticesDe: NoticeTexts = {
  'kit-unconfirmed': () => 'Das Notfallblatt ist noch nicht als verwahrt bestätigt.',
  'alone': () => 'Noch kein anderer Rechner ist in der Arbeitsgruppe: Nichts kann gesichert werden.',
  'single-copy': () => 'Nur eine Kopie anderswo ist möglich: Nehmen Sie einen Rechner dazu.',
  'silent-machines': ({ names }) => `Keine Antwort von ${list(names)}.`,
  'approval-missing': () => 'Dieser Rechner wartet auf Einlass: Ein Admin muss ihn in der Ansicht „Team“ einlassen (oder mit `holdfast network approve`).',
  'shut-out': () => 'Ein Admin hat diesen Rechner aus der Arbeitsgruppe ausgesperrt: Nichts wird mehr gesichert. Er kann in eine andere kommen; in dieselbe kommt er mit einer neuen Einladung und einem anderen --home zurück.',
  'has-left': () => 'Dieser Rechner hat seine Arbeitsgruppe verlassen: Nichts wird mehr gesichert, bis er in eine andere kommt.',
  'former-admin': () => 'Jemand, der kein Admin mehr ist, wollte die Arbeitsgruppe mit einem alten Stand ändern; hier wurde das nicht befolgt.',
  'sign-in-needed': ({ locator }) => `Die Anmeldung für die Liste des Teams fehlt oder ist abgelaufen (${locator}). Gesichert wird weiter.`,
  'roster-unreachable': ({ locator }) => `Die Liste des Teams in ${locator} ist nicht erreichbar. Gesichert wird auch ohne sie.`,
  'roster-empty': ({ locator }) => `In ${locator} ist nichts mehr von der Arbeitsgruppe. Sehen Sie nach, ob die Liste verschoben oder geleert wurde.`,
  'roster-foreign': ({ locator }) => `In ${locator} liegt die Liste einer anderen Arbeitsgruppe; dort wird nichts geschrieben.`,
  'roster-rolled-back': ({ locator, at }) => `Die Liste des Teams in ${locator} ist auf einen alten Stand zurückgefallen (${new Date(at).toLocaleString('de')}); die älteren Einträge werden nicht beachtet. Fragen Sie, wer sie zurückgespielt hat.`,
  'not-restorable-now': ({ have, placed, need }) => `Gerade lässt sich nicht alles zurückholen: Nur ${have} der ${placed} Rechner, die es haben, antworten; ${need} ${need === 1 ? 'ist' : 'sind'} nötig.`,
  'few-answer': ({ have, placed, need }) => `Nur ${have} der ${placed} Rechner, die die Sicherung haben, antworten; ${need} ${need === 1 ? 'ist' : 'sind'} nötig, um sie zurückzuholen.`,
  'head-rolled-back': ({ machine, seen, found }) => `Die anderen zeigen Stand ${found} des Rechners ${machine}, obwohl es Stand ${seen} gab: Jemand ist in der Zeit zurückgegangen.`,
  'head-missing': ({ machine, seq, silent }) => `Es gibt einen neueren Stand (${seq}) des Rechners ${machine}, aber niemand, der antwortet, hat ihn.${silent === undefined ? '' : silent.length === 0 ? ' Geantwortet haben alle.' : ` Vielleicht hat ihn, was gerade aus ist: ${silent.join(', ')}. Schalten Sie es ein und sehen Sie noch einmal nach.`}`,
  'head-conflict': ({ machine }) => `Zwei Rechner sichern mit dem Schlüssel des Rechners ${machine}: Halten Sie die Kopie an oder stellen Sie mit dem Notfallblatt auf einem leeren Rechner wieder her; das sperrt beide aus.`,
  'heads-unreachable': () => 'Nach den neuesten Sicherungen ließ sich nicht fragen.',
  'heads-not-in-time': () => 'Auf die Frage nach den neuesten Sicherungen kam nicht rechtzeitig Antwort.',
  'key-cloned-here': () => 'Ein anderer Rechner benutzt den Schlüssel von diesem, vielleicht eine Kopie: Halten Sie die Kopie an oder stellen Sie mit dem Notfallblatt auf einem leeren Rechner wieder her; das sperrt beide aus.',
  'key-cloned': ({ name }) => `Zwei Rechner benutzen den Schlüssel von ${name}: Wer ihn benutzt, soll die Kopie anhalten.`,
  'recovered-elsewhere': () => 'Jemand hat diese Sicherung mit ihren 24 Wörtern auf einem anderen Rechner wiederhergestellt, und dieser ist ausgesperrt. Waren Sie das nicht, ist das Notfallblatt in fremden Händen.',
  'contact-asked': ({ by, days: left, why }) => `${by} hat gebeten, diese Sicherung als Vertrauensperson zu öffnen${why === '' ? '' : ` („${why}“)`}; in ${days(left)} geht das. Wollen Sie das nicht: \`holdfast recovery-contact remove ${by}\`.`,
  'contact-open': ({ by }) => `${by} kann diese Sicherung als Vertrauensperson öffnen. Beenden: \`holdfast recovery-contact remove ${by}\`.`,
  'contact-asked-other': ({ by, name, days: left }) => `${by} hat gebeten, die Sicherung von ${name} als Vertrauensperson zu öffnen; ${left === 0 ? 'das geht jetzt' : `in ${days(left)} geht das`}.`,
  'own-frozen': ({ names, here }) => `Aus dieser Sicherung verschwand auf einmal das meiste; deshalb ${names.length + (here ? 1 : 0) === 1 ? 'lässt' : 'lassen'} ${list([...names, ...(here ? ['dieser Rechner'] : [])])} nichts davon los. Waren Sie das nicht, wird dieser Rechner vielleicht angegriffen: \`holdfast snapshots --kept\` zeigt, was noch da ist. Waren Sie es: \`holdfast retention agree\`.`,
  'other-frozen': ({ name }) => `Aus der Sicherung von ${name} verschwand auf einmal das meiste: Dieser Rechner behält alles, bis die Person und ein Admin zugestimmt haben.`,
  'disk-damage': ({ damaged, unreadable }) => `Auf die Festplatte dieses Rechners ist kein Verlass: Von dem, was er für andere aufbewahrt, kamen ${damaged} Teile anders zurück, als sie gespeichert wurden, und ${unreadable} gar nicht. Andere erzeugen sie neu. Lassen Sie die Festplatte prüfen und sehen Sie nach, ob die eigene Sicherung geschützt ist.`,
  'much-disk-damage': ({ damaged }) => `Auf Festplatte oder Arbeitsspeicher dieses Rechners ist kein Verlass: Von dem, was er für andere aufbewahrt, sind ${damaged} Teile anders, als sie gespeichert wurden. So viele können am Arbeitsspeicher liegen; deshalb verwirft er keine mehr davon. Lassen Sie beides prüfen und sehen Sie nach, ob die eigene Sicherung geschützt ist.`,
  'refused': ({ name }) => `${name} nimmt nichts mehr von dieser Sicherung.`,
  'audit-failed': ({ name }) => `${name} konnte nicht zeigen, was er von dieser Sicherung haben soll; was fehlt, wird neu erzeugt.`,
  'drill-failed': () => 'Das letzte Zurückholen zur Probe ist misslungen.',
  'stale': ({ name, days: age }) => (age === null ? `${name} hat noch keine vollständige Sicherung.` : `${name} hat seit ${days(age)} keine vollständige Sicherung.`),
  'silent': ({ name, days: age }) => `${name} wurde seit ${days(age)} nicht gesehen.`,
  'deficit': ({ name, placed, wanted }) => `Die Sicherung von ${name} ist nur teilweise geschützt: seit mehr als einem Tag ${placed} von ${wanted} Kopien.`,
  'member-drill-failed': ({ name }) => `Bei ${name} ist das letzte Zurückholen zur Probe misslungen: \`holdfast drill\` zeigt dort, welche Datei und warum.`,
  'member-frozen': ({ name, machines: count }) => `Aus der Sicherung von ${name} verschwand auf einmal das meiste; ${machines(count)} ${count === 1 ? 'lässt' : 'lassen'} nichts davon los, bis die Person und ein Admin zustimmen.`,
  'left-early': ({ name, days: left }) => `${name} hat die Arbeitsgruppe verlassen; die Sicherung bleibt nur ${days(left)}. War das nicht die Person selbst, wird der Rechner vielleicht angegriffen: Sie muss vorher mit dem Notfallblatt auf einem leeren Rechner wiederherstellen. War sie es: \`holdfast network lost ${name}\`.`,
}
