/**
 * Pulls heartbeats from one station: asks its health page on a fixed grid and tells of every good
 * answer. A probe may take longer than the interval: the next one begins meanwhile, so a slow page
 * still gives heartbeats, but at most `MAX_OUTSTANDING` are out at once, so a dead station costs no
 * more than a slow one. One that refuses connections costs next to nothing, and is asked more
 * often: where nobody else serves, each moment counts until it is back.
 *
 * It also keeps what the newest probe came to, in words, because "answered 400" ends a search that
 * "silent for 1 s" begins. It decides nothing: whether the station is alive is the detector's to
 * say, from the heartbeats.
 */
import type { Clock } from "ground-station-failover";
import { failureInWords, knownCode } from "./failure-words.ts";

/** What the newest probe of a station came to. */
export interface LastProbe {
  readonly isWell: boolean;
  /**
   * For people: `HTTP 200 in 3 ms`, `answered 400`, `connection refused`, `no answer in 200 ms`.
   */
  readonly text: string;
  /** When that was known. */
  readonly atMs: number;
}

export interface StationProberOptions {
  readonly clock: Clock;
  /** Spacing of the grid in ms, more than 0. */
  readonly intervalMs: number;
  /** How long an answer is waited for, in ms, more than 0. */
  readonly timeoutMs: number;
  /** Asks once; resolves with the status of a good answer. */
  readonly ask: (signal: AbortSignal) => Promise<number>;
  /** Called for every good answer: it is a heartbeat. */
  readonly onHeartbeat: () => void;
  /** Called when probes turn from well to ill or back, and for a first one that is ill. */
  readonly onChange: (probe: LastProbe) => void;
  /**
   * Called for every probe that could not be sent for want of a descriptor, a port, memory or a
   * name server here.
   */
  readonly onOwnShortage: () => void;
}

/**
 * One beyond the newest: enough for a page that takes up to two intervals to give a heartbeat every
 * interval.
 */
const MAX_OUTSTANDING = 2;

/**
 * A station that refused the last connection is asked again after this long, or after the interval
 * where that is shorter.
 */
const REFUSED_INTERVAL_MS = 25;

/** A timer that fires so late shows that this process stood still, and not that the station did. */
const STALL_MS = 50;

/**
 * Made once: an abort without a reason makes an error of its own each time, which costs more than
 * the rest of a probe.
 */
const NO_ANSWER = new Error("no answer in time");

/**
 * A probe that is out. Numbers grow: an answer to an older probe says nothing about a newer one.
 */
interface OutProbe {
  readonly number: number;
  readonly startedMs: number;
  readonly giveUp: AbortController;
}

export class StationProber {
  readonly #options: StationProberOptions;
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

  /**
   * What the newest probe came to, or that it is still unanswered after more than an interval;
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
      // Ticks that a stall has swallowed are left out: a burst of probes would tell no more than
      // one.
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
      // This process stood still: the answer may wait in the socket, and gets as long to be read as
      // was lost.
      if (lateMs > STALL_MS) timer = clock.at(clock.nowMs() + Math.min(lateMs, timeoutMs), giveUp);
      else giveUp();
    });
    const giveUp = (): void => probe.giveUp.abort(NO_ANSWER);
    const ended = (isWell: boolean, text: string, code?: string): void => {
      timer[Symbol.dispose]();
      // One that is no longer out was ended by the end of all probing.
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

  /** Is `code` a shortage of this machine, or likely to be one? */
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

/** What this machine lacks. */
const OWN_SHORTAGES: ReadonlySet<string> = new Set([
  ...["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EADDRNOTAVAIL"],
  ...["EAI_AGAIN", "EAI_FAIL", "ESERVFAIL"],
]);

/**
 * A name that was known and is not any more is taken for trouble of the name service for so long:
 * resolvers say so, too, when they are cut off. After that it is the station's: its name is gone,
 * and nobody reaches it.
 */
const NAME_GONE_AFTER_MS = 10_000;
