/** Sizes and numbers as people write them on the command line. */
import { HoldfastError } from '../../shared/errors.ts'

/** Bytes from `10GB`, `512 MiB`, `1048576`. Throws `invalid-input`, also for a fraction of a byte. */
export function parseBytes(value: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*$/iu.exec(value)
  const power = ['', 'k', 'm', 'g', 't'].indexOf((match?.[2] ?? '').toLowerCase())
  const number = Number(match?.[1])
  if (match === null || (power === 0 && !Number.isInteger(number))) throw new HoldfastError('invalid-input', `Cannot read ${value} as a size: write 500MB, 20GiB or a number of bytes`)
  return Math.round(number * (match[3] === '' ? 1000 : 1024) ** power)
}

export interface Limits {
  readonly min: number
  readonly max: number
  readonly whole?: boolean
}

/** Throws `invalid-input` that says which numbers the option takes. */
export function parseNumber(option: string, value: string, { min, max, whole = false }: Limits): number {
  const number = Number(value)
  if (value.trim() === '' || !Number.isFinite(number) || number < min || number > max || (whole && !Number.isInteger(number))) {
    throw new HoldfastError('invalid-input', `Cannot use --${option} ${value}: it takes a ${whole ? 'whole ' : ''}number from ${min} to ${max}`)
  }
  return number
}
