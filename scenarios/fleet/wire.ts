/**
 * Requests and replies over simulated connections, which behave like the real wire: one request at
 * a time on a connection, and connections are kept and used again. An error before anything was
 * sent differs from an error after it. An abort cuts the connection. It replaces undici and
 * node:http of production (`gateway/src/adapters`).
 */
import type { Address, Connection, NodeEnv } from "ground-station-failover/sim";
import type { Waiting } from "./hang-up.ts";
import { HangUp } from "./hang-up.ts";

export interface WireRequest {
  /** Shown in traces. */
  readonly label: string;
  readonly method: string;
  readonly target: string;
  /** The peer of the connection, if it is known: the address of a socket in production. */
  readonly caller?: string;
  readonly idempotencyKey?: string | undefined;
  readonly epoch?: number | undefined;
  /** `Infinity` or absent: its sender waits for ever. */
  readonly timeLeftMs?: number | undefined;
  /** Its body follows later, and takes time. */
  readonly uploads?: boolean;
}

/** Follows the head of a request that `uploads`: the end of its body. */
const BODY_END: { readonly label: string } = { label: "end of the body" };

export interface WireReply {
  readonly label: string;
  readonly status: number;
  readonly json?: unknown;
  readonly epochSeen?: number;
  /** `gsf-outcome: unknown`. */
  readonly outcomeUnknown?: boolean;
  readonly code?: string;
  /** `Retry-After`. */
  readonly retryAfterS?: number;
  /** `gsf-replayed: true`. */
  readonly replayed?: boolean;
}

/**
 * Whether a reply reports success and has an error in its body, as lying stations of this world
 * answer. The gateway's own judgement of bodies is under test and is not used here.
 */
export function lies({ status, json }: Pick<WireReply, "status" | "json">): boolean {
  return status < 300 && typeof json === "object" && json !== null && "error" in json;
}

/**
 * An error of the wire; `code` as in Node and undici, `syscall: connect` or `getaddrinfo` if
 * nothing was sent.
 */
export class WireError extends Error {
  readonly code: string;
  readonly syscall: "connect" | "getaddrinfo" | "read";

  constructor(code: string, syscall: "connect" | "getaddrinfo" | "read", message: string) {
    super(message);
    this.code = code;
    this.syscall = syscall;
  }
}

/** One shared object, because creating an error costs a walk over the stack. */
const HUNG_UP = new WireError("ECONNRESET", "read", "the caller hung up");

interface Exchange {
  readonly request: WireRequest;
  readonly signal: Waiting;
  /** Begins to send its body; resolves when that is over. */
  readonly body: (() => Promise<void>) | undefined;
  readonly resolve: (reply: WireReply) => void;
  readonly reject: (error: unknown) => void;
  /** Cuts the wait short while there is no connection yet. */
  ended: boolean;
}

/**
 * undici's default: an idle connection is not used again after this long, because its peer may have
 * dropped it.
 */
const KEEP_ALIVE_MS = 4_000;

/**
 * Connections to one address. Idle ones are used again, and as many are opened as requests are out.
 */
export class WirePool {
  readonly #env: NodeEnv;
  readonly #to: Address;
  readonly #connectTimeoutMs: number;
  readonly #shortage: () => WireError | undefined;
  readonly #idle: PooledConnection[] = [];

  /** `shortage` returns why this machine cannot open a connection now, if it cannot. */
  constructor(
    env: NodeEnv,
    to: Address,
    connectTimeoutMs: number,
    shortage: () => WireError | undefined = () => undefined,
  ) {
    this.#env = env;
    this.#to = to;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#shortage = shortage;
  }

  /**
   * Sends `request`; rejects with the signal's reason if it is aborted, and with a coded error if
   * the wire fails. `body` is called when the head of a request that `uploads` is out, and resolves
   * when its body is over.
   */
  exchange(request: WireRequest, signal: Waiting, body?: () => Promise<void>): Promise<WireReply> {
    return new Promise((resolve, reject) => {
      const exchange: Exchange = { request, signal, body, resolve, reject, ended: false };
      if (signal.aborted) return reject(signal.reason);
      const pooled = this.#fresh();
      if (pooled === undefined) this.#open(exchange);
      else pooled.carry(exchange);
    });
  }

  /**
   * The connection used last. If that was too long ago, all of them have been idle for too long.
   */
  #fresh(): PooledConnection | undefined {
    const oldestMs = this.#env.clock.nowMs() - KEEP_ALIVE_MS;
    const last = this.#idle.at(-1);
    if (last === undefined || last.restedAtMs > oldestMs) return this.#idle.pop();
    for (const idle of this.#idle.splice(0)) idle.close();
    return undefined;
  }

  #open(exchange: Exchange): void {
    const { clock, network } = this.#env;
    const shortage = this.#shortage();
    if (shortage !== undefined) return exchange.reject(shortage);
    const fail = (error: unknown): void => {
      if (exchange.ended) return;
      exchange.ended = true;
      timer[Symbol.dispose]();
      exchange.signal.removeEventListener("abort", abort);
      exchange.reject(error);
    };
    const abort = (): void => fail(exchange.signal.reason);
    const timer = clock.at(clock.nowMs() + this.#connectTimeoutMs, () =>
      fail(new WireError("UND_ERR_CONNECT_TIMEOUT", "connect", `${this.#to.node}: no connection in time`)),
    );
    exchange.signal.addEventListener("abort", abort, { once: true });
    network.connect(this.#to).then(
      (connection) => {
        const pooled = new PooledConnection(connection, this.#idle, this.#env.clock);
        if (exchange.ended) return pooled.rest();
        timer[Symbol.dispose]();
        exchange.signal.removeEventListener("abort", abort);
        pooled.carry(exchange);
      },
      (error: Error & { readonly code?: string }) =>
        fail(new WireError(error.code ?? "ECONNREFUSED", "connect", `${this.#to.node}: ${error.message}`)),
    );
  }
}

class PooledConnection {
  readonly #connection: Connection;
  readonly #idle: PooledConnection[];
  readonly #clock: NodeEnv["clock"];
  #carried: Exchange | undefined = undefined;
  /** Since when it is idle. */
  restedAtMs = Number.NEGATIVE_INFINITY;

  constructor(connection: Connection, idle: PooledConnection[], clock: NodeEnv["clock"]) {
    this.#connection = connection;
    this.#idle = idle;
    this.#clock = clock;
    connection.onMessage((reply) => this.#arrived(reply as WireReply));
    connection.onClose((error) => this.#closed(error));
  }

  carry(exchange: Exchange): void {
    this.#carried = exchange;
    exchange.signal.addEventListener("abort", this, { once: true });
    this.#connection.send(exchange.request);
    exchange.body?.().then(
      () => {
        if (this.#carried === exchange) this.#connection.send(BODY_END);
      },
      // Its sender has given up, and reports that through the signal.
      () => undefined,
    );
  }

  rest(): void {
    if (!this.#connection.open) return;
    this.restedAtMs = this.#clock.nowMs();
    this.#idle.push(this);
  }

  close(): void {
    this.#connection.close();
  }

  /**
   * The sender no longer waits for the reply: the next message on this connection would answer the
   * wrong request.
   */
  handleEvent(): void {
    const exchange = this.#carried;
    this.#carried = undefined;
    this.#connection.reset();
    exchange?.reject(exchange.signal.reason);
  }

  #arrived(reply: WireReply): void {
    const exchange = this.#carried;
    if (exchange === undefined) return;
    this.#carried = undefined;
    exchange.signal.removeEventListener("abort", this);
    this.rest();
    exchange.resolve(reply);
  }

  #closed(error: (Error & { readonly code?: string }) | undefined): void {
    const place = this.#idle.indexOf(this);
    if (place >= 0) this.#idle.splice(place, 1);
    const exchange = this.#carried;
    if (exchange === undefined) return;
    this.#carried = undefined;
    exchange.signal.removeEventListener("abort", this);
    exchange.reject(new WireError(error?.code ?? "ECONNRESET", "read", "the connection broke before a reply"));
  }
}

/**
 * Answers one request. `gone` is aborted when its sender hangs up; `body` resolves when a request
 * that `uploads` has arrived as a whole. The resolved value is sent back.
 */
export type Answerer = (request: WireRequest, gone: HangUp, body: Promise<void> | undefined) => Promise<WireReply>;

/**
 * Listens on `port` and lets `answer` answer; a rejection cuts the connection, as a server that
 * crashes on a request would.
 */
export function serveWire(env: NodeEnv, port: number, answer: Answerer): void {
  env.network.listen(port, (connection) => {
    let gone: HangUp | undefined;
    let whole: (() => void) | undefined;
    connection.onMessage((message) => {
      if (!("method" in (message as object))) return whole?.();
      const request = message as WireRequest;
      const mine = new HangUp();
      gone = mine;
      whole = undefined;
      const body = request.uploads === true ? new Promise<void>((resolve) => (whole = resolve)) : undefined;
      answer(request, mine, body).then(
        (reply) => {
          if (gone === mine) gone = undefined;
          if (connection.open) connection.send(reply);
        },
        () => connection.open && connection.reset(),
      );
    });
    connection.onClose(() => gone?.abort(HUNG_UP));
  });
}
