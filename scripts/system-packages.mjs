// Installs the system packages that some tests need, where it can: Debian and its kin, as root.
// Elsewhere the tests that need them say so and are skipped; in CI a missing package is an error.
import { spawnSync } from 'node:child_process'

const packages = [
  { name: 'pst-utils', command: 'readpst', why: 'an independent reader of Outlook archives' },
  { name: 'chromium', command: 'chromium', why: 'the browser that shows the pane' },
  { name: 'libnss3-tools', command: 'certutil', why: 'lets that browser trust an agent' },
  { name: 'iproute2', command: 'ip', why: 'network namespaces, for a network that falls into halves' },
  ...['samba', 'samba-ad-dc', 'samba-ad-provision', 'samba-dsdb-modules', 'samba-vfs-modules', 'winbind', 'ldb-tools'].map((name) => (
    { name, command: 'samba', why: 'a real Active Directory domain controller' })),
  ...['cryptography', 'zstandard'].map((module) => (
    { name: `python3-${module}`, command: 'python3', module, why: 'for the second implementation of restore' })),
]

const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
// Debian's packages serve Debian's Python, whichever other one comes first on the path.
const isThere = ({ command, module }) => module === undefined ? has(command) : spawnSync('/usr/bin/python3', ['-c', `import ${module}`]).status === 0

export function installSystemPackages() {
  const missing = packages.filter((one) => !isThere(one))
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
  const lacking = missing.filter((one) => !isThere(one))
  for (const { name, why } of lacking) process.stderr.write(`${name} (${why}) is not installed: the tests that need it are skipped\n`)
  if (lacking.length > 0 && process.env['CI'] === 'true') process.exit(1)
}
