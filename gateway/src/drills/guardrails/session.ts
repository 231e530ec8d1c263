/**
 * The guardrails of one run that has begun. Before an injection the session looks at the lever and
 * the blast radius again, has the inverses on the disk and the watchdog informed, in this order.
 * Whatever trips, it lifts the faults itself as well, so it does not matter whether the runner or
 * the watchdog is slow or dead. An injection that is under way may come into force after its
 * inverse was played; so a fault is gone for good only when its inverse was played after the
 * injection had settled, and until then the journal keeps it.
 */
import type { Clock } from "ground-station-failover";
import type { GuardrailTrip } from "../injection.ts";
import type { GuardrailSession, Plan, PlannedInjection } from "../run/hooks.ts";
import { type Breach, breachesOf, outageBreach } from "./blast-radius.ts";
import { reasonOf } from "./inverse.ts";
import { liftStep } from "./lifting.ts";
import { expiryBreaches, leverBreach } from "./preconditions.ts";
import type { GuardrailSettings } from "./settings.ts";
import type { TargetLocks } from "./target-locks.ts";
import { noteLifted, type UndoJournal, type UndoStep } from "./undo-journal.ts";
import type { WatchdogLink } from "./watchdog-link.ts";

/** Most trips that are kept: the first one matters. */
const MAX_TRIPS = 20;
/** Most ms that a lift waits for an injection that is under way. */
const SETTLE_WITHIN_MS = 3_000;
/** Most ms for an injection's answer to what of it is still in place. */
const PROOF_WITHIN_MS = 10_000;

/** An injection that was begun. */
interface Begun {
  readonly planned: PlannedInjection;
  /** Undefined: it leaves nothing behind. */
  readonly step: UndoStep | undefined;
  /** Resolves when `inject` has settled. */
  readonly settled: PromiseWithResolvers<void>;
  isSettled: boolean;
  /** Its inverse was played; if `inject` was under way, it is played again. */
  wasLifted: boolean;
  /** It failed or was given up, so it may come into force until the run ends. */
  isUncertain: boolean;
  isGone: boolean;
  /** Why it could not be lifted when it was last tried. */
  failed: readonly string[];
}

/** A trip, and when the rule was seen broken, on this process's clock. */
interface SeenTrip {
  trip: GuardrailTrip;
  readonly seenMs: number;
}

export interface SessionOptions {
  readonly plan: Plan;
  readonly settings: GuardrailSettings;
  readonly journal: UndoJournal;
  readonly locks: TargetLocks;
  readonly clock: Clock;
  /** RFC 3339, UTC. */
  readonly now: () => string;
}

export class RunSession implements GuardrailSession {
  readonly kind = "session" as const;
  readonly #options: SessionOptions;
  readonly #stop: AbortController = new AbortController();
  /** The targets' names as they were when the stations' health was asked for. */
  readonly #plannedNames: readonly string[];
  readonly #begun: Begun[] = [];
  readonly #trips: SeenTrip[] = [];
  #link: WatchdogLink | undefined;
  #lifts = 0;
  #lifting: Promise<unknown> = Promise.resolve();
  #isOver = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#plannedNames = options.plan.injections.flatMap((one) => one.prepared.targets.map(({ name }) => name));
  }

  get stopRequested(): AbortSignal {
    return this.#stop.signal;
  }

  /** The watchdog watches; without it no injection is allowed. */
  watchedBy(link: WatchdogLink): void {
    this.#link = link;
  }

  async beforeInjection(planned: PlannedInjection): Promise<GuardrailTrip | undefined> {
    const refused = this.#refusal(planned);
    if (refused !== undefined) return refused;
    const lifts = this.#lifts;
    const begun = this.#write(planned);
    if (!("settled" in begun)) return begun;
    const { step } = begun;
    if (step !== undefined && !(await (this.#link as WatchdogLink).arm(step.step))) {
      this.#neverInForce(begun);
      return this.#firstTrip ?? this.trip("watchdog", "the watchdog did not take the inverse");
    }
    if (this.#firstTrip !== undefined || this.#lifts !== lifts) {
      this.#neverInForce(begun);
      return this.#firstTrip ?? this.trip("lifted", `everything was lifted while "${planned.activity}" was prepared`);
    }
    return undefined;
  }

  async afterInjection(planned: PlannedInjection, isInForce: boolean): Promise<void> {
    const begun = this.#begun.findLast((one) => one.planned === planned && !one.isSettled);
    if (begun === undefined) return;
    begun.isSettled = true;
    begun.isUncertain = !isInForce;
    // Half of a fault, or one that came into force behind its lift, goes at once.
    if (!isInForce || this.#firstTrip !== undefined || begun.wasLifted) {
      await this.#liftOne(begun);
      this.#noteLatency();
    }
    begun.settled.resolve();
  }

  lift(): Promise<readonly string[]> {
    this.#lifts += 1;
    const lifting = this.#lifting.then(() => this.#liftAll());
    this.#lifting = lifting;
    return lifting;
  }

  async proveClean(): Promise<readonly string[]> {
    const asked = new Set(this.#begun.map(({ planned }) => planned));
    const answers = await Promise.all([...asked].map((planned) => this.#remainingOf(planned)));
    return answers.flat();
  }

  trips(): readonly GuardrailTrip[] {
    return this.#trips.map(({ trip }) => trip);
  }

  async end(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const { journal, locks } = this.#options;
    try {
      if (this.#begun.some(({ isGone }) => !isGone)) await this.#liftAll();
      // The run came to its end: what its author left in force stays so.
      for (const begun of this.#begun) if (this.#isLeftToRollbacks(begun)) this.#gone(begun);
      const isClean = this.#begun.every(({ isGone }) => isGone);
      await this.#link?.end(isClean);
      if (isClean) journal.remove();
      locks.release();
    } catch (error) {
      this.#options.plan.tell(`guardrails: ${reasonOf(error)}`);
    }
  }

  /** Stops the run and begins to lift. `seenAgoMs`: how long ago the rule was seen broken. */
  trip(rule: string, observed: string, seenAgoMs = 0): GuardrailTrip {
    const trip: GuardrailTrip = { rule, at: this.#options.now(), observed, abortLatencyMs: null };
    if (this.#trips.length < MAX_TRIPS) {
      this.#trips.push({ trip, seenMs: this.#options.clock.nowMs() - seenAgoMs });
    }
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(trip);
      void this.lift();
    }
    return trip;
  }

  /** The watchdog has lifted everything that was in force, or says what it could not lift. */
  liftedByWatchdog(abortLatencyMs: number, failed: readonly string[]): void {
    const [seen] = this.#trips;
    // An injection that was under way may have come behind it: then the session's own lift counts.
    if (seen === undefined || failed.length > 0 || this.#begun.some(({ isSettled }) => !isSettled)) return;
    const known = seen.trip.abortLatencyMs ?? Number.POSITIVE_INFINITY;
    seen.trip = { ...seen.trip, abortLatencyMs: Math.min(known, abortLatencyMs) };
  }

  get #firstTrip(): GuardrailTrip | undefined {
    return this.#trips[0]?.trip;
  }

  #refusal(planned: PlannedInjection): GuardrailTrip | undefined {
    if (this.#firstTrip !== undefined) return this.#firstTrip;
    if (this.#isOver || this.#link === undefined) return this.trip("watchdog", "no watchdog watches this run");
    const breach = this.#breachOf(planned);
    return breach === undefined ? undefined : this.trip(breach.rule, breach.observed);
  }

  /** The rules again, with the targets as they are now. */
  #breachOf(planned: PlannedInjection): Breach | undefined {
    const { plan, settings, locks } = this.#options;
    try {
      // What a published experiment hits is its author's choice: it names no targets of ours.
      if (planned.isOfExperiment === true) return leverBreach(plan.store)[0];
      const { targets } = planned.prepared;
      // Those of the plan, and this one as it is now: a name may have come to mean something else.
      const injections = [...plan.injections.filter(({ activity }) => activity !== planned.activity), planned];
      const all = injections.map(({ activity, prepared }) => ({ activity, targets: prepared.targets }));
      const [breach] = [
        ...leverBreach(plan.store),
        ...breachesOf(settings.blastRadius, all),
        ...expiryBreaches({ injections: [planned] }, settings),
      ];
      if (breach !== undefined) return breach;
      const known = new Set(this.#plannedNames);
      const isNew = targets.some(({ name, isStation }) => isStation && !known.has(name));
      const outage = isNew ? outageBreach(settings.blastRadius, all, "a station was not in the plan") : undefined;
      if (outage !== undefined) return outage;
      const conflict = locks.take(targets);
      return conflict && { rule: "lock", observed: `${conflict.target}: ${conflict.observed}` };
    } catch (error) {
      return { rule: "targets", observed: reasonOf(error) };
    }
  }

  #write(planned: PlannedInjection): Begun | GuardrailTrip {
    try {
      const { inverses, expiresAfterMs } = planned.prepared;
      const step =
        inverses.length === 0 ? undefined : this.#options.journal.add(planned.activity, expiresAfterMs, inverses);
      const settled = Promise.withResolvers<void>();
      const begun: Begun = {
        planned,
        step,
        settled,
        isSettled: false,
        wasLifted: false,
        isUncertain: false,
        isGone: step === undefined,
        failed: [],
      };
      this.#begun.push(begun);
      return begun;
    } catch (error) {
      return this.trip("undo-journal", `the inverse of "${planned.activity}" cannot be written: ${reasonOf(error)}`);
    }
  }

  /** Its inverse is in the journal, and `inject` is not going to be called. */
  #neverInForce(begun: Begun): void {
    begun.isSettled = true;
    begun.settled.resolve();
    this.#gone(begun);
  }

  async #liftAll(): Promise<readonly string[]> {
    for (const begun of [...this.#begun].reverse()) await this.#liftOne(begun);
    await this.#waitForSettling();
    this.#noteLatency();
    return this.#begun.flatMap(({ planned, isGone, isSettled, failed }) => {
      if (isGone || (failed.length === 0 && planned.isOfExperiment === true && isSettled)) return [];
      return failed.length > 0 || isSettled ? failed : [`${planned.activity}: it is still being put in force`];
    });
  }

  async #liftOne(begun: Begun): Promise<void> {
    const { step, isSettled, isGone, isUncertain } = begun;
    // An injection that was given up may still come into force, and then its lift is asked for.
    if (step === undefined || (isGone && !isUncertain)) return;
    if (this.#isLeftToRollbacks(begun)) return;
    begun.wasLifted = true;
    const { failed } = await liftStep(step);
    begun.failed = failed;
    if (failed.length > 0) return;
    // Settled before the inverse was played: nothing can come behind it.
    if (isSettled && (!isUncertain || this.#isOver)) this.#gone(begun);
  }

  /** A fault of the experiment itself, in a run that nothing has stopped. */
  #isLeftToRollbacks({ planned, isSettled, isUncertain }: Begun): boolean {
    const { plan } = this.#options;
    const isStopped = plan.isStopped?.() ?? plan.signal.aborted;
    return planned.isOfExperiment === true && isSettled && !isUncertain && !isStopped && !this.#firstTrip;
  }

  /** Injections that are under way get a moment; what they put in force is lifted again. */
  async #waitForSettling(): Promise<void> {
    const { clock } = this.#options;
    const underWay = this.#begun.filter(({ isGone, isSettled }) => !isGone && !isSettled);
    if (underWay.length === 0) return;
    const enough = Promise.withResolvers<void>();
    const timer = clock.at(clock.nowMs() + SETTLE_WITHIN_MS, () => enough.resolve());
    await Promise.race([enough.promise, Promise.all(underWay.map(({ settled }) => settled.promise))]);
    timer[Symbol.dispose]();
    for (const begun of underWay.reverse()) await this.#liftOne(begun);
  }

  #gone(begun: Begun): void {
    if (begun.isGone || begun.step === undefined) return;
    try {
      noteLifted(this.#options.journal.path, begun.step.step, "runner", this.#options.now());
      begun.isGone = true;
    } catch (error) {
      begun.failed = [`the undo journal cannot be written: ${reasonOf(error)}`];
    }
  }

  /** The latency of an abort ends when the last fault is gone. */
  #noteLatency(): void {
    if (this.#begun.some(({ isGone, isUncertain, failed }) => !isGone && !(isUncertain && failed.length === 0))) return;
    for (const seen of this.#trips) {
      if (seen.trip.abortLatencyMs !== null) continue;
      seen.trip = { ...seen.trip, abortLatencyMs: this.#options.clock.nowMs() - seen.seenMs };
    }
  }

  async #remainingOf({ activity, prepared }: PlannedInjection): Promise<readonly string[]> {
    const { clock } = this.#options;
    const late = Promise.withResolvers<never>();
    const timer = clock.at(clock.nowMs() + PROOF_WITHIN_MS, () =>
      late.reject(new Error(`no answer in ${PROOF_WITHIN_MS} ms`)),
    );
    try {
      const left = await Promise.race([prepared.remaining(), late.promise]);
      return left.map((one) => `${activity}: ${one}`);
    } catch (error) {
      return [`${activity}: it cannot say what is left: ${reasonOf(error)}`];
    } finally {
      timer[Symbol.dispose]();
    }
  }
}
