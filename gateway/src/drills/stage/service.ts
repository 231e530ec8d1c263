/**
 * The service of one station of a stage, as an HTTP server: it has commands executed and answers
 * them, it has a health page, it says what became of a key, and it behaves as badly as it is told.
 * Its mode is data (`settings.ts`), is changed at run time over a second listener, and returns to
 * the one of its start when the change is lifted, or after `expiresAfterMs` by itself. The second
 * listener works while the first one is overloaded or silent.
 *
 * It decides nothing about commands: who executes them is behind `Backend`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock, Random } from "ground-station-failover";
import { EPOCH_HEADER, EPOCH_SEEN_HEADER } from "../../fleet/uplink.ts";
import type { KeyAnswer, StageCommand, StageOutcome } from "./executors.ts";
import type { ServiceMode } from "./settings.ts";

/** What executes the commands of a service. */
export interface Backend {
  execute(command: StageCommand): Promise<StageOutcome>;
  ask(station: string, key: string, cancel: boolean): Promise<KeyAnswer>;
}

export interface ServiceOptions {
  readonly name: string;
  readonly mode: ServiceMode;
  readonly backend: Backend;
  readonly clock: Clock;
  /** Draws which commands a share of them hits. */
  readonly random: Random;
}

/** Names a command whatever its body is. */
export const COMMAND_HEADER = "x-stage-command";

/** Commands that wait for a place; one more is refused. */
const MAX_WAITING = 10_000;

export interface ServiceCounts {
  /** Commands that arrived, reads included. */
  commands: number;
  /**
   * Commands and questions that the mode changed: answered otherwise, delayed, made to wait or
   * refused.
   */
  spoiled: number;
  /** Questions of the health page. */
  health: number;
  /** Commands in work now. */
  inWork: number;
  /** Most commands in work at once so far. */
  maxInWork: number;
}

export class StageService {
  readonly server: Server;
  readonly counts: ServiceCounts = { commands: 0, spoiled: 0, health: 0, inWork: 0, maxInWork: 0 };
  readonly #options: ServiceOptions;
  readonly #waiting: Array<() => void> = [];
  #namesGiven = 0;
  #mode: ServiceMode;
  #expiry: Disposable | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#mode = options.mode;
    this.server = createServer((request, response) => {
      response.on("error", () => undefined);
      // The caller left in the middle, so there is nobody to answer.
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.server.keepAliveTimeout = 60_000;
    this.server.requestTimeout = 0;
  }

  get mode(): ServiceMode {
    return this.#mode;
  }

  /** From now on; back to the mode of the start after `expiresAfterMs`. */
  setMode(mode: ServiceMode, expiresAfterMs: number | undefined): void {
    this.#expiry?.[Symbol.dispose]();
    this.#mode = mode;
    const { clock } = this.#options;
    this.#expiry =
      expiresAfterMs === undefined ? undefined : clock.at(clock.nowMs() + expiresAfterMs, () => this.restoreMode());
    this.#admit();
  }

  /** The mode of its start. */
  restoreMode(): void {
    this.setMode(this.#options.mode, undefined);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split("?")[0] ?? "/";
    if (path === "/healthz") return this.#answerHealth(request, response);
    const ownError = /^\/errors\/([45]\d\d)$/.exec(path)?.[1];
    if (ownError !== undefined) {
      request.resume();
      return json(response, Number(ownError), { error: `this page answers ${ownError}` });
    }
    const key = /^\/commands\/(.+)$/.exec(path)?.[1];
    if (key !== undefined) return this.#answerKey(decodeURIComponent(key), request, response);
    this.counts.commands++;
    if (!(await this.#enter())) {
      request.resume();
      return refuse(response, this.#mode);
    }
    try {
      await this.#work(request, response);
    } finally {
      this.counts.inWork--;
      this.#admit();
    }
  }

  async #work(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, random } = this.#options;
    const mode = this.#mode;
    const isSpoiled = mode.answer !== "ok" && (mode.share === 1 || random.next() < mode.share);
    const delayMs = mode.delayMs + (mode.jitterMs > 0 ? random.next() * mode.jitterMs : 0);
    if (isSpoiled || delayMs > 0) this.counts.spoiled++;
    // A refusing service does not read what it refuses.
    if (isSpoiled && mode.answer === "refuse") {
      request.resume();
      return refuse(response, mode);
    }
    await read(request);
    if (delayMs > 0) await clock.sleepUntil(clock.nowMs() + delayMs);
    const outcome = isSpoiled && !mode.executes ? undefined : await this.#execute(request);
    if (isSpoiled) return this.#spoil(mode, response);
    reply(response, outcome, this.#options.name);
  }

  /** Has it executed, unless it only reads. */
  async #execute(request: IncomingMessage): Promise<StageOutcome | undefined> {
    if (request.method === "GET" || request.method === "HEAD") return undefined;
    const key = headerOf(request, "idempotency-key");
    const epoch = headerOf(request, EPOCH_HEADER);
    const command = headerOf(request, COMMAND_HEADER) ?? key ?? this.#unnamed();
    return this.#options.backend.execute({
      command,
      station: this.#options.name,
      idempotencyKey: key,
      epoch: epoch === undefined ? undefined : Number(epoch),
    });
  }

  /** Two requests without a name are two commands, whatever is in them. */
  #unnamed(): string {
    return `unnamed-${this.#options.name}-${++this.#namesGiven}`;
  }

  #spoil(mode: ServiceMode, response: ServerResponse): void {
    switch (mode.answer) {
      case "error":
        return json(response, mode.status, { error: "told to" });
      case "error-body":
        return json(response, 200, { status: "error", error: "told to" });
      case "half":
        response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
        response.write('{"command":');
        response.socket?.destroySoon();
        return;
      case "unreadable":
        response.socket?.end("this is no HTTP\r\n\r\n");
        return;
      default:
        // Silent: the caller's connection stays open until it leaves.
        return;
    }
  }

  #answerHealth(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    this.counts.health++;
    const { health } = this.#mode;
    if (health !== "ok") this.counts.spoiled++;
    if (health === "ok") json(response, 200, { status: "ok" });
    else if (health === "error") json(response, 503, { status: "error" });
  }

  async #answerKey(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    if (request.method !== "GET" && request.method !== "DELETE")
      return json(response, 405, { error: "Method not allowed; use GET or DELETE" });
    const { backend, name } = this.#options;
    json(response, 200, await backend.ask(name, key, request.method === "DELETE"));
  }

  /** Waits for a place. False: there is none, and it may not wait. */
  async #enter(): Promise<boolean> {
    const { capacity, aboveCapacity } = this.#mode;
    if (capacity === 0 || this.counts.inWork < capacity) return this.#begin();
    this.counts.spoiled++;
    if (aboveCapacity === "refuse" || this.#waiting.length >= MAX_WAITING) return false;
    await new Promise<void>((admitted) => this.#waiting.push(admitted));
    return true;
  }

  #begin(): true {
    this.counts.maxInWork = Math.max(this.counts.maxInWork, ++this.counts.inWork);
    return true;
  }

  #admit(): void {
    const { capacity } = this.#mode;
    const places = capacity === 0 ? this.#waiting.length : capacity - this.counts.inWork;
    for (const admitted of this.#waiting.splice(0, Math.max(0, places))) {
      this.#begin();
      admitted();
    }
  }
}

function reply(response: ServerResponse, outcome: StageOutcome | undefined, station: string): void {
  if (outcome?.type === "stale") {
    response.setHeader(EPOCH_SEEN_HEADER, String(outcome.epochSeen));
    return json(response, 412, { error: `the epoch is over; the newest seen is ${outcome.epochSeen}` });
  }
  if (outcome?.type === "cancelled") return json(response, 409, { error: "this key was cancelled" });
  json(response, 200, { station, ...outcome?.result });
}

function refuse(response: ServerResponse, { retryAfterSeconds }: ServiceMode): void {
  response.setHeader("retry-after", String(retryAfterSeconds));
  json(response, 503, { error: "no more for the moment" });
}

function json(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

async function read(request: IncomingMessage): Promise<void> {
  for await (const _chunk of request);
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return value === undefined ? undefined : String(value);
}
