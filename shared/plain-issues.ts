/** What a schema does not accept, in words for people: which value, and what it has to be. */
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** `count has to be at least 1; entry 2 of paths has to be text`: one part for each issue. The envelope `change`, which nobody writes, is not named. */
export function plainIssues(issues: readonly Issue[]): string {
  return issues.flatMap((issue) => closest(issue)).map((issue) => `${nameOf(issue.path)} ${plain(issue)}`.trim()).join('; ')
}

/** Of alternatives what the one lacks that lacks the least. */
function closest(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const [fewest = []] = issue.errors.map((errors) => errors.flatMap((inner) => closest({ ...inner, path: [...issue.path, ...inner.path] }))).sort((a, b) => a.length - b.length)
  return fewest
}

/** `mail.to` and 0 as `entry 1 of mail.to`. */
function nameOf(path: Issue['path']): string {
  const parts: string[] = []
  for (const [index, key] of path.slice(path[0] === 'change' ? 1 : 0).entries()) {
    const name = typeof key === 'number' ? `entry ${key + 1}` : String(key)
    const last = parts[0]
    if (index === 0 || last === undefined || typeof key === 'number' || last.startsWith('entry ')) parts.unshift(name)
    else parts[0] = `${last}.${name}`
  }
  return parts.join(' of ')
}

function plain(issue: Issue): string {
  switch (issue.code) {
    case 'too_small': return bound(issue.origin, Number(issue.minimum), issue.inclusive === false ? 'more than' : 'at least')
    case 'too_big': return bound(issue.origin, Number(issue.maximum), issue.inclusive === false ? 'less than' : 'at most')
    case 'invalid_type': return `has to be ${nouns[issue.expected] ?? issue.expected}`
    case 'invalid_value': return `has to be ${issue.values.map(String).join(', ')}${issue.values.length > 1 ? ' (one of them)' : ''}`
    case 'invalid_format': return `has to be ${formats[issue.format] ?? issue.message}`
    case 'unrecognized_keys': return `has no ${issue.keys.join(', ')}`
    default: return issue.message
  }
}

function bound(origin: string, limit: number, relation: string): string {
  if (origin === 'string') return `has to have ${relation} ${limit} character${limit === 1 ? '' : 's'}`
  if (origin === 'array' || origin === 'set') return `has to have ${relation} ${limit} entr${limit === 1 ? 'y' : 'ies'}`
  return `has to be ${relation} ${limit}`
}

const nouns: Readonly<Partial<Record<string, string>>> = { number: 'a number', int: 'a whole number', string: 'text', boolean: 'true or false', array: 'a list', object: 'an object', record: 'an object' }
/** Of formats without words of their own in the schema. */
const formats: Readonly<Partial<Record<string, string>>> = { email: 'a mail address', cidrv4: 'a network such as 10.8.0.0/16', cidrv6: 'a network such as fd00:8::/32', url: 'an address such as https://example.com' }
