/**
 * The injections of one run: each is prepared, written into the undo journal by the guardrails, put
 * in force, and watched until there is proof that the fault was felt. It is asked again and again,
 * because the proof may be visible only while the fault is in force (a stopped process, a full
 * disk). When the run is stopped at any instant of this, what came into force meanwhile is lifted.
 */
import type { Clock } from "ground-station-failover";
import type { Activity, InjectorName, InjectorProvider, Json, Values } from "../experiment/experiment.ts";
import type { Injector, Inverse, PreparedInjection } from "../injection.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";
import { foreignFault } from "./foreign-faults.ts";
import type { FaultWindow, GuardrailSession, PlannedInjection } from "./hooks.ts";
import type { RunStop } from "./run-stop.ts";

export interface OwnInjectionsOptions {
  readonly injectors: ReadonlyMap<InjectorName, Injector>;
  readonly seed: number;
  readonly values: Values;
  readonly stop: RunStop;
  readonly clock: Clock;
  readonly tell: (line: string) => void;
  /** Called at the instant at which a fault is in force. */
  readonly onInForce: (name: string, atMs: number) => void;
}

/** How often an injection is asked whether its fault was felt, in milliseconds. */
const FELT_PAUSE_MS = 250;
/** How long an injector may take to give up after a stop, in milliseconds. */
const GIVE_UP_MS = 10_000;

interface Entry {
  /** The activity's name; with a number if several have the same. */
  readonly name: string;
  readonly injector: InjectorName;
  readonly prepared: PreparedInjection;
  readonly isOfMethod: boolean;
  askedAtMs: number;
  inForceAtMs: number | undefined;
  proof: string | undefined;
}

export class OwnInjections {
  readonly #options: OwnInjectionsOptions;
  readonly #entries: Entry[] = [];
  readonly #failed: string[] = [];
  readonly #isOver: AbortController = new AbortController();
  #session: GuardrailSession | undefined;
  #unsettled = 0;

  constructor(options: OwnInjectionsOptions) {
    this.#options = options;
  }

  /** The guardrails of the run; before they have begun nothing can be injected. */
  guardWith(session: GuardrailSession): void {
    this.#session = session;
  }

  /** What each injection of `activities` would do, before anything is done. */
  async plan(
    activities: readonly Activity[],
    filledIn: (activity: Activity) => InjectorProvider,
  ): Promise<PlannedInjection[]> {
    const planned: PlannedInjection[] = [];
    for (const activity of activities) {
      if (!isOwn(activity)) continue;
      planned.push({
        activity: activity.name,
        prepared: await this.#prepare(filledIn(activity), this.#options.stop.signal),
      });
    }
    return planned;
  }

  /**
   * Puts one injection in force. Rejects with `ActivityFailed`; whatever was begun is then lifted.
   */
  async inject(
    activity: Activity,
    provider: InjectorProvider,
    signal: AbortSignal,
    isOfMethod: boolean,
  ): Promise<Json> {
    const session = this.#session;
    if (session === undefined)
      throw new ActivityFailed(`the injector ${provider.type} cannot be used before the method`);
    const name = this.#nameOf(activity.name);
    try {
      const prepared = await this.#prepare(provider, signal);
      const planned = { activity: activity.name, prepared };
      const trip = await session.beforeInjection(planned);
      if (trip !== undefined) {
        this.#options.stop.request({ kind: "aborted", trip });
        throw new ActivityFailed(`not allowed by the guardrail ${trip.rule}: ${trip.observed}`);
      }
      const entry: Entry = {
        ...{ name, injector: provider.type, prepared, isOfMethod },
        ...{ askedAtMs: this.#options.clock.nowMs(), inForceAtMs: undefined, proof: undefined },
      };
      return await this.#putInForce(entry, planned, session, signal);
    } catch (error) {
      if (isOfMethod) this.#failed.push(name);
      throw error instanceof ActivityFailed ? error : new ActivityFailed((error as Error).message, { cause: error });
    }
  }

  /**
   * Sends a request of a published experiment, whose inverse is in the undo journal before. If the
   * run was stopped meanwhile, what came into force is lifted.
   */
  async guarded<Answer>(inverse: Inverse, send: () => Promise<Answer>): Promise<Answer> {
    const session = this.#session;
    // A hypothesis is looked at before the guardrails are there.
    if (session === undefined) return await send();
    const { stop } = this.#options;
    const planned = foreignFault(shownFault(inverse), inverse);
    const trip = await session.beforeInjection(planned);
    if (trip !== undefined) {
      stop.request({ kind: "aborted", trip });
      throw new ActivityFailed(`not allowed by the guardrail ${trip.rule}: ${trip.observed}`);
    }
    let isInForce = false;
    try {
      const answer = await send();
      isInForce = true;
      return answer;
    } finally {
      await session.afterInjection(planned, isInForce);
      if (stop.reason !== undefined) await session.lift();
    }
  }

  async #putInForce(
    entry: Entry,
    planned: PlannedInjection,
    session: GuardrailSession,
    signal: AbortSignal,
  ): Promise<Json> {
    // From here to the call below nothing waits, so no stop can come in between unseen.
    if (signal.aborted) throw new ActivityInterrupted();
    this.#entries.push(entry);
    let isInForce = false;
    let isGivenUp = false;
    try {
      const injecting = entry.prepared.inject();
      const first = await this.#settled(injecting, signal);
      if (first === "given up") {
        isGivenUp = true;
        this.#settlesLater(injecting, planned, session);
        throw new ActivityInterrupted();
      }
      isInForce = true;
      // A load is in force from its first call, and may return only at its end.
      entry.inForceAtMs = entry.injector === "load" ? entry.askedAtMs : this.#options.clock.nowMs();
      this.#options.onInForce(entry.name, entry.inForceAtMs);
      void this.#watch(entry);
      return first.output;
    } finally {
      // Of one that was given up, the guardrails have to know that it may still come into force.
      if (!isGivenUp) await session.afterInjection(planned, isInForce);
      // The lift that came with the stop may have been too early for this one.
      if (signal.aborted) await session.lift();
    }
  }

  /** Waits for `injecting`; after a stop only for a while. */
  async #settled(injecting: Promise<Json>, signal: AbortSignal): Promise<{ readonly output: Json } | "given up"> {
    const { clock } = this.#options;
    const settled = new AbortController();
    const givenUp = new Promise<"given up">((resolve) => {
      const later = (): void => {
        void clock.sleepUntil(clock.nowMs() + GIVE_UP_MS, settled.signal).then(
          () => resolve("given up"),
          () => undefined,
        );
      };
      if (signal.aborted) later();
      else signal.addEventListener("abort", later, { once: true, signal: settled.signal });
    });
    try {
      return await Promise.race([injecting.then((output) => ({ output })), givenUp]);
    } finally {
      settled.abort();
    }
  }

  /** What comes into force after it was given up is lifted then. */
  #settlesLater(injecting: Promise<Json>, planned: PlannedInjection, session: GuardrailSession): void {
    this.#unsettled += 1;
    const lift = async (isInForce: boolean): Promise<void> => {
      await session.afterInjection(planned, isInForce);
      await session.lift();
      this.#unsettled -= 1;
    };
    injecting.then(
      () => lift(true),
      () => lift(false),
    );
  }

  async #watch(entry: Entry): Promise<void> {
    const { clock } = this.#options;
    while (!this.#isOver.signal.aborted && entry.proof === undefined) {
      await this.#ask(entry);
      if (entry.proof !== undefined) return;
      await clock.sleepUntil(clock.nowMs() + FELT_PAUSE_MS, this.#isOver.signal).catch(() => undefined);
    }
  }

  async #ask(entry: Entry): Promise<void> {
    try {
      entry.proof ??= await entry.prepared.felt();
    } catch (error) {
      this.#options.tell(`${entry.name}: it cannot be told whether the fault was felt: ${(error as Error).message}`);
    }
  }

  /**
   * Ends the questions whether faults were felt. Called when the run is over, whatever happened.
   */
  end(): void {
    this.#isOver.abort();
  }

  /** Called before the lift: the last time at which a fault can be asked whether it was felt. */
  async beforeLift(): Promise<void> {
    this.#isOver.abort();
    for (const entry of this.#entries)
      if (entry.proof === undefined && entry.inForceAtMs !== undefined) await this.#ask(entry);
  }

  /** The proofs by the activity's name; null: never felt, or never in force. */
  felt(): Record<string, string | null> {
    const felt: Record<string, string | null> = {};
    for (const name of this.#failed) felt[name] = null;
    for (const { name, proof, isOfMethod } of this.#entries) if (isOfMethod) felt[name] = proof ?? null;
    return felt;
  }

  /** The fault that detection and recovery are measured from; undefined: none was in force. */
  window(liftedAtMs: number | undefined): FaultWindow | undefined {
    const inForce = this.#entries.filter((entry) => entry.isOfMethod && entry.inForceAtMs !== undefined);
    const fault = inForce.find((entry) => entry.injector !== "load") ?? inForce[0];
    if (fault?.inForceAtMs === undefined) return undefined;
    return { askedAtMs: fault.askedAtMs, faultAtMs: fault.inForceAtMs, liftedAtMs };
  }

  /** Everything that was hit. */
  get prepared(): readonly PreparedInjection[] {
    return this.#entries.map((entry) => entry.prepared);
  }

  /** Injections that were still being put in force when they were given up. */
  get unsettled(): number {
    return this.#unsettled;
  }

  async #prepare(provider: InjectorProvider, signal: AbortSignal): Promise<PreparedInjection> {
    const { injectors, values, seed } = this.#options;
    const injector = injectors.get(provider.type);
    if (injector === undefined) throw new ActivityFailed(`there is no injector ${provider.type}`);
    try {
      return await injector.prepare(provider.arguments, { values, seed, signal });
    } catch (cause) {
      throw new ActivityFailed((cause as Error).message, { cause });
    }
  }

  #nameOf(name: string): string {
    const taken = new Set([...this.#entries.map((entry) => entry.name), ...this.#failed]);
    if (!taken.has(name)) return name;
    for (let number = 2; ; number += 1) if (!taken.has(`${name} (${number})`)) return `${name} (${number})`;
  }
}

/** How the undo journal names a fault of the experiment. */
function shownFault(inverse: Inverse): string {
  return inverse.kind === "http" ? `fault at ${new URL(inverse.url).pathname}` : "fault";
}

/** True if one of our own injectors is to play `activity`. */
export function isOwn(activity: Activity): activity is Activity & { readonly provider: InjectorProvider } {
  const { type } = activity.provider;
  return type !== "http" && type !== "process" && type !== "python";
}
