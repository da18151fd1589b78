/** A TCP relay to a port of this machine whose cable can be pulled: nobody is told, and nothing passes any more. */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { once } from 'node:events'

export class Cable implements AsyncDisposable {
  readonly #server = createServer((near) => { this.#join(near) })
  readonly #ends = new Set<Socket>()
  readonly #passed = new Set<() => void>()
  #to = 0
  #isPulled = false
  /** Bytes that went towards the port, and that came back. */
  sent = 0
  returned = 0

  static async to(port: number): Promise<Cable> {
    const cable = new Cable()
    cable.#to = port
    cable.#server.listen(0, '127.0.0.1')
    await once(cable.#server, 'listening')
    return cable
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #join(near: Socket): void {
    const far = connect(this.#to, '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#ends.add(from)
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        if (this.#isPulled) return
        if (to === far) this.sent += bytes.length
        else this.returned += bytes.length
        to.write(bytes)
        for (const tell of this.#passed) tell()
      })
      from.on('close', () => { if (!this.#isPulled) to.destroy() }).on('error', () => { /* the other end is told by 'close' */ })
      if (this.#isPulled) from.pause()
    }
  }

  /** Resolves when so many bytes went towards the port in all. */
  async hasSent(bytes: number): Promise<void> {
    await this.#until(() => this.sent >= bytes)
  }

  async hasReturned(bytes: number): Promise<void> {
    await this.#until(() => this.returned >= bytes)
  }

  async #until(isSo: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => { if (isSo()) resolve() }
    this.#passed.add(look)
    look()
    await promise
    this.#passed.delete(look)
  }

  pull(): void {
    this.#isPulled = true
    for (const end of this.#ends) end.pause()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) end.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
