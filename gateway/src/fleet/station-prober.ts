/**
 * Pulls heartbeats from one station: requests its health page on a fixed grid and reports every
 * good answer. A probe may take longer than the interval. The next one then starts meanwhile, so a
 * slow page still gives heartbeats. At most `MAX_OUTSTANDING` probes are in flight at once, so a
 * dead station costs no more than a slow one. A station that refuses connections is probed more
 * often: each probe costs next to nothing, and if no other station serves, its return must be
 * noticed quickly.
 *
 * The prober also keeps the result of the newest probe in words: "answered 400" explains what
 * "silent for 1 s" leaves open. It decides nothing: the detector judges from the heartbeats whether
 * the station is alive.
 */
import type { Clock } from "ground-station-failover";
import { failureInWords, knownCode } from "./failure-words.ts";

/** Result of the newest probe of a station. */
export interface LastProbe {
  readonly isWell: boolean;
  /**
   * For people: `HTTP 200 in 3 ms`, `answered 400`, `connection refused`, `no answer in 200 ms`.
   */
  readonly text: string;
  /** When the result was known. */
  readonly atMs: number;
}

export interface StationProberOptions {
  readonly clock: Clock;
  /** Spacing of the grid in ms, more than 0. */
  readonly intervalMs: number;
  /** How long the prober waits for an answer, in ms, more than 0. */
  readonly timeoutMs: number;
  /** Sends one probe; resolves with the status of a good answer. */
  readonly ask: (signal: AbortSignal) => Promise<number>;
  /** Called for every good answer: it is a heartbeat. */
  readonly onHeartbeat: () => void;
  /** Called when probes turn from good to bad or back, and for a first probe that is bad. */
  readonly onChange: (probe: LastProbe) => void;
  /**
   * Called for every probe that could not be sent because this machine lacks a descriptor, a port,
   * memory or a name server.
   */
  readonly onOwnShortage: () => void;
}

/** Two are enough for a page that takes up to two intervals to give a heartbeat every interval. */
const MAX_OUTSTANDING = 2;

/**
 * A station that refused the last connection is probed again after this time, or after the interval
 * if that is shorter.
 */
const REFUSED_INTERVAL_MS = 25;

/** A timer that fires later than this shows a stall of this process, not of the station. */
const STALL_MS = 50;

/**
 * Made once: an abort without a reason creates a new error each time, which costs more than the
 * rest of a probe.
 */
const NO_ANSWER = new Error("no answer in time");

/** A probe in flight. Numbers rise: the result of an older probe says nothing about a newer one. */
interface OutProbe {
  readonly number: number;
  readonly startedMs: number;
  readonly giveUp: AbortController;
}

export class StationProber {
  #options: StationProberOptions;
  readonly #out: Set<OutProbe> = new Set();
  #sent = 0;
  /** Number of the newest probe that ended. */
  #judged = 0;
  #last: LastProbe | undefined = undefined;
  #isRefused = false;
  /** When the last good answer came. */
  #wellAtMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: StationProberOptions) {
    this.#options = options;
  }

  /** Probes with `options` from the next probe on; another interval counts from the next run. */
  useOptions(options: StationProberOptions): void {
    this.#options = options;
  }

  /**
   * Result of the newest probe, or that it is still unanswered after more than an interval;
   * undefined before the first.
   */
  get last(): LastProbe | undefined {
    const { clock, intervalMs } = this.#options;
    const nowMs = clock.nowMs();
    for (const { number, startedMs } of this.#out) {
      const outForMs = nowMs - startedMs;
      if (number > this.#judged && outForMs > intervalMs)
        return { isWell: false, text: `no answer in ${Math.round(outForMs)} ms`, atMs: nowMs };
    }
    return this.#last;
  }

  /** Probes until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    let dueMs = clock.nowMs();
    while (!signal.aborted) {
      if (this.#out.size < MAX_OUTSTANDING) this.#probe();
      // Ticks missed during a stall are skipped: a burst of probes would say no more than a single
      // probe.
      const everyMs = this.#isRefused ? Math.min(intervalMs, REFUSED_INTERVAL_MS) : intervalMs;
      dueMs += everyMs * (1 + Math.floor(Math.max(0, clock.nowMs() - dueMs) / everyMs));
      await clock.sleepUntil(dueMs, signal).catch(() => undefined);
    }
    for (const { giveUp } of this.#out) giveUp.abort(NO_ANSWER);
    this.#out.clear();
  }

  #probe(): void {
    const { clock, timeoutMs, ask, onHeartbeat, onOwnShortage } = this.#options;
    const probe: OutProbe = { number: ++this.#sent, startedMs: clock.nowMs(), giveUp: new AbortController() };
    this.#out.add(probe);
    const dueMs = probe.startedMs + timeoutMs;
    let timer = clock.at(dueMs, () => {
      const lateMs = clock.nowMs() - dueMs;
      // This process stalled: the answer may wait in the socket. The probe gets as much extra time
      // as the stall took.
      if (lateMs > STALL_MS) timer = clock.at(clock.nowMs() + Math.min(lateMs, timeoutMs), giveUp);
      else giveUp();
    });
    const giveUp = (): void => probe.giveUp.abort(NO_ANSWER);
    const ended = (isWell: boolean, text: string, code?: string): void => {
      timer[Symbol.dispose]();
      // A probe that is no longer in flight was aborted because all probing ended.
      if (!this.#out.delete(probe)) return;
      this.#isRefused = code === "ECONNREFUSED";
      if (isWell) {
        this.#wellAtMs = clock.nowMs();
        onHeartbeat();
      }
      this.#note(probe.number, { isWell, text, atMs: clock.nowMs() });
    };
    ask(probe.giveUp.signal).then(
      (status) => ended(true, `HTTP ${status} in ${Math.round(clock.nowMs() - probe.startedMs)} ms`),
      (error: unknown) => {
        if (probe.giveUp.signal.aborted) return ended(false, `no answer in ${Math.round(timeoutMs)} ms`);
        const code = knownCode(error);
        if (this.#isLocal(code)) onOwnShortage();
        ended(false, failureInWords(error), code);
      },
    );
  }

  /** True if `code` is a shortage of this machine, or likely to be. */
  #isLocal(code: string | undefined): boolean {
    if (code === undefined) return false;
    if (OWN_SHORTAGES.has(code)) return true;
    return code === "ENOTFOUND" && this.#options.clock.nowMs() - this.#wellAtMs < NAME_GONE_AFTER_MS;
  }

  #note(number: number, probe: LastProbe): void {
    if (number <= this.#judged) return;
    const wasWell = this.#last?.isWell ?? true;
    this.#judged = number;
    this.#last = probe;
    if (probe.isWell !== wasWell) this.#options.onChange(probe);
  }
}

/** Codes that mean that this machine lacks a resource. */
const OWN_SHORTAGES: ReadonlySet<string> = new Set([
  ...["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"],
  ...["EAI_AGAIN", "EAI_FAIL", "ESERVFAIL"],
]);

/**
 * If a name that was known cannot be resolved any more, the name service is blamed for this long,
 * because a resolver that is cut off reports the same. After that the station is blamed: its name
 * is gone, and no caller can reach it.
 */
const NAME_GONE_AFTER_MS = 10_000;
