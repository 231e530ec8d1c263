/**
 * Stations and a dispatcher without a runtime, for tests of the pure machines: inputs are given by
 * hand, actions are kept, and time is a number. What a driver would do with the actions is left to
 * the test, but for what every driver does: an attempt that is recalled is not forgotten before it
 * has ended.
 */
import assert from "node:assert/strict";
import type { Liveness } from "../../resilience/src/core/detection/supervisor.ts";
import { Admission, type AdmissionOptions } from "../../resilience/src/core/failover/admission/admission.ts";
import {
  type Attempt,
  type AttemptEnd,
  type AttemptResult,
  Call,
  type Settlement,
} from "../../resilience/src/core/failover/call.ts";
import type { CallTerms } from "../../resilience/src/core/failover/call-terms.ts";
import {
  type DispatchAction,
  Dispatcher,
  type DispatchInput,
  type DispatchOptions,
} from "../../resilience/src/core/failover/dispatch.ts";
import type { FailoverEvent } from "../../resilience/src/core/failover/events.ts";
import { Accidents, UsualShare } from "../../resilience/src/core/failover/evidence/accidents.ts";
import { type CommandPathOptions, StationEvidence } from "../../resilience/src/core/failover/evidence/evidence.ts";
import { type FailbackOptions, FailoverMachine } from "../../resilience/src/core/failover/failover.ts";
import { type CallSource, CallSources } from "../../resilience/src/core/failover/learned/call-sources.ts";
import { Roles, type RolesOptions } from "../../resilience/src/core/failover/roles.ts";
import { Station, type StationParts } from "../../resilience/src/core/failover/station.ts";
import { Backoff } from "../../resilience/src/core/guard/backoff.ts";
import { BreakerMachine, type BreakerOptions } from "../../resilience/src/core/guard/breaker.ts";
import { RetryBudgetMachine, type RetryBudgetOptions } from "../../resilience/src/core/guard/retry-budget.ts";
import { seededRandom } from "../../resilience/src/core/random.ts";

export interface StationPlan extends Partial<Omit<StationParts, "name" | "number" | "role" | "breaker" | "budget">> {
  readonly capacity?: AdmissionOptions;
  readonly commandPath?: CommandPathOptions;
  /** `false` for none. Default: a client's. */
  readonly breaker?: BreakerOptions | false;
  readonly budget?: RetryBudgetOptions | false;
}

/** Hardly anything has ever gone wrong for a long time, so that nothing is an accident. */
export function neverBefore(): UsualShare {
  const usual = new UsualShare();
  while (!usual.isNone) usual.learn(0);
  return usual;
}

/** A station that nobody has heard of yet. */
export function station(number = 0, plan: StationPlan = {}, [late, left] = [neverBefore(), neverBefore()]): Station {
  const { capacity, commandPath, breaker, budget, ...given } = plan;
  return new Station({
    name: ["north", "south", "east", "west"][number] as string,
    role: number === 0 ? "primary" : "backup",
    number,
    evidence: new StationEvidence(commandPath, late),
    left: new Accidents(left),
    admission: new Admission(capacity),
    breaker: breaker === false ? undefined : new BreakerMachine({ openDurationMs: 5_000, ...breaker }),
    budget: budget === false ? undefined : new RetryBudgetMachine(budget),
    sharedSlots: undefined,
    backoff: new Backoff({ jitter: "none", baseMs: 10 }, seededRandom("dispatching")),
    maxAttempts: 3,
    timeoutMs: 1_000,
    minTimeLeftMs: 0,
    maxRetryAfterMs: 60_000,
    cooldownMs: 5_000,
    needsProof: false,
    heartbeatNote: undefined,
    ...given,
  });
}

export interface DispatchingOptions extends Partial<Omit<DispatchOptions, "roles">> {
  readonly stations?: readonly StationPlan[];
  readonly failback?: FailbackOptions;
  readonly roles?: Partial<Omit<RolesOptions, "stations" | "machine">>;
  /**
   * Is it learned from nothing on, as in a new process, how often calls are late or left by
   * accident? Default false.
   */
  readonly isNew?: boolean;
  /** Are the stations heard from the start, and is somebody supervising? Default true. */
  readonly alive?: boolean;
}

export type Terms = Partial<Omit<CallTerms, "source">> & { readonly key?: string; readonly source?: string };

/** Roles over `stations`, the first of which is active. */
export function rolesOf(
  stations: readonly Station[],
  failback?: FailbackOptions,
  options: Partial<Omit<RolesOptions, "stations" | "machine">> = {},
): Roles {
  const [primary, ...others] = stations.map(({ name }) => name) as [string, ...string[]];
  return new Roles({
    stations,
    machine: new FailoverMachine([primary, ...others], 1, failback),
    lastHeardMs: () => undefined,
    leaseEndsMs: () => Number.POSITIVE_INFINITY,
    automatic: failback?.mode === "automatic",
    probes: false,
    quietMs: 2_000,
    ...options,
  });
}

export class Dispatching {
  readonly stations: readonly Station[];
  readonly roles: Roles;
  readonly dispatcher: Dispatcher;
  readonly sources: CallSources;
  /** Everything that followed, in order. */
  readonly actions: DispatchAction[] = [];
  /** Attempts that were sent and have not ended, oldest first; also those that nobody waits for. */
  readonly out: Attempt[] = [];
  readonly settled: Map<Call, Settlement> = new Map();
  nowMs: number;
  #calls = 0;

  constructor(options: DispatchingOptions = {}) {
    const { stations = [{}, {}], failback, roles, alive = true, isNew = false, ...given } = options;
    const [late, left] = [new UsualShare(), new UsualShare()];
    this.stations = stations.map((plan, number) => station(number, plan, isNew ? [late, left] : undefined));
    this.roles = rolesOf(this.stations, failback, roles);
    this.sources = new CallSources(this.stations.length);
    this.dispatcher = new Dispatcher({
      maxWaiting: 100,
      maxWaitMs: 30_000,
      resendsKeyed: true,
      canAsk: false,
      ...given,
      roles: this.roles,
    });
    this.nowMs = 0;
    if (!alive) return;
    for (const { name } of this.stations) this.declare(name, "alive");
    this.input({ type: "supervised", isRunning: true });
  }

  get north(): Station {
    return this.stations[0] as Station;
  }

  get south(): Station {
    return this.stations[1] as Station;
  }

  get events(): FailoverEvent[] {
    return this.actions.flatMap((action) => (action.type === "event" ? [action.event] : []));
  }

  told<Type extends FailoverEvent["type"]>(type: Type): Extract<FailoverEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<FailoverEvent, { type: Type }> => event.type === type);
  }

  source(name: string): CallSource {
    return this.sources.of(name);
  }

  /** Gives an input, and returns what followed. */
  input(input: DispatchInput): readonly DispatchAction[] {
    const actions = this.dispatcher.dispatch(input, this.nowMs);
    for (const action of actions) {
      this.actions.push(action);
      if (action.type === "send") this.out.push(action.attempt);
      if (action.type === "settle") {
        assert.ok(!this.settled.has(action.call), `call ${action.call.id} was settled twice`);
        this.settled.set(action.call, action.settlement);
      }
    }
    return actions;
  }

  /** A call by `terms`; by default without deadline or key, and of a source of its own. */
  call(terms: Terms = {}): Call {
    const { key, source, ...given } = terms;
    const id = ++this.#calls;
    const idempotencyKey = key ?? given.idempotencyKey;
    const full: CallTerms = {
      deadline: Number.POSITIVE_INFINITY,
      idempotencyKey,
      isRepeatable: idempotencyKey !== undefined || given.isIdempotent === true,
      isIdempotent: false,
      ...given,
      source: this.sources.of(source ?? `source ${id}`),
    };
    return new Call(id, full, this.nowMs, undefined);
  }

  submit(terms: Terms = {}): Call {
    const call = this.call(terms);
    this.input({ type: "submit", call });
    return call;
  }

  /** The attempt of `call` that is out; the newest where there are several. */
  attemptOf(call: Call): Attempt {
    const attempt = this.out.findLast((one) => one.call === call);
    assert.ok(attempt !== undefined, `call ${call.id} has no attempt out`);
    return attempt;
  }

  /** Where the calls' attempts are, oldest first. */
  placesOf(call: Call): string[] {
    return this.out.filter((one) => one.call === call).map((one) => one.station.name);
  }

  end(attempt: Attempt, result: AttemptResult, more: Partial<AttemptEnd> = {}): readonly DispatchAction[] {
    const place = this.out.indexOf(attempt);
    assert.ok(place >= 0, "an attempt ends once");
    this.out.splice(place, 1);
    const settlement: Settlement =
      result === "served"
        ? { value: `${attempt.station.name} served` }
        : { error: new Error(`${attempt.station.name} ${result}`) };
    return this.input({ type: "ended", attempt, end: { result, settlement, ...more } });
  }

  /** Ends the newest attempt of `call`. */
  endCall(call: Call, result: AttemptResult, more: Partial<AttemptEnd> = {}): readonly DispatchAction[] {
    return this.end(this.attemptOf(call), result, more);
  }

  /** A call that is served by whom it is sent to, after `tookMs`. */
  serve(count = 1, terms: Terms = {}, tookMs = 5): void {
    for (let left = count; left > 0; left--) {
      const call = this.submit(terms);
      this.advance(tookMs);
      this.endCall(call, "served");
    }
  }

  declare(name: string, to: Liveness, from: Liveness = this.roles.station(name).liveness): readonly DispatchAction[] {
    const declaration = { node: name, from, to, atMs: this.nowMs, rule: `test says ${to}`, level: 0 };
    return this.input({ type: "declared", declarations: [declaration as never] });
  }

  /** Lets `ms` pass, with a tick at each instant that was asked for. */
  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let ticks = 0, stuckAtMs = Number.NaN; ; ) {
      const nextMs = this.dispatcher.nextWakeMs(this.nowMs);
      assert.ok(nextMs >= this.nowMs, `woken at ${nextMs}, in the past of ${this.nowMs}`);
      if (nextMs > untilMs) break;
      // It spins where it asks for the same instant for ever.
      ticks = nextMs === stuckAtMs ? ticks + 1 : 0;
      stuckAtMs = nextMs;
      assert.ok(ticks < 100, `it asks to be woken at ${nextMs} again and again`);
      this.nowMs = nextMs;
      this.input({ type: "tick", lateByMs: 0 });
    }
    this.nowMs = untilMs;
  }

  /**
   * How `call` ended: its value, or the code or message of its error; undefined while it has not.
   */
  endOf(call: Call): unknown {
    const settlement = this.settled.get(call);
    if (settlement === undefined) return undefined;
    if ("value" in settlement) return settlement.value;
    const { error } = settlement;
    return error instanceof Error && "code" in error ? error.code : (error as Error).message;
  }
}
