/**
 * Callers' connections over HTTP/2 (RFC 9113). Each stream is served like a request of HTTP/1.1,
 * but not in order: callers that need one send their commands one after the other. What a
 * connection may cost is bounded here; Node's library bounds the rest (continuations, resets, and
 * answers to settings and pings that are not read).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { resetConnection } from "./secured-sockets.ts";
import { StreamSocket, streamHead, streamRequest } from "./stream-request.ts";
import { StreamResponse } from "./stream-response.ts";

/** Requests of a connection at once; nginx's default. Further streams are refused unserved. */
export const MAX_STREAMS = 128;
/** Memory of a connection in Node's library, in MB; Node's default. */
const MAX_SESSION_MB = 10;
/** Streams that a connection may reset at once, and a second in the long run; Node's default. */
const RESETS = { streamResetBurst: 1_000, streamResetRate: 33 } as const;
/** How long a caller may take to read that its streams are cut, in ms. */
const CUT_MS = 1_000;
/** Frames that break a rule before their connection ends. */
const MAX_INVALID_FRAMES = 100;

export interface StreamSessionsOptions {
  readonly serve: (message: IncomingMessage, response: ServerResponse, waits: boolean) => void;
  readonly limits: { readonly bytes: number; readonly fields: number };
  /** How long a connection without a request is kept, in ms. */
  readonly idleMs: number;
  /** Longest time for a whole request to arrive, in ms. */
  readonly requestMs: () => number;
}

export class StreamSessions {
  readonly #options: StreamSessionsOptions;
  readonly #open: Map<Socket, Session> = new Map();
  #isRetiring = false;

  constructor(options: StreamSessionsOptions) {
    this.#options = options;
  }

  /** Serves `socket`, whose caller has chosen HTTP/2. */
  accept(socket: Socket): void {
    const { bytes, fields } = this.#options.limits;
    const http = performServerHandshake(socket, {
      // Requests a little above the limits are answered, larger ones reset.
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: 2 * bytes, enablePush: false },
      maxHeaderListPairs: 2 * fields,
      maxSessionMemory: MAX_SESSION_MB,
      maxSessionInvalidFrames: MAX_INVALID_FRAMES,
      ...RESETS,
    }) as ServerHttp2Session;
    const session: Session = { http, streams: new Set(), idle: undefined };
    this.#open.set(socket, session);
    this.#waitIdle(session, socket);
    http.on("error", () => undefined);
    http.on("close", () => {
      clearTimeout(session.idle);
      this.#open.delete(socket);
    });
    http.on("stream", (stream: ServerHttp2Stream, _headers: object, flags: number, raw: string[]) =>
      this.#arrived(session, stream, flags, raw, socket),
    );
  }

  /**
   * Ends `socket`, and returns how many answers were due on it; undefined if it is not one of
   * HTTP/2. Each stream is reset first: after a GOAWAY, some callers take the end of the connection
   * for the end of an answer.
   */
  cut(socket: Socket): number | undefined {
    const session = this.#open.get(socket);
    if (session === undefined) return undefined;
    const due = session.streams.size;
    for (const stream of session.streams) if (!stream.closed) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    session.http.close();
    const late = setTimeout(() => resetConnection(socket), CUT_MS);
    session.http.once("close", () => clearTimeout(late));
    return due;
  }

  /** Tells every caller to take another connection (GOAWAY); requests on their way are answered. */
  retire(): void {
    this.#isRetiring = true;
    for (const [socket, session] of this.#open) {
      session.http.close();
      if (session.streams.size === 0) this.#waitIdle(session, socket);
    }
  }

  #arrived(session: Session, stream: ServerHttp2Stream, flags: number, raw: string[], carrier: Socket): void {
    stream.on("error", () => undefined);
    if (stream.destroyed || stream.closed) return;
    const isWhole = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const socket = new StreamSocket(stream, carrier);
    const message = streamRequest(stream, streamHead(raw, isWhole), isWhole, socket);
    const response = new StreamResponse(stream, message, socket, () => {
      if (this.#isRetiring && !session.http.closed) session.http.close();
    });
    session.streams.add(stream);
    clearTimeout(session.idle);
    const late = isWhole ? undefined : setTimeout(() => this.#late(stream, message), this.#options.requestMs());
    stream.once("close", () => {
      clearTimeout(late);
      session.streams.delete(stream);
      if (session.streams.size === 0) this.#waitIdle(session, carrier);
    });
    const waits = message.headers["expect"]?.toLowerCase() === "100-continue";
    this.#options.serve(message, response as unknown as ServerResponse, waits);
  }

  #late(stream: ServerHttp2Stream, message: IncomingMessage): void {
    if (!message.complete && !stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }

  /** Ends a connection without a request: gently, and then whether or not its caller agrees. */
  #waitIdle(session: Session, socket: Socket): void {
    clearTimeout(session.idle);
    const { http } = session;
    const end = (): void => {
      if (http.closed) return resetConnection(socket);
      http.close();
      this.#waitIdle(session, socket);
    };
    session.idle = setTimeout(end, http.closed ? CUT_MS : this.#options.idleMs).unref();
  }
}

interface Session {
  readonly http: ServerHttp2Session;
  /** Those that are due an answer. */
  readonly streams: Set<ServerHttp2Stream>;
  idle: NodeJS.Timeout | undefined;
}
