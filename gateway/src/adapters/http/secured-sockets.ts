/**
 * The TCP connection below a connection with TLS. Node resets only TCP sockets, and a listener
 * counts connections before their handshake; a request knows only the socket with TLS. The two have
 * the same addresses and ports, by which they are found together. Sockets without TLS stand for
 * themselves.
 */
import type { Server } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

const BELOW: WeakMap<object, Socket> = new WeakMap();

/** The ends of a connection on which a balancer has said who the caller is. */
const REAL_ENDS: WeakMap<object, string> = new WeakMap();
const CALLERS: WeakMap<object, SaidCaller> = new WeakMap();

interface SaidCaller {
  readonly address: string;
  readonly port: number;
}

/** From now on `socket` comes from the caller that its balancer has named. */
export function sayCaller(socket: Socket, caller: SaidCaller): void {
  REAL_ENDS.set(socket, endsOf(socket));
  CALLERS.set(socket, caller);
  Object.defineProperties(socket, {
    remoteAddress: { value: caller.address },
    remotePort: { value: caller.port },
    remoteFamily: { value: caller.address.includes(":") ? "IPv6" : "IPv4" },
  });
}

const CARRIERS: WeakMap<object, Socket> = new WeakMap();

/** `socket` stands for a stream on `carrier`. */
export function noteCarrier(socket: object, carrier: Socket): void {
  CARRIERS.set(socket, carrier);
}

/** The connection that carries `socket`, if that stands for a stream; otherwise `socket`. */
export function carrierOf(socket: Socket): Socket {
  return CARRIERS.get(socket) ?? socket;
}

/** The TCP socket below `socket`. */
export function tcpSocketOf(socket: Socket): Socket {
  return BELOW.get(socket) ?? socket;
}

/**
 * Ends a connection with a reset, so that its peer does not take what it has received for complete.
 * Node sets the socket of a request to null when the caller has hung up.
 */
export function resetConnection(socket: Socket | null): void {
  if (socket === null) return;
  const below = BELOW.get(socket);
  // The caller is gone already, so that the two could not be found together.
  if (below === undefined && socket instanceof TLSSocket) return void socket.destroy();
  if (below === undefined) return void socket.resetAndDestroy();
  if (!below.destroyed) below.resetAndDestroy();
  socket.destroy();
}

/** Calls `onSecured` when a handshake of `server` has ended, with both sockets. */
export function trackSecured(server: Server, onSecured: (secured: Socket, tcp: Socket | undefined) => void): void {
  const waiting = new Map<string, Socket>();
  server.on("connection", (tcp: Socket) => {
    const ends = REAL_ENDS.get(tcp) ?? endsOf(tcp);
    waiting.set(ends, tcp);
    tcp.once("close", () => {
      if (waiting.get(ends) === tcp) waiting.delete(ends);
    });
  });
  server.prependListener("secureConnection", (secured: Socket) => {
    const tcp = waiting.get(endsOf(secured));
    if (tcp !== undefined) BELOW.set(secured, tcp);
    const caller = tcp && CALLERS.get(tcp);
    if (caller !== undefined) sayCaller(secured, caller);
    onSecured(secured, tcp);
  });
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
