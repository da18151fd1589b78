/**
 * How a process of Holdfast is started. The launchers `holdfast` and `holdfast.cmd` do the same, for the reasons that they
 * give; whoever starts one from within Node.js takes it from here.
 */
import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { moduleUrl } from './module-url.ts'

/** The folder of this installation, with the launchers. */
export const installation = fileURLToPath(new URL('..', import.meta.url))
/** What Node.js runs. */
export const commandLine = fileURLToPath(moduleUrl('./cli/holdfast', import.meta.url))
export const launcherArguments = ['--max-semi-space-size=2', '--max-old-space-size=2000', '--disable-warning=ExperimentalWarning']
export const launcherEnvironment = {
  MALLOC_MMAP_THRESHOLD_: '4194304', MALLOC_TRIM_THRESHOLD_: '8388608', MALLOC_ARENA_MAX: '2', NODE_COMPILE_CACHE: compileCacheFolder(),
}

/** With the installation, or with the user's other caches where the installation is not the user's to write. */
function compileCacheFolder(): string {
  if (process.platform === 'win32') return join(process.env['LOCALAPPDATA'] ?? homedir(), 'Holdfast-cache')
  try {
    accessSync(installation, constants.W_OK)
    return join(installation, 'node_modules', '.cache', 'holdfast')
  } catch {
    return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'holdfast')
  }
}
