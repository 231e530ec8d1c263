/**
 * A steady source of commands, as the world outside sees the gateway. It sends at its rate whatever
 * comes back (an open loop: one that waits for answers would send least when things are worst, and
 * hide it), each command with a key of its own and a deadline, over kept-alive connections, and
 * writes down what its caller would have seen.
 *
 * Whatever is not a 2xx without an error body by the deadline is an error here. It never sends a
 * command again.
 */
import { type Clock, TIME_LEFT_HEADER, toTimeLeftHeader } from "ground-station-failover";
import { reportsError } from "ground-station-failover/core";
import { Pool } from "undici";
import type { CommandRecord } from "./sums.ts";

export interface LoadOptions {
  /** Base address of the gateway's listener. */
  readonly to: URL;
  readonly ratePerSecond: number;
  /** How long each command's source waits for its answer. */
  readonly deadlineMs: number;
  /** Begins the names of the commands. */
  readonly prefix: string;
  /** Keeps the rate and the deadlines. */
  readonly clock: Clock;
  /** What instants are written down in: an axis that all processes of the machine share. */
  readonly machineNowMs: () => number;
  readonly onRecord: (record: CommandRecord) => void;
}

/**
 * The rate is reached in this time: processes that have just started are slow, and a flood would
 * only measure that.
 */
const WARM_UP_MS = 1_000;

type Answer = Pick<CommandRecord, "status" | "station" | "error">;

export class CommandLoad {
  readonly #options: LoadOptions;
  readonly #pool: Pool;
  readonly #startedMs: number;
  readonly #inFlight: Set<Promise<void>> = new Set();
  #sent = 0;
  #timer: Disposable | undefined;
  #stopped = false;

  /** Begins to send at once. */
  constructor(options: LoadOptions) {
    this.#options = options;
    // Deadlines end waits here, not the client's own idea of patience.
    this.#pool = new Pool(options.to.origin, { headersTimeout: 0, bodyTimeout: 0 });
    this.#startedMs = options.clock.nowMs();
    this.#sendDue();
  }

  /** Sends nothing more; resolves with the number sent once each of them has ended. */
  async stop(): Promise<number> {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    await Promise.all(this.#inFlight);
    await this.#pool.destroy();
    return this.#sent;
  }

  #sendDue(): void {
    const { clock, ratePerSecond } = this.#options;
    const dueAtMs = (place: number): number => this.#startedMs + dueAfterMs(place, ratePerSecond);
    while (!this.#stopped && dueAtMs(this.#sent) <= clock.nowMs()) {
      const work = this.#send(`${this.#options.prefix}-${this.#sent++}`);
      this.#inFlight.add(work);
      work.finally(() => this.#inFlight.delete(work));
    }
    if (!this.#stopped) this.#timer = clock.at(dueAtMs(this.#sent), () => this.#sendDue());
  }

  async #send(command: string): Promise<void> {
    const { clock, deadlineMs, machineNowMs, onRecord } = this.#options;
    const sentMs = machineNowMs();
    const late = new AbortController();
    const timer = clock.at(clock.nowMs() + deadlineMs, () => late.abort());
    const answer = await this.#exchange(command, late.signal).catch((error: Error): Answer => {
      const why = late.signal.aborted ? `no answer within ${deadlineMs} ms` : `no answer: ${reasonOf(error)}`;
      return { status: undefined, station: undefined, error: why };
    });
    timer[Symbol.dispose]();
    onRecord({ command, sentMs, endedMs: machineNowMs(), ...answer });
  }

  async #exchange(command: string, signal: AbortSignal): Promise<Answer> {
    const { statusCode, headers, body } = await this.#pool.request({
      method: "POST",
      path: "/command",
      headers: {
        "content-type": "application/json",
        "idempotency-key": command,
        [TIME_LEFT_HEADER]: toTimeLeftHeader(this.#options.deadlineMs),
      },
      body: JSON.stringify({ command }),
      signal,
    });
    const text = await body.text();
    const servedBy = headers["x-served-by"];
    return {
      status: statusCode,
      station: servedBy === undefined ? undefined : String(servedBy),
      error: errorIn(statusCode, text),
    };
  }
}

/**
 * When a command is due after the beginning: the rate grows evenly while it warms up, and is steady
 * from then on.
 */
export function dueAfterMs(place: number, ratePerSecond: number): number {
  const ratePerMs = ratePerSecond / 1_000;
  const duringWarmUp = (ratePerMs * WARM_UP_MS) / 2;
  if (place < duringWarmUp) return Math.sqrt((2 * WARM_UP_MS * place) / ratePerMs);
  return WARM_UP_MS + (place - duringWarmUp) / ratePerMs;
}

/** Why an answer is an error in the eyes of the caller; undefined where it is none. */
function errorIn(status: number, text: string): string | undefined {
  const shown = text.slice(0, 200).trim();
  if (status < 200 || status > 299) return `status ${status}: ${shown}`;
  return reportsError(parsed(text)) ? `status ${status} with an error in the body: ${shown}` : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the system calls it comes first, where it has a name for it. */
function reasonOf(error: Error): string {
  return "code" in error ? `${error.code} (${error.message})` : error.message;
}
