/** What a schema does not accept, in words for people: which value, and what it has to be. */
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** `count has to be at least 1; list has to be a list`: one part for each issue. */
export function plainIssues(issues: readonly Issue[]): string {
  return issues.map((issue) => `${issue.path.join('.')} ${plain(issue)}`.trim()).join('; ')
}

function plain(issue: Issue): string {
  switch (issue.code) {
    case 'too_small': return bound(issue.origin, Number(issue.minimum), issue.inclusive === false ? 'more than' : 'at least')
    case 'too_big': return bound(issue.origin, Number(issue.maximum), issue.inclusive === false ? 'less than' : 'at most')
    case 'invalid_type': return `has to be ${nouns[issue.expected] ?? issue.expected}`
    case 'invalid_value': return `has to be ${issue.values.map(String).join(', ')}${issue.values.length > 1 ? ' (one of them)' : ''}`
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
