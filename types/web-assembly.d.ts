// The part of WebAssembly's JavaScript interface that the agent uses; @types/node leaves it to the DOM library.
declare namespace WebAssembly {
  interface Memory {
    readonly buffer: ArrayBuffer
  }
  interface Instance {
    readonly exports: unknown
  }
  type Module = object
  const Memory: new (pages: { initial: number; maximum: number }) => Memory
  const Module: new (bytes: Uint8Array<ArrayBuffer>) => Module
  const Instance: new (module: Module, imports: { env: { memory: Memory } }) => Instance
}
