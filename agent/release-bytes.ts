/**
 * Gives large buffers back at once instead of when the collector gets to them. A backup makes and drops gigabytes of
 * buffers outside the heap; each 64 MiB of them would cost a full collection of the heap, in every thread and holder.
 */

/** Node's pools are smaller than this: a buffer of theirs is shared and must never be taken away. */
const smallest = 131_072

/** For bytes that nobody uses any more. Whoever still has a view of the same buffer sees it empty. */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= smallest && !buffer.detached) buffer.transfer(0)
}

/** The same for bytes of any size that have their buffer for themselves, as those that a TLS socket gives. */
export function releaseWhole({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && !buffer.detached) buffer.transfer(0)
}
