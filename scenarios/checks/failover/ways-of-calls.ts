/**
 * Lists why a command may go to a station that is not active, under the active station's epoch
 * (`one-active-per-epoch`). As a rule, new commands go to the active station. These are the
 * exceptions that docs/guide/failover.md names, each shown by attempts and events and not by the
 * gateway's own account:
 * - another station has had the command: it refused it, failed it, lost it, has been silent about
 *   it for longer than usual, or was declared down or replaced for failing while it had the
 *   command;
 * - the active station is in doubt (`doubted` … `trusted`), was declared down, is out of service,
 *   its circuit is open, or no station is eligible (`no-eligible-station`, until the active station
 *   is eligible again, by its gateway's account or surely: `surely-fit.ts`);
 * - the active station has not served three commands that were sent after the last one that it
 *   served: new ones show whether another station serves them (when they end does not matter: a
 *   long upload may end after later commands);
 * - three of the last forty commands of the active station were late, answered or not: a new one
 *   shows whether another station answers sooner;
 * - of these forty it served some, and failed three and nearly one in five that may not run twice:
 *   a new one shows whether another station serves such commands;
 * - of the last twenty commands that could be compared, at least five, and four in ten, failed at
 *   the active station and were served by another: it is failing, and is replaced as soon as the
 *   other one is heard, which may be one heartbeat later;
 * - the active station takes fewer commands than usual, although no more come
 *   (`spillover-begun` … `spillover-ended`): another one takes what it cannot;
 * - its gateway abstains after a stall of its own, and so keeps an active station that fails: the
 *   role waits, calls do not;
 * - a failback tries the station out (`handover-begun` … `promoted` or `handover-ended`).
 */
import type { FailoverStatus } from "ground-station-failover";
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, Command, GatewayProcess } from "../../fleet/observer.ts";
import { COMPARED, LEAST_LOST, LOST_RATE } from "../calls/command-path-tally.ts";
import { LEAST_WORTH_A_SECOND_MS } from "../documented.ts";
import { PerStation } from "../per-station.ts";
import type { StatusLook } from "../status-round.ts";
import { SurelyFit } from "./surely-fit.ts";

/** Half of this many answers of a station were quicker than an attempt that counts as overdue. */
const ANSWERS = 20;
/**
 * The learned times are refreshed after this many answers. A station with fewer answers than both
 * numbers uses the times of other stations (`answer-times.ts`).
 */
const REFRESHED_AFTER = 32;
/** This many unserved commands in a row justify a comparison with new ones (`uncompared.ts`). */
const WORTH_COMPARING = 3;
/** This many late ones, among this many, justify one too (`late-alone.ts`). */
const LATE = { count: 3, of: 40 };
/**
 * And so do this many failures of commands that may not run twice, counted from any of them on, at
 * this share, if the station serves others (`fails-some.ts`, by its own count).
 */
const FAILED = { count: 3, rate: 0.15 };
/**
 * An overdue attempt has been out for at least this long, however quick its station is
 * (`answer-times.ts`).
 */
const LEAST_OVERDUE_MS = 5;

/** What the gateway reported about one group's active station since it became active. */
class Active {
  doubted = false;
  /** It takes fewer commands than usual, and another station takes the rest. */
  spills = false;
  kept = false;
  /** Until when the gateway replaces no station, on its own clock. */
  abstainsUntilMs: number = Number.NEGATIVE_INFINITY;
  /** The station that a failback tries out. */
  tried: string | undefined = undefined;
}

interface Known {
  down: boolean;
  circuitOpen: boolean;
  rests: boolean;
  /** How long its last answers took. */
  readonly answersMs: number[];
  /**
   * When the latest attempts were sent that ended without success and were sent after the last
   * successful one.
   */
  unservedFromMs: number[];
  /**
   * For each of its last ended attempts: whether it was late; and whether it was served, or failed
   * for good.
   */
  readonly late: boolean[];
  readonly failed: boolean[];
  /**
   * Commands that it served, since the first `lost` one: one that failed here and that another
   * station served.
   */
  readonly compared: ("served" | "lost")[];
}

export class WaysOfCalls {
  readonly #groups: Map<string, Active> = new Map();
  readonly #stations = new PerStation<Known>(() => ({
    down: false,
    circuitOpen: false,
    rests: false,
    answersMs: [],
    unservedFromMs: [],
    late: [],
    failed: [],
    compared: [],
  }));
  readonly #surelyFit: SurelyFit;
  readonly #served: (attempt: Attempt) => boolean;
  /** Attempts whose station was declared down, or replaced for failing, while they were out. */
  readonly #left: WeakSet<Attempt> = new WeakSet();
  /** Commands that are not answered: how many sendings of each are there, and their attempts. */
  readonly #there: Map<Command, { visits: number; readonly attempts: Attempt[] }> = new Map();

  /** `served`: whether this attempt has succeeded. */
  constructor(fleet: Fleet, served: (attempt: Attempt) => boolean) {
    this.#surelyFit = new SurelyFit(fleet);
    this.#served = served;
  }

  /** Another gateway process runs from now on. */
  clear(process: GatewayProcess): void {
    this.#surelyFit.hears.gatewayStarted(process);
    this.#groups.clear();
    this.#stations.clear();
    this.#there.clear();
  }

  heard(event: GatewayEvent): void {
    this.#surelyFit.hears.gatewayEvent(event, 0);
    if (event.type === "promoted" && event.cause === "failure") this.#leave(event.group, event.from);
    if (event.type === "declaration" && event.to === "down") this.#leave(event.group, event.node);
    const active = this.#of(event.group);
    if (event.type === "doubted") active.doubted = true;
    else if (event.type === "trusted") active.doubted = false;
    else if (event.type === "spillover-begun") active.spills = true;
    else if (event.type === "spillover-ended") active.spills = false;
    else if (event.type === "no-eligible-station") active.kept = true;
    else if (event.type === "abstention" && event.reason === "observer-stall") active.abstainsUntilMs = event.untilMs;
    else if (event.type === "handover-begun") active.tried = event.station;
    else if (event.type === "handover-ended") active.tried = undefined;
    else if (event.type === "promoted") {
      this.#groups.set(event.group, new Active());
      this.#stations.of(event.group, event.station).compared.length = 0;
    } else if (event.type === "declaration") this.#stations.of(event.group, event.node).down = event.to === "down";
    else if (event.type === "breaker")
      this.#stations.of(event.group, event.station).circuitOpen = event.transition.to !== "closed";
    else if (event.type === "maintenance")
      this.#stations.of(event.group, event.station).rests = event.reason !== undefined;
  }

  arrived(command: Command): void {
    const there = this.#there.get(command);
    if (there === undefined) this.#there.set(command, { visits: 1, attempts: [] });
    else there.visits++;
  }

  answered(command: Command): void {
    const there = this.#there.get(command);
    if (there !== undefined && --there.visits <= 0) this.#there.delete(command);
  }

  began(attempt: Attempt): void {
    this.#surelyFit.hears.attemptBegan(attempt);
    const there = this.#there.get(attempt.command);
    if (there === undefined) this.#there.set(attempt.command, { visits: 1, attempts: [attempt] });
    else there.attempts.push(attempt);
  }

  /** If the active station is eligible, `no-eligible-station` is over. */
  looked({ group, status }: StatusLook): void {
    if (status.stations.some((station) => station.active && this.#surelyFit.isFit(group, station)))
      this.#of(group).kept = false;
  }

  /**
   * Whether `active` may be ineligible, by its gateway's own account and by something known from
   * outside.
   */
  mayBeUnfit(group: string, active: string, status: FailoverStatus | undefined): boolean {
    const station = status?.stations.find(({ name }) => name === active);
    return station !== undefined && !this.#surelyFit.isFit(group, station);
  }

  /**
   * `attempt` has ended, `tookMs` after its body was sent, on its gateway's clock. The duration of
   * a failure says nothing about the usual answer time.
   */
  ended(attempt: Attempt, tookMs: number): void {
    const { group, station, localMs } = attempt;
    this.#surelyFit.hears.attemptEnded(attempt);
    const known = this.#stations.of(group, station);
    known.late.push(isLate(known, tookMs));
    const isServed = this.#served(attempt);
    if (isServed || (attempt.outcome === "reply" && attempt.command.kind === "once")) known.failed.push(!isServed);
    for (const last of [known.late, known.failed]) if (last.length > LATE.of) last.shift();
    if (!this.#served(attempt)) {
      // Ordered by when they were sent: an attempt that was out for long must not push out one that
      // a success will keep.
      known.unservedFromMs = [...known.unservedFromMs, localMs]
        .toSorted((one, other) => one - other)
        .slice(-WORTH_COMPARING);
      return;
    }
    this.#compare(attempt);
    // A late success proves nothing about what was sent after it.
    known.unservedFromMs = known.unservedFromMs.filter((fromMs) => fromMs > localMs);
    if (!(tookMs >= 0)) return;
    const { answersMs } = known;
    answersMs.push(tookMs);
    if (answersMs.length > ANSWERS + REFRESHED_AFTER) answersMs.shift();
  }

  /**
   * `attempt` was served: notes what that says about its station, and about those where its command
   * failed.
   */
  #compare({ command, group, station }: Attempt): void {
    const attempts = this.#there.get(command)?.attempts ?? [];
    const failed = attempts
      .filter((one) => one.endedAtMs !== undefined && !this.#served(one))
      .map((one) => one.station);
    for (const one of new Set([station, ...failed])) {
      const { compared } = this.#stations.of(group, one);
      const isLost = one !== station;
      if (isLost || compared.length > 0) compared.push(isLost ? "lost" : "served");
      if (compared.length > COMPARED) compared.shift();
    }
  }

  #isFailing(group: string, station: string): boolean {
    const { compared } = this.#stations.of(group, station);
    const lost = compared.filter((verdict) => verdict === "lost").length;
    return lost >= Math.max(LEAST_LOST, LOST_RATE * compared.length);
  }

  /**
   * Whether `attempt` may go to its station while `active` is the active one, at `nowMs` of its
   * gateway's clock. Call it before {@link began}.
   */
  mayGo({ command, group, station }: Attempt, active: string, nowMs: number): boolean {
    if (this.#isSentAway(group, station, active, nowMs)) return true;
    const { unservedFromMs } = this.#stations.of(group, active);
    const isLong = (forMs: number): boolean => forMs >= LEAST_WORTH_A_SECOND_MS;
    if (unservedFromMs.length + this.#outLong(group, active, nowMs, isLong) >= WORTH_COMPARING) return true;
    if (this.areAmiss(group, active, nowMs)) return true;
    return (this.#there.get(command)?.attempts ?? []).some(
      (one) => one.station !== station && this.#cameToNothing(one, nowMs),
    );
  }

  /**
   * Whether enough of the last commands of `station` were late, or not served, that a new one may
   * show whether another station does better.
   */
  areAmiss(group: string, station: string, nowMs: number): boolean {
    const known = this.#stations.of(group, station);
    const over = known.late.filter(Boolean).length;
    const late = over + this.#outLong(group, station, nowMs, (forMs) => isLate(known, forMs));
    return late >= LATE.count || failsSome(known);
  }

  /**
   * Whether no station had the command of `attempt` before, and nothing sends commands away from
   * `active`.
   */
  isNewAndUnexplained(attempt: Attempt, active: string, nowMs: number): boolean {
    const isNew = (this.#there.get(attempt.command)?.attempts ?? []).every((one) => one === attempt);
    return isNew && !this.#isSentAway(attempt.group, attempt.station, active, nowMs);
  }

  /**
   * Whether something other than the single command sends commands away from `active`, to
   * `station`.
   */
  #isSentAway(group: string, station: string, active: string, nowMs: number): boolean {
    const { doubted, spills, kept, tried, abstainsUntilMs } = this.#of(group);
    const { down, circuitOpen, rests } = this.#stations.of(group, active);
    if (doubted || spills || kept || tried === station || nowMs < abstainsUntilMs || down || circuitOpen || rests)
      return true;
    return this.#isFailing(group, active);
  }

  #cameToNothing(attempt: Attempt, nowMs: number): boolean {
    if (attempt.endedAtMs !== undefined) return !this.#served(attempt);
    if (attempt.signal.aborted || this.#left.has(attempt)) return true;
    const { answersMs } = this.#stations.of(attempt.group, attempt.station);
    const isKnown = answersMs.length >= ANSWERS + REFRESHED_AFTER;
    const usualMs = isKnown ? Math.min(median(answersMs.slice(0, ANSWERS)), median(answersMs.slice(-ANSWERS))) : 0;
    return nowMs - attempt.judgedFromLocalMs >= Math.max(LEAST_OVERDUE_MS, Math.min(usualMs, LEAST_WORTH_A_SECOND_MS));
  }

  /** How many attempts have been out at `station` for long. */
  #outLong(group: string, station: string, nowMs: number, isLong: (forMs: number) => boolean): number {
    let count = 0;
    for (const { attempts } of this.#there.values())
      for (const one of attempts) {
        const isOut = one.group === group && one.station === station && one.endedAtMs === undefined;
        if (isOut && isLong(nowMs - one.judgedFromLocalMs)) count++;
      }
    return count;
  }

  #leave(group: string, station: string): void {
    for (const { attempts } of this.#there.values())
      for (const one of attempts) if (one.group === group && one.station === station) this.#left.add(one);
  }

  #of(group: string): Active {
    const known = this.#groups.get(group) ?? new Active();
    this.#groups.set(group, known);
    return known;
  }
}

/**
 * Whether `forMs` is longer than the usual answers, counted over the first or the last of those
 * that are kept.
 */
function isLate({ answersMs }: Known, forMs: number): boolean {
  if (forMs < LEAST_OVERDUE_MS) return false;
  // A station with few answers since the start uses the times of other stations, by which an
  // attempt may be late at any time.
  if (answersMs.length < ANSWERS) return forMs >= LEAST_WORTH_A_SECOND_MS;
  return forMs > Math.min(mostOf(answersMs.slice(0, ANSWERS)), mostOf(answersMs.slice(-ANSWERS)));
}

/**
 * Whether it failed a share of its last commands, counted from any failure on, and served others. A
 * gateway forgets what came before a few failures.
 */
function failsSome({ failed }: Known): boolean {
  return failed.some((isFailure, place) => {
    const last = isFailure ? failed.slice(place) : [];
    const count = last.filter(Boolean).length;
    return count >= FAILED.count && count < last.length && count >= FAILED.rate * last.length;
  });
}

function mostOf(values: readonly number[]): number {
  return Math.max(0, ...values);
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
