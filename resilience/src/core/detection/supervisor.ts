/**
 * Turns suspicion into declarations. A detector's level is continuous and cheap. A declaration that
 * a node is down is discrete and has consequences: stations are promoted because of it. So a
 * declaration needs a level that stays high, and clearing needs one that is clearly low. A node
 * that repeatedly comes and goes stays down longer each time, and one that flaps stays suspected
 * until it is quiet.
 *
 *              level < suspect                  level >= declare, for sustainMs; or silent for ceilingMs
 *   unknown ------------------> alive --------+------------------------------------------------> down
 *      |                        ^  |          |                                                 |  ^
 *      |                        |  | level >= suspect                                           |  |
 *      |       level < clear    |  v          |                                                 |  |
 *      |                        suspected ----+                                                 |  |
 *      |                        ^                level < clear, and the dwell is over           |  |
 *      |                        +----- alive <--------------------------------------------------+  |
 *      +------ never heard from for gracePeriodMs -------------------------------------------------+
 *
 * It uses one source of evidence, the silence of heartbeats. It distrusts itself only when a caller
 * says so ({@link SupervisorMachine.abstainUntil}, {@link SupervisorMachine.withholdUntil}). It
 * sets no timers: `nextWakeMs` says when to evaluate again. `accusations` says what an evaluation
 * would change, so that a caller can check first. It is one file because the picture shows one
 * machine.
 */
import type { Complete } from "../options.ts";
import type { SuspicionSource } from "./detector.ts";
import { completeSupervisorOptions, type SupervisorOptions } from "./supervisor-options.ts";

export type { SupervisorOptions } from "./supervisor-options.ts";

/**
 * The liveness of a node. It is `unknown` until the first heartbeat arrives or the grace period
 * ends.
 */
export type Liveness = "unknown" | "alive" | "suspected" | "down";

/** One change of the liveness of a node. */
export interface LivenessChange {
  readonly node: string;
  readonly from: Liveness;
  readonly to: Liveness;
  readonly atMs: number;
  /** Level at that instant; Infinity for a node never heard from. */
  readonly level: number;
  /**
   * How long it had been silent; undefined for a node never heard from, or if the source does not
   * say.
   */
  readonly silentForMs: number | undefined;
  /** The rule that caused it, with its numbers, as a sentence. */
  readonly rule: string;
}

/** A change towards down that the next evaluation would make. */
export interface PendingChange {
  readonly node: string;
  readonly to: "suspected" | "down";
  /**
   * When it was last heard from; undefined for a node never heard from, or if the source does not
   * say.
   */
  readonly lastMs: number | undefined;
}

/** Instants have to agree to the millisecond, so no wake needs to be nearer than this. */
const RESOLUTION_MS = 1;

/**
 * A node from which only a heartbeat is waited for is checked this many times less often, in case
 * its heartbeats bypass the caller of {@link SupervisorMachine.noteHeard}.
 */
const SLEEPS_FOR_CHECKS = 200;

/**
 * A node flaps after this many suspicions within flapWindowMs. Fewer are cleared by one beat,
 * because a beat proves that the node is alive. A healthy node has about one suspicion a minute if
 * suspicion is cheap (the adaptive model's level 5).
 */
const FLAPPING_SUSPICIONS = 5;

class Watched {
  readonly node: string;
  graceEndsMs: number;
  liveness: Liveness = "unknown";
  /**
   * Since when the level has been at the declare threshold or above; Infinity while it is below.
   */
  aboveSinceMs: number = Number.POSITIVE_INFINITY;
  dwellEndsMs: number = Number.NEGATIVE_INFINITY;
  declaredAtMs: number = Number.NEGATIVE_INFINITY;
  /** How many times in a row the dwell was doubled. */
  flaps = 0;
  /**
   * When its level last rose to the suspect threshold, newest last; at most
   * {@link FLAPPING_SUSPICIONS}.
   */
  readonly suspectedAtMs: number[] = [];
  /**
   * Since when the level has been below the suspect threshold again; Infinity while it is above.
   */
  quietSinceMs: number = Number.NEGATIVE_INFINITY;
  /** How long the node must be quiet until it is clear; 0 unless it flaps. */
  quietMs = 0;
  /** No change can be due before this instant, unless the node is heard from. */
  wakeAtMs: number;
  /**
   * When it is due to be checked if it is heard from; undefined while it is checked at `wakeAtMs`
   * in any case.
   */
  heardLookMs: number | undefined = undefined;

  constructor(node: string, graceEndsMs: number, wakeAtMs: number) {
    this.node = node;
    this.graceEndsMs = graceEndsMs;
    this.wakeAtMs = wakeAtMs;
  }
}

/** The result of one check of a node. */
interface Look {
  readonly level: number;
  readonly lastMs: number | undefined;
  readonly heard: boolean;
}

/**
 * Decides which nodes are declared down, from their suspicion levels. The caller passes the time
 * with each question.
 *
 * @example
 * ```ts
 * import { FixedHeartbeatMachine, SupervisorMachine } from "ground-station-failover/core";
 *
 * const detector = new FixedHeartbeatMachine({ timeoutMs: 150 });
 * const supervisor = new SupervisorMachine(detector);
 * supervisor.watch("north", 0);
 * detector.noteHeartbeat("north", undefined, 0);
 * supervisor.evaluate(0);
 * console.log(supervisor.liveness("north")); // alive
 * supervisor.evaluate(1_000); // suspected, …
 * supervisor.evaluate(2_000); // … and for long enough
 * console.log(supervisor.liveness("north")); // down
 * ```
 */
export class SupervisorMachine {
  /** The options in force, including defaults. */
  options: Complete<SupervisorOptions>;
  #source: SuspicionSource;
  /**
   * True if the source can predict when a level is reached, so that a node need not be checked
   * before.
   */
  #foretold: boolean;
  /** True if {@link noteHeard} is called. */
  #isNoted = false;
  readonly #watched: Map<string, Watched> = new Map();
  #abstainUntilMs: number = Number.NEGATIVE_INFINITY;
  #withholdUntilMs: number = Number.NEGATIVE_INFINITY;

  constructor(source: SuspicionSource, options: SupervisorOptions = {}) {
    this.#source = source;
    this.#foretold = isForetold(source);
    this.options = completeSupervisorOptions(options);
  }

  /** Reads `source` from now on. */
  useSource(source: SuspicionSource): void {
    this.#source = source;
    this.#foretold = isForetold(source);
    for (const watched of this.#watched.values()) watched.wakeAtMs = Number.NEGATIVE_INFINITY;
  }

  /**
   * Follows the options of `other` from now on. What is declared stays, and so does the dwell of a
   * node that is down; a grace period that is not over ends as the new one would have. All nodes
   * are due to be checked.
   */
  useOptionsOf({ options }: SupervisorMachine): void {
    const longerMs = options.gracePeriodMs - this.options.gracePeriodMs;
    for (const watched of this.#watched.values()) {
      // Infinity minus Infinity: both grace periods never end.
      if (!Number.isNaN(longerMs)) watched.graceEndsMs += longerMs;
      watched.wakeAtMs = Number.NEGATIVE_INFINITY;
    }
    this.options = options;
  }

  /**
   * Begins to watch `node`, and starts its grace period now. Does nothing if it is watched already.
   */
  watch(node: string, nowMs: number): void {
    if (this.#watched.has(node)) return;
    this.#watched.set(node, new Watched(node, nowMs + this.options.gracePeriodMs, nowMs));
  }

  /** Stops watching `node` and forgets its liveness. */
  unwatch(node: string): void {
    this.#watched.delete(node);
  }

  /** From now on the caller calls {@link noteHeard} for every heartbeat that counts. */
  expectNotes(): void {
    this.#isNoted = true;
  }

  /**
   * A heartbeat of `node` has counted. True if {@link nextWakeMs} may be earlier now: a node that
   * is down, or was never heard from, is then checked at its next `recheckMs`. From the first call
   * of {@link expectNotes} on it is hardly ever checked without this.
   */
  noteHeard(node: string, nowMs: number): boolean {
    const watched = this.#watched.get(node);
    if (watched?.heardLookMs === undefined) return false;
    const { recheckMs } = this.options;
    const lateMs = nowMs - watched.heardLookMs;
    const lookMs = watched.heardLookMs + (lateMs > 0 ? Math.ceil(lateMs / recheckMs) * recheckMs : 0);
    watched.heardLookMs = undefined;
    if (lookMs >= watched.wakeAtMs) return false;
    watched.wakeAtMs = lookMs;
    return true;
  }

  /** The liveness of `node` at the last evaluation; `unknown` if it is not watched. */
  liveness(node: string): Liveness {
    return this.#watched.get(node)?.liveness ?? "unknown";
  }

  /**
   * Until `untilMs` no node moves towards down, because the observer has reason to distrust itself.
   * Moving to alive stays allowed.
   */
  abstainUntil(untilMs: number): void {
    if (untilMs > this.#abstainUntilMs) this.#abstainUntilMs = untilMs;
  }

  /** Are declarations suspended at `nowMs`? */
  isAbstaining(nowMs: number): boolean {
    return nowMs < this.#abstainUntilMs;
  }

  /**
   * Until `untilMs` no node that was ever heard from is declared down, unless it is past a ceiling:
   * the detector's, where its level is the largest number, or ceilingMs. All other changes
   * continue. A later call replaces an earlier one.
   */
  withholdUntil(untilMs: number): void {
    this.#withholdUntilMs = untilMs;
  }

  /** How many nodes are expected to be heard: alive or suspected. */
  get expected(): number {
    let expected = 0;
    for (const { liveness } of this.#watched.values()) if (liveness !== "unknown" && liveness !== "down") expected++;
    return expected;
  }

  /** The nodes that {@link evaluate} would suspect or declare down now. Changes no liveness. */
  accusations(nowMs: number): PendingChange[] {
    const found: PendingChange[] = [];
    for (const watched of this.#watched.values()) {
      if (watched.liveness === "down" || this.#isEarly(watched, nowMs)) continue;
      const look = this.#see(watched, nowMs);
      const to = this.#target(watched, look, nowMs);
      if (to === watched.liveness || (to !== "suspected" && to !== "down")) continue;
      found.push({ node: watched.node, to, lastMs: look.lastMs });
    }
    return found;
  }

  /**
   * Makes all changes that are due and returns them, in the order in which the nodes came under
   * watch. The caller may keep the list.
   */
  evaluate(nowMs: number): LivenessChange[] {
    const changes: LivenessChange[] = [];
    for (const watched of this.#watched.values()) {
      if (this.#isEarly(watched, nowMs)) continue;
      const change = this.#judge(watched, nowMs);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  /**
   * When to evaluate again: `nowMs` if something is due, later otherwise, and Infinity while
   * nothing is watched. No change is due earlier, except recoveries, which are checked every
   * recheckMs, and after {@link noteHeard}. A wake may find nothing, because beats came in the
   * meantime. A change that is due to silence is found to the millisecond.
   */
  nextWakeMs(nowMs: number): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const watched of this.#watched.values()) if (watched.wakeAtMs < nextMs) nextMs = watched.wakeAtMs;
    return Math.max(nextMs, nowMs);
  }

  #isEarly(watched: Watched, nowMs: number): boolean {
    return this.#foretold && watched.liveness === "alive" && nowMs < watched.wakeAtMs;
  }

  #judge(watched: Watched, nowMs: number): LivenessChange | undefined {
    const look = this.#see(watched, nowMs);
    this.#noteSuspicion(watched, look.level, nowMs);
    const from = watched.liveness;
    const to = this.#target(watched, look, nowMs);
    if (to === from) {
      watched.wakeAtMs = this.#wakeFor(watched, look, nowMs);
      return undefined;
    }
    const rule = this.#rule(watched, look, to, nowMs);
    watched.liveness = to;
    if (to === "down") this.#damp(watched, nowMs);
    if (to === "alive") {
      watched.quietMs = 0;
      watched.quietSinceMs = Math.min(watched.quietSinceMs, nowMs);
    }
    watched.wakeAtMs = this.#wakeFor(watched, look, nowMs);
    const silentForMs = look.lastMs === undefined ? undefined : nowMs - look.lastMs;
    return { node: watched.node, from, to, atMs: nowMs, level: look.level, silentForMs, rule };
  }

  /** Checks a node, and records since when its level has been high. */
  #see(watched: Watched, nowMs: number): Look {
    const look = this.#look(watched.node, nowMs);
    // A beat that came since then has ended the suspicion, even if no check was made at that
    // moment.
    const heardSince = look.lastMs !== undefined && look.lastMs > watched.aboveSinceMs;
    const abstaining = this.isAbstaining(nowMs);
    if (look.level < this.options.declareThreshold || abstaining) watched.aboveSinceMs = Number.POSITIVE_INFINITY;
    else if (heardSince || nowMs < watched.aboveSinceMs) watched.aboveSinceMs = nowMs;
    return look;
  }

  /**
   * Counts how often a node's level has recently risen to the suspect threshold. If this happens
   * often, the node would become alive again with each beat, dozens of times a minute. Instead, it
   * has to be quiet for twice the usual time between its suspicions, within the bounds of the
   * dwell.
   */
  #noteSuspicion(watched: Watched, level: number, nowMs: number): void {
    if (watched.liveness === "down") return;
    if (level < this.options.suspectThreshold) {
      watched.quietSinceMs = Math.min(watched.quietSinceMs, nowMs);
      return;
    }
    if (watched.quietSinceMs === Number.POSITIVE_INFINITY || this.isAbstaining(nowMs)) return;
    watched.quietSinceMs = Number.POSITIVE_INFINITY;
    const { minDwellMs, maxDwellMs, flapWindowMs } = this.options;
    if (minDwellMs === 0) return;
    const times = watched.suspectedAtMs;
    times.push(nowMs);
    while (times.length > FLAPPING_SUSPICIONS) times.shift();
    const lastedMs = nowMs - (times[0] as number);
    const flaps = times.length === FLAPPING_SUSPICIONS && lastedMs <= flapWindowMs;
    const twiceUsualMs = (2 * lastedMs) / (FLAPPING_SUSPICIONS - 1);
    watched.quietMs = flaps ? Math.min(Math.max(twiceUsualMs, minDwellMs), maxDwellMs) : 0;
  }

  #look(node: string, nowMs: number): Look {
    const given = this.#source.suspicionLevel(node, nowMs);
    // If a source written by others returns NaN, it knows nothing, and that is no reason for trust.
    const level = given >= 0 ? given : given < 0 ? 0 : Number.POSITIVE_INFINITY;
    const lastMs = this.#source.lastHeartbeatMs?.(node);
    return { level, lastMs, heard: lastMs !== undefined || level < Number.POSITIVE_INFINITY };
  }

  #target(watched: Watched, look: Look, nowMs: number): Liveness {
    const { suspectThreshold } = this.options;
    const abstaining = this.isAbstaining(nowMs);
    const liveness = watched.liveness;
    if (liveness === "unknown" && !look.heard) return nowMs >= watched.graceEndsMs && !abstaining ? "down" : "unknown";
    const pastCeiling = this.#isPastCeiling(look, nowMs);
    const clear = this.#isClear(look, nowMs);
    if (liveness === "down") return clear && nowMs >= watched.dwellEndsMs ? "alive" : "down";
    const withheld = nowMs < this.#withholdUntilMs && look.level < Number.MAX_VALUE;
    const sustained = nowMs >= watched.aboveSinceMs + this.options.sustainMs && !withheld;
    if (!abstaining && (pastCeiling || sustained)) return "down";
    if (liveness === "suspected") return clear && this.#isQuiet(watched, nowMs) ? "alive" : "suspected";
    if (look.level < suspectThreshold) return pastCeiling ? liveness : "alive";
    return abstaining ? liveness : "suspected";
  }

  #isQuiet({ quietMs, quietSinceMs }: Watched, nowMs: number): boolean {
    return quietMs === 0 || nowMs >= quietSinceMs + quietMs;
  }

  #isClear(look: Look, nowMs: number): boolean {
    return look.level < this.options.clearThreshold && !this.#isPastCeiling(look, nowMs);
  }

  #isPastCeiling(look: Look, nowMs: number): boolean {
    return look.lastMs !== undefined && nowMs >= look.lastMs + this.options.ceilingMs;
  }

  #damp(watched: Watched, nowMs: number): void {
    const { minDwellMs, maxDwellMs, flapWindowMs } = this.options;
    watched.flaps = nowMs - watched.declaredAtMs <= flapWindowMs ? watched.flaps + 1 : 0;
    watched.declaredAtMs = nowMs;
    watched.dwellEndsMs = nowMs + Math.min(maxDwellMs, minDwellMs * 2 ** Math.min(watched.flaps, 40));
  }

  /** The next instant at which a check of this node can find a change, if the node stays silent. */
  #wakeFor(watched: Watched, look: Look, nowMs: number): number {
    const { recheckMs, sustainMs, ceilingMs, suspectThreshold, declareThreshold } = this.options;
    watched.heardLookMs = undefined;
    if (watched.liveness === "down") {
      const lookMs = Math.max(nowMs + recheckMs, watched.dwellEndsMs);
      return this.#isClear(look, nowMs) ? lookMs : this.#sleep(watched, lookMs);
    }
    let accuseMs: number;
    let latestMs = nowMs + recheckMs;
    if (watched.liveness === "unknown" && !look.heard) {
      accuseMs = watched.graceEndsMs;
      latestMs = this.#sleep(watched, latestMs);
    } else {
      const threshold = watched.liveness === "suspected" ? declareThreshold : suspectThreshold;
      const reachedMs = this.#reachedMs(watched.node, threshold, look.level, nowMs);
      const sustained = watched.liveness === "suspected" && watched.aboveSinceMs < Number.POSITIVE_INFINITY;
      accuseMs = sustained ? watched.aboveSinceMs + sustainMs : reachedMs;
      if (watched.liveness === "suspected") accuseMs = Math.max(accuseMs, this.#withholdUntilMs);
      if (look.lastMs !== undefined) accuseMs = Math.min(accuseMs, look.lastMs + ceilingMs);
      const shortestMs = Math.max(RESOLUTION_MS, this.#source.shortestSilenceMs?.(threshold) ?? recheckMs);
      const relaxed = watched.liveness === "alive" && this.#foretold;
      latestMs = nowMs + (relaxed ? shortestMs : Math.min(recheckMs, shortestMs));
    }
    return Math.min(Math.max(accuseMs, this.#abstainUntilMs), latestMs);
  }

  /**
   * Until when nothing but a heartbeat can change a node that would otherwise be checked at
   * `lookMs`.
   */
  #sleep(watched: Watched, lookMs: number): number {
    // A source written by others may change its mind at any time.
    if (!this.#foretold || !this.#isNoted) return lookMs;
    watched.heardLookMs = lookMs;
    return lookMs + (SLEEPS_FOR_CHECKS - 1) * this.options.recheckMs;
  }

  /**
   * When silence brings `node` to `threshold`: nowMs if it is there already, Infinity if the source
   * does not say. Rounding can make the instant slightly too early; a timer would then find nothing
   * and be set to the same instant again. So the instant is moved on in steps that double, until
   * the source agrees, by at most a millisecond.
   */
  #reachedMs(node: string, threshold: number, level: number, nowMs: number): number {
    if (level >= threshold) return nowMs;
    const whenMs = this.#source.whenLevel?.(node, threshold);
    if (whenMs === undefined || !(whenMs < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    const earliestMs = Math.max(whenMs, nowMs);
    if (this.#source.suspicionLevel(node, earliestMs) >= threshold) return earliestMs;
    for (let step = 1e-9; step < RESOLUTION_MS; step *= 2) {
      if (this.#source.suspicionLevel(node, earliestMs + step) >= threshold) return earliestMs + step;
    }
    return earliestMs + RESOLUTION_MS;
  }

  #rule(watched: Watched, look: Look, to: Liveness, nowMs: number): string {
    const { suspectThreshold, declareThreshold, clearThreshold, sustainMs, ceilingMs, gracePeriodMs } = this.options;
    if (!look.heard) return `never heard from within the grace period of ${gracePeriodMs} ms`;
    const level = `suspicion ${shown(look.level)}`;
    const silent = look.lastMs === undefined ? "" : ` after ${shown(nowMs - look.lastMs)} ms of silence`;
    const { quietMs, quietSinceMs, suspectedAtMs } = watched;
    const quiet =
      watched.liveness !== "suspected" || quietMs === 0
        ? ""
        : `, and has been quiet for ${shown(nowMs - quietSinceMs)} of ${shown(quietMs)} ms after ${suspectedAtMs.length} suspicions`;
    switch (to) {
      case "down": {
        if (this.#isPastCeiling(look, nowMs)) return `${level}${silent}, past the ceiling of ${ceilingMs} ms`;
        const sustained = sustainMs > 0 ? `, seen for ${shown(nowMs - watched.aboveSinceMs)} of ${sustainMs} ms` : "";
        return `${level}${silent} reached the declare threshold ${declareThreshold}${sustained}`;
      }
      case "suspected":
        return `${level}${silent} reached the suspect threshold ${suspectThreshold}`;
      default:
        if (watched.liveness === "unknown")
          return `heard from, ${level} is below the suspect threshold ${suspectThreshold}`;
        return `${level} is below the clear threshold ${clearThreshold}${quiet}`;
    }
  }
}

/** Can `source` predict when a level is reached? */
function isForetold(source: SuspicionSource): boolean {
  return source.whenLevel !== undefined && source.shortestSilenceMs !== undefined;
}

function shown(value: number): string {
  return value > 1e15 ? "beyond measure" : String(Math.round(value * 100) / 100);
}
