/** Numbers of things in English sentences. */

/** `1 file`, `2 files`. */
export function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

/** `1 is needed`, `2 are needed`. */
export function needed(count: number): string {
  return `${count} ${count === 1 ? 'is' : 'are'} needed`
}
