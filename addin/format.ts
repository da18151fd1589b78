/** Numbers, sizes and times as a person reads them, in the language of the pane. A size is never broken over two lines. */

export interface Formats {
  bytes(bytes: number): string
  number(value: number): string
  percent(share: number): string
  time(time: string): string
  day(time: string): string
  clock(time: string): string
  /** `3 hours ago`, `in 5 minutes`. */
  relative(time: string, nowMs: number): string
  /** `3 hours ago`, of an age in seconds. */
  ago(seconds: number): string
  /** `2 days`, `5 minutes`. */
  duration(seconds: number): string
  days(count: number): string
  list(names: readonly string[]): string
}

const byteUnits = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const
const spans = [['year', 31_557_600], ['month', 2_629_800], ['week', 604_800], ['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1]] as const

/** `unit` largest that fits, with its count; a day or more is told in days up to two weeks. */
export function spanOf(seconds: number): { unit: (typeof spans)[number][0]; count: number } {
  const size = Math.abs(seconds)
  for (const [unit, length] of spans) {
    if (unit === 'week' && size < 14 * 86_400) continue
    if (size >= length) return { unit, count: Math.floor(size / length) }
  }
  return { unit: 'second', count: 0 }
}

export function byteStep(bytes: number): { value: number; unit: (typeof byteUnits)[number] } {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), byteUnits.length - 1)
  return { value: bytes / 1000 ** power, unit: byteUnits[power] as (typeof byteUnits)[number] }
}

export function formatsFor(locale: string): Formats {
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  const time = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  const day = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'short' })
  const number = new Intl.NumberFormat(locale)
  const percent = new Intl.NumberFormat(locale, { style: 'percent' })
  return {
    bytes(bytes) {
      const { value, unit } = byteStep(bytes)
      return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: unit === 'byte' ? 'long' : 'short', maximumFractionDigits: value >= 100 || unit === 'byte' ? 0 : 1 }).format(value).replaceAll(' ', '\u00a0')
    },
    number: (value) => number.format(value),
    percent: (share) => percent.format(share),
    time: (text) => time.format(new Date(text)),
    day: (text) => day.format(new Date(text)),
    clock: (text) => clock.format(new Date(text)),
    relative(text, nowMs) {
      const seconds = (Date.parse(text) - nowMs) / 1000
      const { unit, count } = spanOf(seconds)
      return relative.format(seconds < 0 ? -count : count, unit)
    },
    ago(seconds) {
      const { unit, count } = spanOf(seconds)
      return relative.format(-count, unit)
    },
    duration(seconds) {
      const { unit, count } = spanOf(seconds)
      return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
    },
    days: (count) => new Intl.NumberFormat(locale, { style: 'unit', unit: 'day', unitDisplay: 'long' }).format(count),
    list: (names) => new Intl.ListFormat(locale).format(names),
  }
}
