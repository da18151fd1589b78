/**
 * NDB_CRYPT_PERMUTE (MS-PST 5.1): a fixed, keyless substitution of each byte of a data block. It hides nothing; it is
 * what Outlook writes by default.
 */
const encodeTable = Buffer.from(
  '41361362a8216ebbf416cc047f64e85d1ef2cb2a74c55e35d295479e962d9a88' +
  '4c7d843fdbac31b6485ff6c4d8398be7233b388ec8c1df25b120a546604e9cfb' +
  'aad35651457c550007c92b9d859b09a08fadb30f63ab894bd7a7155a716642bf' +
  '264a6b98faea7753b270052cfd593a867ece06eb827857c78d43afb41cd45bcd' +
  'e2e9274fc3087280cfb0eff5286dbe304d3492d50e3c2232e5e4f99fc2d10a81' +
  '12e1ee918376e397e6618a1779a4b7dc907a5c8c02a6ca69de501a1193b95287' +
  '58fced1d37491b6ae0293399bd6cd994f340546ff0c673b8d63e6518441fdd67' +
  '10f10c19ecae03a1147ba90bfff8a3c0a201f72ebc2468750dfeba2fb5d0da3d',
  'hex')
const decodeTable = Buffer.alloc(256)
for (const [plain, encoded] of encodeTable.entries()) decodeTable[encoded] = plain

export function encodePermuted(source: Uint8Array, target: Uint8Array): void {
  substitute(source, target, encodeTable)
}

export function decodePermuted(source: Uint8Array): Buffer {
  const plain = Buffer.allocUnsafe(source.length)
  substitute(source, plain, decodeTable)
  return plain
}

function substitute(source: Uint8Array, target: Uint8Array, table: Uint8Array): void {
  for (let i = 0; i < source.length; i++) target[i] = table[source[i]!]!
}
