import { extname } from 'node:path'

/** The module `name` (without its ending) beside or relative to the one at `from`: `.ts` in a checkout, `.js` in a package that was built. */
export function moduleUrl(name: string, from: string): URL {
  return new URL(`${name}${extname(from)}`, from)
}
