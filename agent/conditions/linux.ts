/** Linux: the kernel's power supplies, the desktop's idle time (GNOME, KDE) and NetworkManager, by D-Bus. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type RunTool, runTool } from '../run-tool.ts'
import { type Conditions, type ConditionsSource } from './port.ts'

const powerSupplies = '/sys/class/power_supply'
/** A question to a service that is not there costs a process: asked again after so many looks. */
const restAfterMiss = 60

type Question = readonly string[]
const mutterIdle: Question = ['call', '--session', '--dest', 'org.gnome.Mutter.IdleMonitor', '--object-path', '/org/gnome/Mutter/IdleMonitor/Core', '--method', 'org.gnome.Mutter.IdleMonitor.GetIdletime']
const screenSaverIdle: Question = ['call', '--session', '--dest', 'org.freedesktop.ScreenSaver', '--object-path', '/org/freedesktop/ScreenSaver', '--method', 'org.freedesktop.ScreenSaver.GetSessionIdleTime']
const metered: Question = ['call', '--system', '--dest', 'org.freedesktop.NetworkManager', '--object-path', '/org/freedesktop/NetworkManager', '--method', 'org.freedesktop.DBus.Properties.Get', 'org.freedesktop.NetworkManager', 'Metered']

export class LinuxConditions implements ConditionsSource {
  readonly #run: RunTool
  readonly #supplies: string
  readonly #restUntil = new Map<Question, number>()
  #looks = 0

  constructor({ run = runTool, supplies = powerSupplies }: { run?: RunTool; supplies?: string } = {}) {
    this.#run = run
    this.#supplies = supplies
  }

  async look(): Promise<Conditions> {
    this.#looks++
    const [onBattery, mutter, state] = await Promise.all([onBatteryBy(this.#supplies), this.#ask(mutterIdle), this.#ask(metered)])
    const saver = mutter === null ? await this.#ask(screenSaverIdle) : null
    const idleMs = mutter ?? (saver === null ? null : saver * 1000)
    return { onBattery, idleSeconds: idleMs === null ? null : idleMs / 1000, isMetered: state === null || state === 0 ? null : state === 1 || state === 3 }
  }

  async #ask(question: Question): Promise<number | null> {
    if (this.#looks < (this.#restUntil.get(question) ?? 0)) return null
    const { code, stdout } = await this.#run('gdbus', question)
    const answer = code === 0 ? numberOf(stdout) : null
    if (answer === null) this.#restUntil.set(question, this.#looks + restAfterMiss)
    return answer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve()
  }
}

/** `(uint64 12345,)` or `(<uint32 4>,)` */
function numberOf(text: string): number | null {
  const match = /uint(?:32|64) (\d+)/.exec(text)
  return match === null ? null : Number(match[1])
}

/** Null where there is neither mains nor battery to ask. A battery of a mouse says nothing of the machine. */
async function onBatteryBy(directory: string): Promise<boolean | null> {
  const read = async (name: string, file: string) => (await readFile(join(directory, name, file), 'utf8').catch(() => '')).trim()
  const names = await readdir(directory).catch(() => [])
  const supplies = await Promise.all(names.map(async (name) => ({ type: await read(name, 'type'), scope: await read(name, 'scope'), online: await read(name, 'online'), status: await read(name, 'status') })))
  const mains = supplies.filter(({ type }) => type === 'Mains' || type === 'USB')
  const batteries = supplies.filter(({ type, scope }) => type === 'Battery' && scope !== 'Device')
  if (batteries.length === 0) return mains.length === 0 ? null : false
  if (mains.some(({ online }) => online === '1')) return false
  return batteries.some(({ status }) => status === 'Discharging')
}
