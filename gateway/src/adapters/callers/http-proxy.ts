/**
 * Listener for a group's callers: a reverse proxy for HTTP/1.1 on node:http. It passes a request to
 * the group and the station's reply back, changed only as a proxy must (see `http-headers.ts` and
 * docs/guide/proxying.md). Requests are read strictly (`request-server.ts`).
 *
 * The listener bounds times only until a request is complete: a header block has `headersMs`, a
 * body must arrive at a least rate (`upload-pace.ts`). After that the command's own deadline
 * applies. All listeners of a process share one bound on memory (`held-memory.ts`); each listener
 * has its own bound on connections. One address gets only a part of each. The listener does not
 * forward request trailers. It is one file because a request
 * can end at any step on its way, and each end must give back what the steps before it took.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CallAbortedError, RequestCutError, ResilienceError } from "ground-station-failover";
import type { NoReply } from "../../fleet/answer.ts";
import { answerTo, withoutReply } from "../../fleet/answer.ts";
import type { AsyncCommands } from "../../fleet/async/async-commands.ts";
import { CommandTrace } from "../../fleet/command-trace.ts";
import type { Group } from "../../fleet/group.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import { INTERNAL, NoRoomError, RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { ListenSettings } from "../../fleet/settings.ts";
import type { CommandReply, CommandRequest } from "../../fleet/uplink.ts";
import type { UploadPaceOptions } from "../../fleet/upload-pace.ts";
import { callerOf } from "../http/caller-address.ts";
import { flat, headerValue, pairs } from "../http/http-headers.ts";
import { LoopGuard } from "../http/loop-guard.ts";
import { type ProblemRequest, problemAnswer, titleOf } from "../http/problem.ts";
import { readProxyHeaders } from "../http/proxied-connections.ts";
import { deadlineOf, type RequestWay, requestHead } from "../http/request-head.ts";
import { answerWithId, RequestIds } from "../http/request-id.ts";
import { earlyBytesOf, RequestServer, TOO_SLOW } from "../http/request-server.ts";
import { resetConnection } from "../http/secured-sockets.ts";
import { TrustedProxies } from "../http/trusted-proxies.ts";
import type { Log } from "../telemetry/log.ts";
import type { CertificateFacts } from "../tls/certificates.ts";
import type { ServerContexts } from "../tls/server-contexts.ts";
import { AsyncDoor } from "./async-door.ts";
import { CallerConnections, type ConnectionBounds } from "./caller-connections.ts";
import { Exchange } from "./exchange.ts";
import { expectBody, requestBody, takeRoom } from "./request-body.ts";
import type { RequestEnds } from "./request-ends.ts";
import { joinTunnel } from "./tunnel.ts";
import { UnservedConnections, type UnservedCounts } from "./unserved-connections.ts";
import { UploadTimer } from "./upload-timer.ts";

/** Counters of a listener. */
export interface ListenerFigures {
  /** Connections that were not served, since the start. */
  readonly unserved: UnservedCounts;
  /** Connections that are open, and how many may be. */
  readonly connections: { readonly open: number; readonly max: number };
  /** Requests that arrived too slowly, since the start, by the part that was slow. */
  readonly tooSlow: TooSlowCounts;
  /** Certificates that it shows; empty without TLS. */
  readonly certificates?: readonly CertificateFacts[];
}

export interface ProxyListener extends ListenerFigures, AsyncDisposable {
  /** Address of the listener. If port 0 was requested, this is the port that was assigned. */
  readonly address: { readonly host: string; readonly port: number };
  /** Recognizes requests that have passed through this listener before. */
  readonly loop: LoopGuard;
  /**
   * Serves `group` from the next request on, under its present settings and these bounds;
   * connections stay open.
   */
  serve(group: Group, options: ServedBounds): void;
  /**
   * From now on each connection ends with its answer, so that callers move to other gateways. New
   * connections are still accepted.
   */
  retire(): void;
  /**
   * Stops accepting connections, waits at most `withinMs` for requests in flight, then cuts the
   * remaining connections.
   */
  drain(withinMs: number): Promise<void>;
}

export interface ProxyOptions extends ServedBounds {
  readonly log: Log;
  /** Makes ids of requests; shared by all listeners of a process. Default: its own. */
  readonly ids?: RequestIds;
  /** Is told how each request ended. Default: nobody is. */
  readonly ends?: RequestEnds;
  /**
   * Where to listen; `fd`: at a socket that another process has opened. Default: the address in the
   * group's settings.
   */
  readonly listen?: ListenSettings & { readonly fd?: number | undefined };
  /** Certificates of a listener that speaks TLS. Default: it does not. */
  readonly tls?: ServerContexts | undefined;
  /** Counts and bounds the memory held for callers. Default: no bound. */
  readonly memory?: HeldMemory;
  /**
   * Longest time for a header block to arrive, in ms. Default 10,000: programs send it in one go.
   */
  readonly headersMs?: number;
  /** How long an answer may wait for a caller that does not read it, in ms. Default 30,000. */
  readonly answerIdleMs?: number;
}

/** Bounds that a listener can change while it is open. */
export interface ServedBounds {
  /** Shared with all other requests that go to the group's stations. Default: its own. */
  readonly loop?: LoopGuard;
  /** The group's asynchronous commands. Default: there is no store for them. */
  readonly asyncCommands?: AsyncCommands | undefined;
  /**
   * Most connections of callers at once; further ones are closed on arrival. Default: as many as
   * the operating system gives.
   */
  readonly maxConnections?: number;
  /**
   * The part of them that one address may have while no other address is connected. Default 0.75.
   */
  readonly callerRatio?: number;
  /**
   * Least rate at which a body must arrive in the long run; 0: only pauses count. Default 1,024: a
   * twentieth of a slow phone's rate.
   */
  readonly minUploadBytesPerSecond?: number;
  /**
   * Longest pause within a body, in ms. Default 30,000: longer than a phone's usual time without a
   * cell.
   */
  readonly maxUploadPauseMs?: number;
}

interface TooSlowCounts {
  readonly head: number;
  readonly body: number;
}

/**
 * Memory of a command besides its bodies and its header block: its connection, its exchange, its
 * attempts. Measured: 25 to 50 KB.
 */
const EXCHANGE_BYTES = 32 * 1_024;
/** Longest silence of a tunnel, in ms. */
const TUNNEL_IDLE_MS = 3_600_000;
/** Longest time for a whole request to arrive, or the group's deadline if that is longer. */
const REQUEST_MS = 300_000;
/**
 * If the answer comes before the request's end, the rest of the request is read for this long, so
 * that the answer is not lost.
 */
const LINGER_MS = 1_000;

/**
 * Listens for callers of `group`. Rejects with the operating system's error if it cannot listen.
 */
export async function listenForCommands(group: Group, options: ProxyOptions): Promise<ProxyListener> {
  const proxy = new CommandProxy(group, options);
  await proxy.listen();
  return proxy;
}

class CommandProxy implements ProxyListener {
  #group: Group;
  #way: RequestWay;
  readonly #ids: RequestIds;
  readonly #ends: RequestEnds | undefined;
  #async: AsyncDoor;
  readonly #listen: NonNullable<ProxyOptions["listen"]>;
  readonly #log: Log;
  readonly #answerIdleMs: number;
  readonly #tls: ServerContexts | undefined;
  readonly #memory: HeldMemory;
  readonly #uploads: UploadTimer;
  readonly #server: Server;
  readonly #requests: RequestServer;
  readonly #unserved: UnservedConnections;
  readonly #open: CallerConnections;
  readonly #tooSlow: { head: number; body: number } = { head: 0, body: 0 };
  #retiring = false;
  #draining = false;

  constructor(group: Group, options: ProxyOptions) {
    const {
      log,
      loop = new LoopGuard(),
      ids = new RequestIds(),
      listen = group.settings.listen,
      memory = new HeldMemory(),
      headersMs = 10_000,
      answerIdleMs = 30_000,
      tls,
    } = options;
    this.#group = group;
    this.#listen = listen;
    this.#way = wayOf(group, loop, tls);
    this.#tls = tls;
    this.#ids = ids;
    this.#ends = options.ends;
    this.#async = asyncDoor(group, options);
    this.#log = log;
    this.#memory = memory;
    this.#unserved = new UnservedConnections(group.name, log);
    this.#uploads = new UploadTimer(uploadPace(options));
    this.#answerIdleMs = answerIdleMs;
    this.#requests = new RequestServer({
      serve: (message, response, waits) => void this.#serve(message, response, waits),
      takeRoom: (message) => this.#roomToWait(message),
      onMalformed: ({ code }, problem, socket) => {
        if (code === "ERR_HTTP_REQUEST_TIMEOUT") this.#tooSlow.head++;
        const requestId = this.#ids.next();
        this.#log.debug({ group: group.name, requestId, code }, "malformed request");
        this.#ends?.refused(group, requestId, problem, socket);
        return { requestId, group: group.name };
      },
      headersMs,
      requestMs: requestMs(group),
      tls,
      hasTunnels: true,
      hasStreams: group.settings.tls?.http2 === true,
      onHandshakeFailed: ({ code }) => this.#log.debug({ group: group.name, code }, "a handshake of TLS failed"),
    });
    this.#server = this.#requests.server;
    this.#open = new CallerConnections(this.#server, connectionBounds(options), this.#unserved);
    const { proxyProtocol } = group.settings;
    if (proxyProtocol === undefined) return;
    readProxyHeaders(this.#server, {
      trust: new TrustedProxies(proxyProtocol.trust),
      maxWaiting: () => this.#open.max - this.#open.open,
      onRefused: (why, from) => this.#log.debug({ group: group.name, from, why }, "a PROXY header was refused"),
    });
  }

  get loop(): LoopGuard {
    return this.#way.loop;
  }

  serve(group: Group, options: ServedBounds): void {
    this.#group = group;
    this.#way = wayOf(group, options.loop ?? this.#way.loop, this.#tls);
    this.#async = asyncDoor(group, options);
    this.#uploads.use(uploadPace(options));
    this.#open.use(connectionBounds(options));
    this.#server.requestTimeout = requestMs(group);
  }

  get unserved(): UnservedCounts {
    return this.#unserved.counts;
  }

  get connections(): ProxyListener["connections"] {
    const { open, max } = this.#open;
    return { open, max };
  }

  get tooSlow(): TooSlowCounts {
    return this.#tooSlow;
  }

  get certificates(): readonly CertificateFacts[] {
    return this.#tls?.facts ?? [];
  }

  get address(): { readonly host: string; readonly port: number } {
    const { address, port } = this.#server.address() as AddressInfo;
    return { host: address, port };
  }

  listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    const { fd } = this.#listen;
    this.#server.listen(fd === undefined ? this.#listen : { fd }, () => {
      this.#server.off("error", reject);
      this.#server.on("error", (error) => this.#unserved.note("failed", { err: error }));
      resolve();
    });
    return promise;
  }

  retire(): void {
    this.#retiring = true;
    this.#requests.retire();
  }

  async drain(withinMs: number): Promise<void> {
    this.#retiring = true;
    this.#draining = true;
    this.#requests.retire();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cut = setTimeout(() => {
      const commands = this.#requests.cutAll();
      const message = "commands were cut: they were not over within `drain`, and their callers see a reset";
      if (commands > 0) this.#log.warn({ group: this.#group.name, commands, withinMs }, message);
    }, withinMs);
    await closed;
    clearTimeout(cut);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#requests.cutAll();
    await closed;
    this.#uploads[Symbol.dispose]();
  }

  /** Serves one exchange, from the header block to the last byte of the answer. Never rejects. */
  async #serve(message: IncomingMessage, response: ServerResponse, waits: boolean): Promise<void> {
    const caller = new AbortController();
    const room = this.#memory.roomFor(callerOf(message.socket.remoteAddress));
    const pace = this.#uploads.begin(() => this.#endSlow(response, caller));
    const trace = new CommandTrace(this.#ids.of(message.rawHeaders), this.#group.nowMs());
    const exchange = new Exchange(caller, room, pace, trace, message.socket.remoteAddress);
    response.once("close", () => {
      this.#ends?.ended(this.#group, message, response, exchange, this.#way.proxies);
      room.release();
      pace.end();
      if (!response.writableFinished)
        caller.abort(message.complete ? new Error("the caller hung up") : new RequestCutError());
      if (this.#draining) setImmediate(() => this.#server.closeIdleConnections());
    });
    try {
      if (this.#async.isOwn(message)) {
        const answer = await this.#async.answer(message, this.#aboutOf(exchange));
        exchange.problem = answer.problem;
        return this.#answer(message, response, answer, exchange);
      }
      exchange.asyncTerms = this.#async.termsOf(message);
      const request = await this.#received(message, response, waits, exchange);
      if (exchange.asyncTerms !== undefined) {
        const about = this.#aboutOf(exchange);
        const accepted = await this.#async.accept(request, exchange.asyncTerms, caller.signal, about);
        exchange.problem = accepted.problem;
        return response.destroyed ? undefined : this.#answer(message, response, accepted, exchange);
      }
      const answer = await answerTo(this.#group, request, caller.signal);
      if (answer.type === "reply" && answer.reply.tunnel !== undefined)
        this.#carryOn(message, response, answer.reply, exchange);
      else if (answer.type === "reply") await this.#passBack(message, response, answer.reply, exchange);
      else this.#tell(message, response, answer, exchange);
    } catch (error) {
      this.#tell(message, response, withoutReply(error), exchange);
    }
  }

  #aboutOf({ trace }: Exchange): ProblemRequest {
    return { requestId: trace.requestId, group: this.#group.name };
  }

  #roomToWait(message: IncomingMessage): Disposable | undefined {
    const room = this.#memory.roomFor(callerOf(message.socket.remoteAddress));
    try {
      takeRoom(room, waitingBytes(message));
    } catch (error) {
      if (error instanceof NoRoomError) this.#group.noteNoRoom(error);
      return undefined;
    }
    return { [Symbol.dispose]: () => room.release() };
  }

  /**
   * The request as the group takes it. Rejects with {@link RefusedRequest} if the request is not
   * acceptable.
   */
  async #received(
    message: IncomingMessage,
    response: ServerResponse,
    waits: boolean,
    { caller, room, pace, trace, asyncTerms }: Exchange,
  ): Promise<CommandRequest> {
    this.#requests.refuseTooMuch(message);
    const head = requestHead(message, this.#way, trace.requestId);
    const { limits, commands } = this.#group.settings;
    const deadlineMs = deadlineOf(message, commands.deadlineHeader);
    const isKept = asyncTerms !== undefined;
    const isKeyed = isKept || headerValue(head.headers, "idempotency-key") !== undefined;
    const terms = { limits, room, isKeyed };
    takeRoom(room, EXCHANGE_BYTES + headBytes(message));
    const expected = expectBody(message, terms);
    if (isKept && expected.how === "streamed") throw tooLargeToKeep(limits.replayBytes);
    if (waits) response.writeContinue();
    const body = await requestBody(message, expected, terms, pace, caller);
    if (isKept && body.kind === "stream") throw tooLargeToKeep(limits.replayBytes);
    // Computed only now, because reading the body took time. The wall clock is read here and
    // nowhere later.
    return deadlineMs === undefined
      ? { ...head, body, room, trace }
      : { ...head, body, room, trace, timeLeftMs: Math.max(0, deadlineMs - Date.now()) };
  }

  /** The body of a request arrives too slowly. Ends the request; no station is to blame. */
  #endSlow(response: ServerResponse, caller: AbortController): void {
    // The answer is already on its way, so the rest of the request does not matter.
    if (response.headersSent || caller.signal.aborted) return;
    this.#tooSlow.body++;
    caller.abort(new RefusedRequest(TOO_SLOW));
  }

  /** The station speaks the protocol that the caller asked for: bytes go both ways from now on. */
  #carryOn(message: IncomingMessage, response: ServerResponse, reply: CommandReply, exchange: Exchange): void {
    const { socket } = message;
    const station = reply.tunnel as Duplex;
    if (socket.destroyed) return void station.destroy();
    exchange.status = reply.status;
    exchange.answeredMs = this.#group.nowMs();
    const headers = flat(reply.headers);
    answerWithId(headers, exchange.trace.requestId);
    response.writeHead(reply.status, reply.statusText, headers);
    response.end();
    exchange.countFrom(socket);
    joinTunnel(socket, station, earlyBytesOf(message), {
      room: exchange.room,
      idleMs: this.#group.settings.limits.tunnelIdleMs ?? TUNNEL_IDLE_MS,
      resetCaller: () => resetConnection(socket),
    });
  }

  async #passBack(
    message: IncomingMessage,
    response: ServerResponse,
    reply: CommandReply,
    exchange: Exchange,
  ): Promise<void> {
    const { body } = reply;
    if (body.kind === "bytes") return this.#answer(message, response, { ...reply, body }, exchange);
    this.#begin(message, response, reply, flat(reply.headers), exchange);
    // Sends the head now, because an event stream may be silent for long.
    response.flushHeaders();
    exchange.countFrom(message.socket);
    try {
      await pipeline(body.stream, response, { end: false });
    } catch (error) {
      // The head is sent. The only thing left is to prevent the caller from taking this for a
      // complete reply.
      exchange.isCut = true;
      this.#log.debug({ err: error, group: this.#group.name }, "a streamed reply broke off");
      return resetConnection(message.socket);
    }
    response.addTrailers(pairs(body.trailers()));
    this.#finish(message, response);
  }

  #answer(message: IncomingMessage, response: ServerResponse, reply: WholeReply, exchange: Exchange): void {
    const { bytes } = reply.body;
    const bodiless = message.method === "HEAD" || reply.status === 204 || reply.status === 304;
    // Node refuses to announce trailers where there is no body for them to follow.
    const headers = flat(bodiless ? reply.headers.filter(([name]) => name.toLowerCase() !== "trailer") : reply.headers);
    const framed = bodiless || reply.trailers.length > 0 || headerValue(reply.headers, "content-length") !== undefined;
    if (!framed) headers.push("content-length", String(bytes.length));
    this.#begin(message, response, reply, headers, exchange);
    if (!bodiless) exchange.bytesOut = bytes.length;
    if (!bodiless && reply.trailers.length > 0) response.addTrailers(pairs(reply.trailers));
    this.#finish(message, response, bodiless ? undefined : bytes);
  }

  /**
   * Starts the answer. The connection is not used again if the listener is stopping, or if the
   * answer comes before the request's end.
   */
  #begin(message: IncomingMessage, response: ServerResponse, reply: Head, headers: string[], exchange: Exchange): void {
    exchange.status = reply.status;
    exchange.answeredMs = this.#group.nowMs();
    answerWithId(headers, exchange.trace.requestId);
    const connection = this.#requests.connectionOf(message.socket);
    if (this.#retiring || !message.complete) connection.endWith(response);
    if (connection.isLast(response)) headers.push("connection", "close");
    response.writeHead(reply.status, reply.statusText, headers);
  }

  /**
   * Ends the answer. If the request has not ended yet, reads on for a moment, because otherwise a
   * reset could overtake the answer.
   */
  #finish(message: IncomingMessage, response: ServerResponse, last?: Uint8Array): void {
    if (message.complete || message.destroyed) {
      response.end(last);
      // Limits the wait for a caller that does not read its answer. Node sets its own timeout again
      // afterwards.
      if (response.writableLength > 0) message.socket.setTimeout(this.#answerIdleMs);
      return;
    }
    if (last !== undefined) response.write(last);
    const end = (): void => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(end, LINGER_MS);
    message.once("end", end).once("close", end);
    // The reader of the body has stopped. The rest of the body is read and discarded.
    message.removeAllListeners("readable").resume();
  }

  /** Answers with a problem, if the caller is still connected. */
  #tell(message: IncomingMessage, response: ServerResponse, noReply: NoReply, exchange: Exchange): void {
    const { error } = noReply;
    exchange.error = error;
    if (noReply.type === "caller-gone" || response.destroyed || message.socket.destroyed) {
      if (!(error instanceof CallAbortedError)) this.#log.debug({ err: error, group: this.#group.name }, "no answer");
      return;
    }
    const { problem } = noReply;
    exchange.problem = problem;
    if (error instanceof NoRoomError) this.#group.noteNoRoom(error);
    if (problem === INTERNAL) this.#log.error({ err: error, group: this.#group.name }, "a fault in the gateway");
    if (response.headersSent) return resetConnection(message.socket);
    const { method, url } = message;
    // Without the query: it may contain secrets, which must not be logged.
    const path = url?.replace(/\?.*/s, "");
    const { code, detail } = problem;
    const { requestId } = exchange.trace;
    const group = this.#group.name;
    this.#log.debug({ group, requestId, method, path, code, detail, ...causeOf(error) }, "refused");
    const { headers, body } = problemAnswer(problem, { requestId, group });
    // The fault in this request may also cause the next one to be misread.
    if (error instanceof RefusedRequest) this.#requests.connectionOf(message.socket).endWith(response);
    const head = { status: problem.status, statusText: titleOf(problem.status) };
    this.#begin(message, response, head, headers, exchange);
    exchange.bytesOut = method === "HEAD" ? 0 : body.length;
    this.#finish(message, response, method === "HEAD" ? undefined : body);
  }
}

function wayOf({ settings }: Group, loop: LoopGuard, tls: ServerContexts | undefined): RequestWay {
  return {
    loop,
    proxies: new TrustedProxies(settings.trustedProxies),
    protocol: tls === undefined ? "http" : "https",
    subjectHeader: settings.tls?.subjectHeader,
  };
}

function asyncDoor({ settings }: Group, { asyncCommands }: ServedBounds): AsyncDoor {
  return new AsyncDoor(settings.asyncCommands !== undefined, asyncCommands);
}

function requestMs({ settings }: Group): number {
  return Math.max(REQUEST_MS, settings.commands.deadlineMs);
}

function connectionBounds({ maxConnections, callerRatio = 0.75 }: ServedBounds): ConnectionBounds {
  return { max: maxConnections ?? Number.POSITIVE_INFINITY, callerRatio };
}

function uploadPace({ minUploadBytesPerSecond, maxUploadPauseMs }: ServedBounds): UploadPaceOptions {
  return { minBytesPerSecond: minUploadBytesPerSecond ?? 1_024, maxPauseMs: maxUploadPauseMs ?? 30_000 };
}

/** The cause for the log, including the addresses that a caller is not told. */
function causeOf(error: unknown): { readonly cause?: string } {
  const cause = error instanceof ResilienceError && error.cause !== undefined ? error.cause : undefined;
  return cause === undefined ? {} : { cause: cause instanceof Error ? cause.message : String(cause) };
}

type Head = Pick<CommandReply, "status" | "statusText">;

function tooLargeToKeep(limit: number): RefusedRequest {
  const detail = `the body is longer than ${limit} bytes (limits.replay), the most that is kept for a later sending`;
  return new RefusedRequest(refusal(413, "REQUEST_TOO_LARGE", detail));
}

type WholeReply = Pick<CommandReply, "status" | "statusText" | "headers" | "trailers"> & {
  readonly body: { readonly bytes: Uint8Array };
};

/**
 * Measured: 1.5 KB for a request without fields, and twice that until it is garbage-collected. Each
 * field adds the overhead of its two strings.
 */
function waitingBytes(message: IncomingMessage): number {
  return 4 * 1_024 + 48 * message.rawHeaders.length + headBytes(message);
}

function headBytes({ rawHeaders, url = "" }: IncomingMessage): number {
  let bytes = url.length;
  for (const part of rawHeaders) bytes += part.length;
  return bytes;
}
