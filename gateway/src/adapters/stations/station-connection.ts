/**
 * Tracks what undici does not report about connections to a station: whether a connection has been
 * used before, whether a byte of the answer has arrived since the request began, and how long it
 * was idle. A station may close an idle connection at the very moment at which a request is sent on
 * it. That is likely if a used connection ends without a byte of an answer; `idle-times.ts` avoids
 * it. Incoming bytes are adapted where undici would not read them (`interim-replies.ts`,
 * `read-first.ts`).
 *
 *   new ──begin──► busy ──end──► idle ──begin──► busy …      (any of them) ──► closed
 *
 * undici's diagnostic channels say on which connection a request is sent
 * (`undici:client:sendHeaders`, after it has reported the request's start and before it writes the
 * first byte), and when its reply is complete (`undici:request:trailers`).
 */
import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { buildConnector } from "undici";
import { IdleTimes } from "./idle-times.ts";
import { InterimReplies } from "./interim-replies.ts";
import { keepBackWriteErrors } from "./read-first.ts";

/** A request that is informed of the connection on which it is sent. */
export interface Departing {
  onConnection(connection: StationConnection): void;
}

/**
 * How pools keep the connections of {@link StationConnections}, in ms. If a station announces how
 * long it keeps a connection, the gateway closes the connection this much earlier, so that the
 * station does not close first.
 */
export const KEPT: { readonly keepAliveTimeoutThreshold: number } = { keepAliveTimeoutThreshold: 500 };

/** The connections of one pool. */
export class StationConnections {
  /** The connection that has been idle for longest comes first. */
  readonly #idle: Set<StationConnection> = new Set();
  readonly #times: IdleTimes = new IdleTimes();
  #kept: WeakSet<StationConnection> = new WeakSet();

  /** As `connect`, but tracks the connections here. */
  by(connect: buildConnector.connector): buildConnector.connector {
    return (options, done) =>
      connect(options, (...result) => {
        const [, socket] = result;
        // On failure undici omits it, although the type says otherwise.
        if (socket != null) this.#kept.add(new StationConnection(socket, this, this.#idle, this.#times));
        done(...result);
      });
  }

  /**
   * Closes connections that were idle for too long to be safe for a command that may be sent only
   * once. Call it just before such a command is sent.
   */
  closeDoubtful(): void {
    const nowMs = performance.now();
    this.#closeIdle(this.#times.safeMs(nowMs), nowMs);
  }

  /** Closes all idle connections, so that the next command gets a new one. */
  closeIdle(): void {
    this.#closeIdle(Number.NEGATIVE_INFINITY, performance.now());
  }

  /** Closes all idle connections, and from now on each of the others once it becomes idle. */
  retire(): void {
    this.#kept = new WeakSet();
    this.closeIdle();
  }

  /** False if `connection` is to be closed once it is idle. */
  isKept(connection: StationConnection): boolean {
    return this.#kept.has(connection);
  }

  #closeIdle(longerThanMs: number, nowMs: number): void {
    for (const connection of this.#idle) {
      if (connection.idleForMs(nowMs) <= longerThanMs) return;
      connection.close();
    }
  }
}

/**
 * No round trip takes longer, unless a machine stalls. If a connection ends later, the station had
 * read the request.
 */
const ROUND_TRIP_MS = 1_000;

export class StationConnection {
  readonly #socket: Socket;
  readonly #all: StationConnections;
  readonly #idle: Set<StationConnection>;
  readonly #times: IdleTimes;
  readonly #interim: InterimReplies = new InterimReplies();
  #requests = 0;
  #isUnanswered = true;
  #isLeft = false;
  /** When its last request began. */
  #begunAtMs = 0;
  /** When its last reply was complete. */
  #idleSinceMs = 0;
  /** How long it was idle before the current request. */
  #wasIdleMs = 0;

  constructor(socket: Socket, all: StationConnections, idle: Set<StationConnection>, times: IdleTimes) {
    this.#socket = socket;
    this.#all = all;
    this.#idle = idle;
    this.#times = times;
    keepBackWriteErrors(socket);
    // An alert of TLS says why a connection ends; otherwise its end, which comes next, would be
    // told.
    if (socket instanceof TLSSocket) socket.once("error", (error) => socket.destroy(error));
    const push = socket.push.bind(socket);
    socket.push = (chunk: Uint8Array | null, encoding?: BufferEncoding) => {
      if (chunk !== null) this.#arrived(chunk);
      return push(chunk, encoding);
    };
    socket.once("close", () => this.#closed());
    BY_SOCKET.set(socket, this);
  }

  /**
   * True if the connection probably ended because it had been idle: an earlier request was sent on
   * it, and it ended within a round trip of the last one, without a byte of an answer. Valid only
   * after it has ended.
   */
  get wasStale(): boolean {
    return this.#requests > 1 && this.#isUnanswered && performance.now() - this.#begunAtMs < ROUND_TRIP_MS;
  }

  idleForMs(nowMs: number): number {
    return nowMs - this.#idleSinceMs;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** A request is about to be written. */
  begin(): void {
    const nowMs = performance.now();
    if (this.#idle.delete(this)) this.#wasIdleMs = this.idleForMs(nowMs);
    this.#begunAtMs = nowMs;
    this.#requests++;
    this.#isUnanswered = true;
    this.#interim.begin();
  }

  /** The station has changed to another protocol, so no other request is sent on it. */
  leave(): void {
    this.#isLeft = true;
  }

  /** The reply is complete. */
  end(): void {
    if (this.#isLeft) return;
    // The station closed it right after the reply and never kept it.
    if (this.#socket.destroyed || this.#socket.readableEnded) return;
    if (!this.#all.isKept(this)) return this.close();
    this.#idleSinceMs = performance.now();
    this.#idle.add(this);
  }

  #arrived(chunk: Uint8Array): void {
    if (this.#isUnanswered && this.#requests > 1) this.#times.noteSurvived(this.#wasIdleMs);
    this.#isUnanswered = false;
    this.#interim.take(chunk);
  }

  #closed(): void {
    if (!this.#idle.delete(this)) return;
    const nowMs = performance.now();
    const { readableEnded, errored } = this.#socket;
    const isByStation = readableEnded || (errored as NodeJS.ErrnoException | null)?.code === "ECONNRESET";
    if (isByStation) this.#times.noteClosed(this.idleForMs(nowMs), nowMs);
    else this.#times.noteSurvived(this.idleForMs(nowMs));
  }
}

const BY_SOCKET: WeakMap<object, StationConnection> = new WeakMap();
const BY_REQUEST: WeakMap<object, StationConnection> = new WeakMap();
let departing: Departing | undefined;

/**
 * `request` has been started. It is informed of its connection before its first byte is written.
 */
export function noteDeparting(request: Departing): void {
  departing = request;
}

subscribe("undici:client:sendHeaders", (message) => {
  const { request, socket } = message as { readonly request: object; readonly socket: object };
  const told = departing;
  departing = undefined;
  const connection = BY_SOCKET.get(socket);
  if (connection === undefined) return;
  BY_REQUEST.set(request, connection);
  connection.begin();
  told?.onConnection(connection);
});

subscribe("undici:request:trailers", (message) => {
  BY_REQUEST.get((message as { readonly request: object }).request)?.end();
});
