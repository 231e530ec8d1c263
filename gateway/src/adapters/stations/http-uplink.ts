/**
 * Connection to one station over HTTP/1.1, on undici's dispatch: a pool of kept-alive connections
 * with one request at a time on each. It does no pipelining, follows no redirects and retries
 * nothing by itself, because the failover decides whether a command may be sent again. Host is
 * passed on as the caller sent it, so that the service sees the same request as without the
 * gateway.
 *
 * A reply is read whole if it can be judged or the command repeated (its length is known and within
 * `limits.replyBytes`, or it is JSON or an error); otherwise it is streamed. The uplink does not
 * guess from an error's name whether a failed request was sent: until undici reports its start,
 * nothing was written; after that, it may have arrived.
 */
import type { LookupFunction } from "node:net";
import type { Readable } from "node:stream";
import type { KeyStatus } from "ground-station-failover";
import {
  NoEligibleStationError,
  TIME_LEFT_HEADER,
  toGrpcTimeout,
  toTimeLeftHeader,
  wasNeverSent,
} from "ground-station-failover";
import type { Dispatcher } from "undici";
import { Pool } from "undici";
import { keyStatusOf, keyStatusPath } from "../../fleet/key-status.ts";
import type { DeadlineHeader, GroupSettings, KeyStatusSettings, StationSettings } from "../../fleet/settings.ts";
import type {
  CommandReply,
  CommandRequest,
  HeaderList,
  HealthPage,
  RequestBody,
  SendContext,
  Uplink,
} from "../../fleet/uplink.ts";
import { EPOCH_HEADER, UnexpectedStatusError, UnreadableReplyError } from "../../fleet/uplink.ts";
import { deadlineText } from "../http/deadline-header.ts";
import { flat, folded, headerValue } from "../http/http-headers.ts";
import { LOOP_HEADER, LoopGuard } from "../http/loop-guard.ts";
import { StationTrust } from "../tls/station-trust.ts";
import { EPOCH_PROOF_HEADER, type EpochProofs } from "./epoch-proof.ts";
import type { ReplyLimits } from "./http-exchange.ts";
import { HttpExchange, STATION_HEADER } from "./http-exchange.ts";
import type { NameCache } from "./name-cache.ts";
import { KEPT, StationConnections } from "./station-connection.ts";
import { REPLY_HEADER_BYTES, whyUnreadable } from "./unreadable-reply.ts";

/** Headers that are set anew for each attempt, besides the deadline header. */
const PER_ATTEMPT: readonly string[] = [EPOCH_HEADER, TIME_LEFT_HEADER, "grpc-timeout"];

/**
 * A station that does not accept a connection within this time counts as unreachable. TCP itself
 * tries again after one second.
 */
const MAX_CONNECT_MS = 1_000;
/** A reply of unknown length that is not complete after this time is streamed. */
const MAX_WHOLE_MS = 500;

/** Shared between uplinks: the names by all of a process, the loop guard by those of a group. */
export interface UplinkParts {
  /** Default: each connection asks the operating system's resolver. */
  readonly names?: NameCache;
  /**
   * Its name is sent with requests that are not a caller's command. Default: one of the uplink's
   * own.
   */
  readonly loop?: LoopGuard;
  /**
   * Proves to a station that an epoch comes from this gateway. Default: no proof is sent, and a
   * relay believes no epoch.
   */
  readonly epochs?: EpochProofs;
  /** How stations are checked over TLS. Default: by the authorities that Node knows. */
  readonly trust?: StationTrust | undefined;
}

/**
 * Creates an uplink to `station`, with the limits and times of `group`. Dispose it to close its
 * connections.
 */
export function httpUplink(group: GroupSettings, station: StationSettings, parts: UplinkParts = {}): LeavableUplink {
  return new HttpUplink(group, station, parts);
}

/** Dispose it to close its connections now. */
export interface LeavableUplink extends Uplink, AsyncDisposable {
  /** Resolves when everything that was sent has ended and all connections are closed. */
  leave(): Promise<void>;
}

class HttpUplink implements LeavableUplink {
  readonly name: string;
  readonly #pool: Pool;
  readonly #connections: StationConnections = new StationConnections();
  readonly #url: URL;
  readonly #trust: StationTrust;
  readonly #origin: string;
  readonly #loop: LoopGuard;
  readonly #proofOf: (epoch: number) => string | undefined;
  /** By origin: a station has one health page, and it may have a probe path at its own address. */
  readonly #probes: Map<string, ProbePool> = new Map();
  readonly #limits: ReplyLimits;
  readonly #deadline: DeadlineHeader;
  readonly #perAttempt: ReadonlySet<string>;
  readonly #keyStatus: KeyStatusSettings | undefined;
  readonly #lookup: { readonly lookup?: LookupFunction };

  constructor(group: GroupSettings, station: StationSettings, parts: UplinkParts) {
    const { names, loop = new LoopGuard(), epochs, trust = new StationTrust() } = parts;
    const url = new URL(station.url);
    this.name = station.name;
    this.#url = url;
    this.#trust = trust;
    trust.onChange(() => this.#retireConnections());
    this.#origin = url.origin;
    this.#loop = loop;
    this.#proofOf = (epoch) => epochs?.of({ group: group.name, station: station.name }, epoch);
    this.#lookup = names === undefined ? {} : { lookup: names.lookup };
    this.#deadline = group.commands.deadlineHeader;
    this.#perAttempt = new Set([...PER_ATTEMPT, folded(this.#deadline.name.toLowerCase())]);
    this.#keyStatus = group.commands.keyStatus;
    this.#limits = {
      wholeBytes: group.limits.replyBytes,
      wholeWithinMs: Math.min(MAX_WHOLE_MS, group.commands.timeoutMs / 2),
    };
    this.#pool = new Pool(url.origin, {
      pipelining: 1,
      allowH2: false,
      // With its own timeout, an unreachable station fails as "never sent" before the attempt times
      // out.
      connect: this.#connections.by(
        trust.connector({ timeout: Math.min(MAX_CONNECT_MS, group.commands.timeoutMs / 2), ...this.#lookup }),
      ),
      // The failover bounds attempts; ReplyStream bounds streams.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: REPLY_HEADER_BYTES,
      ...keptFor(group.commands.keepAliveMs),
    });
  }

  send(request: CommandRequest, context: SendContext): Promise<CommandReply> {
    const body = request.body;
    if (body.kind === "stream" && body.started()) {
      return Promise.reject(new NoEligibleStationError("the body was streamed, and cannot be sent a second time"));
    }
    if (context.isRepeatable !== true || body.kind === "stream") {
      this.#connections.closeDoubtful();
      return this.#exchange(request, context).reply;
    }
    const startedMs = performance.now();
    const exchange = this.#exchange(request, context);
    return exchange.reply.catch((error: Error) => {
      if (!exchange.wasOnStaleConnection) throw error;
      return this.#sendAgain(request, laterBy(performance.now() - startedMs, context), error);
    });
  }

  /**
   * Sends the request once more, on a new connection, because the station had closed the previous
   * one (RFC 9112 §9.3.1). `lost` is the first failure; it remains the result if nothing can be
   * sent now.
   */
  #sendAgain(request: CommandRequest, context: SendContext, lost: Error): Promise<CommandReply> {
    this.#connections.closeIdle();
    return this.#exchange(request, context).reply.catch((error: Error) => {
      throw wasNeverSent(error) ? lost : error;
    });
  }

  #exchange(request: CommandRequest, context: SendContext): HttpExchange {
    const { body } = request;
    const isLong = body.kind === "bytes" && body.bytes.length > UPLOAD_BYTES;
    const isUpload = isLong || body.kind === "stream";
    const exchange = new HttpExchange(this.name, request, context, this.#limits, isUpload);
    const headers = this.#headersOf(request, context);
    if (isLong && headerValue(request.headers, "content-length") === undefined) {
      headers.push("content-length", String(body.bytes.length));
    }
    const options: Dispatcher.DispatchOptions & { readonly servername: string | null } = {
      path: request.target,
      method: request.method,
      headers,
      body: bodyOf(body),
      servername: this.#servernameOf(this.#url),
      ...(request.upgrade === undefined ? {} : { upgrade: request.upgrade }),
    };
    if (!context.signal.aborted) this.#pool.dispatch(options, exchange);
    return exchange;
  }

  async probe(page: HealthPage, signal: AbortSignal): Promise<number> {
    const { path, headers, expect } = page;
    const { pool, url, connections } = this.#probesAt(page.origin ?? this.#origin);
    const servername = this.#servernameOf(url);
    const fields = flat([...headers, [LOOP_HEADER, this.#loop.name]]);
    const options = { path, method: "GET", headers: fields, signal, servername } as const;
    connections.closeDoubtful();
    const { statusCode, body } = await pool.request(options).catch((error: Error) => {
      const why = whyUnreadable(error, false);
      throw why === undefined ? error : new UnreadableReplyError(this.name, why);
    });
    await body.dump({ limit: PROBE_BODY_BYTES, signal });
    if (expect.some(([first, last]) => statusCode >= first && statusCode <= last)) return statusCode;
    throw new UnexpectedStatusError(this.name, path, statusCode);
  }

  async askOutcome(key: string, signal: AbortSignal): Promise<KeyStatus<CommandReply>> {
    const asked = this.#keyStatus;
    if (asked === undefined) return "unknown";
    const { statusCode, body } = await this.#pool.request({
      method: asked.method,
      path: keyStatusPath(asked, key),
      headers: { accept: "application/json", [LOOP_HEADER]: this.#loop.name },
      signal,
      servername: this.#servernameOf(this.#url),
    } as Dispatcher.RequestOptions);
    const text = await textWithin(body, this.#limits.wholeBytes);
    const status = statusCode === 200 && text !== undefined ? keyStatusOf(asked, parsedJson(text)) : "unknown";
    if (status === "unknown" || !status.ran) return status;
    const headers: HeaderList = [...status.result.headers, [STATION_HEADER, this.name]];
    return { ran: true, result: { ...status.result, headers } };
  }

  async leave(): Promise<void> {
    await Promise.all([this.#pool, ...[...this.#probes.values()].map(({ pool }) => pool)].map((pool) => pool.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [this.#pool, ...[...this.#probes.values()].map(({ pool }) => pool)].map((pool) => pool.destroy()),
    );
  }

  #headersOf(request: CommandRequest, context: SendContext): string[] {
    const headers: string[] = [];
    let keyed = context.idempotencyKey === undefined;
    let grpc = false;
    for (const [name, value] of request.headers) {
      const lower = name.toLowerCase();
      if (lower === "grpc-timeout") grpc = true;
      if (this.#perAttempt.has(folded(lower))) continue;
      if (lower === "idempotency-key") keyed = true;
      headers.push(name, value);
    }
    headers.push(EPOCH_HEADER, String(context.epoch));
    const proof = this.#proofOf(context.epoch);
    if (proof !== undefined) headers.push(EPOCH_PROOF_HEADER, proof);
    if (!keyed && context.idempotencyKey !== undefined) headers.push("idempotency-key", context.idempotencyKey);
    const { timeLeftMs, beginWithinMs = timeLeftMs } = context;
    const hasDeadline = timeLeftMs < Number.POSITIVE_INFINITY;
    if (hasDeadline) headers.push(TIME_LEFT_HEADER, toTimeLeftHeader(timeLeftMs));
    if (beginWithinMs < Number.POSITIVE_INFINITY) {
      headers.push(this.#deadline.name, deadlineText(this.#deadline.format, Date.now() + beginWithinMs));
    }
    if (hasDeadline && grpc) headers.push("grpc-timeout", toGrpcTimeout(timeLeftMs));
    return headers;
  }

  /** Connections made under other certificates are not used again. */
  #retireConnections(): void {
    this.#connections.retire();
    for (const { connections } of this.#probes.values()) connections.retire();
  }

  /** The name that the certificate must have: that of the address or of `tls`, not that in Host. */
  #servernameOf({ protocol, hostname }: URL): string | null {
    if (protocol !== "https:") return null;
    return this.#trust.servername ?? hostname.replace(/^\[|\]$/g, "");
  }

  /**
   * Probes have connections of their own: a queue of commands must not look like a bad health page.
   */
  #probesAt(origin: string): ProbePool {
    const known = this.#probes.get(origin);
    if (known !== undefined) return known;
    const connections = new StationConnections();
    const probes = {
      connections,
      pool: new Pool(origin, {
        connections: PROBE_CONNECTIONS,
        // The operating system repeats a lost SYN after 1, 3 and 7 s: a new connection succeeds
        // sooner than an old attempt.
        connect: connections.by(this.#trust.connector({ timeout: PROBE_CONNECT_MS, ...this.#lookup })),
        headersTimeout: 0,
        bodyTimeout: 0,
        allowH2: false,
        ...KEPT,
      }),
      url: new URL(origin),
    };
    this.#probes.set(origin, probes);
    return probes;
  }
}

interface ProbePool {
  readonly pool: Pool;
  readonly connections: StationConnections;
  readonly url: URL;
}

/**
 * How long an idle connection is kept. Undefined: as long as the station says, or 4 s if it does
 * not say.
 */
function keptFor(keepAliveMs: number | undefined): Pool.Options {
  if (keepAliveMs === undefined) return KEPT;
  return { ...KEPT, keepAliveTimeout: keepAliveMs, keepAliveMaxTimeout: keepAliveMs };
}

/** `context` with its times reduced by `ms`. */
function laterBy(ms: number, context: SendContext): SendContext {
  const { timeLeftMs, beginWithinMs = timeLeftMs } = context;
  return { ...context, timeLeftMs: Math.max(0, timeLeftMs - ms), beginWithinMs: Math.max(0, beginWithinMs - ms) };
}

/** Most probes of a station in flight at once: two for heartbeats, one for its command path. */
const PROBE_CONNECTIONS = 3;

const PROBE_CONNECT_MS = 1_000;

/**
 * If a probe's answer is longer than this, its connection is closed instead of reading the rest.
 */
const PROBE_BODY_BYTES = 64 * 1_024;

/**
 * Reads a body of at most `most` bytes. Returns undefined for a longer one, and closes its
 * connection.
 */
async function textWithin(body: Readable, most: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A body up to this size fits into the operating system's buffers at once. */
const UPLOAD_BYTES = 64 * 1_024;

/** A long body is sent piece by piece, so that the uplink knows when the last piece has left. */
function bodyOf(body: RequestBody): Uint8Array | Readable | null {
  if (body.kind === "none") return null;
  if (body.kind === "stream") return streamed(body.stream);
  return body.bytes.length > UPLOAD_BYTES ? streamed(pieces(body.bytes)) : body.bytes;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  for (let from = 0; from < bytes.length; from += UPLOAD_BYTES) yield bytes.subarray(from, from + UPLOAD_BYTES);
}

/** undici accepts any async iterable, but its types name only Node's own. */
function streamed(stream: AsyncIterable<Uint8Array>): Readable {
  return stream as unknown as Readable;
}
