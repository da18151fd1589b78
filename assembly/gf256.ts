// Linear combinations of byte rows over GF(2^8), polynomial 0x11d: destination_r = Σ_c m[r][c] · source_c.
//
// A product by a constant is linear over the nibbles of a byte, so it is two look-ups in tables of 16 bytes and one xor.
// For row r and column c the tables lie at `tables + (r · columns + c) · 32`: m·0 … m·15, then m·0x00, m·0x10 … m·0xf0.
// Sources and destinations lie `stride` bytes apart. `length` is a multiple of 32; all addresses are multiples of 16.
// The swizzle's indices are below 16, where its relaxed form is the same on every processor.

// @ts-ignore: decorator
@inline
function product(low: v128, high: v128, lowNibbles: v128, highNibbles: v128): v128 {
  return v128.xor(i8x16.relaxed_swizzle(low, lowNibbles), i8x16.relaxed_swizzle(high, highNibbles))
}

export function combine(
  sources: usize, columns: i32, destinations: usize, rows: i32, stride: usize, length: usize, tables: usize,
): void {
  const rowTables = <usize>columns << 5
  while (rows >= 3) {
    combine3(sources, columns, destinations, stride, length, tables)
    destinations += 3 * stride
    tables += 3 * rowTables
    rows -= 3
  }
  if (rows === 2) combine2(sources, columns, destinations, stride, length, tables)
  else if (rows === 1) combine1(sources, columns, destinations, stride, length, tables)
}

function combine3(sources: usize, columns: i32, out0: usize, stride: usize, length: usize, tables: usize): void {
  const nibble = i8x16.splat(15)
  const rowTables = <usize>columns << 5
  const out1 = out0 + stride
  const out2 = out1 + stride
  for (let offset: usize = 0; offset < length; offset += 32) {
    let a0 = i8x16.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0
    let source = sources + offset
    let table = tables
    for (let column = 0; column < columns; column++) {
      const d0 = v128.load(source), d1 = v128.load(source, 16)
      const low0 = v128.and(d0, nibble), high0 = i8x16.shr_u(d0, 4)
      const low1 = v128.and(d1, nibble), high1 = i8x16.shr_u(d1, 4)
      let low = v128.load(table), high = v128.load(table, 16)
      a0 = v128.xor(a0, product(low, high, low0, high0))
      a1 = v128.xor(a1, product(low, high, low1, high1))
      low = v128.load(table + rowTables), high = v128.load(table + rowTables, 16)
      b0 = v128.xor(b0, product(low, high, low0, high0))
      b1 = v128.xor(b1, product(low, high, low1, high1))
      low = v128.load(table + 2 * rowTables), high = v128.load(table + 2 * rowTables, 16)
      c0 = v128.xor(c0, product(low, high, low0, high0))
      c1 = v128.xor(c1, product(low, high, low1, high1))
      source += stride
      table += 32
    }
    v128.store(out0 + offset, a0)
    v128.store(out0 + offset, a1, 16)
    v128.store(out1 + offset, b0)
    v128.store(out1 + offset, b1, 16)
    v128.store(out2 + offset, c0)
    v128.store(out2 + offset, c1, 16)
  }
}

function combine2(sources: usize, columns: i32, out0: usize, stride: usize, length: usize, tables: usize): void {
  const nibble = i8x16.splat(15)
  const rowTables = <usize>columns << 5
  const out1 = out0 + stride
  for (let offset: usize = 0; offset < length; offset += 32) {
    let a0 = i8x16.splat(0), a1 = a0, b0 = a0, b1 = a0
    let source = sources + offset
    let table = tables
    for (let column = 0; column < columns; column++) {
      const d0 = v128.load(source), d1 = v128.load(source, 16)
      const low0 = v128.and(d0, nibble), high0 = i8x16.shr_u(d0, 4)
      const low1 = v128.and(d1, nibble), high1 = i8x16.shr_u(d1, 4)
      let low = v128.load(table), high = v128.load(table, 16)
      a0 = v128.xor(a0, product(low, high, low0, high0))
      a1 = v128.xor(a1, product(low, high, low1, high1))
      low = v128.load(table + rowTables), high = v128.load(table + rowTables, 16)
      b0 = v128.xor(b0, product(low, high, low0, high0))
      b1 = v128.xor(b1, product(low, high, low1, high1))
      source += stride
      table += 32
    }
    v128.store(out0 + offset, a0)
    v128.store(out0 + offset, a1, 16)
    v128.store(out1 + offset, b0)
    v128.store(out1 + offset, b1, 16)
  }
}

function combine1(sources: usize, columns: i32, out: usize, stride: usize, length: usize, tables: usize): void {
  const nibble = i8x16.splat(15)
  for (let offset: usize = 0; offset < length; offset += 32) {
    let a0 = i8x16.splat(0), a1 = a0
    let source = sources + offset
    let table = tables
    for (let column = 0; column < columns; column++) {
      const d0 = v128.load(source), d1 = v128.load(source, 16)
      const low = v128.load(table), high = v128.load(table, 16)
      a0 = v128.xor(a0, product(low, high, v128.and(d0, nibble), i8x16.shr_u(d0, 4)))
      a1 = v128.xor(a1, product(low, high, v128.and(d1, nibble), i8x16.shr_u(d1, 4)))
      source += stride
      table += 32
    }
    v128.store(out + offset, a0)
    v128.store(out + offset, a1, 16)
  }
}
