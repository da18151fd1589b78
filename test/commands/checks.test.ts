import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Checks } from '../../agent/commands/checks.ts'

const drill = (change: { ok?: boolean; parts?: { path: string; bytes: number; size: number }[] } = {}) => ({ time: '2026-11-22T14:03:00.000Z', ok: true, files: 1, bytes: 1, problems: [], parts: [], ...change })
const parts = [{ path: '/mail.pst', bytes: 256, size: 50_000 }]

test('a drill of parts vouches for its snapshot beside the last one that was tried whole, and one that failed for none; also after a restart', () => {
  const kept: { text?: string } = {}
  const file = { read: () => kept.text, write: (text: string) => { kept.text = text } }
  const checks = new Checks(file)
  const proved = () => {
    assert.deepEqual(new Checks(file).proved, checks.proved)
    return checks.proved
  }
  assert.deepEqual(proved(), [])
  checks.noteDrill(drill(), 'whole')
  checks.noteDrill(drill({ parts }), 'in-part')
  assert.deepEqual(proved(), ['whole', 'in-part'])
  checks.noteDrill(drill({ ok: false, parts }), 'broken')
  checks.noteDrill(drill({ ok: false }), 'broken')
  assert.deepEqual(proved(), ['whole', 'in-part'])
  checks.noteVerified(Date.parse('2026-11-23T00:00:00.000Z'), 'read-in-full')
  checks.noteDrill(drill({ parts }), 'in-part again')
  assert.deepEqual(proved(), ['read-in-full', 'in-part again'])
})

test('drills that come to nothing because machines are off count as failed after a week, also over a restart, and any outcome begins the week anew', () => {
  const kept: { text?: string } = {}
  const open = () => new Checks({ read: () => kept.text, write: (text: string) => { kept.text = text } })
  const dayMs = 86_400_000
  const startMs = Date.parse('2026-11-22T14:00:00.000Z')
  const hindered = (days: number) => open().noteHindered(startMs + days * dayMs)
  assert.deepEqual([hindered(0), hindered(3), hindered(6.9), hindered(7)], [false, false, false, true])
  open().noteDrill(drill({ ok: false }), 'broken')
  assert.deepEqual([hindered(8), hindered(14), hindered(15)], [false, false, true])
})
