/** Hands bytes to the browser to save under a name. */
export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob)
  const link = Object.assign(document.createElement('a'), { href: address, download: name })
  link.click()
  setTimeout(() => { URL.revokeObjectURL(address) }, 60_000)
}
