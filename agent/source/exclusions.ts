/**
 * Exclusion patterns, with the meaning they have in a `.gitignore` file that lies in the protected root:
 *
 * - a pattern without a slash matches the name of a file or folder at any depth: `*.tmp`, `node_modules`;
 * - one with a slash at its start or in its middle matches the path relative to the root: `/build`, `docs/*.bak`;
 * - a slash at its end restricts it to folders: `cache/`;
 * - `*` and `?` match within one name (a leading dot too), `[a-z]` and `[!a-z]` one character, `**` between slashes
 *   any number of folders; a backslash takes the next character literally (on Windows it is a slash);
 * - a folder that matches is not entered, so everything below it is left out;
 * - letter case counts, except on Windows and macOS.
 *
 * Negation (`!name`) is not supported and is refused; write a file named `!name` as `\!name`. There are no comments
 * and no braces. Patterns never match the root itself.
 */
import { HoldfastError } from '../../shared/errors.ts'

/** The pattern that leaves an entry out, or undefined. `relativeParts` must not be empty. */
export type Exclusions = (relativeParts: readonly string[], isDirectory: boolean) => string | undefined

interface Rule {
  readonly pattern: string
  readonly directoriesOnly: boolean
  readonly wholePath: boolean
  readonly expression: RegExp
}

/** Compiles patterns. Throws `invalid-input` for an empty pattern, a negation, or a `[` without its `]`. */
export function compileExclusions(
  patterns: readonly string[],
  options: { platform?: NodeJS.Platform } = {},
): Exclusions {
  const platform = options.platform ?? process.platform
  const rules = patterns.map((pattern) => compileRule(pattern, platform))
  return (relativeParts, isDirectory) => {
    const name = relativeParts.at(-1) ?? ''
    const path = relativeParts.join('/')
    return rules.find((rule) =>
      (isDirectory || !rule.directoriesOnly) && rule.expression.test(rule.wholePath ? path : name))?.pattern
  }
}

function compileRule(pattern: string, platform: NodeJS.Platform): Rule {
  if (pattern.startsWith('!')) throw refuse(pattern, 'negation is not supported')
  const slashed = platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const directoriesOnly = slashed.endsWith('/')
  const body = directoriesOnly ? slashed.slice(0, -1) : slashed
  const glob = (body.startsWith('/') ? body.slice(1) : body).replaceAll(/\*{3,}/gu, '**')
  if (glob === '') throw refuse(pattern, 'it is empty')
  const caseless = platform === 'win32' || platform === 'darwin'
  return {
    pattern,
    directoriesOnly,
    wholePath: body.includes('/'),
    expression: new RegExp(`^${expressionOf(glob, pattern)}$`, caseless ? 'iu' : 'u'),
  }
}

function expressionOf(glob: string, pattern: string): string {
  let out = ''
  let at = 0
  while (at < glob.length) {
    const rest = glob.slice(at)
    const atPartStart = at === 0 || glob[at - 1] === '/'
    if (atPartStart && rest.startsWith('**/')) {
      out += '(?:[^/]+/)*'
      at += 3
    } else if (atPartStart && rest === '**' && at > 0) {
      out += '[^]+'
      at += 2
    } else if (rest.startsWith('*')) {
      out += '[^/]*'
      at += /^\*+/u.exec(rest)?.[0].length ?? 1
    } else if (rest.startsWith('?')) {
      out += '[^/]'
      at += 1
    } else if (rest.startsWith('[')) {
      const set = setOf(rest, pattern)
      out += set.expression
      at += set.length
    } else {
      const escaped = rest.startsWith('\\')
      if (escaped && rest.length === 1) throw refuse(pattern, 'it ends in a backslash')
      const literal = String.fromCodePoint((escaped ? rest.codePointAt(1) : rest.codePointAt(0)) ?? 0)
      out += quote(literal)
      at += literal.length + (escaped ? 1 : 0)
    }
  }
  return out
}

/** One `[...]` at the start of `text` as an expression that never matches a slash, and its length in `text`. */
function setOf(text: string, pattern: string): { expression: string, length: number } {
  const match = /^\[([!^]?)((?:\\[^]|[^\]\\])(?:\\[^]|[^\]\\])*|\](?:\\[^]|[^\]\\])*)\]/u.exec(text)
  if (match === null) throw refuse(pattern, 'a "[" has no "]"')
  const members = [...(match[2] ?? '').matchAll(/\\([^])|([^])/gu)].map(([, escaped, plain]) =>
    escaped === undefined && plain === '-' ? '-' : quoteInSet(escaped ?? plain ?? ''))
  const inner = members.map((member, i) =>
    member === '-' && (i === 0 || i === members.length - 1) ? '\\-' : member).join('')
  try {
    const expression = `(?!/)[${match[1] === '' ? '' : '^'}${inner}]`
    void new RegExp(expression, 'u')
    return { expression, length: match[0].length }
  } catch (cause) {
    throw refuse(pattern, 'a range in "[…]" is not valid', cause)
  }
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')
}

function quoteInSet(character: string): string {
  return /[\\\]^[-]/u.test(character) ? `\\${character}` : character
}

function refuse(pattern: string, state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot use exclusion pattern "${pattern}": ${state}`, { cause })
}
