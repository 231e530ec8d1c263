/**
 * What is worth telling of load, patience and shortage, and how often: what changes with every call
 * would fill a log, and what is never told is a silent collapse. Each report is an event, or
 * nothing where it was told a moment ago.
 */
import type { RetryBudgetStatus } from "../guard/retry-budget.ts";
import type { FailoverEvent } from "./events.ts";
import type { GoodputWatch } from "./overload/goodput.ts";
import type { Station } from "./station.ts";

/** What changes often is told this often at most. */
const TELL_AGAIN_MS = 10_000;
/** Patience that changed by less than this share is the same. */
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

  /** A call to `station` could not be sent for want of a resource of this machine. */
  shortage(station: Station, code: string, nowMs: number): FailoverEvent | undefined {
    if (nowMs - this.#toldShortageMs < TELL_AGAIN_MS) return undefined;
    this.#toldShortageMs = nowMs;
    return { type: "local-shortage", station: station.name, code, atMs: nowMs };
  }

  /** A station says that it has seen an epoch that cannot be one. */
  epochRefused(epoch: number, nowMs: number): FailoverEvent | undefined {
    if (nowMs - this.#toldEpochMs < TELL_AGAIN_MS) return undefined;
    this.#toldEpochMs = nowMs;
    return { type: "epoch-refused", epoch, atMs: nowMs };
  }

  /** How long callers wait is believed to be `patienceMs`. */
  patience(patienceMs: number | undefined, nowMs: number): FailoverEvent | undefined {
    const toldMs = this.#toldPatienceMs;
    if (patienceMs === toldMs) return undefined;
    const isSame = patienceMs !== undefined && toldMs !== undefined;
    if (isSame && Math.abs(patienceMs - toldMs) < toldMs * PATIENCE_CHANGE) return undefined;
    this.#toldPatienceMs = patienceMs;
    return { type: "patience-learned", patienceMs, atMs: nowMs };
  }

  /** Goodput collapsed, or came back. */
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
