/**
 * Drives the dispatcher (`core/failover/dispatch.ts`): one queue of inputs, one drain, one timer.
 * Every occurrence (a call, the end of an attempt, an abort, a declaration) becomes an input.
 * Inputs are taken one after the other, and the actions of each are done before the next:
 * operations are run, promises settled, listeners called. All of these may call back into the
 * driver; such inputs are queued, so no input arrives in the middle of another.
 */

import type { Attempt, AttemptEnd, Call } from "../../core/failover/call.ts";
import type { DispatchAction, Dispatcher, DispatchInput } from "../../core/failover/dispatch.ts";
import type { FailoverEvent } from "../../core/failover/events.ts";
import type { Station } from "../../core/failover/station.ts";
import type { BreakerMachine } from "../../core/guard/breaker.ts";
import type { Classification } from "../../core/outcomes/classification.ts";
import { staleEpochIn, wasConnectionLost } from "../../core/outcomes/error-evidence.ts";
import type { Calendar, Classifier } from "../../core/outcomes/outcome.ts";
import { judgeResult, judgeThrown } from "../guard/booking.ts";
import type { CircuitBreaker } from "../guard/breaker.ts";
import { hasUnreadBody, RESULTS_LOOKED_AT, UNREAD_BODY_REASON } from "../guard/unread-body.ts";
import { guarded, type Listeners } from "../listeners.ts";
import { ambientDeadline, runUnder } from "../time/ambient-deadline.ts";
import type { Clock } from "../time/clock.ts";
import type { StationHandle } from "./create-stations.ts";
import { callExamples, NOBODY } from "./examples.ts";
import type { NamedStation } from "./options.ts";
import type { OutcomeQueries } from "./outcome-query.ts";
import type { Prober } from "./prober.ts";
import { FailoverAttempt, type FailoverRequest, type RequestOwner } from "./request.ts";

export interface DriverOptions<S extends NamedStation> {
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** Indexed by station number. */
  readonly stations: readonly StationHandle<S>[];
  readonly query: OutcomeQueries<S> | undefined;
  readonly listeners: Listeners<FailoverEvent>;
  /** Objects to keep for as long as the driver exists. */
  readonly examples: readonly unknown[];
}

type Input = DispatchInput | ((nowMs: number) => void);
const TICK: DispatchInput = { type: "tick", lateByMs: 0 };
const ENDLESS = Number.POSITIVE_INFINITY;

export class FailoverDriver<S extends NamedStation> implements RequestOwner {
  readonly clock: Clock;
  readonly #dispatcher: Dispatcher;
  /** By station number. */
  #stations: readonly StationHandle<S>[] = [];
  #query: OutcomeQueries<S> | undefined;
  readonly #listeners: Listeners<FailoverEvent>;
  prober: Prober<S> | undefined = undefined;
  #breakers: readonly CircuitBreaker[] = [];
  /** The machines of the breakers, in the same order; checked after every step. */
  #circuits: readonly BreakerMachine[] = [];
  /** True if any station has a classifier for results. */
  #judgesResults = false;
  /** How many more results are checked for an unread body. */
  #unlookedResults = RESULTS_LOOKED_AT;
  #inputs: Input[] = [];
  #isBusy = false;
  /** When the next tick is due; the timer is set for then or earlier. */
  #wakeAtMs: number = Number.POSITIVE_INFINITY;
  #timer: Disposable | undefined = undefined;
  #timerAtMs: number = Number.POSITIVE_INFINITY;
  /** Id of the call whose caller is on the stack: its first attempt runs in the same step. */
  #entering = NOBODY;
  readonly #onTimer = (): void => this.#wake();
  /** @internal See `examples.ts`. */
  readonly examples: readonly unknown[];

  constructor(options: DriverOptions<S>) {
    this.clock = options.clock;
    this.#dispatcher = options.dispatcher;
    this.useStations(options.stations);
    this.#query = options.query;
    this.#listeners = options.listeners;
    this.examples = [...options.examples, ...callExamples<S>(this)];
  }

  /** Sends to `stations` from now on, each at its place by its number. */
  useStations(stations: readonly StationHandle<S>[]): void {
    this.#stations = stations;
    this.#breakers = stations.map(({ parts }) => parts.breaker).filter((breaker) => breaker !== undefined);
    this.#circuits = this.#breakers.map(({ machine }) => machine);
    this.#judgesResults = stations.some(({ parts }) => parts.classify?.result !== undefined);
  }

  /** Asks stations about keys in this way from now on; undefined: not at all. */
  useQuery(query: OutcomeQueries<S> | undefined): void {
    this.#query = query;
  }

  /** True while an input is being handled, so that another one has to wait. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * Takes an input and does its actions; if another input is being handled, this happens after it.
   */
  input(input: Input): void {
    this.#inputs.push(input);
    if (!this.#isBusy) this.#goOn(this.clock.nowMs());
  }

  /** Takes a new call in its caller's step, in which `nowMs` was read. */
  submit(call: Call, nowMs: number): void {
    if (this.#isBusy) return this.input({ type: "submit", call });
    this.#entering = call.id;
    const attempt = this.#dispatcher.submit(call, nowMs);
    this.#isBusy = true;
    try {
      if (attempt !== undefined) this.#send(attempt);
    } finally {
      this.#isBusy = false;
    }
    this.#goOn(nowMs);
    this.#entering = NOBODY;
  }

  /**
   * An attempt was served. This runs in a microtask of its own, so no other input is being handled.
   */
  #served(attempt: Attempt, value: unknown): void {
    const nowMs = this.clock.nowMs();
    const isAnswer = this.#dispatcher.served(attempt, value, nowMs);
    if (isAnswer) {
      this.#isBusy = true;
      requestOf(attempt.call).fulfil(value);
      this.#isBusy = false;
    }
    this.#goOn(nowMs);
  }

  cancel(call: Call, reason: unknown): void {
    this.input({ type: "cancel", call, reason });
  }

  uploading(attempt: Attempt, isUploading: boolean): void {
    this.input({ type: "uploading", attempt, isUploading });
  }

  /** Something has changed that time alone does not signal (a circuit, for example). */
  look(): void {
    this.input(TICK);
  }

  /** Does the remaining actions, if any, and then takes the inputs that have arrived meanwhile. */
  #goOn(nowMs: number): void {
    this.#arm(this.#isQuiet() ? nowMs : this.#doAll(nowMs));
  }

  /** Is there nothing more to do? This is the case after most steps of most calls. */
  #isQuiet(): boolean {
    if (this.#dispatcher.hasActions || this.#inputs.length > 0) return false;
    for (let place = 0; place < this.#circuits.length; place++) {
      if ((this.#circuits[place] as BreakerMachine).hasTransitions) return false;
    }
    return true;
  }

  /**
   * Does the actions and takes the inputs that have arrived meanwhile, one after the other; returns
   * when it took the last one.
   */
  #doAll(startedMs: number): number {
    this.#isBusy = true;
    try {
      this.#performAll(this.#dispatcher.takeActions());
      this.#announce();
      return this.#inputs.length > 0 ? this.#takeInputs() : startedMs;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Takes all inputs, including those that arrive meanwhile; returns when it took the last one. */
  #takeInputs(): number {
    let nowMs = 0;
    try {
      for (let place = 0; place < this.#inputs.length; place++) {
        nowMs = this.clock.nowMs();
        const input = this.#inputs[place] as Input;
        if (typeof input === "function") input(nowMs);
        else this.#performAll(this.#dispatcher.dispatch(input, nowMs));
        this.#announce();
      }
    } finally {
      this.#inputs = [];
    }
    return nowMs;
  }

  #announce(): void {
    for (let place = 0; place < this.#circuits.length; place++) {
      if ((this.#circuits[place] as BreakerMachine).hasTransitions)
        (this.#breakers[place] as CircuitBreaker).announce();
    }
  }

  #performAll(actions: readonly DispatchAction[]): void {
    for (let place = 0; place < actions.length; place++) this.#perform(actions[place] as DispatchAction);
  }

  /**
   * Sets one wake, for the next instant at which something is due. A wake that comes too early does
   * no harm.
   */
  #arm(nowMs: number): void {
    let nextMs = this.#dispatcher.nextWakeMs(nowMs);
    if (this.prober !== undefined) nextMs = this.#nextLookMs(this.prober, nextMs, nowMs);
    if (nextMs < this.#wakeAtMs || nextMs === ENDLESS) this.#wakeAt(nextMs);
  }

  #nextLookMs(prober: Prober<S>, nextMs: number, nowMs: number): number {
    return this.#dispatcher.roles.toProbe().length > 0 ? Math.min(nextMs, prober.nextMs(nowMs)) : nextMs;
  }

  #wakeAt(nextMs: number): void {
    this.#wakeAtMs = nextMs;
    // The timer stays as it is if it fires earlier, and is set again then: most calls end long
    // before anything is due. While no supervisor runs, such a timer could keep a process alive
    // that has nothing else to do, so it is set exactly.
    if (nextMs < this.#timerAtMs || !this.#dispatcher.roles.isRunning) this.#setTimer(nextMs);
  }

  #setTimer(atMs: number): void {
    if (atMs === this.#timerAtMs) return;
    this.#timer?.[Symbol.dispose]();
    this.#timerAtMs = atMs;
    this.#timer = atMs < Number.POSITIVE_INFINITY ? this.clock.at(atMs, this.#onTimer) : undefined;
  }

  #wake(): void {
    const dueAtMs = this.#wakeAtMs;
    const nowMs = this.clock.nowMs();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (nowMs < dueAtMs) return this.#setTimer(dueAtMs);
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    if (this.prober !== undefined) {
      const stations = this.#dispatcher.roles.toProbe().map(({ number }) => this.#handle(number).station);
      this.prober.tryIfDue(stations, nowMs);
    }
    this.input({ type: "tick", lateByMs: nowMs - dueAtMs });
  }

  #perform(action: DispatchAction): void {
    switch (action.type) {
      case "send":
        return this.#send(action.attempt);
      case "settle":
        return requestOf<S>(action.call).settle(action.settlement);
      case "recall": {
        const { attempt, reason } = action;
        return guarded(() => (attempt.context as FailoverAttempt<S> | undefined)?.giveUp(reason));
      }
      case "ask":
        return this.#ask(action.call, action.station);
      case "leave-slot":
        return this.#handle(action.station.number).parts.bulkhead?.leave();
      case "event":
        // A circuit's change is reported after its cause and before the decision that it leads to.
        if (action.event.type === "promoted" || action.event.type === "no-eligible-station") this.#announce();
        return this.#listeners.tell(action.event);
    }
  }

  /**
   * Whatever the operation does (return a value, throw, return a foreign thenable), its end is
   * handled in a later microtask.
   */
  #send(attempt: Attempt): void {
    const handle = this.#handle(attempt.station.number);
    const context = new FailoverAttempt(attempt, handle.station, handle.role, this);
    attempt.context = context;
    let pending: PromiseLike<unknown> | unknown;
    try {
      pending = this.#run(attempt.call, context);
      if (!(pending instanceof Promise)) pending = Promise.resolve(pending);
    } catch (error) {
      pending = Promise.reject(error);
    }
    (pending as Promise<unknown>).then(
      (value) => this.#answered(context, value),
      (error) => this.#threw(context, error),
    );
  }

  #run(call: Call, context: FailoverAttempt<S>): unknown {
    if (call.id !== this.#entering) return this.#runLater(requestOf<S>(call), context);
    this.#entering = NOBODY;
    const request = requestOf<S>(call);
    if (!request.outlivesAmbient) return request.operation(context);
    return runUnder(context.deadline, () => request.operation(context));
  }

  #runLater(request: FailoverRequest<S, unknown>, context: FailoverAttempt<S>): unknown {
    const { deadline } = context;
    // An attempt that another call's end or a timer starts still belongs to its own caller, and is
    // under no deadline but its own.
    return request.runInAsyncScope(() =>
      ambientDeadline() < deadline ? runUnder(deadline, () => request.operation(context)) : request.operation(context),
    );
  }

  #answered(attempt: FailoverAttempt<S>, value: unknown): void {
    if (this.#unlookedResults > 0) this.#lookAtResult(attempt, value);
    if (this.#judgesResults) this.#judge(attempt, value);
    else this.#served(attempt.record, value);
  }

  #lookAtResult({ record }: FailoverAttempt<S>, value: unknown): void {
    this.#unlookedResults--;
    if (!hasUnreadBody(value)) return;
    this.#unlookedResults = 0;
    const station = record.station.name;
    this.input((atMs) => this.#listeners.tell({ type: "unread-body", station, reason: UNREAD_BODY_REASON, atMs }));
  }

  #judge(attempt: FailoverAttempt<S>, value: unknown): void {
    const { classify } = this.#handle(attempt.record.station.number).parts;
    if (classify?.result === undefined) this.#served(attempt.record, value);
    else this.#ended(attempt, endFromResult(classify, value, this.clock));
  }

  #threw(attempt: FailoverAttempt<S>, error: unknown): void {
    const { classify } = this.#handle(attempt.record.station.number).parts;
    const isStale = staleEpochIn(error) !== undefined;
    this.#ended(
      attempt,
      isStale ? { result: "stale", settlement: { error } } : endFromError(classify, error, this.clock),
    );
  }

  #ended({ record }: FailoverAttempt<S>, end: AttemptEnd): void {
    this.input({ type: "ended", attempt: record, end });
  }

  #ask(call: Call, at: Station): void {
    const key = call.terms.idempotencyKey;
    const { machine, station } = this.#handle(at.number);
    // Another station has the number of one that has left the group: it knows nothing of the key.
    if (this.#query === undefined || key === undefined || machine !== at)
      return this.input({ type: "answered", call, answer: "unknown" });
    this.#query
      .ask<unknown>(station, key, call.terms.deadline)
      .then((answer) => this.input({ type: "answered", call, answer }));
  }

  #handle(number: number): StationHandle<S> {
    return this.#stations[number] as StationHandle<S>;
  }
}

function requestOf<S>(call: Call): FailoverRequest<S, unknown> {
  return call.request as FailoverRequest<S, unknown>;
}

function endFromResult(classify: Classifier<unknown>, value: unknown, calendar: Calendar): AttemptEnd {
  const judged = judgeResult(classify, value, calendar);
  return "outcome" in judged ? endFrom(judged, { value }) : endFrom(judged.judged, { error: judged.error });
}

function endFromError(classify: Classifier<unknown> | undefined, error: unknown, calendar: Calendar): AttemptEnd {
  const judged = judgeThrown(classify, error, calendar);
  return "outcome" in judged ? endFrom(judged, { error }) : endFrom(judged.judged, { error: judged.error });
}

function endFrom({ outcome, retryAfterMs, retry }: Classification, settlement: AttemptEnd["settlement"]): AttemptEnd {
  const more = { settlement, retryAfterMs, retry };
  switch (outcome) {
    case "success":
      return { result: "served", ...more };
    case "failure": {
      const lost = "error" in settlement && wasConnectionLost(settlement.error);
      return { result: lost ? "lost" : "failed", ...more };
    }
    case "never-sent":
      return { result: "unreachable", ...more };
    case "overloaded":
    case "ignored":
    case "local-shortage":
      return { result: outcome, ...more };
  }
}
