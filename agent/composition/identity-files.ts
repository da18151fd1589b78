/** The machine's key in the home: made at the first start, never replaced when it cannot be read. */
import { HoldfastError } from '../../shared/errors.ts'
import { type Machine, generateMachine, machineFromJson, machineToJson } from '../identity/machine.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'

/** Throws `key-missing` when the file is damaged: a new key would be another machine, and nobody would let it in. */
export function loadMachine(home: Home): Machine {
  const text = readFileIfThere(home.machine)
  if (text !== undefined) {
    try {
      return machineFromJson(text)
    } catch (cause) {
      throw new HoldfastError('key-missing', `Cannot read the machine's key ${home.machine}: it is damaged`, { cause })
    }
  }
  const machine = generateMachine()
  writePrivateFile(home.machine, machineToJson(machine))
  return machine
}
