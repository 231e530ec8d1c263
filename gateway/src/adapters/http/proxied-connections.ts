/**
 * Reads PROXY headers in front of connections from trusted balancers, before the listener sees
 * them: per-address bounds, logs and `X-Forwarded-For` then know the true caller. A trusted
 * balancer has to send one, in time; a connection from any other address is served as it is, so
 * nobody else can claim to be someone. A header that is wrong, late or too long ends its
 * connection.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";
import { MAX_PROXY_BYTES, readProxyHeader } from "./proxy-header.ts";
import { sayCaller } from "./secured-sockets.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

export interface ProxiedConnectionsOptions {
  readonly trust: TrustedProxies;
  /** How many connections may wait for their header at once. */
  readonly maxWaiting: () => number;
  /** Longest time for a header to arrive, in ms. Balancers send it in one go. Default 3,000. */
  readonly headerMs?: number;
  readonly onRefused: (why: string, from: string | undefined) => void;
}

/** Call it after everything that listens for connections of `server`. */
export function readProxyHeaders(server: Server, options: ProxiedConnectionsOptions): void {
  const { trust, maxWaiting, headerMs = 3_000, onRefused } = options;
  const listeners = server.listeners("connection") as ((socket: Socket) => void)[];
  const deliver = (socket: Socket): void => {
    for (const listener of listeners) listener.call(server, socket);
  };
  let waiting = 0;
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || !trust.has(remoteAddress)) return deliver(socket);
    if (waiting >= maxWaiting()) return void socket.destroy();
    waiting++;
    read(socket, headerMs, (why) => {
      waiting--;
      if (why === undefined) return deliver(socket);
      socket.destroy();
      if (why !== GONE) onRefused(why, remoteAddress);
    });
  });
}

const GONE = "its connection ended first";

/** Calls `done` once, without a reason if the header is read. */
function read(socket: Socket, withinMs: number, done: (why?: string) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  const finish = (why?: string): void => {
    clearTimeout(timer);
    socket.off("readable", look).off("close", gone).off("end", gone).off("error", ignore);
    done(why);
  };
  const gone = (): void => finish(GONE);
  const ignore = (): void => undefined;
  const look = (): void => {
    for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read() as Buffer | null)
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
    const reading = readProxyHeader(bytes);
    if (reading.type === "refused") return finish(reading.why);
    if (reading.type === "more") return bytes.length > MAX_PROXY_BYTES ? finish("it is too long") : undefined;
    const rest = bytes.subarray(reading.bytes);
    if (rest.length > 0) socket.unshift(rest);
    if (reading.header.type === "caller") sayCaller(socket, reading.header);
    finish();
  };
  const timer = setTimeout(finish, withinMs, "it did not arrive in time");
  socket.on("readable", look).on("close", gone).on("end", gone).on("error", ignore);
}
