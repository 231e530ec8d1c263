/**
 * Checks again and again whether the service behind a station lives, so that the station sends
 * heartbeats for the service and not for itself. A heartbeat says "send commands here"; a station
 * whose service is gone must not say so.
 *
 *   unknown ──passes──► lives ◄──passes── gone
 *      └─────fails──────► gone ◄──fails───┘
 *
 * The first failed check counts: a gateway waits for several missed heartbeats before it acts, so a
 * single accident does no harm. Checks never overlap. An accepted connection proves less than an
 * answer, because the operating system accepts connections also for a process that hangs.
 */
import { connect } from "node:net";
import type { Clock } from "ground-station-failover";
import { Pool } from "undici";
import { KEPT, StationConnections } from "../adapters/stations/station-connection.ts";
import { failureInWords } from "../fleet/failure-words.ts";
import { connectService, lookupService } from "./service-names.ts";

/**
 * One check. Resolves if the service lives; otherwise rejects with the reason. Also rejects once
 * `signal` is aborted.
 */
export type Check = (signal: AbortSignal) => Promise<void>;

export interface ServiceCheckOptions {
  readonly clock: Clock;
  readonly check: Check;
  /** From the beginning of a check to the beginning of the next, in ms, more than 0. */
  readonly intervalMs: number;
  /** Longest time for a check, in ms, more than 0. */
  readonly timeoutMs: number;
  /**
   * Called with the first result and with every change; `why` is the reason if the service does not
   * live.
   */
  readonly onChange: (lives: boolean, why: string) => void;
}

export class ServiceCheck {
  readonly #options: ServiceCheckOptions;
  #lives: boolean | undefined = undefined;

  constructor(options: ServiceCheckOptions) {
    this.#options = options;
  }

  /** Checks until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    while (!signal.aborted) {
      const startedMs = clock.nowMs();
      const why = await this.#check(signal);
      if (signal.aborted) return;
      this.#note(why);
      await clock.sleepUntil(startedMs + intervalMs, signal).catch(() => undefined);
    }
  }

  /** Why the service does not live; undefined if it lives. */
  async #check(signal: AbortSignal): Promise<string | undefined> {
    const { clock, check, timeoutMs } = this.#options;
    const late = new AbortController();
    using _timer = clock.at(clock.nowMs() + timeoutMs, () => late.abort());
    try {
      await check(AbortSignal.any([signal, late.signal]));
      return undefined;
    } catch (error) {
      if (late.signal.aborted) return `no answer in ${timeoutMs} ms`;
      return failureInWords(error);
    }
  }

  #note(why: string | undefined): void {
    const lives = why === undefined;
    if (lives === this.#lives) return;
    this.#lives = lives;
    this.#options.onChange(lives, why ?? "");
  }
}

/** GET `url`: an answer with 2xx or 3xx shows that the service lives. */
export function answers(url: URL): Check {
  const connections = new StationConnections();
  const connect = connections.by(connectService(CONNECT_MS));
  const pool = new Pool(url.origin, { connections: 1, allowH2: false, connect, ...KEPT });
  return async (signal) => {
    connections.closeDoubtful();
    const { statusCode, body } = await pool.request({ method: "GET", path: `${url.pathname}${url.search}`, signal });
    await body.dump({ limit: BODY_BYTES, signal });
    if (statusCode < 200 || statusCode >= 400) throw new Error(`${url.href} answered ${statusCode}`);
  };
}

/**
 * Connects to the host and port of `url`: an accepted connection shows that the service listens.
 */
export function takesConnections(url: URL): Check {
  const port = Number(url.port === "" ? (url.protocol === "https:" ? 443 : 80) : url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, signal, lookup: lookupService });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.destroy();
        resolve();
      });
    });
}

/**
 * The operating system repeats a lost SYN after 1, 3 and 7 s: a new connection succeeds sooner than
 * an old attempt.
 */
const CONNECT_MS = 1_000;
/** If a page's answer is longer than this, its connection is closed instead of reading the rest. */
const BODY_BYTES = 64 * 1_024;
