/**
 * A station as an uplink: it forwards commands to the service behind it (in the demo, the
 * spacecraft; any HTTP service will do) and returns the answers. It enforces two rules. It refuses
 * a command with an epoch older than the newest it has seen (412); a newer epoch must be proved, or
 * the command is refused (403). It drops a command whose deadline has passed (504), counted from
 * its arrival even if the station was stopped in between. It never repeats a command, because it
 * does not know enough to decide that.
 *
 * `fleet/station-guard.ts` makes these decisions; this module translates them to HTTP. It is a
 * plain HTTP/1.1 relay: no upgrades, no trailers, no caching.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import {
  type Clock,
  FaultInjectedError,
  fromTimeLeftHeader,
  TIME_LEFT_HEADER,
  toGrpcTimeout,
  toTimeLeftHeader,
  wasNeverSent,
} from "ground-station-failover";
import { reportsError } from "ground-station-failover/core";
import { Pool } from "undici";
import type { CallerConnection } from "../adapters/http/caller-connection.ts";
import { endToEnd, flat, rawValues } from "../adapters/http/http-headers.ts";
import { LOOP_HEADER, LoopGuard } from "../adapters/http/loop-guard.ts";
import { problemAnswer } from "../adapters/http/problem.ts";
import { type SoundHead, soundHead } from "../adapters/http/request-head.ts";
import { RELAYED_LIMITS, RequestServer } from "../adapters/http/request-server.ts";
import { EPOCH_PROOF_HEADER, EpochVerifier } from "../adapters/stations/epoch-proof.ts";
import { KEPT, StationConnections } from "../adapters/stations/station-connection.ts";
import { REPLY_HEADER_BYTES, whyUnreadable } from "../adapters/stations/unreadable-reply.ts";
import { RefusedRequest } from "../fleet/problem.ts";
import type { Admitted } from "../fleet/station-guard.ts";
import { StationGuard } from "../fleet/station-guard.ts";
import { EPOCH_HEADER, EPOCH_SEEN_HEADER, NOT_SENT, OUTCOME_HEADER } from "../fleet/uplink.ts";
import type { ArrivalClock } from "./arrival-clock.ts";
import type { RelayAnswer, RelayFaults } from "./relay-faults.ts";
import { connectService } from "./service-names.ts";

/**
 * A command that arrived here, and the answer that it gets. `waits`: its sender waits for
 * `100 Continue`.
 */
interface Exchange {
  readonly request: IncomingMessage;
  /** Its connection, kept here because an aborted request loses its reference to it. */
  readonly socket: Socket;
  readonly response: ServerResponse;
  readonly connection: CallerConnection;
  readonly waits: boolean;
}

export interface RelayOptions {
  readonly group: string;
  /** Name that every answer carries. */
  readonly name: string;
  /** A gateway proves with one of these that an epoch is its own. */
  readonly secrets: readonly Uint8Array[];
  /** Where commands go; undefined for a station that only sends heartbeats. */
  readonly relayTo: URL | undefined;
  readonly clock: Clock;
  readonly arrivals: ArrivalClock;
  readonly faults: RelayFaults;
}

/** Counts of the commands that arrived here, by outcome. */
export interface RelayCounts {
  inFlight: number;
  relayed: number;
  /** Dropped because their deadline had passed. */
  droppedLate: number;
  /** Refused here because this station had seen a newer epoch. */
  refusedHere: number;
  /** Relayed, but refused by the service behind because it had seen a newer epoch. */
  refusedThere: number;
  /** Refused because the epoch was newer than any seen and no gateway had proved it. */
  refusedUnproven: number;
}

/**
 * Header in which an answer names its station. (The gateway passes it on; `gsf-` headers end at the
 * gateway.)
 */
const STATION_HEADER = "x-served-by";
/**
 * A gateway's deadline as an instant, which stays valid on every hop. A deadline header with
 * another name is passed on unchanged.
 */
const DEADLINE_HEADER = "gsf-deadline";
/** Headers that this hop or its HTTP client sets anew. */
const SAID_ANEW: ReadonlySet<string> = new Set(["host", TIME_LEFT_HEADER]);
/** Longest time for a header block to arrive. */
const HEADERS_MS = 10_000;
/**
 * Longest time for a whole request to arrive. Deadlines are shorter; this limit is for commands
 * without one.
 */
const MAX_REQUEST_MS = 3_600_000;
/** Longest time for the service behind to answer a health check. */
const HEALTH_TIMEOUT_MS = 1_000;

export class StationRelay {
  readonly server: Server;
  readonly counts: RelayCounts = {
    inFlight: 0,
    relayed: 0,
    droppedLate: 0,
    refusedHere: 0,
    refusedThere: 0,
    refusedUnproven: 0,
  };
  readonly #options: RelayOptions;
  readonly #pool: Pool | undefined;
  readonly #connections: StationConnections = new StationConnections();
  readonly #guard: StationGuard = new StationGuard();
  readonly #epochs: EpochVerifier;
  readonly #requests: RequestServer;
  readonly #loop: LoopGuard = new LoopGuard();

  constructor(options: RelayOptions) {
    this.#options = options;
    const { group, name: station, relayTo, secrets } = options;
    this.#epochs = new EpochVerifier({ group, station }, secrets);
    // Deadlines end waits here; the client's own timeouts are off.
    this.#pool = relayTo === undefined ? undefined : servicePool(relayTo, this.#connections);
    this.#requests = new RequestServer({
      serve: (request, response, waits) => this.#receive(request, response, waits),
      headersMs: HEADERS_MS,
      // A body may take as long as the deadline of its command.
      requestMs: MAX_REQUEST_MS,
      limits: RELAYED_LIMITS,
    });
    this.server = this.#requests.server;
  }

  /** The newest epoch that a command or the service behind has shown. */
  get epochSeen(): number {
    return this.#guard.epochSeen;
  }

  /** From now on accepts epochs that are proved with one of `secrets`. */
  useSecrets(secrets: readonly Uint8Array[]): void {
    this.#epochs.use(secrets);
  }

  /** Stops listening and cuts all requests in progress. */
  async close(): Promise<void> {
    this.server.close();
    this.#requests.cutAll();
    await this.#pool?.destroy();
  }

  #receive(request: IncomingMessage, response: ServerResponse, waits: boolean): void {
    // Read at once: the later it is read, the less is known about the arrival.
    const arrivedMs = this.#options.arrivals.earliestMs();
    const gone = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) gone.abort();
    });
    response.setHeader(STATION_HEADER, this.#options.name);
    this.counts.inFlight++;
    const { socket } = request;
    const connection = this.#requests.connectionOf(socket);
    const exchange: Exchange = { request, socket, response, connection, waits };
    const health = request.method === "GET" && request.url?.split("?")[0] === "/healthz";
    const work = health ? this.#health(response, gone.signal) : this.#relay(exchange, arrivedMs, gone);
    work.catch((error: unknown) => refuse(exchange, error)).finally(() => this.counts.inFlight--);
  }

  async #relay(exchange: Exchange, arrivedMs: number, gone: AbortController): Promise<void> {
    const { clock, faults } = this.#options;
    const { request, response, connection } = exchange;
    const head = this.#soundHead(request);
    if (head.target === "*") return void response.writeHead(204).end();
    if (this.#pool === undefined) throw new Refusal(404, "this station beats for a service and relays nothing");
    const epoch = wholeNumberIn(request, EPOCH_HEADER);
    const leftMs = wholeNumberIn(request, TIME_LEFT_HEADER);
    const admission = this.#guard.admit(epoch, leftMs, arrivedMs, (newer) =>
      this.#epochs.isProven(newer, rawValues(request.rawHeaders, EPOCH_PROOF_HEADER)[0]),
    );
    if (admission.type === "stale") throw this.#stale(epoch, admission.epochSeen, response);
    if (admission.type === "unproven") throw this.#unproven(epoch);
    using _timer = clock.at(admission.deadlineMs, () => gone.abort(new Refusal(504, "the deadline passed on the way")));
    const answer = await faults
      .around(() => this.#send(head, exchange, admission, gone.signal), gone.signal)
      .catch(
        // If the wait was aborted with a reason, that reason says more than the error.
        (error: unknown) => Promise.reject(gone.signal.reason instanceof Refusal ? gone.signal.reason : error),
      );
    // The rest of an incomplete request is not read, so it is not known where the next request
    // begins.
    if (!request.complete || connection.isLast(response)) endWith(exchange);
    await deliver(answer, response, gone.signal);
  }

  /** The head of `request`, checked as strictly as in the gateway. Throws `RefusedRequest`. */
  #soundHead(request: IncomingMessage): SoundHead {
    this.#requests.refuseTooMuch(request);
    const head = soundHead(request);
    this.#loop.refuseReturned(request.rawHeaders);
    return head;
  }

  #stale(epoch: number | undefined, epochSeen: number, response: ServerResponse): Refusal {
    this.counts.refusedHere++;
    response.setHeader(EPOCH_SEEN_HEADER, String(epochSeen));
    return new Refusal(412, `epoch ${epoch} is over; the newest seen is ${epochSeen}`);
  }

  #unproven(epoch: number | undefined): Refusal {
    this.counts.refusedUnproven++;
    return new Refusal(
      403,
      `${EPOCH_HEADER}: ${epoch} is newer than ${this.epochSeen}, the newest seen, and no gateway has proved it; ` +
        `${EPOCH_PROOF_HEADER} has to be signed with this station's secret, which is in the gateway's configuration, too`,
    );
  }

  /**
   * The only place from which a command is sent. Its epoch and its deadline are checked last, just
   * before sending.
   */
  async #send(
    head: SoundHead,
    { request, response, waits }: Exchange,
    admission: Admitted,
    signal: AbortSignal,
  ): Promise<RelayAnswer> {
    const { clock, relayTo } = this.#options;
    const departure = this.#guard.beforeSending(admission, clock.nowMs());
    if (departure.type === "stale") throw this.#stale(admission.epoch, departure.epochSeen, response);
    if (departure.type === "late") {
      this.counts.droppedLate++;
      throw new Refusal(504, "the deadline passed before the command could be relayed");
    }
    signal.throwIfAborted();
    // A relay never repeats a command, even if its sender allows it.
    this.#connections.closeDoubtful();
    this.counts.relayed++;
    if (waits) response.writeContinue();
    const hasBody = request.headers["content-length"] !== undefined || "transfer-encoding" in request.headers;
    const { statusCode, headers, body } = await (this.#pool as Pool).request({
      method: head.method,
      path: `${relayTo?.pathname.replace(/\/$/, "")}${head.target}`,
      headers: [...headersOnwards(head, request, departure.timeLeftMs), LOOP_HEADER, this.#loop.name],
      body: hasBody ? request : null,
      responseHeaders: "raw",
      signal,
    });
    // With `raw` undici returns them as a list, although the types say otherwise.
    const raw = headers as unknown as string[];
    const back = endToEnd(raw);
    if (statusCode === 412) {
      this.counts.refusedThere++;
      this.#guard.noteEpochSeen(fromTimeLeftHeader(rawValues(raw, EPOCH_SEEN_HEADER)[0] ?? ""));
      back.push([EPOCH_SEEN_HEADER, String(this.#guard.epochSeen)]);
    }
    return { status: statusCode, headers: flat(back), body };
  }

  async #health(response: ServerResponse, signal: AbortSignal): Promise<void> {
    const path = await this.#tryPath(signal);
    const { name, faults } = this.#options;
    const healthy = path === "ok" || path === "none";
    const body = { station: name, path, fault: faults.fault, epochSeen: this.epochSeen, counts: this.counts };
    response.writeHead(healthy ? 200 : 503, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  }

  /** Sends a GET to the service behind. Any answer below 500 shows that the path works. */
  async #tryPath(caller: AbortSignal): Promise<string> {
    const { relayTo, clock, faults } = this.#options;
    const pool = this.#pool;
    if (pool === undefined || relayTo === undefined) return "none";
    const late = new AbortController();
    using _timer = clock.at(clock.nowMs() + HEALTH_TIMEOUT_MS, () => late.abort());
    const signal = AbortSignal.any([caller, late.signal]);
    try {
      const answer = await faults.around(async () => {
        const { statusCode, body } = await pool.request({ method: "GET", path: relayTo.pathname, signal });
        return { status: statusCode, headers: [], body: await body.text() };
      }, signal);
      if (answer.status >= 500) return `answers ${answer.status}`;
      return reportsError(parsed(answer.body)) ? "answers 200 with an error in the body" : "ok";
    } catch (error) {
      return late.signal.aborted ? `no answer within ${HEALTH_TIMEOUT_MS} ms` : String(error);
    }
  }
}

function servicePool({ origin }: URL, connections: StationConnections): Pool {
  return new Pool(origin, {
    allowH2: false,
    connect: connections.by(connectService()),
    ...KEPT,
    maxHeaderSize: REPLY_HEADER_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

/** Why a command is not relayed, and the HTTP status for that. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * The headers that are passed on: key, epoch and deadline as received, and the time left as of now.
 */
function headersOnwards(head: SoundHead, request: IncomingMessage, leftMs: number): string[] {
  const headers = head.headers
    .filter(([name]) => !SAID_ANEW.has(name.toLowerCase()))
    .map(([name, value]): [string, string] =>
      name.toLowerCase() === "grpc-timeout" ? [name, toGrpcTimeout(leftMs)] : [name, value],
    );
  for (const name of [EPOCH_HEADER, DEADLINE_HEADER]) {
    const value = request.headers[name];
    if (value !== undefined) headers.push([name, String(value)]);
  }
  if (leftMs !== Number.POSITIVE_INFINITY) headers.push([TIME_LEFT_HEADER, toTimeLeftHeader(leftMs)]);
  return flat(headers);
}

async function deliver(answer: RelayAnswer, response: ServerResponse, signal: AbortSignal): Promise<void> {
  response.writeHead(answer.status, [...answer.headers]);
  if (typeof answer.body === "string") return void response.end(answer.body);
  // If it breaks off, `refuse` ends the answer.
  await pipeline(answer.body, response, { signal, end: false });
  response.end();
}

/** Makes this the last answer on its connection. */
function endWith({ connection, response }: Exchange): void {
  connection.endWith(response);
  response.setHeader("connection", "close");
}

function refuse(exchange: Exchange, error: unknown): void {
  const { response } = exchange;
  // With a reset, so that the sender does not take a partial answer for a complete one, even if
  // only the end of the connection would mark its end.
  if (response.headersSent || response.destroyed) return void exchange.socket.resetAndDestroy();
  endWith(exchange);
  if (error instanceof RefusedRequest) {
    const { headers, body } = problemAnswer(error.problem);
    return void response.writeHead(error.problem.status, headers).end(body);
  }
  const injected = error instanceof FaultInjectedError;
  const status = error instanceof Refusal ? error.status : injected ? 500 : 502;
  const detail = inWords(error);
  if (status === 502 && wasNeverSent(error)) response.setHeader(OUTCOME_HEADER, NOT_SENT);
  response
    .writeHead(status, { "content-type": "application/problem+json" })
    .end(`${JSON.stringify({ title: "not relayed", status, detail })}\n`);
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const why = whyUnreadable(error, false);
  return why === undefined ? error.message : `the service's reply cannot be read: ${why}`;
}

/** A header with a whole number; undefined if it is absent. */
function wholeNumberIn(request: IncomingMessage, name: string): number | undefined {
  const text = request.headers[name];
  if (text === undefined) return undefined;
  const value = fromTimeLeftHeader(String(text));
  if (value === undefined) {
    throw new Refusal(
      400,
      `${name}: "${String(text).slice(0, 40)}" is none; allowed is a whole number, at most 9007199254740991`,
    );
  }
  return value;
}

function parsed(body: RelayAnswer["body"]): unknown {
  try {
    return typeof body === "string" ? JSON.parse(body) : undefined;
  } catch {
    return undefined;
  }
}
