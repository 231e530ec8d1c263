/**
 * The socket of the control listener: turns connections into requests that may be served. It reads
 * as strictly as the callers' listener (`request-server.ts`), and one request at a time from each
 * connection, so that no work is done for a connection that is closed or does not read its answers.
 * A load balancer's probe, `/healthz`, `/readyz` or a station's `active` page, is answered here at
 * once. Every other request waits for its turn (`control-turns.ts`), so that a flood of requests
 * takes time neither from probes nor from commands.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type Problem, RefusedRequest, refusal } from "../../fleet/problem.ts";
import type { DutyGroup } from "../../fleet/station-duty.ts";
import { targetOf } from "../http/http-headers.ts";
import { problemAnswer, titleOf } from "../http/problem.ts";
import { refuseHead } from "../http/request-head.ts";
import { RequestServer } from "../http/request-server.ts";
import { tcpSocketOf } from "../http/secured-sockets.ts";
import type { ServerContexts } from "../tls/server-contexts.ts";
import { answerActive, askedStation } from "./active-page.ts";
import { ControlConnections } from "./control-connections.ts";
import { ControlTurns } from "./control-turns.ts";

export interface ControlServerOptions {
  /** Most connections at once. */
  readonly maxConnections: number;
  /** The answer of `/readyz`. */
  readonly isReady: () => boolean;
  /** For the `active` pages of stations. */
  readonly groups: ReadonlyMap<string, DutyGroup>;
  /** Certificates of a listener that speaks TLS. Default: it does not. */
  readonly tls?: ServerContexts | undefined;
  /** Answers requests that are not probes. */
  readonly serve: (message: IncomingMessage, response: ServerResponse) => void;
}

/** A request is a few lines, sent in one go. */
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
/**
 * Clients rarely send requests ahead; those read ahead cost memory, and time when the connection
 * closes.
 */
const MAX_WAITING = 4;
/** Fewer than ten requests. */
const PIECE_BYTES = 256;
/**
 * A client that does not read its answer for this long, in ms, is cut off. Events and recordings
 * are never silent for longer than 15 s.
 */
const IDLE_MS = 45_000;

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #requests: RequestServer;
  readonly #connections: ControlConnections;
  readonly #turns: ControlTurns = new ControlTurns();

  constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#requests = new RequestServer({
      serve: (message, response, waits) => this.#serve(message, response, waits),
      headersMs: HEADERS_MS,
      requestMs: REQUEST_MS,
      maxWaiting: MAX_WAITING,
      pieceBytes: PIECE_BYTES,
      tls: options.tls,
    });
    this.server.timeout = IDLE_MS;
    // A client that has closed its sending side (`printf … | nc`) may still wait for the answer,
    // which need not be ready at once.
    Object.assign(this.server, { httpAllowHalfOpen: true });
    this.#connections = new ControlConnections(this.server, options.maxConnections);
  }

  get server(): Server {
    return this.#requests.server;
  }

  /** Ends every connection now. */
  cutAll(): void {
    this.#requests.cutAll();
  }

  #serve(message: IncomingMessage, response: ServerResponse, waits: boolean): void {
    const { socket } = message;
    const connection = this.#requests.connectionOf(socket);
    this.#connections.asked(tcpSocketOf(socket), response);
    if (connection.isLast(response)) response.shouldKeepAlive = false;
    // The head may have been sent before it was known that this is the last answer.
    response.once("finish", () => {
      if (connection.isLast(response)) socket.end();
    });
    try {
      this.#requests.refuseTooMuch(message);
      refuseHead(message);
    } catch (error) {
      if (!(error instanceof RefusedRequest)) throw error;
      connection.endWith(response);
      response.shouldKeepAlive = false;
      return answer(response, error.problem);
    }
    const probe = probeOf(message);
    if (probe !== undefined) return this.#answerProbe(response, probe);
    const asked = askedStation(message);
    if (asked !== undefined) {
      const problem = answerActive(response, asked, this.#options.groups);
      return problem === undefined ? undefined : answer(response, problem);
    }
    this.#turns.take(response, () => {
      if (waits) response.writeContinue();
      this.#options.serve(message, response);
    });
  }

  #answerProbe(response: ServerResponse, probe: Probe): void {
    if (probe === "/readyz" && !this.#options.isReady()) return answer(response, NOT_READY);
    response.writeHead(200, ALIVE_HEADERS).end(probe === "/readyz" ? READY : ALIVE);
  }
}

const PROBES = ["/healthz", "/readyz"] as const;
type Probe = (typeof PROBES)[number];

function probeOf({ method = "", url = "" }: IncomingMessage): Probe | undefined {
  if (method !== "GET" && method !== "HEAD") return undefined;
  const path = targetOf(method, url)?.target.replace(/\?.*/s, "");
  return PROBES.find((probe) => probe === path);
}

const ALIVE_HEADERS = { "content-type": "application/json", "cache-control": "no-store" };
const ALIVE = JSON.stringify({ status: "alive" });
const READY = JSON.stringify({ status: "ready" });
const NOT_READY: Problem = refusal(503, "NOT_READY", "starting, or stopping: commands are not accepted");

function answer(response: ServerResponse, problem: Problem): void {
  const { headers, body } = problemAnswer(problem);
  response.writeHead(problem.status, titleOf(problem.status), headers).end(body);
}
