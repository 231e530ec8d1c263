/**
 * A steady source of commands, which sees the gateway as a caller does. It sends at its rate
 * whatever answers come back (an open loop; a source that waits for answers would send least when
 * the gateway is worst, and hide that). Each command has its own key and a deadline, and is sent
 * over kept-alive connections. The source records what its caller would have seen.
 *
 * Anything other than a 2xx without an error body by the deadline counts as an error here. The
 * source never sends a command again.
 */
import { type Clock, TIME_LEFT_HEADER, toTimeLeftHeader } from "ground-station-failover";
import { reportsError } from "ground-station-failover/core";
import { Pool } from "undici";
import type { CommandRecord } from "./sums.ts";

export interface LoadOptions {
  /** Base address of the gateway's listener. */
  readonly to: URL;
  readonly ratePerSecond: number;
  /** How long the source waits for each command's answer. */
  readonly deadlineMs: number;
  /** Prefix of the commands' names. */
  readonly prefix: string;
  /** Clock for the rate and the deadlines. */
  readonly clock: Clock;
  /** Clock of the recorded instants, which all processes of the machine share. */
  readonly machineNowMs: () => number;
  readonly onRecord: (record: CommandRecord) => void;
}

/**
 * The rate rises to its full value in this time, in ms. Processes that have just started are slow,
 * and a full load would only measure that.
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

  /** Starts to send at once. */
  constructor(options: LoadOptions) {
    this.#options = options;
    // Deadlines end waits here; the client's own timeouts are off.
    this.#pool = new Pool(options.to.origin, { headersTimeout: 0, bodyTimeout: 0 });
    this.#startedMs = options.clock.nowMs();
    this.#sendDue();
  }

  /** Stops sending. Resolves with the number of commands sent once each of them has ended. */
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
 * When a command is due, in ms after the start: the rate rises evenly during the warm-up and is
 * steady from then on.
 */
export function dueAfterMs(place: number, ratePerSecond: number): number {
  const ratePerMs = ratePerSecond / 1_000;
  const duringWarmUp = (ratePerMs * WARM_UP_MS) / 2;
  if (place < duringWarmUp) return Math.sqrt((2 * WARM_UP_MS * place) / ratePerMs);
  return WARM_UP_MS + (place - duringWarmUp) / ratePerMs;
}

/** Why an answer is an error for the caller; undefined if it is not. */
export function errorIn(status: number, text: string): string | undefined {
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

/** The operating system's code comes first, if there is one. */
function reasonOf(error: Error): string {
  return "code" in error ? `${error.code} (${error.message})` : error.message;
}
