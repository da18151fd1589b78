/**
 * The WebSocket of a dialler: runs over a TLS socket that is connected and pinned already, and masks with four zero bytes.
 *
 * A client must mask its frames (RFC 6455 section 5.3) to protect proxies that read plain text; inside TLS there are none,
 * and masking in JavaScript costs more than TLS itself (docs/decisions/0003). `ws` leaves out a mask of zeros on both ends.
 */
import type { TLSSocket } from 'node:tls'
import { NodeWebSocket } from 'engine.io-client'
import { WebSocket } from 'ws'
import { maxMessage } from './wire.ts'

/** Engine.IO transport class for `socket`; good for one connection. `onOpen` is given its WebSocket. */
export function transportOver(socket: TLSSocket, onOpen: (webSocket: WebSocket) => void = () => {}): typeof NodeWebSocket {
  return class extends NodeWebSocket {
    override createSocket(uri: string, protocols: string | string[] | undefined, options: object): unknown {
      const webSocket = new WebSocket(uri, protocols, {
        ...options, agent: undefined, createConnection: () => socket, generateMask: maskWithZeros,
        perMessageDeflate: false, maxPayload: maxMessage, skipUTF8Validation: true, followRedirects: false,
      })
      webSocket.once('open', () => { onOpen(webSocket) })
      return webSocket
    }
  }
}

function maskWithZeros(mask: Uint8Array): void {
  mask.fill(0)
}
