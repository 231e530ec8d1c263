/**
 * Decides what happens to each call. It is a pure machine: inputs go in (a call, the end of an
 * attempt, a declaration, the time), and actions come out, in the order in which the driver must do
 * them. This is the shape of etcd raft's `Ready`. The machine makes no callbacks, so no input can
 * arrive in the middle of another one. The driver (in the runtime) queues inputs that arrive
 * meanwhile.
 *
 * It is one file because every input may touch a call, its station and the queue at once, and the
 * order of these steps is the contract. Parts that can decide alone (routing, evidence, pace,
 * roles, usual times, the outlook) have files of their own.
 *
 * Which calls may be sent to another station (rule F4):
 * - A call that provably was never sent: always.
 * - A call that carries an idempotency key or was declared idempotent: yes, under the same key.
 * - Any other call: never. Its caller is told that the outcome is unknown.
 *
 * Whose failure it was (rule F10) is decided by comparison, at once. If a station fails a
 * repeatable call, the call goes to another usable station. If that station serves it, the failure
 * counts against the first one. If that station fails it too, the failure is the call's own and is
 * delivered. No call is held until other calls arrive. An overdue repeatable attempt gets a second
 * attempt at another station, within a budget for such hedges; the first answer counts. Calls that
 * may not run twice are compared with new calls, which may go to either station (`uncompared.ts`).
 *
 * No caller waits in vain (rule F11). A call is refused as soon as it is known that no answer can
 * come within its deadline, or within the time that callers are known to wait. All waiting calls
 * are in one queue (`call-queue.ts`). They leave it at the pace that the station's admission
 * control allows (`admission.ts`).
 */

import { tooLate } from "../deadline.ts";
import type { LivenessChange } from "../detection/supervisor.ts";
import { DueHeap } from "../due-heap.ts";
import {
  AttemptTimeoutError,
  CallAbortedError,
  DeadlineExceededError,
  LocalShortageError,
  OverloadedError,
} from "../errors.ts";
import { REFUSED } from "../guard/breaker.ts";
import { RetryBudgetMachine } from "../guard/retry-budget.ts";
import { noteRetryRefusal, retryRefusal } from "../guard/retry-refusal.ts";
import { codeIn, isError } from "../outcomes/error-evidence.ts";
import type { LoadSign } from "./admission/admission.ts";
import { CROWDED, FULL, LEAST_LEISURE_MS } from "./admission/crowding.ts";
import { AttemptsOut } from "./attempts-out.ts";
import {
  Attempt,
  type AttemptEnd,
  type AttemptReason,
  type Call,
  DONE,
  PARKED,
  RUNNING,
  type Settlement,
  timeoutAtMs,
  type Visit,
  WAITING,
} from "./call.ts";
import { CallQueue } from "./call-queue.ts";
import type { FailoverEvent } from "./events.ts";
import { ACCIDENT } from "./evidence/evidence.ts";
import type { Failback } from "./failback.ts";
import type { FailoverDecision, PlannedCause, Promotion } from "./failover.ts";
import { CallerPatience, RequestCutError } from "./learned/patience.ts";
import { QUICK_AGAIN, timesSlower } from "./learned/slowness.ts";
import type { SeenAs } from "./learned/source-at-station.ts";
import { STRANGER_RATIO, UsualTimes } from "./learned/usual-times.ts";
import { type CallOutcome, GoodputWatch } from "./overload/goodput.ts";
import { Outlook } from "./overload/outlook.ts";
import { Spillover } from "./overload/spillover.ts";
import { UsualDemand } from "./overload/usual-demand.ts";
import { Reports } from "./reports.ts";
import type { Roles } from "./roles.ts";
import { Router } from "./router.ts";
import type { Station } from "./station.ts";
import { GIVEN_UP, lastOf, noStationFit, seenEpochOf, unknownAt, verdictOn } from "./verdict.ts";

export interface DispatchOptions {
  readonly roles: Roles;
  /** Maximum number of calls that may wait. */
  readonly maxWaiting: number;
  /** How long a call waits while no station can take it, in milliseconds. */
  readonly maxWaitMs: number;
  /** True if a keyed call may be sent again after its station was lost. */
  readonly resendsKeyed: boolean;
  /** True if stations can be asked what became of a key. */
  readonly canAsk: boolean;
}

/**
 * A station's answer about a key: the call ran, with this result; it did not run and never will; or
 * the station does not know.
 */
export type KeyAnswer = { readonly ran: true; readonly result: unknown } | { readonly ran: false } | "unknown";

export type DispatchInput =
  | { readonly type: "submit"; readonly call: Call }
  | { readonly type: "ended"; readonly attempt: Attempt; readonly end: AttemptEnd }
  | { readonly type: "uploading"; readonly attempt: Attempt; readonly isUploading: boolean }
  | { readonly type: "cancel"; readonly call: Call; readonly reason: unknown }
  | { readonly type: "answered"; readonly call: Call; readonly answer: KeyAnswer }
  | { readonly type: "declared"; readonly declarations: readonly LivenessChange[] }
  /** This process was paused: failures before `untilMs` say nothing about stations. */
  | { readonly type: "stalled"; readonly untilMs: number }
  | { readonly type: "probed"; readonly station: Station; readonly isWell: boolean }
  | {
      readonly type: "maintenance";
      readonly station: Station;
      readonly reason: string | undefined;
      readonly untilMs: number;
    }
  | { readonly type: "epoch-seen"; readonly epoch: number }
  /** Supervision has started, or has stopped. */
  | { readonly type: "supervised"; readonly isRunning: boolean }
  /**
   * Time has passed, or a circuit has changed. `lateByMs`: how much later this tick is than the
   * instant asked for.
   */
  | { readonly type: "tick"; readonly lateByMs: number };

export type DispatchAction =
  | { readonly type: "send"; readonly attempt: Attempt }
  /** The result of this attempt is not needed any more. */
  | { readonly type: "recall"; readonly attempt: Attempt; readonly reason: Error }
  /** Ask `station` what became of the call's key. The answer comes back as an input. */
  | { readonly type: "ask"; readonly call: Call; readonly station: Station }
  | { readonly type: "settle"; readonly call: Call; readonly settlement: Settlement }
  | { readonly type: "leave-slot"; readonly station: Station }
  | { readonly type: "event"; readonly event: FailoverEvent };

/** The failure that counts against a station if another station has served the call. */
type Loss = Pick<Visit, "station" | "last" | "lastStartedMs" | "lastPermit">;

/**
 * Budget of hedges, which are extra attempts at another station for overdue calls: a share of all
 * calls, and at least `reserve` in 10 s.
 */
const HEDGES = { ratio: 0.1, windowMs: 10_000, reserve: 5 };
/**
 * Maximum number of resends after a station answers that it has seen a newer epoch. After that,
 * another gateway must be deciding.
 */
const MAX_STALE_RESENDS = 3;
/**
 * Delay before a call is tried again after this machine lacked a resource; it doubles each time.
 */
const SHORTAGE_RETRY_MS = 20;
const MAX_SHORTAGE_RETRY_MS = 250;
/** After this long the call is given up: its caller should learn about the shortage by then. */
const MAX_SHORTAGE_MS = 2_000;
/** Ends of attempts that did no work at their station. */
const NEVER_RAN: ReadonlySet<AttemptEnd["result"]> = new Set(["unreachable", "local-shortage", "stale"]);
/** A call that waits for room in a retry budget tries again after this long. */
const BUDGET_RECHECK_MS = 250;
/**
 * If one attempt is overdue, another one that becomes overdue within this time counts as late
 * already: the bounds leave room for answers that are on their way.
 */
const NEXT_LATE_MS = 5;
/** The ratio of answer time to leisure time is sampled at most once in this time. */
const SAMPLE_MS = 0.5;
/**
 * A tick later than this means that this process was paused. Answers then wait unread, and are read
 * before anything is decided.
 */
const LATE_TICK_MS = 25;
/**
 * Time given to read those answers if the call's deadline has passed. In all other cases it is the
 * time by which the tick was late, …
 */
const READ_FIRST_MS = 10;
/** … because requests may not have been written either, up to this maximum. */
const MOST_READ_FIRST_MS = 250;
/**
 * A station that served a call within this time is alive; its refusals for load then show how much
 * load it takes.
 */
const SERVING_MS = 1_000;
/**
 * A call takes long if it has been out for `ratio` times the usual answer time, and for at least
 * `leastMs`. For a trial call, which tests whether its station serves at all, the minimum is
 * `trialMs`.
 */
const LONG = { ratio: 4, leastMs: 100, trialMs: 1_000 };
/**
 * Callers who hang up are a sign of load if the chance that so many in a row hang up without load
 * is at most this, …
 */
const LEFT_CHANCE = 0.003;
/** … at least this many have hung up, … */
const MANY_LEFT = 3;
/**
 * … and more calls are out at their station than it works on at leisure, by more than chance
 * explains.
 */
const MUCH_WORK = { ratio: 1.2, deviations: 1.5 };
/**
 * An attempt must be this many times quicker than another attempt of its call to count against that
 * attempt's station. `overdue`: the other attempt is overdue. `stranger`: the usual time of the
 * other attempt is unknown.
 */
const OUTRUN_RATIO = { overdue: 2, stranger: 3 };
/** If nothing predicts when the queue can move on, it is checked again after this long. */
const QUEUE_RECHECK_MS = 10;
/**
 * If the patience of callers is unknown, calls are ordered as if it were this long. Only the order
 * matters.
 */
const ORDER_HORIZON_MS = 30_000;
/**
 * If deadline and timeout are equal, the deadline passes first, because it started while the call
 * was on its way to this process.
 */
const NEARLY = 0.9;
/** Maximum `Retry-After` of a refusal: what a station can take changes sooner than that. */
const MAX_RETRY_AFTER_MS = 10_000;
const ENDLESS = Number.POSITIVE_INFINITY;
const NOTHING: readonly DispatchAction[] = [];

export class Dispatcher {
  readonly roles: Roles;
  readonly patience: CallerPatience = new CallerPatience();
  readonly goodput: GoodputWatch = new GoodputWatch();
  #options: DispatchOptions;
  readonly #router: Router;
  readonly #queue: CallQueue = new CallQueue();
  readonly #out: AttemptsOut;
  readonly #usual: UsualTimes;
  readonly #demand: UsualDemand = new UsualDemand();
  readonly #spillover: Spillover = new Spillover(this.#demand);
  readonly #outlook: Outlook;
  readonly #due: DueHeap<Call> = new DueHeap();
  readonly #hedges: RetryBudgetMachine = new RetryBudgetMachine(HEDGES);
  /** Attempts sent since the start, by reason. */
  readonly sent: Record<AttemptReason, number> = { first: 0, retry: 0, elsewhere: 0, hedge: 0 };
  #actions: DispatchAction[] = [];
  #parked = 0;
  #needsDecision = false;
  /** When the passing of time alone could change a decision. */
  #decideAtMs: number = Number.NEGATIVE_INFINITY;
  /** True if something was learned after `#decideAtMs` was computed. */
  #isWakeStale = true;
  #usualInFlight = 0;
  /**
   * When a call that is out will count as taking long, so that its place may go to a waiting call.
   */
  #longAtMs: number = ENDLESS;
  /** The patience by which waiting calls are ordered. */
  #orderPatienceMs = ORDER_HORIZON_MS;
  readonly #reports: Reports = new Reports();
  readonly #doubted: Set<Station> = new Set();
  /** Until then, answers may have waited unread because this process was paused. */
  #untimedUntilMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.roles = options.roles;
    this.#router = new Router(options.roles, this.#spillover);
    this.#out = new AttemptsOut(options.roles.stations.length);
    this.#usual = new UsualTimes(options.roles, this.patience);
    const { roles, patience } = this;
    this.#outlook = new Outlook({ roles, router: this.#router, queue: this.#queue, usual: this.#usual, patience });
  }

  /**
   * Follows `settings` from `nowMs` on. Calls that wait already keep their place and the time until
   * which they wait.
   */
  useSettings(settings: Omit<DispatchOptions, "roles">, nowMs: number): void {
    this.#options = { ...settings, roles: this.roles };
    this.#needsDecision = true;
    this.#isWakeStale = true;
    this.#decideAtMs = Math.min(this.#decideAtMs, nowMs);
  }

  /** Makes room for the attempts at a station that is new. */
  admitStation({ number }: Station): void {
    this.#out.admit(number);
  }

  /**
   * `station`, which is not active, is leaving the group. Calls that are out there may finish, and
   * none is sent there any more; a handover to it ends.
   */
  releaseStation(station: Station, nowMs: number): void {
    station.maintenance = { reason: "taken out of the configuration", untilMs: ENDLESS };
    if (this.roles.failback?.to === station)
      this.#endFailback(`${station.name} was taken out of the configuration`, false, nowMs);
    this.#doubted.delete(station);
  }

  /** Calls that wait for a station. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Calls that wait for an instant, or for a station's answer about their key. */
  get parked(): number {
    return this.#parked;
  }

  /** Takes one input. The actions that follow must be done in the order given. */
  dispatch(input: DispatchInput, nowMs: number): readonly DispatchAction[] {
    this.#noteWaits(nowMs);
    this.#take(input, nowMs);
    this.#follow(nowMs);
    return this.takeActions();
  }

  /**
   * The same as the input `submit`, but cheaper, because every call makes one. Returns the attempt
   * that must be sent first, if there is one. {@link takeActions} returns the other actions.
   */
  submit(call: Call, nowMs: number): Attempt | undefined {
    let attempt = this.#submit(call, nowMs);
    if (this.#actions.length > 0) {
      this.#sendLater(attempt);
      attempt = undefined;
    }
    this.#follow(nowMs);
    return attempt;
  }

  /**
   * The same as the input `ended` of an attempt that was served with `value`, but cheaper. True if
   * its call must first be settled with that value. {@link takeActions} returns the other actions.
   */
  served(attempt: Attempt, value: unknown, nowMs: number): boolean {
    const { call, station } = attempt;
    this.#noteWaits(nowMs);
    const isAnswer = this.#served(attempt, nowMs);
    if (isAnswer) this.#close(call, "answered", nowMs);
    const isFirst = isAnswer && this.#actions.length === 0 && call.out === undefined;
    if (isAnswer && !isFirst) this.#deliver(call, { value });
    this.#look(station, nowMs);
    this.#follow(nowMs);
    return isFirst;
  }

  get hasActions(): boolean {
    return this.#actions.length > 0;
  }

  /**
   * The actions that follow from the inputs since the last call of this. They must be done before
   * the next input.
   */
  takeActions(): readonly DispatchAction[] {
    if (this.#actions.length === 0) return NOTHING;
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #follow(nowMs: number): void {
    // Another input may come before the requested tick, and after its instant.
    if (this.#needsDecision || nowMs >= this.#decideAtMs) this.#decide(nowMs);
    if (this.#queue.size > 0) this.#pump(nowMs);
    if (nowMs >= this.goodput.nextLookMs) this.#lookAtGoodput(nowMs);
  }

  /**
   * Tells all admission controls that calls may be waiting for them. A limit is lifted when no call
   * has waited for it for a second. Waiting calls may not have asked for it, because no station was
   * usable. If a tick is late, this process was paused, and calls may be waiting unread.
   */
  #noteWaits(nowMs: number): void {
    const lateByMs = nowMs - this.#due.nextMs;
    if (lateByMs > LATE_TICK_MS || this.#queue.size > 0) this.#noteAwaited(lateByMs, nowMs);
  }

  #noteAwaited(lateByMs: number, nowMs: number): void {
    if (lateByMs > LATE_TICK_MS) this.#untimedUntilMs = readUntil(lateByMs, nowMs);
    for (const { admission } of this.roles.stations) admission.noteAwaited(nowMs);
  }

  #lookAtGoodput(nowMs: number): void {
    const news = this.goodput.look(nowMs);
    this.#event(this.#reports.goodput(news, this.roles.active, this.#queue.size, this.patience.estimateMs));
  }

  /** When the driver must give the next tick; never in the past. */
  nextWakeMs(nowMs: number): number {
    const otherMs = this.#isWakeStale || this.#queue.size > 0 ? this.#otherWakeMs(nowMs) : this.#decideAtMs;
    const nextMs = Math.min(this.#due.nextMs, otherMs);
    return nextMs > nowMs ? nextMs : nowMs;
  }

  /** When a decision could change, or the queue could move on. */
  #otherWakeMs(nowMs: number): number {
    if (this.#isWakeStale) this.#decideAtMs = this.roles.nextWakeMs(nowMs);
    this.#isWakeStale = false;
    return this.#queue.size > 0 ? Math.min(this.#decideAtMs, this.#queueOpensAtMs(nowMs)) : this.#decideAtMs;
  }

  #queueOpensAtMs(nowMs: number): number {
    const opensMs = Math.min(this.#router.opensAtMs(nowMs), this.#longAtMs);
    // No call could leave the queue just now, even if the router says that it opens now.
    return opensMs > nowMs ? opensMs : nowMs + QUEUE_RECHECK_MS;
  }

  /**
   * Makes `name` active as planned. Returns the new epoch, or the reason of the refusal. The caller
   * must send a tick afterwards.
   */
  switchover(name: string, cause: PlannedCause, reason: string, nowMs: number): number | string {
    const { roles } = this;
    if (!roles.isLeaseHeld(nowMs)) return "the lease is not held: another gateway decides";
    this.#decide(nowMs);
    const refusal = roles.machine.refusal(name, cause);
    if (refusal !== undefined) return refusal;
    this.#event({ type: "handover-begun", station: name, cause, reason, atMs: nowMs });
    this.#endFailback(`${name} was made active`, false, nowMs);
    const decision = roles.machine.handOver(name, cause, reason, nowMs);
    if (typeof decision === "string") return decision;
    this.#promote(decision, nowMs);
    this.#needsDecision = true;
    return decision.epoch;
  }

  /**
   * Begins the return to `name` on request: in steps, as an automatic failback, and without its
   * hold-down. Returns why it is refused; undefined if it is under way. An event reports its end.
   */
  failback(name: string, reason: string, nowMs: number): string | undefined {
    const { roles } = this;
    if (!roles.isLeaseHeld(nowMs)) return "the lease is not held: another gateway decides";
    this.#decide(nowMs);
    const refusal = roles.machine.refusal(name, "failback");
    if (refusal !== undefined) return refusal;
    roles.machine.prefer(name);
    const { failback } = roles;
    if (failback?.to.name === name && failback.cause === "failback") return undefined;
    this.#endFailback(`a return to ${name} was ordered`, false, nowMs);
    this.#plan(name, "failback", reason, nowMs);
    return undefined;
  }

  // ── inputs ─────────────────────────────────────────────────────────────────────────────────────

  #take(input: DispatchInput, nowMs: number): void {
    switch (input.type) {
      case "submit":
        return this.#sendLater(this.#submit(input.call, nowMs));
      case "ended":
        return this.#ended(input.attempt, input.end, nowMs);
      case "uploading":
        return this.#uploading(input.attempt, input.isUploading, nowMs);
      case "cancel":
        return this.#cancel(input.call, input.reason, nowMs);
      case "answered":
        return this.#answer(input.call, input.answer, nowMs);
      case "declared":
        return this.#declared(input.declarations, nowMs);
      case "stalled":
        this.roles.distrustUntilMs = Math.max(this.roles.distrustUntilMs, input.untilMs);
        break;
      case "probed":
        if (input.isWell) input.station.probeSucceeded(nowMs);
        else input.station.probeFailed();
        break;
      case "maintenance":
        input.station.maintenance =
          input.reason === undefined ? undefined : { reason: input.reason, untilMs: input.untilMs };
        break;
      case "epoch-seen":
        return this.#epochSeen(input.epoch, nowMs);
      case "supervised":
        this.roles.isRunning = input.isRunning;
        if (!input.isRunning) this.#endFailback("the failover was stopped", false, nowMs);
        break;
      case "tick":
        return this.#tick(input.lateByMs, nowMs);
    }
    this.#needsDecision = true;
  }

  /** Returns the attempt that must be sent, if the call can go at once. */
  #submit(call: Call, nowMs: number): Attempt | undefined {
    this.goodput.noteOffered();
    this.#outlook.noteOffered(nowMs);
    if (this.#demand.noteOffered(nowMs)) this.#endDemandWindow(nowMs);
    this.#hedges.deposit(nowMs);
    const late = tooLate("the failover", call.terms.deadline, this.roles.active.parts.minTimeLeftMs, nowMs);
    if (late === undefined) {
      const station = this.#queue.size === 0 ? this.#router.route(call, nowMs) : undefined;
      if (station !== undefined) return this.#start(call, station, nowMs);
      this.#letIn(call, nowMs);
    } else this.#settle(call, { error: late }, "expired", nowMs);
    return undefined;
  }

  #endDemandWindow(nowMs: number): void {
    const { active } = this.roles;
    this.#demand.endWindow(active.admission.limit === ENDLESS && !active.crowding.isSlow, nowMs);
    this.#spillover.review(active);
    this.#reportSpillover(nowMs);
  }

  #reportSpillover(nowMs: number): void {
    const news = this.#spillover.news();
    if (news !== undefined) this.#event({ ...news, atMs: nowMs });
  }

  /**
   * No station can take `call` now. It waits, or is refused if too many calls wait or no answer
   * could come in time.
   */
  #letIn(call: Call, nowMs: number): void {
    if (this.#queue.size >= this.#options.maxWaiting) {
      const message = `${this.#queue.size} calls wait already for a station to take them (maxWaiting)`;
      return this.#settle(call, { error: noStationFit(message, this.roles, call.lastRefusal) }, "refused", nowMs);
    }
    const waitMs = this.#outlook.expectedWaitMs(nowMs);
    if (waitMs > this.#outlook.acceptedWaitMs(call, nowMs)) {
      const message = `${this.#queue.size} calls wait, and this one could not be answered in time`;
      const error = new OverloadedError(message, { retryAfterMs: retryAfterMs(waitMs) });
      return this.#settle(call, { error }, "refused", nowMs);
    }
    this.#enqueue(call, nowMs);
  }

  #uploading(attempt: Attempt, isUploading: boolean, nowMs: number): void {
    if (attempt.place < 0 || attempt.isUploading === isUploading) return;
    const { admission, lull, crowding } = attempt.station;
    attempt.isUploading = isUploading;
    attempt.isUpload = true;
    if (!attempt.isSetAside) {
      if (isUploading) admission.uncount(attempt.startedMs);
      else admission.countAgain();
    }
    if (isUploading) {
      lull.noteUploading();
      crowding.noteUploading();
    } else {
      lull.noteSent();
      crowding.noteSent();
    }
    attempt.judgedFromMs = nowMs;
    if (attempt.call.state.phase === "running") this.#arm(attempt.call, nowMs);
  }

  #cancel(call: Call, reason: unknown, nowMs: number): void {
    if (call.state.phase === "done") return;
    // A caller that is still sending is not waiting yet.
    const isSending = reason instanceof RequestCutError || call.out?.some(({ isUploading }) => isUploading) === true;
    // If this process was paused, it read the call late, so the time that the caller waited is
    // unknown.
    if (!isSending && nowMs >= this.roles.distrustUntilMs) this.patience.noteHangUp(nowMs - call.arrivedMs, nowMs);
    this.#event(this.#reports.patience(this.patience.estimateMs, nowMs));
    for (const { crowding } of this.roles.stations) crowding.patienceMs = this.patience.estimateMs ?? ENDLESS;
    this.#sortAgain();
    // The caller did not wait long enough for these attempts: the station may have more work than
    // it can answer.
    for (const attempt of call.out ?? []) {
      const { station } = attempt;
      this.#noteSwallowed(attempt, nowMs);
      this.#leftUnanswered(attempt, nowMs);
      station.crowding.noteAbandoned(nowMs);
    }
    this.#settle(call, { error: new CallAbortedError(reason) }, "hungUp", nowMs);
    if (isSending) this.goodput.noteNotAwaited();
  }

  #declared(declarations: readonly LivenessChange[], nowMs: number): void {
    for (const declaration of declarations) this.#heardAgain(declaration, nowMs);
    for (const declaration of declarations) {
      const { evidence } = this.roles.assess(this.roles.station(declaration.node), nowMs);
      this.#event({ type: "declaration", ...declaration, evidence });
    }
    this.#decide(nowMs);
    for (const { node, to } of declarations) if (to === "down") this.#moveAll(this.roles.station(node), nowMs);
    this.#needsDecision = true;
  }

  #heardAgain(declaration: LivenessChange, nowMs: number): void {
    const station = this.roles.station(declaration.node);
    station.declared(declaration);
    if (declaration.from !== "down" || declaration.to !== "alive") return;
    // Attempts sent before the station went down are probably lost with it, and no end of them will
    // say so.
    for (const attempt of this.#out.at(station)) this.#setAside(attempt);
    // The station's heartbeats say that it serves again. It is given the usual number of calls, as
    // after a promotion, without a trial first.
    if (station === this.roles.active && station.admission.isTrial) {
      station.admission.begin(this.#usualInFlight, nowMs);
    }
  }

  #epochSeen(epoch: number, nowMs: number): void {
    const verdict = this.roles.machine.noteEpochSeen(epoch);
    if (verdict === "refused") this.#event(this.#reports.epochRefused(epoch, nowMs));
    if (verdict !== "adopted") return;
    this.#event({ type: "epoch-adopted", epoch: this.roles.epoch, atMs: nowMs });
  }

  #tick(lateByMs: number, nowMs: number): void {
    const readUntilMs = readUntil(lateByMs, nowMs);
    // Calls that fall due again at this same instant wait for the next tick.
    for (let left = this.#due.size; left > 0; left--) {
      const call = this.#due.takeDue(nowMs);
      if (call === undefined) break;
      this.#fellDue(call, readUntilMs, nowMs);
    }
    if (this.roles.stations.some((station) => station.hasNews(nowMs))) this.#needsDecision = true;
  }

  // ── a call's way ───────────────────────────────────────────────────────────────────────────────

  #send(call: Call, station: Station, nowMs: number): void {
    if (call.attempts > 0 && !this.#isPaid(call, station, nowMs)) return this.#park(call, BUDGET_RECHECK_MS, nowMs);
    this.#sendLater(this.#start(call, station, nowMs));
  }

  #sendLater(attempt: Attempt | undefined): void {
    if (attempt !== undefined) this.#actions.push({ type: "send", attempt });
  }

  /**
   * Records a new attempt of `call` at `station`. The station has admitted it, and its retry charge
   * is paid.
   */
  #start(call: Call, station: Station, nowMs: number): Attempt {
    const { admission, crowding, parts } = station;
    const { breaker, budget, sharedSlots } = parts;
    if (station !== this.roles.active) this.#reportSpillover(nowMs);
    if (call.attempts > 0) this.sent[reasonToSend(call, station)]++;
    else {
      if (budget !== undefined) budget.deposit(nowMs);
      this.sent.first++;
    }
    if (sharedSlots !== undefined) sharedSlots.tryTake();
    admission.enter(nowMs);
    station.sent++;
    station.lull.noteSent();
    // Calls that waited while this process was paused all come at once; that is no sign of
    // crowding.
    if (nowMs >= this.roles.distrustUntilMs) crowding.noteSent();
    if (crowding.isLookDue(nowMs)) this.#lookAtCrowd(station, nowMs);
    const permit = breaker === undefined ? REFUSED : breaker.acquire(nowMs);
    const attempt = new Attempt(call, station, this.roles.machine.useEpoch(), nowMs);
    if (permit !== REFUSED) attempt.permit = permit;
    if (call.idempotencyKey !== undefined) attempt.beginByMs = this.#beginByMs(call, station, nowMs);
    const { era } = crowding;
    if (call.source.settledIn !== era) attempt.isEarly = call.source.noteSent(station.number, era, nowMs);
    call.state = RUNNING;
    this.#out.add(attempt);
    if (call.out !== undefined || call.answerEndsMs !== undefined) this.#join(attempt, nowMs);
    else {
      call.out = [attempt];
      const atMs = Math.min(call.deadline, this.#lookAtMs(attempt, nowMs));
      this.#due.set(call, atMs > nowMs ? atMs : nowMs);
    }
    return attempt;
  }

  /** `attempt` is not the first of its call, or not the only one. */
  #join(attempt: Attempt, nowMs: number): void {
    const { call } = attempt;
    call.out ??= [];
    call.out.push(attempt);
    this.#arm(call, nowMs);
  }

  /**
   * If `station` has not begun to work on `call` by this instant, it must not begin any more.
   * Infinite if the station cannot be asked about the call.
   */
  #beginByMs(call: Call, station: Station, nowMs: number): number {
    return this.#mayAsk(call) ? nowMs + this.#usual.leaseMs(call, station) : ENDLESS;
  }

  /**
   * Records an attempt at `station` that is not the first of its call. False if its retry budget
   * has no room any more.
   */
  #isPaid(call: Call, station: Station, nowMs: number): boolean {
    const { budget } = station.parts;
    if (call.charged === station) {
      call.charged = undefined;
      return budget?.send(nowMs) !== false;
    }
    this.#refund(call);
    if (!call.takeBooked(station)) budget?.deposit(nowMs);
    return true;
  }

  /** Is `station` to be asked what became of `call`? Once for each loss. */
  #asks(call: Call, station: Station): boolean {
    return this.#hasAskableKey(call) && call.visitAt(station)?.wasAsked !== true;
  }

  /**
   * Can its station be asked what became of the call, and may the call go to another station if the
   * answer is "unknown"?
   */
  #mayAsk(call: Call): boolean {
    return this.#hasAskableKey(call) && this.#mayResend(call);
  }

  #hasAskableKey({ terms }: Call): boolean {
    return this.#options.canAsk && terms.idempotencyKey !== undefined;
  }

  #ended(attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { call, station } = attempt;
    if (end.result === "served") {
      if (this.#served(attempt, nowMs)) this.#settle(call, end.settlement, "answered", nowMs);
      return this.#look(station, nowMs);
    }
    this.#leave(attempt, nowMs);
    this.#bookUnserved(attempt, end, nowMs);
    station.admission.leave();
    if (call.state === DONE || attempt.isAbandoned) return this.#look(station, nowMs);
    if (end.result === "ignored") this.#settle(call, end.settlement, "answered", nowMs);
    else this.#failed(attempt, end, nowMs);
    this.#look(station, nowMs);
  }

  /**
   * Records what a served attempt says about its station. True if its call must be settled with
   * that answer.
   */
  #served(attempt: Attempt, nowMs: number): boolean {
    const { call, station, permit } = attempt;
    const { admission, answerTimes, parts } = station;
    const { breaker } = parts;
    this.#leave(attempt, nowMs);
    this.#noteTook(attempt, nowMs);
    station.evidence.noteServed(attempt.startedMs, nowMs);
    if (station.evidence.awaitsOvertaking) this.#noteOvertaking(attempt, nowMs);
    admission.noteFinished(this.#usual.ms(station), nowMs, station.crowding, answerTimes.meanMs, attempt.startedMs);
    if (breaker !== undefined) {
      const isSlow = nowMs - attempt.judgedFromMs > station.slowMs && this.#isTimed(nowMs);
      if (permit === undefined) breaker.bypassed(attempt.startedMs, false, nowMs, isSlow);
      else breaker.success(permit, nowMs, isSlow);
    }
    // Hang-ups during overload do not show how many callers hang up in normal operation.
    if (admission.limit === ENDLESS || station.crowding.answeredStretch < FULL) parts.left.noteWell();
    else parts.left.forget();
    admission.leave();
    if (call.state === DONE) return false;
    const { roles } = this;
    if (station !== roles.active && station.servedInCooldown(nowMs)) this.#needsDecision = true;
    // Most calls failed nowhere, so there is nothing to compare.
    const isPlain = call.visits === undefined && call.out === undefined && roles.failback === undefined;
    if (!isPlain || roles.isAnyBlamedBeside(station)) this.#noteAnswer(attempt, nowMs);
    return true;
  }

  /**
   * False if answers may have waited unread because this process was paused: then the time that
   * they took is unknown.
   */
  #isTimed(nowMs: number): boolean {
    return nowMs >= this.roles.distrustUntilMs && nowMs >= this.#untimedUntilMs;
  }

  /**
   * `attempt` is no longer out. The caller of this method frees its place among the calls in flight
   * afterwards.
   */
  #leave(attempt: Attempt, nowMs: number): void {
    const { station } = attempt;
    const { admission, crowding } = station;
    this.#out.remove(attempt);
    if (attempt.isUploading || attempt.isSetAside) admission.countAgain();
    if (!attempt.isUploading && !attempt.isAbandoned) crowding.noteEnded();
    station.lull.noteEnded(admission.working - 1, nowMs);
    const { sharedSlots } = station.parts;
    // The driver tells those that wait for the slot outside this failover; this machine makes no
    // callbacks.
    if (sharedSlots !== undefined && !sharedSlots.release()) this.#actions.push({ type: "leave-slot", station });
    takeOut(attempt);
  }

  /** `attempt` was served at a station at which others are late. */
  #noteOvertaking({ call, station, startedMs, judgedFromMs, isOverdue }: Attempt, nowMs: number): void {
    const usualMs = this.#usual.overdueAfterMs(station, call.terms.source);
    station.evidence.noteOvertaking(startedMs, !isOverdue && nowMs - judgedFromMs <= usualMs);
  }

  /**
   * An answer came. Updates the usual answer times, and checks whether the station has too much
   * work.
   */
  #noteTook(attempt: Attempt, nowMs: number): void {
    const { call, station, judgedFromMs } = attempt;
    const { admission, answerTimes, crowding } = station;
    const tookMs = nowMs - judgedFromMs;
    if (admission.isTrial) admission.begin(this.#usualInFlight, nowMs);
    // The number of calls in flight at an overloaded station is not usual.
    else if (!crowding.isSlow) this.#usualInFlight += (admission.working - this.#usualInFlight) / 64;
    answerTimes.add(tookMs);
    // A source that was answered at once (0 ms) must still count as known.
    const knownMs = tookMs > 0 ? tookMs : Number.MIN_VALUE;
    const { source } = call;
    if (station.quotas.isCounting) station.quotas.noteServed(source.isRefusedBy(station.number, nowMs));
    source.noteServed(station.number, knownMs, nowMs);
    crowding.noteServed(nowMs);
    if (nowMs >= crowding.nextSampleMs || attempt.isEarly) this.#sample(attempt, knownMs, nowMs);
    if (crowding.isLookDue(nowMs)) this.#lookAtCrowd(station, nowMs);
  }

  /**
   * Compares an answer's time with the times at leisure and in quiet periods. One sample within
   * `SAMPLE_MS` is enough.
   */
  #sample(attempt: Attempt, tookMs: number, nowMs: number): void {
    const { call, station, isEarly } = attempt;
    const { crowding, slowness, number } = station;
    const { source } = call;
    const { leisureSinceMs } = crowding;
    const tookLog = Math.log(tookMs);
    // The first answer of a source has nothing to be compared with.
    const leisureLog = source.leisureLog(number, leisureSinceMs);
    const seenAs = seenAsOf(station, nowMs);
    if (leisureLog < ENDLESS) crowding.noteTook(tookLog, leisureLog, source.leisureMs(number));
    crowding.nextSampleMs = nowMs + SAMPLE_MS;
    source.noteTook(number, tookMs, nowMs, isEarly, seenAs, tookLog);
    source.noteQuiet(number, nowMs, slowness.quietSinceMs);
    if (nowMs >= slowness.nextLookMs) this.#lookAtSlowness(call, station, nowMs);
  }

  /**
   * Does `station` take much longer than in quiet times? If so, and another station could take its
   * place, a race between the two begins.
   */
  #lookAtSlowness({ source }: Call, station: Station, nowMs: number): void {
    const { roles } = this;
    const { slowness, number, crowding } = station;
    const quietMs = source.quietMs(number);
    if (quietMs === ENDLESS || station !== roles.active || nowMs < roles.distrustUntilMs) return;
    slowness.look(timesSlower(source.meanMs(number), quietMs), station.sent, nowMs);
    if (!slowness.isRaceDue(nowMs) || crowding.isMounting || crowding.isBusy(nowMs)) return;
    if (roles.failback !== undefined || !roles.isRunning || !roles.isLeaseHeld(nowMs)) return;
    const other = this.#router.idleBeside(station, nowMs);
    if (other === undefined || roles.machine.refusal(other.name, "slowness") !== undefined) return;
    slowness.noteRace(nowMs);
    const reason = `${station.name} takes ${slowness.times.toFixed(1)} times as long as in quiet times`;
    this.#plan(other.name, "slowness", reason, nowMs);
    this.#isWakeStale = true;
  }

  /** Records what an attempt that was not served says about its station. */
  #bookUnserved(attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { call, station, permit, startedMs, judgedFromMs, isAbandoned } = attempt;
    const { evidence } = station;
    const { active } = this.roles;
    // An attempt that was sent to an idle station, without a failure elsewhere, was sent to be
    // compared.
    if (attempt.number === 1 && station !== active) {
      active.evidence.noteUnservedBeside();
      // A source that no station ever served is likely to fail at any station.
      if (end.result === "failed") for (const other of this.roles.stations) this.#noteFailedAlike(other, nowMs);
    }
    const { breaker } = station.parts;
    const distrusted = nowMs < this.roles.distrustUntilMs;
    const isLost = end.result === "lost" && !isAbandoned && !distrusted;
    const counts = isLost && !attempt.isUpload && !this.#isItsOwnLoss(attempt, nowMs);
    if (NEVER_RAN.has(end.result)) call.noteBooked(station);
    switch (end.result) {
      case "lost":
        if (counts) evidence.noteLost(startedMs);
        // The station may have refused the body. Another attempt shows that, or another call if
        // this call may not be sent again.
        else if (isLost && attempt.isUpload && !this.#mayResend(call)) {
          evidence.noteUploadBroken(call.terms.source, startedMs);
        }
        break;
      case "unreachable":
        if (!isAbandoned && !distrusted) evidence.noteRefused(startedMs);
        this.#router.trialFailed(station, true, nowMs);
        break;
      case "overloaded":
        this.#overloaded(call, station, startedMs, end.retryAfterMs, nowMs);
        break;
      case "failed":
      case "stale":
        evidence.noteAnswer(startedMs);
        station.admission.noteAnswered(nowMs - judgedFromMs);
        break;
      case "ignored":
      case "local-shortage":
        break;
    }
    if (breaker === undefined) return;
    if (permit === undefined) {
      if (counts || end.result === "failed") breaker.bypassed(startedMs, true, nowMs);
      return;
    }
    const isProbe = breaker.isProbe(permit);
    if (isProbe && (end.result === "lost" || end.result === "failed")) breaker.failure(permit, nowMs);
    else if (counts) breaker.failure(permit, nowMs);
    else breaker.release(permit, nowMs);
  }

  /**
   * A loss of a route that was never answered may be the route's own fault. The route may need more
   * time than the timeout allows, or it may crash the process that serves it. The fault is the
   * route's own if the station has served other calls meanwhile, or if another station has not
   * served the route either.
   */
  #isItsOwnLoss({ call, station, startedMs }: Attempt, nowMs: number): boolean {
    const { source } = call.terms;
    const { lastServedMs } = station.evidence;
    const isOwn = source.noteFailedAlone(station.number, lastServedMs, nowMs) !== "unknown";
    return isOwn || (!source.isKnown && lastServedMs > startedMs);
  }

  /**
   * Compares the ages of the calls that are out with their answer times at leisure. On average,
   * half of a call's time has passed, hence the factor 2.
   */
  #lookAtCrowd(station: Station, nowMs: number): void {
    let sum = 0;
    let count = 0;
    let oldestMs = ENDLESS;
    for (const { call, isUploading, judgedFromMs } of this.#out.at(station)) {
      const leisureMs = call.terms.source.leisureMs(station.number, station.crowding.leisureSinceMs);
      if (isUploading || leisureMs === ENDLESS) continue;
      sum += (nowMs - judgedFromMs) / Math.max(leisureMs, LEAST_LEISURE_MS);
      count++;
      if (judgedFromMs < oldestMs) oldestMs = judgedFromMs;
    }
    const { admission, crowding } = station;
    crowding.look(count === 0 ? 0 : (2 * sum) / count, admission.working, oldestMs, nowMs);
    // Earlier answer times no longer show what the station takes at leisure.
    if (admission.endVainLimit(this.#usual.ms(station), crowding, nowMs)) crowding.restart(nowMs, true);
    const wasLearned = admission.isLearned;
    if (admission.limit < ENDLESS) {
      if (crowding.answeredStretch >= CROWDED) admission.noteCrowded(this.#usual.ms(station), nowMs, crowding);
    } else if (crowding.isMounting) admission.noteMounting(this.#usual.ms(station), nowMs, crowding);
    if (admission.isLearned && !wasLearned) this.#event(this.#reports.capacity(station, nowMs));
  }

  /**
   * A refusal for load shows how much the station takes, unless this is one route that is always
   * refused.
   */
  #overloaded(call: Call, station: Station, startedMs: number, hintMs: number | undefined, nowMs: number): void {
    const { source } = call.terms;
    const { evidence, admission } = station;
    const isOwn = station.quotas.noteRefused(source.isRefusedBy(station.number, nowMs));
    if (source.noteRefused(station.number, evidence.lastServedMs, nowMs)) {
      evidence.noteAnswer(startedMs);
      // The station had no other work, so the route is the reason. Earlier refusals probably had
      // the same reason.
      const isAlone = admission.working <= 1;
      if (isAlone && admission.isMistakable) admission.begin(this.#usualInFlight, nowMs);
      return;
    }
    if (source.isRefusedAlike(station.number)) {
      evidence.noteAnswer(startedMs);
      for (const other of this.roles.stations) this.#noteFailedAlike(other, nowMs);
      return;
    }
    if (isOwn) return evidence.noteAnswer(startedMs);
    const wasServed = evidence.noteOverloaded(source, source.hasBeenServedBy(station.number), startedMs);
    if (!evidence.isRefusingForLoad && !source.isServedBy(station.number, nowMs)) return;
    const before = admission.limit;
    this.#noteLoad(station, "overloaded", nowMs, startedMs);
    if (admission.limit < before && !wasServed) admission.noteMistakable();
    // A station that serves other calls meanwhile does not need a pause.
    if (hintMs !== undefined && !admission.isFinishing(nowMs)) admission.pause(hintMs, nowMs);
  }

  /**
   * The call's failure is its own, not the station's. If refusals were taken for a sign of load,
   * the admission control begins anew.
   */
  #noteFailedAlike({ evidence, admission }: Station, nowMs: number): void {
    if (evidence.noteFailedAlike()) admission.begin(this.#usualInFlight, nowMs);
  }

  /** Records what the answer to a call says about other stations and attempts. */
  #noteAnswer(attempt: Attempt, nowMs: number): void {
    const { call, station, judgedFromMs } = attempt;
    if (call.visits !== undefined) this.#compareVisits(call.visits, station, nowMs);
    else if (this.roles.isAnyBlamedBeside(station)) this.#compare(call, station, judgedFromMs, nowMs);
    if (call.out !== undefined) this.#outrun(call.out, judgedFromMs, nowMs);
    if (this.roles.failback !== undefined) this.#noteTried(attempt, this.roles.failback, nowMs);
  }

  /** An answer came while a failback is trying out a station. */
  #noteTried({ call, station, judgedFromMs, startedMs }: Attempt, failback: Failback, nowMs: number): void {
    const { to, race, isCanary } = failback;
    const tookMs = nowMs - judgedFromMs;
    const quietMs = call.source.quietMs((race === undefined ? to : this.roles.active).number);
    if (race !== undefined && quietMs < ENDLESS) {
      race.noteServed(station === to, timesSlower(tookMs, quietMs), startedMs);
    }
    if (station !== to) return;
    this.#isWakeStale = true;
    if (race === undefined && isCanary && to.slowness.wasReplaced && timesSlower(tookMs, quietMs) >= QUICK_AGAIN) {
      return this.#endFailback(`${to.name} is still slow`, true, nowMs);
    }
    failback.noteServed(nowMs);
  }

  /** A call was served that had failed at another station before. */
  #compareVisits(visits: readonly Visit[], server: Station, nowMs: number): void {
    for (const visit of visits) if (visit.station !== server) this.#lostComparison(visit, nowMs);
  }

  /**
   * A new call was served. If another station fails calls of the same source that cannot be sent
   * again, this answer counts against that station.
   */
  #compare({ terms: { source } }: Call, server: Station, judgedFromMs: number, nowMs: number): void {
    for (const station of this.roles.stations) {
      if (station === server || !station.evidence.hasUncompared) continue;
      const isQuick = (nowMs - judgedFromMs) * STRANGER_RATIO <= this.#usual.strangerAfterMs;
      // An overloaded station answers late: the other station was only quicker.
      const counts = isQuick && !station.crowding.isBusy(nowMs) && !station.admission.isByDelay;
      const isAgainst = station.evidence.noteServedBeside(source, counts, nowMs);
      const usualMs = this.#usual.overdueAfterMs(station, source);
      const isInTime = usualMs < ENDLESS && nowMs - judgedFromMs <= usualMs;
      const wasWell = isInTime && !this.#answersLate(station, judgedFromMs, nowMs);
      const isAgainstLate = station.evidence.noteServedBesideLate(source, wasWell, nowMs);
      if (isAgainst || isAgainstLate) this.#look(station, nowMs);
    }
  }

  /**
   * Does the station have too much work, or did it when a call was sent at `sentMs`? Then all its
   * answers take long (or took long until its limit was lowered), and another station would only be
   * quicker.
   */
  #answersLate({ crowding, admission }: Station, sentMs: number, nowMs: number): boolean {
    return crowding.servedStretch >= FULL || crowding.isBusy(nowMs) || sentMs < admission.byDelayFromMs;
  }

  /**
   * An attempt that was sent at `fromMs` was answered before `others`, which have been out for long
   * at other stations. If the times of the same work vary by chance, one of two attempts is always
   * quicker, but seldom by much.
   */
  #outrun(others: readonly Attempt[], fromMs: number, nowMs: number): void {
    const { failback } = this.roles;
    for (const { station, isHedged, isOverdue, isMoved, startedMs, judgedFromMs, permit } of others) {
      // Another call that tests whether the station serves would only be one more late call.
      if (station === failback?.to && failback.isCanary && (isHedged || isOverdue)) {
        this.#endFailback(`${station.name} did not answer its first call in time`, true, nowMs);
      }
      const ratio = isOverdue ? OUTRUN_RATIO.overdue : OUTRUN_RATIO.stranger;
      if (!isHedged || isMoved || (nowMs - fromMs) * ratio > nowMs - judgedFromMs) continue;
      if (!station.evidence.hasShown(nowMs - judgedFromMs, nowMs)) continue;
      // All answers of this station take long: overload is no failure.
      if (isOverdue) {
        if (!this.#answersLate(station, startedMs, nowMs)) station.evidence.noteLate(startedMs);
        continue;
      }
      this.#lostComparison({ station, last: "lost", lastStartedMs: startedMs, lastPermit: permit }, nowMs);
    }
  }

  /** `loser` failed a call that another station has served. */
  #lostComparison({ station: loser, last, lastStartedMs, lastPermit }: Loss, nowMs: number): void {
    if (last !== "failed" && last !== "lost" && last !== "overloaded") return;
    // An attempt that was out while this process was paused was lost here, not at the station.
    if (last === "lost" && lastStartedMs < this.roles.distrustUntilMs) return;
    // An overloaded station answers late: the other station was only quicker.
    if (last === "lost" && loser.crowding.isBusy(nowMs)) return;
    // A station that refuses some calls for load and serves the rest is not failing.
    if (last === "overloaded") {
      loser.evidence.noteRefusedHereOnly(nowMs);
      const isServing = nowMs - loser.evidence.lastServedMs < SERVING_MS;
      if (isServing && !loser.admission.refusesAnyway) return this.#look(loser, nowMs);
    }
    loser.evidence.noteServedElsewhere(lastStartedMs);
    if (last === "failed" && lastPermit !== undefined) loser.parts.breaker?.failure(lastPermit, nowMs);
    if (loser === this.roles.failback?.to) this.#endFailback(`${loser.name} failed a call`, true, nowMs);
    this.#look(loser, nowMs);
  }

  #failed(attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { call, station, startedMs } = attempt;
    const { result } = end;
    if (attempt.isMoved && NEVER_RAN.has(result)) undoLoss(call, station);
    if (NEVER_RAN.has(result) && "error" in end.settlement) call.lastRefusal = end.settlement.error;
    if (result === "stale") return this.#stale(attempt, end, nowMs);
    if (result === "local-shortage") return this.#shortage(attempt, end, nowMs);
    const visit = call.noteVisit(station);
    // An attempt that never arrived says nothing if an earlier attempt did arrive: the earlier
    // result counts.
    if (result !== "unreachable" || visit.attempts === 0) {
      visit.last = result;
      visit.lastSettlement = end.settlement;
      visit.lastStartedMs = startedMs;
      visit.lastPermit = attempt.permit;
    }
    if (result !== "unreachable") {
      if (!attempt.isMoved) visit.attempts++;
      visit.wasAsked = false;
    }
    this.#notTriedWell(station, nowMs);
    if (call.state.phase !== "running" || call.out !== undefined) return;
    this.#goOn(call, attempt, end, nowMs);
  }

  /**
   * `station` failed a call. A failback that is trying it out ends. In a race, the other station
   * has to serve the call first.
   */
  #notTriedWell(station: Station, nowMs: number): void {
    const { failback } = this.roles;
    if (station !== failback?.to || failback.race !== undefined) return;
    this.#endFailback(`${station.name} failed a call`, true, nowMs);
  }

  /** A call has failed, and no attempt of it is out. Decides what to do next. */
  #goOn(call: Call, attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { result } = end;
    const { station } = attempt;
    const { deadline, isRepeatable, source } = call.terms;
    // If the deadline passed while this process was paused, unread answers are read before this
    // check.
    if (nowMs >= deadline) return this.#outOfTime(call, nowMs);
    if (result === "unreachable") {
      const next = this.#router.next(call, nowMs);
      if (next !== undefined && this.#mayGoTo(call, next)) return this.#send(call, next, nowMs);
      call.visits = call.visits?.filter((visit) => visit.last !== "unreachable" || visit.attempts > 0);
      if (call.visits?.length === 0) call.visits = undefined;
      return this.#enqueue(call, nowMs);
    }
    if (!isRepeatable) {
      if (result === "failed") this.#failedAlone(call, attempt, nowMs);
      return this.#giveUp(call, nowMs);
    }
    if (result === "lost") return this.#afterLoss(call, station, nowMs);
    if (call.visits?.length === 1 && source.skipsComparison()) {
      this.#noteFailedAlike(station, nowMs);
      return this.#giveUp(call, nowMs, "answered");
    }
    const next = this.#router.next(call, nowMs);
    if (next !== undefined && this.#mayGoTo(call, next)) return this.#send(call, next, nowMs);
    this.#notCompared(call, attempt, end, nowMs);
  }

  /** A repeatable call was answered with a failure, and there is no other station to try. */
  #notCompared(call: Call, attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { station } = attempt;
    const { source } = call.terms;
    const failures = call.visits?.filter((visit) => visit.last === "failed" || visit.last === "overloaded") ?? [];
    if (failures.length > 1) {
      const agree = failures.every((visit) => visit.last === end.result);
      if (agree) {
        source.noteAgreement();
        for (const visit of failures) this.#noteFailedAlike(visit.station, nowMs);
      }
      return this.#giveUp(call, nowMs, agree ? "answered" : "failed");
    }
    if (end.result === "failed") this.#failedAlone(call, attempt, nowMs);
    // A route that is usually served may be served at a second attempt.
    if (end.retry === false || !source.isServedLately(nowMs)) return this.#giveUp(call, nowMs);
    const mends =
      end.result === "overloaded"
        ? this.#requeue(call, station, nowMs)
        : this.#retry(call, station, end.retryAfterMs, nowMs);
    if (!mends) this.#giveUp(call, nowMs);
  }

  /**
   * A failure that was not compared with another station counts against this station if several
   * sources have such failures.
   */
  #failedAlone(call: Call, { station, startedMs, permit }: Attempt, nowMs: number): void {
    const { source } = call.terms;
    const whose = source.noteFailedAlone(station.number, station.evidence.lastServedMs, nowMs);
    // This applies to all stations: earlier failures of other calls are probably of the same kind.
    if (whose === "alike") for (const other of this.roles.stations) this.#noteFailedAlike(other, nowMs);
    if (whose !== "unknown") return;
    if (!call.isRepeatable) station.evidence.noteFailedForGood(source, startedMs);
    const several = station.evidence.noteFailed(source, source.hasBeenServedBy(station.number), startedMs, nowMs);
    if (!several || permit === undefined || !source.isServedLately(nowMs)) return;
    station.parts.breaker?.failure(permit, nowMs);
    // If another station serves the call later, the circuit must not count this failure twice.
    const visit = call.visitAt(station);
    if (visit !== undefined) visit.lastPermit = undefined;
  }

  /**
   * The call was sent to `station`, and its outcome is unknown. The station is asked first, if that
   * is possible.
   */
  #afterLoss(call: Call, station: Station, nowMs: number): void {
    const { deadline, isRepeatable, source } = call.terms;
    if (nowMs >= deadline) return this.#outOfTime(call, nowMs);
    const visit = call.noteVisit(station);
    if (this.#asks(call, station)) {
      visit.wasAsked = true;
      call.state = { phase: "asking", station };
      this.#parked++;
      this.#rest(call, this.#askUntilMs(call, nowMs));
      this.#actions.push({ type: "ask", call, station });
      return;
    }
    // A call that provably did not run may always be sent.
    if (visit.last === "lost" && (!isRepeatable || !this.#mayResend(call))) return this.#giveUp(call, nowMs);
    const next = this.#router.next(call, nowMs);
    if (next !== undefined) return this.#send(call, next, nowMs);
    // A call that waits for another station needs no retry at this one.
    if (!this.roles.isUsable(station, nowMs) || this.#router.hasNext(call, nowMs)) return this.#enqueue(call, nowMs);
    if (call.out !== undefined) return this.#awaitAnswer(call, nowMs);
    if (!source.isKnown && wasLostTwice(call)) return this.#giveUp(call, nowMs);
    if (!this.#retry(call, station, undefined, nowMs)) this.#giveUp(call, nowMs);
  }

  /**
   * The attempt was only overdue, or its station fell silent. It may still be answered, and no
   * other station can serve the call now.
   */
  #awaitAnswer(call: Call, nowMs: number): void {
    call.state = RUNNING;
    this.#arm(call, nowMs);
  }

  /**
   * How long to wait for the station's answer about the key: while the call could still be served
   * elsewhere before its caller hangs up, as far as is known. A call that cannot be sent again
   * waits until its deadline, because nothing else could be done for it.
   */
  #askUntilMs(call: Call, nowMs: number): number {
    const { deadline } = call.terms;
    if (!this.#mayResend(call)) return deadline;
    const patientUntilMs = Math.min(this.#outlook.limitMs(call), call.arrivedMs + this.patience.doubtfulFromMs);
    const untilMs = patientUntilMs - this.#usual.serviceMs;
    return untilMs > nowMs ? Math.min(deadline, untilMs) : deadline;
  }

  #answer(call: Call, answer: KeyAnswer, nowMs: number): void {
    if (call.state.phase !== "asking") return;
    const { station } = call.state;
    const visit = call.noteVisit(station);
    if (answer !== "unknown" && answer.ran) {
      return this.#settle(call, { value: answer.result }, "answered", nowMs);
    }
    this.#parked--;
    call.state = RUNNING;
    if (answer === "unknown" && !this.#mayResend(call)) return this.#giveUp(call, nowMs);
    if (answer !== "unknown") {
      // The call did not run there and never will: that attempt no longer counts.
      if (visit.attempts > 0) visit.attempts--;
      visit.last = undefined;
      for (const attempt of [...(call.out ?? [])]) {
        if (attempt.station !== station) continue;
        takeOut(attempt);
        this.#recall(attempt, GIVEN_UP);
      }
    }
    this.#afterLoss(call, station, nowMs);
  }

  /**
   * Plans another attempt at `station` after a backoff, or ends the call if its budget refuses.
   * False if no retry is allowed or none could be answered in time.
   */
  #retry(call: Call, station: Station, hintMs: number | undefined, nowMs: number): boolean {
    const { backoff, budget, maxAttempts, maxRetryAfterMs } = station.parts;
    const tried = call.visitAt(station)?.attempts ?? 0;
    if (tried >= maxAttempts) return false;
    const delayMs = Math.max(backoff.delayMs(Math.max(1, tried), 0), hintMs ?? 0);
    if (hintMs !== undefined && hintMs > maxRetryAfterMs) return false;
    if (nowMs + delayMs + this.#usual.serviceMs >= call.terms.deadline) return false;
    if (budget?.withdraw(nowMs) === false) return this.#refuseRetry(call, station, budget, nowMs);
    if (budget !== undefined) call.charged = station;
    this.#park(call, delayMs, nowMs);
    return true;
  }

  /**
   * The budget has no room. The call ends with its own failure, and the refusal is written on it.
   * Returns true, because that settles the call.
   */
  #refuseRetry(call: Call, station: Station, budget: RetryBudgetMachine, nowMs: number): true {
    const verdict = verdictOn(call);
    const status = budget.status(nowMs);
    noteRetryRefusal(verdict, retryRefusal(station.name, status, verdict));
    this.#event(this.#reports.retryRefused(station, status, nowMs));
    this.#settle(call, verdict, "failed", nowMs);
    return true;
  }

  /**
   * The call was refused for load and goes back into the queue, which the station's admission
   * control empties at the pace that it has learned. The call waits for room in the retry budget if
   * it has the time. It does not wait if other calls are refused because waiting is in vain.
   */
  #requeue(call: Call, station: Station, nowMs: number): boolean {
    const { budget, maxAttempts } = station.parts;
    if ((call.visitAt(station)?.attempts ?? 0) >= maxAttempts) return false;
    if (budget?.withdraw(nowMs) === false) {
      const isInVain =
        this.#outlook.limitMs(call) < nowMs + BUDGET_RECHECK_MS + this.#usual.serviceMs ||
        this.#outlook.isOverloaded(nowMs);
      if (isInVain) return this.#refuseRetry(call, station, budget, nowMs);
      this.#park(call, BUDGET_RECHECK_MS, nowMs);
      return true;
    }
    if (budget !== undefined) call.charged = station;
    this.#enqueue(call, nowMs);
    return true;
  }

  #stale(attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { call } = attempt;
    const seen = "error" in end.settlement ? seenEpochOf(end.settlement.error) : 0;
    this.#epochSeen(seen, nowMs);
    if (call.state.phase !== "running" || call.out !== undefined) return;
    const replaced = this.roles.epoch <= attempt.epoch || call.staleRefusals++ >= MAX_STALE_RESENDS;
    if (!replaced) return this.#enqueue(call, nowMs);
    this.#settle(call, call.mayHaveRun ? verdictOn(call) : end.settlement, "failed", nowMs);
  }

  #shortage({ call, station }: Attempt, end: AttemptEnd, nowMs: number): void {
    if (call.state.phase !== "running" || call.out !== undefined) return;
    const cause = "error" in end.settlement ? end.settlement.error : undefined;
    this.#event(this.#reports.shortage(station, codeIn(cause), nowMs));
    const delayMs = Math.min(MAX_SHORTAGE_RETRY_MS, SHORTAGE_RETRY_MS * 2 ** Math.min(call.attempts - 1, 10));
    if (nowMs + delayMs < Math.min(call.terms.deadline, call.arrivedMs + MAX_SHORTAGE_MS)) {
      return this.#park(call, delayMs, nowMs);
    }
    // The caller must get a station's answer, or learn that the call may have run there; "nothing
    // was sent" would be false.
    if (call.mayHaveRun || call.visits?.some(({ attempts }) => attempts > 0) === true) return this.#giveUp(call, nowMs);
    const message = `nothing was sent: this machine lacks a resource (${codeIn(cause)})`;
    const error = new LocalShortageError(message, { cause, retryAfterMs: 1_000 });
    this.#settle(call, { error }, "refused", nowMs);
  }

  /** Ends a call with the failure that it has had. */
  #giveUp(call: Call, nowMs: number, outcome: CallOutcome = "failed"): void {
    this.#settle(call, verdictOn(call), outcome, nowMs);
  }

  // ── waiting ────────────────────────────────────────────────────────────────────────────────────

  #enqueue(call: Call, nowMs: number): void {
    call.state = WAITING;
    call.waitEndsMs ??= nowMs + this.#options.maxWaitMs;
    this.#outlook.noteQueued(this.#queue.size === 0, nowMs);
    this.#queue.add(call, this.#orderOf(call));
    this.#rest(call, call.waitEndsMs);
  }

  #orderOf({ terms, arrivedMs }: Call): number {
    return Math.min(terms.deadline, arrivedMs + this.#orderPatienceMs);
  }

  /** The patience estimate has changed: sorts the waiting calls by the new one. */
  #sortAgain(): void {
    const patienceMs = this.patience.estimateMs ?? ORDER_HORIZON_MS;
    if (Math.abs(patienceMs - this.#orderPatienceMs) <= this.#orderPatienceMs / 10) return;
    this.#orderPatienceMs = patienceMs;
    const calls = this.#queue.takeAll();
    for (const call of calls) call.order = this.#orderOf(call);
    calls.sort((one, other) => one.order - other.order || one.id - other.id);
    for (const call of calls) this.#queue.add(call, call.order);
  }

  #park(call: Call, forMs: number, nowMs: number): void {
    call.state = PARKED;
    this.#parked++;
    this.#rest(call, nowMs + forMs);
  }

  /**
   * Sets the next check of `call`: at `untilMs`, at its deadline, or at the timeout of an attempt
   * that is still out, whichever comes first.
   */
  #rest(call: Call, untilMs: number): void {
    call.restsUntilMs = untilMs;
    this.#due.set(call, Math.min(call.terms.deadline, untilMs, call.timeoutAtMs));
  }

  #pump(nowMs: number): void {
    this.#setAsideLong(nowMs);
    for (let call = this.#queue.first; call !== undefined; call = this.#queue.first) {
      const anyUsable = this.#router.isAnyUsable(nowMs);
      if (!anyUsable && this.#router.opensAtMs(nowMs) > nowMs) return;
      if (nowMs >= call.terms.deadline) {
        this.#expire(call, nowMs);
        continue;
      }
      const isTooLate = this.#outlook.limitMs(call) < nowMs + this.#usual.serviceMs;
      if (anyUsable && (isTooLate || this.#outlook.isLeftOver(call, nowMs))) {
        this.#queue.remove(call);
        this.#shed(call, nowMs);
        continue;
      }
      const isKnown = anyUsable && !this.roles.active.admission.isTrial;
      const chosen = isKnown ? this.#likelyAwaited(call, nowMs) : this.#chosen(call, nowMs);
      const routed = this.#router.route(chosen, nowMs);
      if (routed === undefined) return;
      // A call that has failed at this station goes to one that it has not tried, as soon as that
      // station is usable.
      const station = (chosen.visitAt(routed) !== undefined && this.#router.next(chosen, nowMs)) || routed;
      this.#queue.remove(chosen);
      if (!this.#mayGoTo(chosen, station)) {
        this.#giveUp(chosen, nowMs);
        continue;
      }
      if (!this.#affords(chosen, station, nowMs)) continue;
      this.#send(chosen, station, nowMs);
    }
  }

  /**
   * If it is unknown whether any station is alive, the call with most time left finds out,
   * preferably a repeatable one. A call that is given up before its answer can arrive would show
   * nothing; the next such call would not either, and this would never end.
   */
  #chosen(first: Call, nowMs: number): Call {
    if (nowMs - this.roles.active.evidence.lastServedMs < SERVING_MS) return first;
    return this.#queue.findLast((call) => call.terms.isRepeatable) ?? this.#queue.last ?? first;
  }

  /**
   * It may be doubtful whether callers still wait at the age at which `first` would be answered.
   * Then `first` stays in the queue until its caller has hung up or has waited longer than that
   * age. Younger calls go meanwhile. While calls queue, this costs nothing, and the station does no
   * work to find out.
   */
  #likelyAwaited(first: Call, nowMs: number): Call {
    this.patience.noteWaits(nowMs - first.arrivedMs);
    const bornAfterMs = nowMs + this.#usual.serviceMs - this.patience.doubtfulFromMs;
    if (first.arrivedMs > bornAfterMs) return first;
    return this.#queue.find(({ arrivedMs }) => arrivedMs > bornAfterMs) ?? first;
  }

  /**
   * Charges a second attempt at a station that the call has reached before to that station's retry
   * budget. False if the call cannot be sent now.
   */
  #affords(call: Call, station: Station, nowMs: number): boolean {
    const tried = call.visitAt(station)?.attempts ?? 0;
    if (tried === 0 || call.charged === station) return true;
    // The attempt replaces a charged one that did no work there.
    if (call.booked?.includes(station) === true) return true;
    const { budget, maxAttempts } = station.parts;
    if (tried >= maxAttempts) {
      if (call.out === undefined) this.#giveUp(call, nowMs);
      else this.#awaitAnswer(call, nowMs);
      return false;
    }
    if (budget === undefined) return true;
    if (budget.withdraw(nowMs)) {
      this.#refund(call);
      call.charged = station;
      return true;
    }
    this.#park(call, BUDGET_RECHECK_MS, nowMs);
    return false;
  }

  /**
   * No attempt that is still to be sent could be answered in time. The call is refused now, unless
   * an attempt is out that may still be answered.
   */
  #shed(call: Call, nowMs: number): void {
    const untilMs = this.#outlook.limitMs(call);
    if (call.out !== undefined && nowMs < untilMs) {
      call.answerEndsMs = Math.min(call.answerEndsMs ?? ENDLESS, untilMs);
      return this.#awaitAnswer(call, nowMs);
    }
    if (call.visits !== undefined) return this.#outOfTime(call, nowMs);
    const message = `it waited for ${Math.round(nowMs - call.arrivedMs)} ms, and could not be answered in time any more`;
    const error = new OverloadedError(message, { retryAfterMs: retryAfterMs(this.#outlook.expectedWaitMs(nowMs)) });
    this.#settle(call, { error }, "refused", nowMs);
  }

  #outOfTime(call: Call, nowMs: number): void {
    const mayHaveRun = call.mayHaveRun;
    const last = lastOf(call);
    if (!mayHaveRun && last !== undefined && "value" in last) return this.#settle(call, last, "expired", nowMs);
    const error = last === undefined ? call.lastRefusal : "error" in last ? last.error : undefined;
    const cause = error === undefined ? {} : { cause: error };
    const message = mayHaveRun
      ? "there was no answer by the deadline: the call may have run or not"
      : "no station could take the call by its deadline";
    this.#settle(call, { error: new DeadlineExceededError(message, { ...cause, mayHaveRun }) }, "expired", nowMs);
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────

  /** Sets the instant of the next check of a running call. */
  #arm(call: Call, nowMs: number): void {
    const { out, deadline, answerEndsMs } = call;
    let atMs = deadline;
    if (answerEndsMs !== undefined && answerEndsMs < atMs) atMs = answerEndsMs;
    if (out !== undefined) {
      for (let place = 0; place < out.length; place++)
        atMs = Math.min(atMs, this.#lookAtMs(out[place] as Attempt, nowMs));
    }
    this.#due.set(call, atMs > nowMs ? atMs : nowMs);
  }

  /** When `attempt` becomes slow for the circuit, late, or out of time. */
  #lookAtMs(attempt: Attempt, nowMs: number): number {
    if (attempt.isUploading || attempt.isAbandoned) return ENDLESS;
    const { judgedFromMs, station } = attempt;
    const atMs = Math.min(judgedFromMs + station.parts.timeoutMs, this.#usual.lateAtMs(attempt));
    // Nothing is done at that instant. But if that tick is late, it shows that this process was
    // slow, not the station.
    const slowAtMs = judgedFromMs + station.slowMs;
    return slowAtMs > nowMs && slowAtMs < atMs ? slowAtMs : atMs;
  }

  #fellDue(call: Call, readUntilMs: number, nowMs: number): void {
    const { state, terms } = call;
    if (state.phase === "done") return;
    if (readUntilMs > nowMs && this.#readsFirst(call, readUntilMs, nowMs)) return;
    call.wasReadFirst = false;
    if (nowMs >= terms.deadline) return this.#expire(call, nowMs);
    if (state.phase === "running") return this.#runningFellDue(call, nowMs);
    // The call goes on without these attempts, and their timeouts still apply.
    this.#timeOut(call, nowMs);
    if (nowMs < call.restsUntilMs) return this.#rest(call, call.restsUntilMs);
    if (state.phase === "asking") return this.#answer(call, "unknown", nowMs);
    if (state.phase === "parked") {
      this.#parked--;
      return this.#enqueue(call, nowMs);
    }
    if (state.phase === "waiting") {
      this.#queue.remove(call);
      if (lastOf(call) !== undefined) return this.#giveUp(call, nowMs);
      const message = `no station could take the call within ${this.#options.maxWaitMs} ms (maxWaitMs)`;
      this.#settle(call, { error: noStationFit(message, this.roles, call.lastRefusal) }, "expired", nowMs);
    }
  }

  /**
   * This process was paused. An unread input may be this call's answer, or may make room for it.
   * The delay is granted once, because a process that is always late would otherwise wait for ever.
   */
  #readsFirst(call: Call, readUntilMs: number, nowMs: number): boolean {
    const { phase } = call.state;
    const isOver = nowMs >= call.terms.deadline;
    const isJudged = isOver || phase === "running" || phase === "waiting" || nowMs >= call.timeoutAtMs;
    if (!isJudged || call.wasReadFirst) return false;
    call.wasReadFirst = true;
    const leastMs = nowMs + READ_FIRST_MS;
    this.#due.set(call, isOver ? leastMs : Math.max(leastMs, Math.min(readUntilMs, call.terms.deadline)));
    return true;
  }

  #runningFellDue(call: Call, nowMs: number): void {
    if (nowMs >= (call.answerEndsMs ?? ENDLESS)) {
      return this.#mayResend(call) ? this.#outOfTime(call, nowMs) : this.#giveUp(call, nowMs);
    }
    for (const attempt of [...(call.out ?? [])]) {
      if (attempt.isUploading || attempt.isAbandoned) continue;
      if (nowMs >= timeoutAtMs(attempt)) this.#timedOut(attempt, nowMs);
      else if (nowMs >= this.#usual.lateAtMs(attempt)) this.#late(attempt, nowMs);
      if (call.state.phase !== "running") return;
    }
    this.#arm(call, nowMs);
  }

  #timeOut(call: Call, nowMs: number): void {
    if (nowMs < call.timeoutAtMs) return;
    for (const attempt of [...(call.out ?? [])]) if (nowMs >= timeoutAtMs(attempt)) this.#timedOut(attempt, nowMs);
  }

  #late(attempt: Attempt, nowMs: number): void {
    const { call, station, startedMs } = attempt;
    if (!attempt.isOverdue && this.#usual.isKnown(attempt)) {
      attempt.isOverdue = true;
      if (!this.#mayBeMute(station, nowMs) && !isRepetition(attempt)) {
        station.evidence.noteOverdue(startedMs, this.#usual.silentAtMs(attempt, nowMs));
        if (!station.evidence.isSilent && this.#isNextLate(attempt, nowMs)) station.evidence.noteNextOverdue(startedMs);
      }
      this.#look(station, nowMs);
      if (nowMs < this.#usual.lateAtMs(attempt)) return;
    }
    attempt.isHedged = true;
    // A route that was never answered may need any amount of time. A few such calls would fill a
    // limit that was learned from other routes.
    if (!call.terms.source.isKnown && station.admission.isLearned) this.#setAside(attempt);
    if (!this.#mayResend(call)) {
      if (!attempt.isOverdue) station.evidence.noteUnanswered(call.terms.source, startedMs);
      else if (!this.#answersLate(station, startedMs, nowMs)) station.evidence.noteLate(startedMs, call.terms.source);
    }
    if (call.state.phase !== "running" || !this.#mayResend(call) || call.out?.length !== 1) return;
    // If a replaced station answers nothing, its calls move to another station. That is no hedge,
    // so no hedge budget is charged.
    if (attempt.isLeft && station.evidence.lastServedMs < startedMs) return this.#moveOn(attempt, nowMs);
    const next = this.#router.next(call, nowMs);
    if (next === undefined || !this.#hedges.withdraw(nowMs)) return;
    this.#hedges.send(nowMs);
    // If the station can be asked, it is asked first: it cancels the call, or says how it ended.
    if (this.#mayAsk(call)) this.#moveOn(attempt, nowMs);
    else this.#send(call, next, nowMs);
  }

  /**
   * Will another attempt at this station be overdue in a moment? If calls come quickly, the next
   * few would otherwise be sent to a silent station until then.
   */
  #isNextLate({ station }: Attempt, nowMs: number): boolean {
    for (const other of this.#out.at(station)) {
      if (other.isOverdue || other.isUploading || other.isAbandoned || !this.#usual.isKnown(other)) continue;
      if (this.#usual.lateAtMs(other) <= nowMs + NEXT_LATE_MS) return true;
    }
    return false;
  }

  /**
   * Calls that take long must not hold all places while there are few. Two kinds do: calls of slow
   * routes just after a station became active, and calls that hang at the station for good. The
   * latter would fill a limit until their deadlines, long after the station has recovered. A call
   * hangs if a call that was sent later has been answered. At a station that serves nothing this
   * cannot be known; there, one call after the other tests it.
   */
  #setAsideLong(nowMs: number): void {
    this.#longAtMs = ENDLESS;
    for (const station of this.roles.stations) {
      const { admission, answerTimes, evidence } = station;
      const { isFilled, isTrial } = admission;
      if (!isFilled && admission.limit === ENDLESS) continue;
      const usualMs = Math.max(answerTimes.meanMs, this.#usual.ms(station));
      const longMs = Math.max(isTrial ? LONG.trialMs : LONG.leastMs, LONG.ratio * usualMs);
      for (const attempt of this.#out.at(station)) {
        if (attempt.isSetAside || attempt.isUploading) continue;
        const isHanging = isTrial || attempt.startedMs < evidence.servedFromMs;
        if (!isHanging && (this.#isQuick(attempt, longMs) || (!isFilled && admission.spare <= 0))) continue;
        const atMs = attempt.judgedFromMs + longMs;
        if (nowMs < atMs) this.#longAtMs = Math.min(this.#longAtMs, atMs);
        else this.#setAside(attempt);
      }
      this.#findOut(station, nowMs);
    }
  }

  /**
   * A station is full of calls, has answered none for a second, and was sent none for a second. One
   * more call tests whether it serves again. Otherwise nothing would test it until the deadlines of
   * those calls.
   */
  #findOut(station: Station, nowMs: number): void {
    const { admission, evidence } = station;
    if (admission.working === 0 || admission.working < admission.mostConcurrent) return;
    const longMs = Math.max(LONG.trialMs, LONG.ratio * this.#usual.ms(station));
    let oldest: Attempt | undefined;
    let silentFromMs = evidence.lastServedMs;
    for (const attempt of this.#out.at(station)) {
      if (attempt.isSetAside || attempt.isUploading) continue;
      oldest ??= attempt;
      silentFromMs = Math.max(silentFromMs, attempt.judgedFromMs);
    }
    if (oldest === undefined) return;
    if (nowMs >= silentFromMs + longMs) this.#setAside(oldest);
    else this.#longAtMs = Math.min(this.#longAtMs, silentFromMs + longMs);
  }

  /**
   * Are calls of this source usually answered within `longMs`? Then a call that takes longer shows
   * that its station is slow.
   */
  #isQuick({ station, call }: Attempt, longMs: number): boolean {
    const { source } = call.terms;
    return source.isKnown && (source.overdueAfterMs <= longMs || source.leisureMs(station.number) <= longMs);
  }

  /**
   * The station's limit no longer counts this attempt, which would take the place of a call that
   * could be served.
   */
  #setAside(attempt: Attempt): void {
    if (attempt.isSetAside) return;
    attempt.isSetAside = true;
    if (!attempt.isUploading) attempt.station.admission.uncount(attempt.startedMs);
  }

  /** May the call be sent again although it is unknown whether it ran? */
  #mayResend({ terms }: Call): boolean {
    return terms.isRepeatable && (terms.isIdempotent || this.#options.resendsKeyed);
  }

  /**
   * If a keyed call may not be resent (`report`), it goes to no other station once it has reached
   * one.
   */
  #mayGoTo(call: Call, station: Station): boolean {
    const { visits } = call;
    if (visits === undefined || this.#mayResend(call)) return true;
    return !visits.some((visit) => visit.attempts > 0 && visit.station !== station);
  }

  #timedOut(attempt: Attempt, nowMs: number): void {
    const { station, number } = attempt;
    const { timeoutMs } = station.parts;
    const message = `${station.name}: attempt ${number} took longer than ${timeoutMs} ms; it may have run or not`;
    const error = new AttemptTimeoutError(message);
    takeOut(attempt);
    this.#recall(attempt, error);
    this.#noteTimedOut(attempt, nowMs);
    this.#failed(attempt, { result: "lost", settlement: { error } }, nowMs);
    this.#look(station, nowMs);
  }

  #noteTimedOut(attempt: Attempt, nowMs: number): void {
    if (nowMs < this.roles.distrustUntilMs) return;
    const { call, station, startedMs, permit } = attempt;
    const { breaker } = station.parts;
    const isOwn = this.#isItsOwnLoss(attempt, nowMs);
    // An attempt that was overtaken long ago by a served one does not show what the station does
    // now.
    const isNews = !isOwn && startedMs >= station.evidence.servedFromMs && !isRepetition(attempt);
    if (isNews) station.evidence.noteLost(startedMs);
    if (breaker !== undefined) {
      if (permit === undefined) {
        if (!isOwn) breaker.bypassed(startedMs, true, nowMs);
      } else if (isOwn && !breaker.isProbe(permit)) breaker.release(permit, nowMs);
      else breaker.failure(permit, nowMs);
    }
    // If the source was never answered, a timeout is no sign of load either: no attempt of it has
    // ever been given enough time.
    if (call.terms.source.isKnown) this.#unanswered(attempt, true, nowMs);
  }

  #expire(call: Call, nowMs: number): void {
    const { out = [] } = call;
    for (const attempt of out) {
      const { station, isUploading, isAbandoned, judgedFromMs } = attempt;
      this.#noteSwallowed(attempt, nowMs);
      const isTimedOut = !isUploading && !isAbandoned && nowMs - judgedFromMs >= NEARLY * station.parts.timeoutMs;
      if (isTimedOut) {
        this.#noteTimedOut(attempt, nowMs);
        this.#notTriedWell(station, nowMs);
      } else this.#leftUnanswered(attempt, nowMs);
      station.crowding.noteAbandoned(nowMs);
    }
    this.#outOfTime(call, nowMs);
    for (const { station } of out) this.#look(station, nowMs);
  }

  /** Is the station so loaded that a period without answers is to be expected? */
  #mayBeMute({ crowding, admission }: Station, nowMs: number): boolean {
    return crowding.mayBeMute(admission.isByDelay, nowMs);
  }

  /**
   * The caller's time is over before the attempt could be called overdue. If a station's answers
   * became as slow as callers wait, none would ever be overdue. The attempt counts as overdue if
   * such calls are usually answered by now, and if the station has answered nothing since this
   * attempt was sent.
   */
  #noteSwallowed(attempt: Attempt, nowMs: number): void {
    const { isOverdue, isUploading, station, call, startedMs, judgedFromMs } = attempt;
    const { evidence } = station;
    if (isOverdue || isUploading || nowMs < this.roles.distrustUntilMs || this.#mayBeMute(station, nowMs)) return;
    if (evidence.lastServedMs >= startedMs) return;
    if (nowMs - judgedFromMs < this.#usual.answeredByMs(station, call.terms.source)) return;
    if (isRepetition(attempt)) return;
    attempt.isOverdue = true;
    evidence.noteOverdue(startedMs, nowMs);
  }

  /**
   * The caller of `attempt` no longer waits. Was the attempt overdue, or out for longer than calls
   * of its source take at leisure? The overdue bounds have followed a station that slows down under
   * load, so they alone cannot show this. It is a sign of load if other answers are as slow, or if
   * nothing is answered and chance does not explain it: some calls always take long.
   */
  #leftUnanswered(attempt: Attempt, nowMs: number): void {
    const { station, call, isUploading, isOverdue, judgedFromMs, startedMs } = attempt;
    if (isUploading || nowMs < this.roles.distrustUntilMs) return;
    const { source } = call.terms;
    const { crowding, evidence, number } = station;
    const ageMs = nowMs - judgedFromMs;
    const leisureMs = source.leisureMs(number, crowding.leisureSinceMs);
    const isKnown = source.isKnown && leisureMs < ENDLESS;
    if (!isOverdue && ageMs < (isKnown ? Math.max(leisureMs, LEAST_LEISURE_MS) : this.#usual.ms(station))) return;
    if (source.isKnown) this.#noteAge(attempt, ageMs, nowMs);
    if (!isOverdue && !isKnown) return;
    const isMute = evidence.lastServedMs < startedMs;
    const isNews = isKnown && isMute && !isRepetition(attempt);
    this.#unanswered(attempt, isOverdue || isMute, nowMs);
    const { left } = station.parts;
    const isSilent = isNews && left.chance() <= ACCIDENT && left.inRow >= MANY_LEFT;
    if (isSilent && !this.#mayBeMute(station, nowMs)) evidence.noteDeserted(left.inRow, startedMs, nowMs);
  }

  /**
   * `attempt` was given up after a long time. `isMute`: it is overdue, or nothing else was answered
   * meanwhile.
   */
  #unanswered(attempt: Attempt, isMute: boolean, nowMs: number): void {
    const { call, station } = attempt;
    const { parts, crowding, admission, givenUp } = station;
    if (!isRepetition(attempt)) parts.left.note();
    givenUp.note(call.terms, nowMs);
    // An attempt that went out before the station began to refuse does not show how it handles the
    // load given since.
    if (attempt.startedMs < admission.refusingFromMs) return;
    const work = crowding.work(nowMs);
    // By chance, this many may be out at leisure.
    if (admission.working <= MUCH_WORK.ratio * work + MUCH_WORK.deviations * Math.sqrt(work)) return;
    const isNoAccident = isMute && parts.left.inRow >= MANY_LEFT && parts.left.chance() <= LEFT_CHANCE;
    if (isNoAccident || crowding.answeredStretch >= CROWDED) this.#noteLoad(station, "unanswered", nowMs);
  }

  /** The caller of `attempt` no longer waits; the answer would have taken longer than `ageMs`. */
  #noteAge({ call: { source }, station, isEarly }: Attempt, ageMs: number, nowMs: number): void {
    const { crowding, number } = station;
    const ageLog = Math.log(ageMs);
    const leisureLog = source.leisureLog(number, crowding.leisureSinceMs);
    if (leisureLog < ENDLESS) crowding.noteLeft(ageLog, leisureLog);
    source.noteLeft(number, ageMs, nowMs, isEarly, seenAsOf(station, nowMs), ageLog);
  }

  // ── roles ──────────────────────────────────────────────────────────────────────────────────────

  #decide(nowMs: number): void {
    this.#needsDecision = false;
    this.#isWakeStale = true;
    this.#decideAtMs = ENDLESS;
    const { roles } = this;
    for (const station of roles.stations) this.#endMaintenance(station, nowMs);
    // Each promotion changes what is known. The bound stops two stations from promoting each other
    // for ever at one instant.
    for (let rounds = roles.stations.length + 1; rounds > 0; rounds--) {
      const decision = roles.decide(nowMs);
      // A promotion ends the failback with a reason of its own.
      const refusal = decision?.type === "promote" ? undefined : roles.failbackRefusal();
      if (refusal !== undefined) this.#endFailback(refusal, false, nowMs);
      if (decision?.type === "promote") {
        this.#endFailback(`${decision.from} failed, and ${decision.station} was promoted`, false, nowMs);
        this.#promote(decision, nowMs);
        continue;
      }
      if (decision?.type === "keep") this.#keep(nowMs, decision);
      else if (decision !== undefined && this.#plan(decision.station, decision.cause, decision.reason, nowMs)) continue;
      break;
    }
    const lost = roles.failback?.lost(nowMs);
    if (lost !== undefined) this.#endFailback(lost, false, nowMs);
    if (roles.failback?.isDue(nowMs) === true) this.#finishFailback(nowMs);
  }

  #keep(nowMs: number, decision: Extract<FailoverDecision, { type: "keep" }>): void {
    for (const station of this.roles.stations) {
      if (nowMs - station.evidence.lastServedMs >= SERVING_MS || station.evidence.isDoubted) {
        station.admission.beginTrial(nowMs);
      }
    }
    this.#event({ ...decision, type: "no-eligible-station" });
  }

  /** Does what is planned, or begins it. True if that changed the active station. */
  #plan(station: string, cause: PlannedCause, reason: string, nowMs: number): boolean {
    const { roles } = this;
    if (cause === "maintenance") {
      this.#endFailback(reason, false, nowMs);
      const decision = roles.machine.handOver(station, cause, reason, nowMs);
      if (typeof decision === "string") return false;
      this.#promote(decision, nowMs);
      return true;
    }
    if (roles.beginFailback(station, cause, reason, this.#usualInFlight, nowMs)) {
      this.#event({ type: "handover-begun", station, cause, reason, atMs: nowMs });
    }
    return false;
  }

  #finishFailback(nowMs: number): void {
    const { failback } = this.roles;
    if (failback === undefined) return;
    this.roles.failback = undefined;
    const { to, cause, reason } = failback;
    const decision = this.roles.machine.handOver(to.name, cause, reason, nowMs);
    if (typeof decision === "string") {
      return this.#event({ type: "handover-ended", station: to.name, reason: decision, atMs: nowMs });
    }
    this.#promote(decision, nowMs);
    this.#needsDecision = true;
  }

  /** `hasFailed`: the station that was to become active failed a call that it was given. */
  #endFailback(reason: string, hasFailed: boolean, nowMs: number): void {
    const { failback } = this.roles;
    if (failback === undefined) return;
    this.roles.failback = undefined;
    // The loser of a race gets no cooldown: the idle station must stay available for a real
    // failure.
    if (hasFailed && failback.race === undefined) {
      this.roles.machine.noteFailed(failback.to.name, nowMs);
      failback.to.startCooldown(reason, nowMs);
      failback.to.probeFailed();
      this.#needsDecision = true;
    }
    this.#event({ type: "handover-ended", station: failback.to.name, reason, atMs: nowMs });
  }

  #promote(decision: Promotion, nowMs: number): void {
    const { roles } = this;
    const old = roles.station(decision.from);
    const silent = old.liveness === "down" || old.evidence.isProvenSilent(nowMs);
    const inFlight = old.inFlight;
    const { lastServedMs } = old.evidence;
    roles.carryOut(decision, this.#usualInFlight);
    // Both stations begin afresh: an earlier doubt must not hide the next one.
    this.#doubted.delete(old);
    this.#doubted.delete(roles.active);
    this.#event({ ...decision, type: "promoted", waiting: this.#queue.size + this.#parked, inFlight });
    // After a planned change, calls that are out at the old station, which still answers, may
    // finish there.
    if (decision.cause !== "failure") return;
    if (silent) this.#moveAll(old, nowMs);
    else this.#moveUnanswered(old, lastServedMs, nowMs);
  }

  /**
   * The station has served nothing since these calls were sent. They go to another station as soon
   * as they are worth a second attempt.
   */
  #moveUnanswered(station: Station, lastServedMs: number, nowMs: number): void {
    for (const attempt of [...this.#out.at(station)]) {
      const { call, startedMs, isAbandoned, isHedged, isUploading } = attempt;
      if (isAbandoned || isUploading || startedMs <= lastServedMs || !this.#mayResend(call)) continue;
      attempt.isLeft = true;
      if (isHedged && call.state.phase === "running" && !call.isOutBeside(station)) this.#moveOn(attempt, nowMs);
    }
  }

  /**
   * `station` is silent. Its calls go to another station if that is safe; the old attempts may
   * still be answered meanwhile.
   */
  #moveAll(station: Station, nowMs: number): void {
    for (const attempt of [...this.#out.at(station)]) {
      const { call } = attempt;
      if (attempt.isAbandoned || call.state.phase !== "running" || call.isOutBeside(station)) continue;
      if (!this.#mayResend(call) && !this.#asks(call, station)) {
        call.answerEndsMs = Math.min(call.answerEndsMs ?? ENDLESS, nowMs + this.#options.maxWaitMs);
        this.#arm(call, nowMs);
        continue;
      }
      this.#moveOn(attempt, nowMs);
    }
  }

  /** The call continues as if `attempt` were lost; the attempt may still be answered meanwhile. */
  #moveOn(attempt: Attempt, nowMs: number): void {
    const { call, station } = attempt;
    const visit = call.noteVisit(station);
    if (!attempt.isMoved) visit.attempts++;
    attempt.isMoved = true;
    visit.last = "lost";
    visit.lastStartedMs = attempt.startedMs;
    visit.lastPermit = attempt.permit;
    visit.lastSettlement = { error: unknownAt(station) };
    this.#afterLoss(call, station, nowMs);
  }

  #endMaintenance(station: Station, nowMs: number): void {
    const { maintenance, name } = station;
    if (maintenance === undefined || nowMs < maintenance.untilMs) return;
    station.maintenance = undefined;
    this.#event({ type: "maintenance", station: name, reason: undefined, untilMs: maintenance.untilMs, atMs: nowMs });
  }

  // ── what follows from an input ─────────────────────────────────────────────────────────────────

  #settle(call: Call, settlement: Settlement, outcome: CallOutcome, nowMs: number): void {
    if (call.state === DONE) return;
    this.#close(call, outcome, nowMs);
    this.#deliver(call, settlement);
  }

  #close(call: Call, outcome: CallOutcome, nowMs: number): void {
    if (call.state !== RUNNING) this.#leaveWait(call);
    call.state = DONE;
    this.#due.remove(call);
    if (call.charged !== undefined) this.#refund(call);
    this.goodput.noteEnded(outcome);
    if (outcome === "failed") this.goodput.noteFailedOf(call.terms.source);
    if (outcome === "answered") {
      this.#outlook.noteAnswered(nowMs);
      this.patience.noteAnswered(nowMs - call.arrivedMs, nowMs);
    }
  }

  #deliver(call: Call, settlement: Settlement): void {
    this.#actions.push({ type: "settle", call, settlement });
    if (call.out !== undefined) this.#recallAll(call.out, settlement);
  }

  /** The call no longer waits, neither in the queue nor elsewhere. */
  #leaveWait(call: Call): void {
    if (call.state === WAITING) this.#queue.remove(call);
    else this.#parked--;
  }

  #recallAll(attempts: readonly Attempt[], settlement: Settlement): void {
    const reason = "error" in settlement && isError(settlement.error) ? settlement.error : GIVEN_UP;
    for (const attempt of attempts) this.#recall(attempt, reason);
  }

  #recall(attempt: Attempt, reason: Error): void {
    attempt.isAbandoned = true;
    this.#actions.push({ type: "recall", attempt, reason });
  }

  #refund(call: Call): void {
    if (call.charged === undefined) return;
    call.charged.parts.budget?.refund();
    call.charged = undefined;
  }

  #noteLoad(station: Station, sign: Exclude<LoadSign, "finished">, nowMs: number, sentMs: number = nowMs): void {
    const { admission } = station;
    const before = admission.limit;
    admission.note(sign, this.#usual.ms(station), nowMs, station.crowding, sentMs);
    if (admission.limit < before) this.#event(this.#reports.capacity(station, nowMs));
  }

  /**
   * Something was learned about `station`: checks whether it is in doubt now, and whether it could
   * be ineligible.
   */
  #look(station: Station, nowMs: number): void {
    if (this.#doubted.size > 0 || !station.isUnsuspected) this.#lookCloser(station, nowMs);
  }

  #lookCloser(station: Station, nowMs: number): void {
    if (station.isDoubted !== (this.#doubted.size > 0 && this.#doubted.has(station))) this.#tellDoubt(station, nowMs);
    if (!station.isQuestioned) return;
    this.#isWakeStale = true;
    if (station.hasNews(nowMs)) this.#needsDecision = true;
  }

  #tellDoubt(station: Station, nowMs: number): void {
    const isDoubted = station.isDoubted;
    if (isDoubted) {
      this.#doubted.add(station);
      this.#router.trialFailed(station, false, nowMs);
    } else this.#doubted.delete(station);
    if (station !== this.roles.active) return;
    const reason = station.evidence.doubt;
    this.#event({ type: isDoubted ? "doubted" : "trusted", station: station.name, reason, atMs: nowMs });
  }

  #event(event: FailoverEvent | undefined): void {
    if (event !== undefined) this.#actions.push({ type: "event", event });
  }
}

/** Until when unread inputs are read first if a tick is `lateByMs` late. */
function readUntil(lateByMs: number, nowMs: number): number {
  return lateByMs > LATE_TICK_MS ? nowMs + Math.min(lateByMs, MOST_READ_FIRST_MS) : nowMs;
}

function retryAfterMs(waitMs: number): number {
  return Math.ceil(Math.min(waitMs, MAX_RETRY_AFTER_MS));
}

/**
 * An attempt counted as lost, because the call had moved on, and now turns out never to have
 * arrived. Without it the call may have reached no station, and then its caller must not be told
 * that the call may have run.
 */
function undoLoss(call: Call, station: Station): void {
  const visit = call.noteVisit(station);
  if (visit.attempts > 0) visit.attempts--;
  if (visit.attempts === 0) visit.last = undefined;
}

/**
 * Was the call lost at two stations? If its source is unknown, the loss is probably the call's own:
 * a third attempt would end the same way.
 */
function wasLostTwice({ visits = [] }: Call): boolean {
  return visits.length > 1 && visits.every(({ last }) => last === "lost");
}

/**
 * Is this a repetition of a call that its station was given before, and that was given up there
 * late?
 */
function isRepetition({ call, station, startedMs }: Attempt): boolean {
  return station.givenUp.has(call.terms, startedMs);
}

/** Why another attempt of `call` is sent to `station`. */
function reasonToSend(call: Call, station: Station): AttemptReason {
  if (call.out?.some((attempt) => !attempt.isMoved) === true) return "hedge";
  return (call.visitAt(station)?.attempts ?? 0) > 0 ? "retry" : "elsewhere";
}

/**
 * If the limit is in force and answers are still slow, the station has become slower, and the limit
 * is not the reason. Two kinds of limit may be the reason: one that is still growing after a
 * promotion, and one that follows the answer times.
 */
function seenAsOf({ admission, crowding }: Station, nowMs: number): SeenAs {
  const isByLimit = admission.isBinding(nowMs) && crowding.stretch < (admission.isLearned ? FULL : CROWDED);
  return isByLimit || admission.isByDelay ? "crowded" : crowding.seenAs;
}

/** Removes `attempt` from the attempts that its call waits for. */
function takeOut(attempt: Attempt): void {
  const { call } = attempt;
  const { out } = call;
  if (out === undefined) return;
  if (out.length > 1) call.out = out.filter((other) => other !== attempt);
  else if (out[0] === attempt) call.out = undefined;
}
