/**
 * Decides which changes of load, patience and shortage are reported, and how often. Reporting every
 * change would fill a log; reporting nothing would hide a collapse. Each method returns an event,
 * or nothing if that event was reported a moment ago.
 */
import type { RetryBudgetStatus } from "../guard/retry-budget.ts";
import type { FailoverEvent } from "./events.ts";
import type { GoodputWatch } from "./overload/goodput.ts";
import type { Station } from "./station.ts";

/** Minimum interval between reports of what changes often. */
const TELL_AGAIN_MS = 10_000;
/** A change of patience by less than this share is not reported. */
const PATIENCE_CHANGE = 0.25;

export class Reports {
  #toldShortageMs: number = Number.NEGATIVE_INFINITY;
  #toldEpochMs: number = Number.NEGATIVE_INFINITY;
  #toldPatienceMs: number | undefined = undefined;
  readonly #toldCapacityMs: Map<Station, number> = new Map();
  readonly #toldRefusalMs: Map<Station, number> = new Map();

  /** The limit of `station` was lowered. */
  capacity(station: Station, nowMs: number): FailoverEvent | undefined {
    if (nowMs - (this.#toldCapacityMs.get(station) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return undefined;
    this.#toldCapacityMs.set(station, nowMs);
    const { limit, ratePerSecond } = station.admission;
    return { type: "capacity-learned", station: station.name, limit, ratePerSecond, atMs: nowMs };
  }

  /** The budget of `station` refused a retry. */
  retryRefused(station: Station, budget: RetryBudgetStatus, nowMs: number): FailoverEvent | undefined {
    if (nowMs - (this.#toldRefusalMs.get(station) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return undefined;
    this.#toldRefusalMs.set(station, nowMs);
    const { sent, pending, allowed, calls } = budget;
    return { type: "retry-refused", station: station.name, used: sent + pending, allowed, calls, atMs: nowMs };
  }

  /** A call to `station` could not be sent because this machine lacked a resource. */
  shortage(station: Station, code: string, nowMs: number): FailoverEvent | undefined {
    if (nowMs - this.#toldShortageMs < TELL_AGAIN_MS) return undefined;
    this.#toldShortageMs = nowMs;
    return { type: "local-shortage", station: station.name, code, atMs: nowMs };
  }

  /** A station reports an epoch that is impossible. */
  epochRefused(epoch: number, nowMs: number): FailoverEvent | undefined {
    if (nowMs - this.#toldEpochMs < TELL_AGAIN_MS) return undefined;
    this.#toldEpochMs = nowMs;
    return { type: "epoch-refused", epoch, atMs: nowMs };
  }

  /** Callers are now believed to wait `patienceMs`. */
  patience(patienceMs: number | undefined, nowMs: number): FailoverEvent | undefined {
    const toldMs = this.#toldPatienceMs;
    if (patienceMs === toldMs) return undefined;
    const isSame = patienceMs !== undefined && toldMs !== undefined;
    if (isSame && Math.abs(patienceMs - toldMs) < toldMs * PATIENCE_CHANGE) return undefined;
    this.#toldPatienceMs = patienceMs;
    return { type: "patience-learned", patienceMs, atMs: nowMs };
  }

  /** Goodput collapsed or recovered. */
  goodput(
    figures: ReturnType<GoodputWatch["look"]>,
    active: Station,
    waiting: number,
    patienceMs: number | undefined,
  ): FailoverEvent | undefined {
    if (figures === undefined) return undefined;
    const { type, ...numbers } = figures;
    if (type === "overload-ended") return { type, ...numbers };
    const { limit, ratePerSecond } = active.admission;
    const { name: station, inFlight } = active;
    return { type, ...numbers, station, waiting, inFlight, limit, ratePerSecond, patienceMs };
  }
}
