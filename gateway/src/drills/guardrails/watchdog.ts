/**
 * The watchdog of one run, in a process of its own: it lifts the faults when the runner cannot or
 * must not go on. It looks at the lever and the undo journal five times a second and at the stop
 * conditions every second, with its own eyes: it asks the sources of the signals, never the
 * injector. It trips once; then it lifts everything, and goes on lifting until the runner has said
 * in the journal that each fault is gone for good, because an injection that was under way may come
 * into force after its inverse was played.
 *
 *     watching ──rule broken──► tripped ──runner dead──► orphaned ──► done
 *        └────────────────runner dead, or asked to end───────▲
 */
import type { Clock } from "ground-station-failover";
import { noteInTrail } from "./audit-trail.ts";
import { holds, longestWindowMs, observedBy, signalsIn } from "./condition.ts";
import { readCondition } from "./condition-parser.ts";
import { incidentState } from "./incident.ts";
import { reasonOf } from "./inverse.ts";
import { leverState } from "./lever.ts";
import { failuresOf, liftSteps } from "./lifting.ts";
import { passWithin } from "./protected-passes.ts";
import type { StopRule } from "./settings.ts";
import { SignalHistory } from "./signal-history.ts";
import { SignalReader } from "./signal-source.ts";
import { cutTornLine, journalPath, noteLifted, readJournal, removeJournal, type UndoStep } from "./undo-journal.ts";
import { ALIVE_EVERY_MS, type FromWatchdog, type WatchOrder } from "./watchdog-messages.ts";

/** How often lever and journal are looked at, in ms. */
const LOOK_EVERY_MS = 200;
/** How often the stop conditions are evaluated, in ms. */
const EVALUATE_EVERY_MS = 1_000;
const INCIDENT_EVERY_MS = 5_000;
/** So many answers in a row about incidents may be missing while a drill runs. */
const MAX_UNKNOWN_INCIDENTS = 3;
/**
 * How often faults that are not gone for good are lifted again, in ms: at first, and after some
 * times, because a runner that is stopped may stay so for hours.
 */
const LIFT_AGAIN_EVERY_MS = 1_000;
const LIFT_LATER_EVERY_MS = 10_000;
const SOON_TIMES = 30;
/**
 * When the runner has died, its last request may still be on its way to a target. So everything is
 * lifted again after these times, in ms.
 */
const ORPHAN_PASSES_MS = [0, 300, 1_000, 2_500];
/** For so long an orphan is tried that cannot be lifted, in ms. */
const GIVE_UP_AFTER_MS = 60_000;

export interface WatchdogOptions {
  readonly order: WatchOrder;
  readonly clock: Clock;
  readonly wallMs: () => number;
  readonly tell: (message: FromWatchdog) => void;
}

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #path: string;
  readonly #rules: readonly StopRule[];
  readonly #needed: readonly string[];
  readonly #history: SignalHistory;
  readonly #reader: SignalReader;
  readonly #startedMs: number;
  /** By when each step has to be gone. */
  readonly #expiry = new Map<number, number>();
  readonly #timers = new Set<Disposable>();
  #open: readonly UndoStep[] = [];
  #firstStepMs: number | undefined;
  #tripped = false;
  #unknownIncidents = 0;
  #ending: Promise<boolean> | undefined;
  #lifting: Promise<unknown> = Promise.resolve();

  constructor(options: WatchdogOptions) {
    const { order, clock } = options;
    this.#options = options;
    this.#path = journalPath(order.store, order.runId);
    this.#rules = order.stop.map((text) => {
      const { condition, problems } = readCondition(text);
      if (condition === undefined) throw new Error(`${text}: ${problems?.[0]?.message}`);
      return { text, condition };
    });
    this.#needed = [...new Set(this.#rules.flatMap(({ condition }) => signalsIn(condition)))];
    this.#history = new SignalHistory(Math.max(0, ...this.#rules.map(({ condition }) => longestWindowMs(condition))));
    this.#reader = new SignalReader(
      Object.fromEntries(Object.entries(order.signals).filter(([name]) => this.#needed.includes(name))),
    );
    this.#startedMs = clock.nowMs();
    this.#every(LOOK_EVERY_MS, () => this.#look());
    this.#every(EVALUATE_EVERY_MS, () => this.#evaluate());
    this.#every(ALIVE_EVERY_MS, () => options.tell({ type: "alive" }));
    if (order.incident !== undefined) this.#every(INCIDENT_EVERY_MS, () => this.#askForIncidents());
    options.tell({ type: "ready" });
  }

  /** The runner is about to put a step in force. */
  arm(step: number): void {
    this.#look();
    // Not answered after a trip: the runner has been told of that, and puts nothing in force.
    if (!this.#tripped && this.#expiry.has(step)) this.#options.tell({ type: "armed", step });
  }

  /**
   * The runner is dead or has ended: lifts what is left, notes it as gone for good, and resolves
   * with whether nothing is left.
   */
  end(): Promise<boolean> {
    this.#ending ??= this.#orphaned();
    return this.#ending;
  }

  /** Trips because this process was asked to stop; resolves when everything was tried once. */
  async stop(signal: string): Promise<void> {
    await this.#trip("watchdog", `the watchdog was stopped by ${signal}`);
    await this.#lifting;
  }

  #every(periodMs: number, run: () => unknown): void {
    const { clock } = this.#options;
    const arm = (): void => {
      const timer = clock.at(clock.nowMs() + periodMs, () => {
        this.#timers.delete(timer);
        if (this.#ending !== undefined) return;
        arm();
        run();
      });
      this.#timers.add(timer);
    };
    arm();
  }

  #look(): void {
    const nowMs = this.#options.clock.nowMs();
    const { store, maxDurationMs, protectedPasses, passMarginMs } = this.#options.order;
    try {
      this.#readSteps(nowMs);
    } catch (error) {
      this.#trip("undo-journal", reasonOf(error));
    }
    const lever = leverState(store);
    if (lever.isEngaged) this.#trip("lever", `halted by ${lever.by ?? "?"}: ${lever.reason}`);
    const expired = this.#open.find(({ step }) => nowMs >= (this.#expiry.get(step) as number));
    if (expired !== undefined)
      this.#trip("expires-after", `"${expired.name}" was in force for ${expired.expiresAfterMs} ms, its limit`);
    if (this.#open.length > 0 && nowMs - (this.#firstStepMs ?? nowMs) >= maxDurationMs)
      this.#trip("max-duration", `faults were in force for ${maxDurationMs} ms, the limit`);
    const wallMs = this.#options.wallMs();
    const pass = passWithin(protectedPasses, wallMs, wallMs, passMarginMs);
    if (pass !== undefined) this.#trip("protected-pass", `${pass.name} begins at ${pass.from}`);
  }

  #readSteps(nowMs: number): void {
    const record = readJournal(this.#path);
    this.#open = record?.open ?? [];
    for (const { step, expiresAfterMs } of this.#open) {
      this.#firstStepMs ??= nowMs;
      if (!this.#expiry.has(step)) this.#expiry.set(step, nowMs + expiresAfterMs);
    }
  }

  async #evaluate(): Promise<void> {
    const values = await this.#reader.read();
    const nowMs = this.#options.clock.nowMs();
    this.#history.add(nowMs, values);
    for (const { text, condition } of this.#rules) {
      if (holds(condition, this.#history) === true) this.#trip(text, observedBy(condition, this.#history));
    }
    const { blindAfterMs } = this.#options.order;
    const blind = this.#needed.find((name) => nowMs - (this.#history.lastAtMs(name) ?? this.#startedMs) > blindAfterMs);
    if (blind !== undefined) this.#trip("blind", `${blind} has been missing for more than ${blindAfterMs} ms`);
  }

  async #askForIncidents(): Promise<void> {
    const state = await incidentState(this.#options.order.incident as NonNullable<WatchOrder["incident"]>);
    this.#unknownIncidents = state.kind === "unknown" ? this.#unknownIncidents + 1 : 0;
    if (state.kind === "open" || this.#unknownIncidents >= MAX_UNKNOWN_INCIDENTS)
      this.#trip("incident", state.kind === "none" ? "" : state.observed);
  }

  /** Stops the run, once. */
  async #trip(rule: string, observed: string): Promise<void> {
    if (this.#tripped || this.#ending !== undefined) return;
    this.#tripped = true;
    const { clock, tell, wallMs } = this.#options;
    const seenMs = clock.nowMs();
    tell({ type: "tripped", rule, observed, at: new Date(wallMs()).toISOString(), seenAgoMs: clock.nowMs() - seenMs });
    const failed = await this.#lift();
    tell({ type: "lifted", abortLatencyMs: clock.nowMs() - seenMs, failed });
    let times = 0;
    this.#every(LIFT_AGAIN_EVERY_MS, () => {
      times += 1;
      const isDue = times <= SOON_TIMES || times % (LIFT_LATER_EVERY_MS / LIFT_AGAIN_EVERY_MS) === 0;
      return isDue ? this.#lift() : undefined;
    });
  }

  /** Lifts all that is not gone for good; the steps are read anew. */
  #lift(): Promise<readonly string[]> {
    const lifting = this.#lifting.then(async () => {
      try {
        this.#readSteps(this.#options.clock.nowMs());
      } catch {
        // The steps that are known are lifted.
      }
      return failuresOf(await liftSteps(this.#open));
    });
    this.#lifting = lifting;
    return lifting;
  }

  async #orphaned(): Promise<boolean> {
    for (const timer of this.#timers) timer[Symbol.dispose]();
    await this.#reader.close();
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    let failed: readonly string[] = [];
    cutTornLine(this.#path);
    for (const afterMs of ORPHAN_PASSES_MS) {
      await clock.sleepUntil(startedMs + afterMs);
      failed = await this.#lift();
      if (this.#open.length === 0) break;
    }
    while (failed.length > 0 && clock.nowMs() - startedMs < GIVE_UP_AFTER_MS) {
      await clock.sleepUntil(clock.nowMs() + LIFT_AGAIN_EVERY_MS);
      failed = await this.#lift();
    }
    return this.#finish();
  }

  /** Notes what is gone for good. */
  async #finish(): Promise<boolean> {
    const { order, wallMs } = this.#options;
    const at = new Date(wallMs()).toISOString();
    const lifted = await liftSteps(this.#open);
    for (const { step, done, failed } of lifted) {
      if (failed.length === 0) noteLifted(this.#path, step.step, "watchdog", at);
      const what = failed.length === 0 ? "lifted" : "not-lifted";
      noteInTrail(order.store, {
        at,
        what,
        by: "watchdog",
        text: `${order.runId} ${step.name}: ${[...done, ...failed].join("; ")}`,
      });
    }
    const record = readJournal(this.#path);
    if (record !== undefined && record.open.length === 0 && record.unreadableLines.length === 0)
      removeJournal(this.#path);
    return failuresOf(lifted).length === 0;
  }
}
