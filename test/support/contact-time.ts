/** Time that passes for recovery contacts, at an agent that is stopped. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { homeAt } from '../../agent/home.ts'

const dayMs = 86_400_000

/** As if the machine of `home` had heard of its one request `days` earlier. */
export function heardEarlier(home: string, days: number): void {
  const { group } = homeAt(home)
  const state = JSON.parse(readFileSync(group, 'utf8')) as { contacts: { heard: [string, number][] } }
  assert.equal(state.contacts.heard.length, 1)
  state.contacts.heard = state.contacts.heard.map(([id, heard]) => [id, heard - days * dayMs])
  writeFileSync(group, JSON.stringify(state))
}
