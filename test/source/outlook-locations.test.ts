import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { archivesInRegistry, findArchives } from '../../agent/source/outlook-locations.ts'
import { buildOutlookFile } from '../support/outlook-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const signal = new AbortController().signal

test('archives are found where Outlook keeps them and in named folders, by their first bytes', async (t) => {
  const folder = await scratchFolder(t)
  const outlook = join(folder, 'Documents', 'Outlook Files')
  await mkdir(outlook, { recursive: true })
  await mkdir(join(folder, 'archive', '2020'), { recursive: true })
  await writeFile(join(outlook, 'mail.pst'), buildOutlookFile().bytes)
  await writeFile(join(folder, 'archive', '2020', 'OLD.PST'), buildOutlookFile().bytes)
  await writeFile(join(outlook, 'fake.pst'), 'not an archive at all')
  const found = await findArchives({ watchFolders: [join(folder, 'archive'), join(folder, 'missing')], signal, home: folder, platform: 'linux' })
  assert.deepEqual(found.map(({ path, kind }) => [path, kind]).sort(), [[join(outlook, 'mail.pst'), 'pst'], [join(folder, 'archive', '2020', 'OLD.PST'), 'pst']])
})

test('paths are read out of the registry, as text and as UTF-16 in binary values', () => {
  const hex = Buffer.from('C:\\Users\\ann\\Documents\\Outlook Files\\ann@contoso.com.pst\0', 'utf16le').toString('hex').toUpperCase()
  const text = [
    '', 'HKEY_CURRENT_USER\\Software\\Microsoft\\Office\\16.0\\Outlook\\Search\\Catalog',
    '    C:\\Users\\ann\\AppData\\Local\\Microsoft\\Outlook\\ann@contoso.com.ost    REG_BINARY    00000000', '    \\\\server\\share\\old mail.pst    REG_BINARY    0100',
    'HKEY_CURRENT_USER\\Software\\Microsoft\\Office\\16.0\\Outlook\\Profiles\\Outlook\\0a0d', `    001f6700    REG_BINARY    ${hex}`, '    name    REG_SZ    D:\\mail\\b.pst', '    other    REG_SZ    no path.pst', '',
  ].join('\r\n')
  assert.deepEqual(archivesInRegistry(text).sort(), [
    'C:\\Users\\ann\\AppData\\Local\\Microsoft\\Outlook\\ann@contoso.com.ost', 'C:\\Users\\ann\\Documents\\Outlook Files\\ann@contoso.com.pst', 'D:\\mail\\b.pst', '\\\\server\\share\\old mail.pst',
  ])
})

test('on Windows the registry adds to what the folders show, and a key that is not there adds nothing', async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'x.pst')
  await writeFile(path, buildOutlookFile().bytes)
  const asked: string[] = []
  const found = await findArchives({
    watchFolders: [folder], signal, home: folder, platform: 'win32', localAppData: folder,
    readRegistry: async (key) => { asked.push(key); return undefined },
  })
  assert.deepEqual(found.map((archive) => archive.path), [path])
  assert.ok(asked.length === 4 && asked.every((key) => key.startsWith('HKCU\\')))
})
