/**
 * A request that came as a stream of HTTP/2 (RFC 9113 §8), in the form in which requests of
 * HTTP/1.1 are served: the same head, with what the pseudo-fields say, and a body whose end is
 * known. So every rule for requests is applied once, whatever the caller speaks.
 *
 * A body is complete only if the caller has said so (END_STREAM) and it has the length that its
 * head gives. A stream that is reset before is cut, also with NO_ERROR: Node ends such a stream
 * like a complete one.
 */
import { EventEmitter } from "node:events";
import { IncomingMessage, METHODS } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { RawHeaders } from "./http-headers.ts";
import { noteCarrier } from "./secured-sockets.ts";

/** Fields of a connection of HTTP/1.1, which HTTP/2 does not have (RFC 9113 §8.2.2). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"],
]);
const PSEUDO: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Node's parser of HTTP/1 refuses the same targets. */
const TARGET = /^(\/[\x21-\x7e]*|\*)$/;

/** The head of a request in the form of HTTP/1.1. */
export interface StreamHead {
  readonly method: string;
  readonly target: string;
  /** Names and values alternating. */
  readonly raw: readonly string[];
  /** The length that the head gives. */
  readonly bytes: number | undefined;
  /** Why the request is not served. */
  readonly fault: RefusedRequest | undefined;
}

/** The head of a stream, from its fields as they came. `isWhole`: no body follows it. */
export function streamHead(fields: RawHeaders, isWhole: boolean): StreamHead {
  const pseudo = new Map<string, string>();
  const raw: string[] = [];
  const cookies: string[] = [];
  let fault: RefusedRequest | undefined;
  const blame = (detail: string, code = "BAD_HEADER", status = 400): void => {
    fault ??= new RefusedRequest(refusal(status, code, detail));
  };
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [name, value] = [fields[at] as string, fields[at + 1] as string];
    if (name.startsWith(":")) {
      if (!PSEUDO.has(name) || pseudo.has(name) || raw.length > 0 || cookies.length > 0)
        blame(
          `${name.slice(0, 60)}: not allowed there; allowed are :method, :scheme, :authority and :path, once each, first`,
        );
      pseudo.set(name, value);
    } else if (name === "cookie") cookies.push(value);
    else if (FORBIDDEN.has(name) || (name === "te" && value.toLowerCase() !== "trailers"))
      blame(`${name}: HTTP/2 does not have it`);
    else if (FIELD_NAME.test(name)) raw.push(name, value);
    else blame(`${JSON.stringify(name.slice(0, 60))} is no name of a field in HTTP/2`);
  }
  // Callers may split cookies over several fields; HTTP/1.1 has one (RFC 9113 §8.2.3).
  if (cookies.length > 0) raw.push("cookie", cookies.join("; "));
  const method = pseudo.get(":method") ?? "";
  const target = pseudo.get(":path") ?? "";
  if (method === "CONNECT") blame("CONNECT is not supported: this is a reverse proxy", "NOT_SUPPORTED", 501);
  else if (!METHODS.includes(method)) blame(`${method.slice(0, 60)} is no known method`, "NOT_SUPPORTED", 501);
  else if (!TARGET.test(target)) blame(":path must be a path, or * for OPTIONS", "BAD_TARGET");
  else if (pseudo.get(":scheme") !== "https") blame(":scheme must be https", "BAD_TARGET");
  setHost(raw, pseudo.get(":authority"), blame);
  const bytes = lengthOf(raw, isWhole, blame);
  // As HTTP/1.1 frames a body whose length is not known; the field is not passed on.
  if (!isWhole && bytes === undefined) raw.push("transfer-encoding", "chunked");
  return { method, target, raw, bytes, fault };
}

/** Makes `:authority` the only Host; they must say the same (RFC 9113 §8.3.1). */
function setHost(raw: string[], authority: string | undefined, blame: (detail: string) => void): void {
  if (authority === undefined) return;
  for (let at = raw.length - 2; at >= 0; at -= 2) {
    if (raw[at] !== "host") continue;
    const [, host] = raw.splice(at, 2) as [string, string];
    if (host.toLowerCase() !== authority.toLowerCase()) blame("Host and :authority are not the same");
  }
  raw.unshift("host", authority);
}

function lengthOf(raw: readonly string[], isWhole: boolean, blame: (detail: string) => void): number | undefined {
  const given: string[] = [];
  for (let at = 0; at < raw.length; at += 2) if (raw[at] === "content-length") given.push(raw[at + 1] as string);
  const [text] = given;
  if (text === undefined) return undefined;
  const bytes = Number(text);
  if (given.length > 1 || !/^\d+$/.test(text) || !Number.isSafeInteger(bytes)) {
    blame("Content-Length must be one number of bytes");
    return undefined;
  }
  if (isWhole && bytes > 0) blame(`Content-Length is ${bytes}, but the request has no body`);
  return bytes;
}

/** Stands for the connection of a request: what is done to it is done to its stream only. */
export class StreamSocket extends EventEmitter {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly encrypted = true;
  readonly readableHighWaterMark: number;
  /** Bytes of the answer's body. */
  bytesWritten = 0;
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream, carrier: Socket) {
    super();
    this.#stream = stream;
    this.remoteAddress = carrier.remoteAddress;
    this.remotePort = carrier.remotePort;
    this.readableHighWaterMark = stream.readableHighWaterMark;
    noteCarrier(this, carrier);
  }

  get destroyed(): boolean {
    return this.#stream.destroyed || this.#stream.aborted;
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  resume(): this {
    if (!this.destroyed) this.#stream.resume();
    return this;
  }

  pause(): this {
    this.#stream.pause();
    return this;
  }

  setTimeout(ms: number): this {
    if (!this.destroyed) this.#stream.setTimeout(ms, () => this.#stream.close(constants.NGHTTP2_CANCEL));
    return this;
  }

  destroy(): this {
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_CANCEL);
    return this;
  }

  /** So that the caller does not take what it has received for complete. */
  resetAndDestroy(): this {
    if (!this.#stream.closed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return this;
  }
}

const FAULTS: WeakMap<object, RefusedRequest> = new WeakMap();
const STREAMED: WeakSet<object> = new WeakSet();

/** True if `message` came over HTTP/2. */
export function isStreamed(message: object): boolean {
  return STREAMED.has(message);
}

/** Throws what is wrong with the head of a stream. */
export function refuseStream(message: object): void {
  const fault = FAULTS.get(message);
  if (fault !== undefined) throw fault;
}

/** The request on `stream`, whose body arrives while it is read. */
export function streamRequest(
  stream: ServerHttp2Stream,
  { method, target, raw, bytes, fault }: StreamHead,
  isWhole: boolean,
  socket: StreamSocket,
): IncomingMessage {
  const message = new IncomingMessage(socket as unknown as Socket);
  message.httpVersion = "2.0";
  message.httpVersionMajor = 2;
  message.httpVersionMinor = 0;
  message.method = method;
  message.url = target;
  message.rawHeaders = [...raw];
  for (let at = 0; at + 1 < raw.length; at += 2) message.headers[raw[at] as string] ??= raw[at + 1] as string;
  STREAMED.add(message);
  if (fault !== undefined) FAULTS.set(message, fault);
  if (isWhole) {
    message.complete = true;
    message.push(null);
  } else receive(stream, message, bytes);
  return message;
}

function receive(stream: ServerHttp2Stream, message: IncomingMessage, bytes: number | undefined): void {
  let received = 0;
  const fail = (): void => {
    if (!stream.closed) stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
    if (!message.complete) message.destroy(new Error("the request was cut"));
  };
  stream.on("data", (piece: Buffer) => {
    received += piece.length;
    if (bytes !== undefined && received > bytes) return fail();
    if (!message.destroyed && !message.push(piece)) stream.pause();
  });
  const finish = (): void => {
    if (message.destroyed || message.complete) return;
    const isEnded = stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE;
    if (stream.closed || !isEnded || (bytes !== undefined && received !== bytes)) return fail();
    message.complete = true;
    message.push(null);
  };
  // Node may say it from within the reading of the last frame, before the state has changed.
  stream.on("end", () => setImmediate(finish));
  const gone = (): void => {
    if (!message.complete) message.destroy(new Error("the request was cut"));
  };
  stream.on("aborted", gone).on("close", gone);
  stream.pause();
}
