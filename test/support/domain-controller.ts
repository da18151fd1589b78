/**
 * A real Active Directory domain controller: Samba's, provisioned into a scratch folder and bound to a loopback address of
 * its own (root only, because LDAP's ports are below 1024). With a delegated container, two users and a computer.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'ldapts'
import { makeLabCertificate } from './lab-certificate.ts'

export const password = 'Passw0rd!x'
const realm = 'LAB.EXAMPLE.TEST'
const baseDn = 'DC=lab,DC=example,DC=test'
export const delegatedContainer = `CN=Holdfast,${baseDn}`

export interface DomainController extends AsyncDisposable {
  readonly ldaps: string
  readonly ldap: string
  /** PEM. */
  readonly ca: string
  stop(): Promise<void>
}

/** Why the tests that need it are skipped; undefined when it can run. */
export function missingForDomainController(): string | undefined {
  if (process.platform !== 'linux') return 'a Samba domain controller runs on Linux'
  if (process.getuid?.() !== 0) return 'only root may listen on the ports of LDAP'
  return spawnSync('samba-tool', ['--version']).status === 0 && existsSync('/usr/sbin/samba') ? undefined : 'Samba (samba, samba-ad-dc, samba-ad-provision) is not installed'
}

export async function startDomainController(folder: string): Promise<DomainController> {
  const address = `127.${randomInt(64, 250)}.${randomInt(1, 250)}.${randomInt(2, 250)}`
  const directory = join(folder, 'dc')
  mkdirSync(directory)
  provision(directory, address)
  const ca = await makeCertificate(directory, address)
  configure(directory, address)
  addAccounts(directory)
  const samba = spawn('/usr/sbin/samba', ['-i', '-M', 'single', '-s', join(directory, 'etc/smb.conf'), '--debug-stdout', '-d1'], { stdio: 'ignore' })
  const ended = once(samba, 'exit')
  const stop = async () => {
    if (samba.exitCode === null && samba.signalCode === null) samba.kill('SIGKILL')
    await ended
  }
  const ldaps = `ldaps://${address}`
  try {
    await listening(address, 636, () => samba.exitCode !== null)
    await delegate(ldaps, ca, directory)
  } catch (error) {
    await stop()
    throw error
  }
  return { ldaps, ldap: `ldap://${address}`, ca, stop, [Symbol.asyncDispose]: stop }
}

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')}: ${stderr || stdout}`)
  return stdout
}

function provision(directory: string, address: string): void {
  run('samba-tool', [
    'domain', 'provision', '--server-role=dc', '--use-rfc2307', '--dns-backend=NONE', `--realm=${realm}`, '--domain=LAB', `--adminpass=${password}`,
    `--targetdir=${directory}`, '--host-name=dc1', `--host-ip=${address}`, `--option=interfaces=${address}/8`, '--option=bind interfaces only=yes',
    '--option=vfs objects=dfs_samba4 xattr_tdb acl_xattr', '--option=ldb:nosync=true',
  ])
}

function configure(directory: string, address: string): void {
  const file = join(directory, 'etc/smb.conf')
  for (const folder of ['run', 'ncalrpc']) mkdirSync(join(directory, folder), { recursive: true })
  const own = [
    '[global]', `interfaces = ${address}/8`, 'bind interfaces only = yes', 'server services = ldap, kdc, cldap, rpc, kcc', `pid directory = ${directory}/run`,
    `ncalrpc dir = ${directory}/ncalrpc`, `log file = ${directory}/log.%m`, 'tls enabled = yes', `tls keyfile = ${directory}/dc.key`, `tls certfile = ${directory}/dc.pem`,
    `tls cafile = ${directory}/ca.pem`, 'ldb:nosync = true',
  ].join('\n\t')
  const lines = readFileSync(file, 'utf8').split('\n').filter((line) => !/server services|log file|interfaces|dns forwarder/.test(line))
  writeFileSync(file, lines.join('\n').replace('[global]', own))
}

function addAccounts(directory: string): void {
  const database = ['-H', join(directory, 'private/sam.ldb'), '-s', join(directory, 'etc/smb.conf')]
  for (const name of ['ann', 'bob']) run('samba-tool', ['user', 'create', name, password, ...database])
  for (const name of ['PC01', 'PC02']) {
    run('samba-tool', ['computer', 'create', name, ...database])
    run('samba-tool', ['user', 'setpassword', `${name}$`, `--newpassword=${password}`, ...database])
  }
  run('samba-tool', ['group', 'add', 'Holdfast', ...database])
  run('samba-tool', ['group', 'addmembers', 'Holdfast', 'ann,bob', ...database])
}

/** The container with one right for the group: to add service connection points. Each member may change its own alone. */
async function delegate(url: string, ca: string, directory: string): Promise<void> {
  const client = new Client({ url, tlsOptions: { ca: [ca] } })
  await client.bind(`Administrator@${realm}`, password)
  await client.add(delegatedContainer, { objectClass: ['top', 'container'] })
  await client.unbind()
  const database = ['-H', join(directory, 'private/sam.ldb'), '-s', join(directory, 'etc/smb.conf')]
  const sid = run('samba-tool', ['group', 'show', 'Holdfast', '--attributes=objectSid', ...database]).match(/S-1-5-[\d-]+/)?.[0]
  run('samba-tool', ['dsacl', 'set', `--objectdn=${delegatedContainer}`, '--action=allow', `--sddl=(OA;;CC;28630ec1-41d5-11d1-a9c1-0000f80367c1;;${sid})`, ...database])
}

async function makeCertificate(directory: string, address: string): Promise<string> {
  const { ca, certificate, key } = await makeLabCertificate({ dns: ['dc1.lab.example.test'], ip: [address] })
  writeFileSync(join(directory, 'dc.key'), key, { mode: 0o600 })
  writeFileSync(join(directory, 'dc.pem'), certificate)
  writeFileSync(join(directory, 'ca.pem'), ca)
  return ca
}

async function listening(host: string, port: number, ended: () => boolean): Promise<void> {
  while (!ended()) {
    const socket = connect({ host, port })
    const isUp = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    if (isUp) return
    await delay(50)
  }
  throw new Error('the domain controller ended at once')
}
