/**
 * A server of HTTP/1.1 that reads requests strictly, for the gateway's listeners and for stations:
 * what one of them refuses, the other does not take either. Framing is left to Node's parser: what
 * it finds ambiguous (both Content-Length and Transfer-Encoding, bare line feeds, folded fields) is
 * refused, because a message that two servers read differently is how requests are smuggled. The
 * requests of a connection are served one after the other (`caller-connection.ts`); what cannot be
 * read is answered with a problem.
 *
 * Node reads on while a request is being served, and would keep the heads of all that come behind
 * it. Here a connection with a request that waits is not read until that one's turn has come, so
 * that there are never more than one piece of it (64 KiB) has, and these are counted.
 *
 * Node does not count the separators of fields; they are counted here. What it does not show is the
 * size that a chunk says: one that is longer than what follows is waited for, until its sender
 * closes or is too slow.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Problem, RefusedRequest, refusal } from "../../fleet/problem.ts";
import { CallerConnection } from "./caller-connection.ts";
import { answerRaw } from "./problem.ts";

export interface RequestServerOptions {
  /** Serves one request, in its turn. `waits`: its sender waits for `100 Continue`. */
  readonly serve: (message: IncomingMessage, response: ServerResponse, waits: boolean) => void;
  /**
   * Takes memory for a request that waits for its turn, until it is disposed; undefined where there
   * is none. Default: there always is.
   */
  readonly takeRoom?: (message: IncomingMessage) => Disposable | undefined;
  /** Told of what could not be read, once a connection. */
  readonly onMalformed?: (error: NodeJS.ErrnoException) => void;
  /** How long a header block may take to arrive, in ms. */
  readonly headersMs: number;
  /** How long a request may take to arrive in all, in ms. */
  readonly requestMs: number;
  readonly limits?: HeaderLimits;
  /** Requests of a connection that may wait behind one that is being served. Default 64. */
  readonly maxWaiting?: number;
  /**
   * How much is read of a connection before it is looked whether more is wanted, in bytes. Default:
   * as much as comes, 64 KiB.
   */
  readonly pieceBytes?: number;
}

export interface HeaderLimits {
  /** Bytes of the request line and all fields, with what stands between them. */
  readonly bytes: number;
  readonly fields: number;
}

/**
 * 32 KiB: what nginx and Apache accept by default is less. 256 fields: more than twice what Apache
 * and HAProxy accept.
 */
const CALLERS_LIMITS: HeaderLimits = { bytes: 32 * 1_024, fields: 256 };
/** What the gateway takes it adds to: a station takes that, too. */
export const RELAYED_LIMITS: HeaderLimits = {
  bytes: CALLERS_LIMITS.bytes + 4 * 1_024,
  fields: CALLERS_LIMITS.fields + 32,
};

/**
 * How long an idle caller's connection is kept. 75 s is nginx's: longer than most callers keep one,
 * so that they close first.
 */
const KEEP_ALIVE_MS = 75_000;

export class RequestServer {
  readonly server: Server;
  readonly #options: RequestServerOptions;
  readonly #limits: HeaderLimits;
  readonly #connections: WeakMap<Duplex, CallerConnection> = new WeakMap();
  readonly #open: Set<Socket> = new Set();
  /** Connections that have been told that what they sent is malformed, and are about to end. */
  readonly #refused: WeakSet<Duplex> = new WeakSet();

  constructor(options: RequestServerOptions) {
    const { headersMs, requestMs, limits = CALLERS_LIMITS } = options;
    this.#options = options;
    this.#limits = limits;
    this.server = createServer({
      maxHeaderSize: limits.bytes,
      headersTimeout: headersMs,
      requestTimeout: Math.max(requestMs, headersMs),
      connectionsCheckingInterval: Math.min(1_000, headersMs),
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Refused with a problem of our own.
      requireHostHeader: false,
      noDelay: true,
    });
    // One more than is allowed, because some versions of Node drop what goes beyond their count
    // without a word.
    this.server.maxHeadersCount = limits.fields + 1;
    this.server.on("connection", (socket: Socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#open.delete(socket));
    });
    if (options.pieceBytes !== undefined) {
      const { pieceBytes } = options;
      this.server.on("connection", (socket: Socket) => readInPieces(socket, pieceBytes));
    }
    this.server.on("request", (request, response) => this.#arrived(request, response, false));
    this.server.on("checkContinue", (request, response) => this.#arrived(request, response, true));
    this.server.on("checkExpectation", (request, response) => this.#arrived(request, response, false));
    this.server.on("connect", (_request, socket) => this.#tunnelAsked(socket));
    this.server.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#malformed(error, socket));
  }

  /**
   * Ends every connection now: with a reset where an answer is due, because an answer without a
   * length looks whole where it ends otherwise.
   */
  cutAll(): void {
    for (const socket of this.#open) {
      if (this.connectionOf(socket).isDue) socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  connectionOf(socket: Duplex): CallerConnection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection = new CallerConnection(this.#options.maxWaiting);
    this.#connections.set(socket, connection);
    return connection;
  }

  /** Throws {@link RefusedRequest} where the head of `message` is larger than allowed. */
  refuseTooMuch({ rawHeaders, url = "", method = "" }: IncomingMessage): void {
    const { bytes, fields } = this.#limits;
    if (rawHeaders.length / 2 > fields) throw new RefusedRequest(tooLarge(`${fields} header fields`));
    let length = method.length + url.length + " HTTP/1.1\r\n\r\n".length;
    // A colon, a blank and the end of the line for each field.
    for (const part of rawHeaders) length += part.length + 2;
    if (length > bytes) throw new RefusedRequest(tooLarge(`${bytes} bytes of header fields`));
  }

  #arrived(message: IncomingMessage, response: ServerResponse, waits: boolean): void {
    // The piece in which the request stood that was one too many is parsed to its end.
    const { socket } = message;
    if (socket.destroyed) return;
    const connection = this.connectionOf(socket);
    const turn = connection.arrived(message, response);
    if (turn === undefined) return this.#options.serve(message, response, waits);
    const room = this.#options.takeRoom === undefined ? ENDLESS : this.#options.takeRoom(message);
    if (room === undefined) return void socket.resetAndDestroy();
    message.once("close", () => room[Symbol.dispose]());
    if (turn === "never") unread.add(socket);
    // Not in the middle of the piece that is being parsed.
    process.nextTick(() => stopReading(socket));
    if (turn === "never") return;
    turn.then((isServed) => {
      // Node keeps it until the answers before it have gone.
      if (!isServed) return;
      room[Symbol.dispose]();
      if (connection.isNewest(response)) socket.resume();
      this.#options.serve(message, response, waits);
    });
  }

  /**
   * Node reads no request behind a CONNECT. The answers of those before it come first, and end the
   * connection.
   */
  #tunnelAsked(socket: Duplex): void {
    if (!this.connectionOf(socket).endsUnread()) return answerRaw(socket, NO_TUNNELS);
    // Read and forgotten, so that a reset does not overtake the answers. Nobody else listens for
    // errors any more.
    socket.on("error", () => undefined).resume();
  }

  /** What Node's parser will not read, and callers that take too long over their header block. */
  #malformed(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket)) return;
    const connection = this.connectionOf(socket);
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    if (connection.endsUnread()) return;
    if (!connection.isAnswerable) return void socket.destroy();
    this.#refused.add(socket);
    this.#options.onMalformed?.(error);
    answerRaw(socket, this.#problemOf(error));
  }

  #problemOf({ code = "", message }: NodeJS.ErrnoException): Problem {
    const { bytes, fields } = this.#limits;
    if (code === "HPE_HEADER_OVERFLOW") return tooLarge(`${bytes} bytes of header fields, and ${fields} fields`);
    return PARSER_PROBLEMS.get(code) ?? refusal(400, "MALFORMED_REQUEST", message);
  }
}

export const TOO_SLOW: Problem = refusal(408, "REQUEST_TOO_SLOW", "the request did not arrive in time");

const NO_TUNNELS: Problem = refusal(501, "NOT_SUPPORTED", "CONNECT is not supported: this is a reverse proxy");
const PARSER_PROBLEMS: ReadonlyMap<string, Problem> = new Map([
  ["HPE_CHUNK_EXTENSIONS_OVERFLOW", refusal(413, "REQUEST_TOO_LARGE", "the chunk extensions are too long")],
  ["ERR_HTTP_REQUEST_TIMEOUT", TOO_SLOW],
]);

/**
 * What comes behind a request that waits is not read: all of it would be kept in memory until the
 * answers before it have gone. To Node's parser, which reads from the handle itself, a paused
 * socket means nothing; a listener for its data makes it read from the socket.
 */
function stopReading(socket: Socket): void {
  readFromSocket(socket);
  socket.pause();
}

const ENDLESS: Disposable = { [Symbol.dispose]: () => undefined };

/** Of which nothing more is served: pieces of it that have not been parsed are dropped. */
const unread: WeakSet<Socket> = new WeakSet();

/**
 * Hands what comes on `socket` to the parser in pieces of at most `bytes`. A read of 64 KiB can
 * hold some thousand requests: Node makes objects for each of them before anybody can say stop, and
 * an error for each when the connection closes, so that a few such connections stop the process for
 * seconds. (It resumes a paused socket after each request that it reads: hence the pieces that are
 * dropped.)
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
 * Node's parser reads from the handle itself, past a paused socket; a listener for its data makes
 * it read from the socket.
 */
function readFromSocket(socket: Socket): void {
  if (!socket.listeners("data").includes(nothing)) socket.on("data", nothing);
}

function nothing(): void {}

function tooLarge(most: string): Problem {
  return refusal(431, "HEADERS_TOO_LARGE", `allowed are ${most}`);
}
