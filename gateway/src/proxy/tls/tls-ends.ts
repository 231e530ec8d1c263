/**
 * TLS at the two ends of a TCP proxy. Towards clients it is a server with the certificate that it
 * is given; sockets come from the proxy's own listener, so that resets and the bound on connections
 * stay there. Towards the upstream server it is a client that trusts everything: what is tested is
 * the caller, not the server behind the proxy.
 */
import { isIP, type Socket } from "node:net";
import { connect, createServer } from "node:tls";
import type { KeyPair } from "./certificates.ts";

/** A client that does not finish its handshake is closed after this time. */
const HANDSHAKE_MS = 30_000;

/** Puts TLS on clients' sockets. */
export class TlsClients {
  readonly #keys: KeyPair;

  constructor(keys: KeyPair) {
    this.#keys = keys;
  }

  /**
   * Calls `onSecure` when the handshake has ended well. Else the socket is closed: `onFailed` says
   * why, for example that the client refused the certificate.
   */
  secure(raw: Socket, onSecure: (socket: Socket) => void, onFailed: (reason: string) => void): void {
    // One server for each socket, which never listens: a server does not say which of its sockets a
    // secure one was made from, and their addresses are gone when the client is.
    const server = createServer({ ...this.#keys, handshakeTimeout: HANDSHAKE_MS });
    server.once("secureConnection", (socket) => {
      socket.pause();
      onSecure(socket);
    });
    server.once("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      onFailed(error.code ?? error.message);
      socket.destroy();
      raw.destroy();
    });
    server.emit("connection", raw);
  }
}

/** Puts TLS on a socket to the upstream server, whose certificate is not checked. */
export function secureUpstream(raw: Socket, host: string): Socket {
  return connect({
    socket: raw,
    rejectUnauthorized: false,
    ...(isIP(host) === 0 && host !== "" ? { servername: host } : {}),
  });
}
