// Installs the system packages that some tests need, where it can: Debian and its kin, as root.
// Elsewhere the tests that need them say so and are skipped; in CI a missing package is an error.
import { spawnSync } from 'node:child_process'

const packages = [
  { name: 'pst-utils', command: 'readpst', why: 'an independent reader of Outlook archives' },
  { name: 'chromium', command: 'chromium', why: 'the browser that shows the pane' },
  { name: 'libnss3-tools', command: 'certutil', why: 'lets that browser trust an agent' },
  ...['samba', 'samba-ad-dc', 'samba-ad-provision', 'samba-dsdb-modules', 'samba-vfs-modules', 'winbind', 'ldb-tools'].map((name) => (
    { name, command: 'samba', why: 'a real Active Directory domain controller' })),
]

const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

export function installSystemPackages() {
  const missing = packages.filter(({ command }) => !has(command))
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name)
  if (process.platform === 'linux' && has('apt-get') && process.getuid?.() === 0) {
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const run = (...args) => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: environment })
    if (run('install', '-y', '--no-install-recommends', ...names).status !== 0) {
      run('update', '-qq')
      run('install', '-y', '--no-install-recommends', ...names)
    }
  }
  const lacking = missing.filter(({ command }) => !has(command))
  for (const { name, why } of lacking) process.stderr.write(`${name} (${why}) is not installed: the tests that need it are skipped\n`)
  if (lacking.length > 0 && process.env['CI'] === 'true') process.exit(1)
}
