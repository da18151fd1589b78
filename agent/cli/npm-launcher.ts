#!/usr/bin/env node
/**
 * What npm puts on the path when the package is installed: starts the command line as the other launchers do, on the
 * Node.js that npm found. (npm makes no command of a shell script on Windows.)
 */
import { spawn } from 'node:child_process'
import { commandLine, launcherArguments, launcherEnvironment } from '../launching.ts'

const child = spawn(process.execPath, [...launcherArguments, commandLine, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...launcherEnvironment, ...process.env } })
// The terminal gives an interrupt to both; what is sent to this process alone is handed on. The child's end is this one's.
process.on('SIGINT', () => { /* the child decides */ })
process.on('SIGTERM', () => { child.kill('SIGTERM') })
child.once('error', (error) => {
  process.stderr.write(`holdfast: Cannot start Node.js: ${error.message}\n`)
  process.exit(1)
})
child.once('exit', (code, signal) => { process.exitCode = code ?? (signal === null ? 0 : 1) })
