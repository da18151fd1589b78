// Content-defined cuts by a gear hash, and the test for zeros.
//
// The hash after byte i is h = Σ table[byte(i − j)] · 2^j mod 2^64 over j = 0 … 63: it sees the last 64 bytes and
// nothing else, because older ones are shifted out. A cut lies after the byte when h is below a limit, so that the
// uppermost bits, which see the whole window, decide. The table (256 u64) lies at address 0: a constant there saves
// an addition for each byte, a sixth of the time.

const windowLength: usize = 64

/** Length of the first chunk of the `length` bytes at `start`: from `minimum` (at least 64) to `maximum`, or 0 when
 * there is no cut yet. A chunk of up to `normal` bytes needs h < strict, a longer one h < loose. */
export function firstCut(
  start: usize, length: usize, minimum: usize, normal: usize, maximum: usize, strict: u64, loose: u64,
): usize {
  if (length < minimum) return 0
  let hash: u64 = 0
  let at = start + minimum
  for (let i = at - windowLength; i < at; i++) hash = (hash << 1) + gear(i)
  if (hash < strict) return minimum
  const last = start + min<usize>(length, maximum)
  const turn = min<usize>(start + normal, last)
  while (at < turn) {
    hash = (hash << 1) + gear(at++)
    if (hash < strict) return at - start
  }
  while (at < last) {
    hash = (hash << 1) + gear(at++)
    if (hash < loose) return at - start
  }
  return length >= maximum ? maximum : 0
}

// @ts-ignore: decorator
@inline
function gear(at: usize): u64 {
  return load<u64>(<usize>load<u8>(at) << 3)
}

/** 1 when the `length` bytes at `start` (any alignment) are all zero. */
export function isZero(start: usize, length: usize): i32 {
  let at = start
  const end = start + length
  for (; at + 64 <= end; at += 64) {
    const any = v128.or(
      v128.or(v128.load(at), v128.load(at, 16)),
      v128.or(v128.load(at, 32), v128.load(at, 48)),
    )
    if (v128.any_true(any)) return 0
  }
  for (; at < end; at++) if (load<u8>(at) !== 0) return 0
  return 1
}
