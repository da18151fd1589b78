/** What the operating system says, in words: by the code of its error (errno). */

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full',
  EIO: 'the disk reports an error',
  ELOOP: 'it is a symbolic link',
  ENAMETOOLONG: 'its path is too long',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is below something that is no folder',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
}

/** `the system reports CODE` for what has no words here. */
export function systemReason(error: unknown): string {
  const code = errnoOf(error)
  return reasons[code] ?? `the system reports ${code}`
}

/** What is wrong with an address to listen on, and what helps. `option`: where the port is set. */
export function listenFault(error: unknown, { host, port, option }: { host: string; port: number; option: string }): { state: string; guidance: string } {
  switch (errnoOf(error)) {
    case 'EADDRINUSE': return { state: `port ${port} is taken`, guidance: `Another program has it, maybe another agent on this machine: give this one another port with ${option}, or stop the other.` }
    case 'EACCES': return { state: `the system does not let this user have port ${port}`, guidance: `Take a port above 1023 with ${option}.` }
    case 'EADDRNOTAVAIL': return { state: `this machine does not have the address ${host}`, guidance: 'Name an address of this machine, or leave it out for all of them.' }
    case 'ENOTFOUND': case 'EAI_AGAIN': return { state: `the name ${host} cannot be resolved`, guidance: 'Name an address of this machine, or leave it out for all of them.' }
    default: return { state: `${host} port ${port}: ${systemReason(error)}`, guidance: 'Take another address or port.' }
  }
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}
