/** A connection that costs money, as NetworkManager tells it to an agent on Linux. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The environment of an agent on a machine whose NetworkManager answers what stands in `file`. */
export function answerMetered(folder: string, file: string): NodeJS.ProcessEnv {
  mkdirSync(folder)
  writeFileSync(file, '(<uint32 4>,)')
  writeFileSync(join(folder, 'gdbus'), `#!/bin/sh\ncase "$*" in *NetworkManager*) cat '${file}' ;; *) exit 1 ;; esac\n`, { mode: 0o755 })
  return { PATH: `${folder}:${process.env['PATH']}` }
}
