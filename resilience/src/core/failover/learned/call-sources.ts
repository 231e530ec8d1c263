/**
 * What is remembered of each source of calls, which is a caller and a route (`CallOptions.source`).
 * A station is judged by what happens to many sources. So one caller that repeats a request which
 * always fails must not count as many, and a route that always takes five seconds is not overdue
 * after a tenth of a second. Per source: when each station last served it and first failed it, the
 * slowest of its recent answers, and how often its failures proved to be its own.
 *
 * Memory is bounded: two generations of at most {@link MAX_SOURCES} each. A source that is used
 * moves to the young generation; when that is full, the old one is forgotten. An evicted source is
 * as unknown as a new one, which is the cautious choice.
 */
import type { Era } from "../admission/crowding.ts";
import { NEVER, type SeenAs, SourceAt } from "./source-at-station.ts";

/** Maximum sources in each of the two generations. */
const MAX_SOURCES = 256;
/** "Lately": a station served or refused a source within this time. */
const LATELY_MS = 10_000;
/**
 * The slowest answer fades by this factor with each quicker one, so that a route may become quick
 * again.
 */
const FADING = 0.98;
/**
 * An attempt is overdue after this many times the slowest answer, plus more if few answers are
 * known: the next of `n` answers is slower than all before with a chance of 1 in `n`.
 */
const OVERDUE_RATIO = 1.05;
/** An attempt that has been out for this share of the slowest answer should have been answered. */
const ANSWERED_RATIO = 0.9;
/**
 * After this many failures in a row that were the same at two stations, the other station is tried
 * less often, …
 */
const AGREEMENTS_TO_TRUST = 8;
/** … namely for one failure in this many. */
const ASK_EVERY = 8;
/**
 * After this many refusals for load in a row, of a source that was served before, the route is
 * probably the reason.
 */
const REFUSALS_TO_TRUST = 3;

/** What is known about one source. */
export class CallSource {
  /** False if the call names no source; then it may come from any caller. */
  readonly isNamed: boolean;
  /** Indexed by station number. */
  readonly #stations: SourceAt[];
  /**
   * The era of a station (`crowding.ts`) whose first calls have all been sent: later calls in it
   * are not among the first.
   */
  settledIn: Era | undefined = undefined;
  #slowestMs = 0;
  #served = 0;
  #agreements = 0;
  #skipped = 0;

  constructor(stations: number, isNamed = true) {
    this.isNamed = isNamed;
    this.#stations = Array.from({ length: stations }, () => new SourceAt());
  }

  #at(station: number): SourceAt {
    return this.#stations[station] as SourceAt;
  }

  /** Station number `station` is another one from now on: nothing is known of it. */
  forgetStation(station: number): void {
    while (this.#stations.length < station) this.#stations.push(new SourceAt());
    this.#stations[station] = new SourceAt();
  }

  /**
   * A call is sent to station number `station`, in this era. True if it is one of the first of that
   * era. What was learned about leisure before the era no longer counts. Need not be called if the
   * era equals `settledIn`.
   */
  noteSent(station: number, era: Era, nowMs: number): boolean {
    const isEarly = this.#at(station).noteSent(era, nowMs);
    if (!isEarly) this.settledIn = era;
    return isEarly;
  }

  /** Station number `station` served a call of this source after `tookMs`. */
  noteServed(station: number, tookMs: number, nowMs: number): void {
    const at = this.#at(station);
    at.servedAtMs = nowMs;
    at.refusals = 0;
    this.#served++;
    this.#slowestMs = tookMs > this.#slowestMs ? tookMs : tookMs + (this.#slowestMs - tookMs) * FADING;
    this.#agreements = 0;
  }

  /**
   * As {@link noteServed}, for an answer to be learned from. `isEarly`: the result of
   * {@link noteSent}.
   */
  noteTook(
    station: number,
    tookMs: number,
    nowMs: number,
    isEarly: boolean,
    crowd: SeenAs,
    tookLog: number = Math.log(tookMs),
  ): void {
    const at = this.#at(station);
    const elsewhereLog = at.isYoung ? this.#leisureElsewhere(at) : NEVER;
    at.noteBeside(tookLog, elsewhereLog);
    at.noteTook(tookMs, tookLog, isEarly, crowd, nowMs, at.presumedLog(elsewhereLog));
  }

  /**
   * A caller hung up before station number `station` answered; the answer would have taken longer
   * than `ageMs`.
   */
  noteLeft(station: number, ageMs: number, nowMs: number, isEarly: boolean, crowd: SeenAs, ageLog: number): void {
    const at = this.#at(station);
    const elsewhereLog = at.isYoung && at.leisureLog < NEVER ? this.#leisureElsewhere(at) : NEVER;
    at.noteTook(ageMs, ageLog, isEarly, crowd, nowMs, at.presumedLog(elsewhereLog));
  }

  #leisureElsewhere(at: SourceAt): number {
    let log = NEVER;
    for (const other of this.#stations) if (other !== at && other.leisureLog < log) log = other.leisureLog;
    return log;
  }

  /**
   * Updates the quiet time at station number `station`. What was learned before `quietSinceMs` is
   * dropped.
   */
  noteQuiet(station: number, nowMs: number, quietSinceMs: number): void {
    this.#at(station).noteQuiet(nowMs, quietSinceMs);
  }

  /** How long station number `station` takes in quiet times; `Infinity` while unknown. */
  quietMs(station: number): number {
    return this.#at(station).quietMs;
  }

  /** How long station number `station` has taken recently; 0 while unknown. */
  meanMs(station: number): number {
    return this.#at(station).meanMs;
  }

  /**
   * Station number `station` refused a call of this source for load; it last served a call of any
   * source at `lastServedMs`. True if it probably always refuses the route while it is well itself:
   * it has served others since it first refused this source, and it never served this source, or
   * not at any of the last three times.
   */
  noteRefused(station: number, lastServedMs: number, nowMs: number): boolean {
    const at = this.#at(station);
    if (at.refusals++ === 0) at.refusedFromMs = nowMs;
    at.refusedAtMs = nowMs;
    if (lastServedMs <= at.refusedFromMs) return false;
    return at.refusals >= REFUSALS_TO_TRUST || !this.hasBeenServedBy(station);
  }

  /** Has this station refused it for load within the last ten seconds? */
  isRefusedBy(station: number, nowMs: number): boolean {
    return nowMs - this.#at(station).refusedAtMs <= LATELY_MS;
  }

  /**
   * Has another station refused it for load too, with no station ever having answered it? Then the
   * refusal is the call's own result.
   */
  isRefusedAlike(station: number): boolean {
    if (this.isKnown) return false;
    return this.#stations.some(({ refusals }, other) => other !== station && refusals > 0);
  }

  /** Has this station served it within the last ten seconds? */
  isServedBy(station: number, nowMs: number): boolean {
    return nowMs - this.#at(station).servedAtMs <= LATELY_MS;
  }

  /** Has this station ever served it, as far as remembered? */
  hasBeenServedBy(station: number): boolean {
    return this.#at(station).servedAtMs > Number.NEGATIVE_INFINITY;
  }

  /** Has this station served it since `fromMs`? */
  wasServedSince(station: number, fromMs: number): boolean {
    return this.#at(station).servedAtMs >= fromMs;
  }

  /** Has any station served it within the last ten seconds? */
  isServedLately(nowMs: number): boolean {
    return this.#stations.some(({ servedAtMs }) => nowMs - servedAtMs <= LATELY_MS);
  }

  /**
   * Station number `station`, which last served a call of any source at `lastServedMs`, failed or
   * lost a call of this source, and the failure was not compared. Returns whose failure it is, if
   * no station has ever served the source: `own` if this station has served others since it first
   * failed this source, `alike` if another station has failed the source too.
   */
  noteFailedAlone(station: number, lastServedMs: number, nowMs: number): "alike" | "own" | "unknown" {
    const at = this.#at(station);
    const firstMs = at.failedFromMs;
    const elsewhere = this.#stations.some(({ failedFromMs }, other) => other !== station && failedFromMs < NEVER);
    if (firstMs === NEVER) at.failedFromMs = nowMs;
    if (this.isKnown) return "unknown";
    if (lastServedMs > firstMs) return "own";
    return elsewhere ? "alike" : "unknown";
  }

  /** Has any station ever answered it? Otherwise it is unknown how long it takes. */
  get isKnown(): boolean {
    return this.#slowestMs > 0;
  }

  /**
   * An attempt of this source that is out for longer is slow even for this source; `Infinity` while
   * unknown.
   */
  get overdueAfterMs(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : this.#slowestMs * (OVERDUE_RATIO + 1 / this.#served);
  }

  /** Nearly all of its recent answers came within this time; `Infinity` while unknown. */
  get answeredByMs(): number {
    return this.#slowestMs === 0 ? Number.POSITIVE_INFINITY : this.#slowestMs * (ANSWERED_RATIO + 1 / this.#served);
  }

  /**
   * How long station number `station` takes at leisure to answer this source, in ms, measured since
   * `sinceMs`; `Infinity` while unknown.
   */
  leisureMs(station: number, sinceMs = 0): number {
    const at = this.#at(station);
    return at.sinceMs < sinceMs ? NEVER : at.leisureMs;
  }

  /** As {@link leisureMs}, as the mean of the logarithms of answer times in ms. */
  leisureLog(station: number, sinceMs = 0): number {
    const at = this.#at(station);
    return at.sinceMs < sinceMs ? NEVER : at.leisureLog;
  }

  /** Two stations gave the same failure: it is the call's own. */
  noteAgreement(): void {
    this.#agreements++;
    this.#skipped = 0;
  }

  /**
   * Would trying another station only double the load? True for most failures of a source whose
   * failures are its own.
   */
  skipsComparison(): boolean {
    if (this.#agreements < AGREEMENTS_TO_TRUST) return false;
    this.#skipped = (this.#skipped + 1) % ASK_EVERY;
    return this.#skipped !== 0;
  }
}

export class CallSources {
  #stations: number;
  #young: Map<string, CallSource> = new Map();
  #old: Map<string, CallSource> = new Map();

  /** `stations`: how many stations there are. */
  constructor(stations: number) {
    this.#stations = stations;
  }

  /** Number of sources remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /**
   * Station number `station` is new, or another one from now on: nothing is known of it. The source
   * `noSource` may be held outside.
   */
  forgetStation(station: number, noSource: CallSource): void {
    this.#stations = Math.max(this.#stations, station + 1);
    for (const source of this.#young.values()) source.forgetStation(station);
    for (const source of this.#old.values()) source.forgetStation(station);
    noSource.forgetStation(station);
  }

  /** What is known about `name`; empty for a new source. */
  of(name: string): CallSource {
    const known = this.#young.get(name);
    if (known !== undefined) return known;
    const source = this.#old.get(name) ?? new CallSource(this.#stations, name !== "");
    this.#old.delete(name);
    if (this.#young.size >= MAX_SOURCES) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(name, source);
    return source;
  }
}
