/**
 * A server for HTTP/1.1 that reads requests strictly. The gateway's listeners and the stations use
 * the same one, so that both refuse the same requests. Node's parser does the framing. Requests
 * that it finds ambiguous (both Content-Length and Transfer-Encoding, bare line feeds, folded
 * fields) are refused, because a message that two servers read differently is the means of request
 * smuggling. The requests of a connection are served one after the other (`caller-connection.ts`).
 * A request that cannot be read is answered with a problem. Callers that choose HTTP/2 are served
 * by `stream-sessions.ts`, and their requests take the same way from there.
 *
 * While Node serves a request, it reads on and would keep the heads of all requests behind it.
 * Here, a connection with a waiting request is not read until that request's turn has come. So at
 * most the requests of one piece (64 KiB) wait, and they are counted.
 *
 * Node does not count the separators of fields, so they are counted here. Node does not expose the
 * size that a chunk announces: if it is larger than the data that follows, the server waits for the
 * rest until the sender closes the connection or is too slow.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type Problem, RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { ServerContexts } from "../tls/server-contexts.ts";
import { CallerConnection } from "./caller-connection.ts";
import { answerRaw, endGently, type ProblemRequest } from "./problem.ts";
import { asksForTunnel, noteTunnel } from "./request-head.ts";
import { resetConnection, trackSecured } from "./secured-sockets.ts";
import { StreamSessions } from "./stream-sessions.ts";

export interface RequestServerOptions {
  /** Serves one request when its turn has come. `waits`: its sender waits for `100 Continue`. */
  readonly serve: (message: IncomingMessage, response: ServerResponse, waits: boolean) => void;
  /**
   * Takes memory for a waiting request, until disposed; undefined if there is no room. Default:
   * there always is room.
   */
  readonly takeRoom?: (message: IncomingMessage) => Disposable | undefined;
  /**
   * Called once for each connection whose data could not be read, and for a CONNECT. Returns the
   * names under which the answer speaks of the request. Default: none.
   */
  readonly onMalformed?: (error: NodeJS.ErrnoException, problem: Problem, socket: Duplex) => ProblemRequest | undefined;
  /** Longest time for a header block to arrive, in ms. */
  readonly headersMs: number;
  /** Longest time for a whole request to arrive, in ms. */
  readonly requestMs: number;
  readonly limits?: HeaderLimits;
  /**
   * True: requests that ask for another protocol are served, too; see `earlyBytesOf`. Default:
   * false.
   */
  readonly hasTunnels?: boolean;
  /** Most requests of a connection that may wait behind the one being served. Default 64. */
  readonly maxWaiting?: number;
  /**
   * How many bytes of a connection are parsed before the server checks whether more are wanted.
   * Default: everything that has arrived, up to 64 KiB.
   */
  readonly pieceBytes?: number;
  /**
   * Called when a caller's handshake failed: with no certificate or a wrong one, or without TLS.
   */
  readonly onHandshakeFailed?: (error: NodeJS.ErrnoException) => void;
  /** True: callers with TLS may choose HTTP/2 (ALPN). Default: false. */
  readonly hasStreams?: boolean;
  /** Certificates of a server that speaks TLS. Default: it does not. */
  readonly tls?: ServerContexts | undefined;
}

export interface HeaderLimits {
  /** Bytes of the request line and all fields, with their separators. */
  readonly bytes: number;
  readonly fields: number;
}

/**
 * 32 KiB is more than nginx and Apache accept by default. 256 fields are more than twice what
 * Apache and HAProxy accept.
 */
const CALLERS_LIMITS: HeaderLimits = { bytes: 32 * 1_024, fields: 256 };
/**
 * The gateway adds fields to the requests that it accepts, so a station must accept more than the
 * gateway does.
 */
export const RELAYED_LIMITS: HeaderLimits = {
  bytes: CALLERS_LIMITS.bytes + 4 * 1_024,
  fields: CALLERS_LIMITS.fields + 32,
};

/**
 * How long an idle connection of a caller is kept. 75 s is nginx's default: longer than most
 * callers keep one, so that the caller closes first.
 */
const KEEP_ALIVE_MS = 75_000;

export class RequestServer {
  readonly server: Server;
  readonly #options: RequestServerOptions;
  readonly #limits: HeaderLimits;
  readonly #connections: WeakMap<Duplex, CallerConnection> = new WeakMap();
  /** TCP connections, each with the one of TLS above it once its handshake has ended. */
  readonly #open: Map<Socket, Socket> = new Map();
  /** Connections over HTTP/2. */
  readonly #streams: StreamSessions;
  /** Connections that have been told that their data is malformed, and are about to end. */
  readonly #refused: WeakSet<Duplex> = new WeakSet();

  constructor(options: RequestServerOptions) {
    const { headersMs, requestMs, limits = CALLERS_LIMITS, tls } = options;
    this.#options = options;
    this.#limits = limits;
    this.#streams = new StreamSessions({
      serve: (message, response, waits) => this.#arrived(message, response, waits),
      limits,
      idleMs: KEEP_ALIVE_MS,
      requestMs: () => this.server.requestTimeout,
    });
    const asked = {
      maxHeaderSize: limits.bytes,
      headersTimeout: headersMs,
      requestTimeout: Math.max(requestMs, headersMs),
      connectionsCheckingInterval: Math.min(1_000, headersMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Refused later, with a problem of the gateway's own.
      requireHostHeader: false,
      noDelay: true,
      ...(options.hasTunnels === true ? { shouldUpgradeCallback: asksForTunnel } : {}),
    };
    this.server = tls === undefined ? createServer(asked) : this.#withTls(asked, tls);
    // One more than allowed, because some versions of Node silently drop fields above their limit.
    this.server.maxHeadersCount = limits.fields + 1;
    this.server.on("connection", (socket: Socket) => {
      this.#open.set(socket, socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    if (options.pieceBytes !== undefined) {
      const { pieceBytes } = options;
      const event = tls === undefined ? "connection" : "secureConnection";
      this.server.on(event, (socket: Socket) => readInPieces(socket, pieceBytes));
    }
    this.server.on("request", (request, response) => this.#arrived(request, response, false));
    this.server.on("checkContinue", (request, response) => this.#arrived(request, response, true));
    this.server.on("checkExpectation", (request, response) => this.#arrived(request, response, false));
    if (options.hasTunnels === true && CAN_CHOOSE_UPGRADES)
      this.server.on("upgrade", (request, socket, early) => this.#upgradeAsked(request, socket, early));
    this.server.on("connect", (_request, socket) => this.#tunnelAsked(socket));
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#malformed(error, socket));
  }

  /**
   * Ends every connection now. If an answer is due, with a reset: without it, an answer without a
   * length would look complete. Returns how many were due an answer.
   */
  cutAll(): number {
    let due = 0;
    for (const socket of this.#open.values()) {
      const streams = this.#streams.cut(socket);
      if (streams !== undefined) {
        due += streams;
        continue;
      }
      if (!this.connectionOf(socket).isDue) socket.destroy();
      else {
        due++;
        resetConnection(socket);
      }
    }
    return due;
  }

  /** Callers with HTTP/2 are told to take another connection; those of HTTP/1 with their answer. */
  retire(): void {
    this.#streams.retire();
  }

  connectionOf(socket: Duplex): CallerConnection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection = new CallerConnection(this.#options.maxWaiting);
    this.#connections.set(socket, connection);
    return connection;
  }

  /** Throws {@link RefusedRequest} if the head of `message` is larger than allowed. */
  refuseTooMuch({ rawHeaders, url = "", method = "" }: IncomingMessage): void {
    const { bytes, fields } = this.#limits;
    if (rawHeaders.length / 2 > fields) throw new RefusedRequest(tooLarge(`${fields} header fields`));
    let length = method.length + url.length + " HTTP/1.1\r\n\r\n".length;
    // Each field also has a colon, a space and a line end.
    for (const part of rawHeaders) length += part.length + 2;
    if (length > bytes) throw new RefusedRequest(tooLarge(`${bytes} bytes of header fields`));
  }

  #withTls(options: ServerOptions, contexts: ServerContexts): Server {
    const hasStreams = this.#options.hasStreams === true;
    const server = createTlsServer({ ...options, ...contexts.options(hasStreams ? ["h2", "http/1.1"] : ["http/1.1"]) });
    if (hasStreams) this.#divertStreams(server);
    contexts.serve(server);
    trackSecured(server, (secured, tcp) => {
      if (tcp !== undefined && this.#open.has(tcp)) this.#open.set(tcp, secured);
    });
    // Node would take a handshake that failed for a request that cannot be read.
    server.removeAllListeners("tlsClientError").on("tlsClientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      socket.destroy();
      this.#options.onHandshakeFailed?.(error);
    });
    return server;
  }

  /** Connections whose caller has chosen HTTP/2 never reach the parser of HTTP/1. */
  #divertStreams(server: Server): void {
    const served = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
    server.removeAllListeners("secureConnection").on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") return this.#streams.accept(socket);
      for (const listener of served) listener.call(server, socket);
    });
  }

  /**
   * Node has stopped to read the connection as HTTP. Its one answer is written here, and then
   * either the connection ends or another protocol goes on.
   */
  #upgradeAsked(message: IncomingMessage, socket: Duplex, early: Buffer): void {
    if (this.connectionOf(socket).endsUnread()) return void socket.on("error", () => undefined).resume();
    if (socket.destroyed) return;
    noteTunnel(message);
    EARLY.set(message, early);
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    socket.on("error", () => undefined);
    response.once("finish", () => {
      if (response.statusCode !== 101) endGently(socket);
    });
    const connection = new CallerConnection();
    this.#connections.set(socket, connection);
    connection.arrived(message, response);
    this.#options.serve(message, response, false);
  }

  #arrived(message: IncomingMessage, response: ServerResponse, waits: boolean): void {
    // The parser still finishes the piece that contained the request above the limit.
    const { socket } = message;
    if (socket.destroyed) return;
    const connection = this.connectionOf(socket);
    const turn = connection.arrived(message, response);
    if (turn === undefined) return this.#options.serve(message, response, waits);
    const room = this.#options.takeRoom === undefined ? ENDLESS : this.#options.takeRoom(message);
    if (room === undefined) return resetConnection(socket);
    message.once("close", () => room[Symbol.dispose]());
    if (turn === "never") unread.add(socket);
    // Not while the piece is still being parsed.
    process.nextTick(() => stopReading(socket));
    if (turn === "never") return;
    turn.then((isServed) => {
      // Node keeps it until the answers before it have been sent.
      if (!isServed) return;
      room[Symbol.dispose]();
      if (connection.isNewest(response)) socket.resume();
      this.#options.serve(message, response, waits);
    });
  }

  /**
   * Node reads no request after a CONNECT. The answers to the requests before it are sent first,
   * and then the connection ends.
   */
  #tunnelAsked(socket: Duplex): void {
    if (!this.connectionOf(socket).endsUnread()) return this.#refuse(CONNECT_ASKED, NO_TUNNELS, socket);
    // The rest is read and discarded, so that a reset does not overtake the answers. The socket has
    // no other listener for errors at this point.
    socket.on("error", () => undefined).resume();
  }

  /**
   * Called for data that Node's parser cannot read, and for callers whose header block takes too
   * long.
   */
  #malformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    const connection = this.connectionOf(socket);
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    if (connection.endsUnread()) return;
    if (!connection.isAnswerable) return void socket.destroy();
    this.#refused.add(socket);
    this.#refuse(error, this.#problemOf(error), socket);
  }

  #refuse(error: NodeJS.ErrnoException, problem: Problem, socket: Duplex): void {
    answerRaw(socket, problem, this.#options.onMalformed?.(error, problem, socket));
  }

  #problemOf({ code = "", message }: NodeJS.ErrnoException): Problem {
    const { bytes, fields } = this.#limits;
    if (code === "HPE_HEADER_OVERFLOW") return tooLarge(`${bytes} bytes of header fields, and ${fields} fields`);
    return PARSER_PROBLEMS.get(code) ?? refusal(400, "MALFORMED_REQUEST", message);
  }
}

/** Node lets a server choose which upgrades it takes from 22.21 and 24.9 on. */
const [MAJOR = 0, MINOR = 0] = process.versions.node.split(".").map(Number);
const CAN_CHOOSE_UPGRADES = MAJOR > 24 || (MAJOR === 24 && MINOR >= 9) || (MAJOR === 22 && MINOR >= 21);

const EARLY: WeakMap<object, Uint8Array> = new WeakMap();

/** What a caller that asks for another protocol has already sent in it. */
export function earlyBytesOf(message: object): Uint8Array {
  return EARLY.get(message) ?? new Uint8Array();
}

export const TOO_SLOW: Problem = refusal(408, "REQUEST_TOO_SLOW", "the request did not arrive in time");

const CONNECT_ASKED: NodeJS.ErrnoException = { name: "Error", message: "CONNECT", code: "NOT_SUPPORTED" };
const NO_TUNNELS: Problem = refusal(501, "NOT_SUPPORTED", "CONNECT is not supported: this is a reverse proxy");
const PARSER_PROBLEMS: ReadonlyMap<string, Problem> = new Map([
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", refusal(413, "REQUEST_TOO_LARGE", "the chunk extensions are too long")],
  ["ERR_HTTP_REQUEST_TIMEOUT", TOO_SLOW],
]);

/**
 * Stops reading behind a waiting request: everything read would stay in memory until the answers
 * before it have been sent. Node's parser reads from the handle itself and ignores a paused socket;
 * a listener for data makes it read from the socket.
 */
function stopReading(socket: Socket): void {
  readFromSocket(socket);
  socket.pause();
}

const ENDLESS: Disposable = { [Symbol.dispose]: () => undefined };

/** Connections on which nothing more is served. Pieces that have not been parsed are dropped. */
const unread: WeakSet<Socket> = new WeakSet();

/**
 * Passes the data of `socket` to the parser in pieces of at most `bytes`. A read of 64 KiB can hold
 * a thousand requests. Node creates objects for each of them before the server can stop it, and an
 * error for each when the connection closes, so a few such connections would block the process for
 * seconds. Node also resumes a paused socket after each request that it reads; therefore unparsed
 * pieces are dropped.
 */
function readInPieces(socket: Socket, bytes: number): void {
  const push = socket.push.bind(socket);
  socket.push = (chunk: Buffer | null, encoding) => {
    if (chunk === null) return push(chunk);
    let wantsMore = true;
    for (let at = 0; at < chunk.length && !unread.has(socket); at += bytes)
      wantsMore = push(chunk.subarray(at, at + bytes), encoding);
    return wantsMore && !unread.has(socket);
  };
  readFromSocket(socket);
}

/**
 * Node's parser reads from the handle itself, even if the socket is paused. A listener for data
 * makes it read from the socket.
 */
function readFromSocket(socket: Socket): void {
  if (!socket.listeners("data").includes(nothing)) socket.on("data", nothing);
}

function nothing(): void {}

function tooLarge(most: string): Problem {
  return refusal(431, "HEADERS_TOO_LARGE", `allowed are ${most}`);
}
