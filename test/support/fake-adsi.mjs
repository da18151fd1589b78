// Stands in for PowerShell with agent/network/roster/adsi.ps1: keeps entries in the file that FAKE_ADSI names, and every
// request beside it. Entries of another label are there too, as in a real container.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

if (!process.argv[2].endsWith('adsi.ps1')) throw new Error('not the script')
let text = ''
for await (const part of process.stdin) text += part
const request = JSON.parse(text)
const file = process.env.FAKE_ADSI
appendFileSync(`${file}.log`, `${text}\n`)
await takeTurn() // as a directory does: one change after the other
const state = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { usn: 100, entries: {} }
const key = `${request.keyword} ${request.name}`
const put = () => { state.entries[key] = { keyword: request.keyword, name: request.name, text: request.text, usn: ++state.usn } }
const verbs = {
  state: () => ({ outcome: 'state', service: 'CN=NTDS Settings,CN=DC1,CN=Servers', usn: String(state.usn) }),
  search: () => ({ outcome: 'records', records: Object.values(state.entries).filter((entry) => entry.keyword === request.keyword && (request.since === null || entry.usn >= Number(request.since))).map(({ name, text: of }) => ({ name, text: of })) }),
  prepare: () => ({ outcome: 'done' }),
  add: () => {
    if (state.entries[key] !== undefined) return { outcome: 'exists' }
    put()
    return { outcome: 'created' }
  },
  replace: () => {
    if (state.entries[key] === undefined) return { outcome: 'missing' }
    put()
    return { outcome: 'done' }
  },
  remove: () => {
    delete state.entries[key]
    return { outcome: 'done' }
  },
}
const answer = process.env.FAKE_ADSI_ANSWER ?? JSON.stringify(verbs[request.verb]())
writeFileSync(file, JSON.stringify(state))
rmdirSync(`${file}.turn`)
process.stdout.write(answer)

async function takeTurn() {
  for (;;) {
    try {
      return mkdirSync(`${file}.turn`)
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      await sleep(5)
    }
  }
}
