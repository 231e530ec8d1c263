/**
 * What becomes of calls, as a pure machine: inputs go in (a call, the end of an attempt, a
 * declaration, the time), actions come out in the order in which they are to be done (the shape of
 * etcd raft's `Ready`). It calls nobody back, so no input can arrive in the middle of another; the
 * driver (of the runtime) queues what comes meanwhile.
 *
 * It is one file because every input may touch a call, its station and the queue at once, and the
 * order in which it does is the contract; what can be judged alone (routing, evidence, pace, roles,
 * usual times, the outlook) is in files of its own.
 *
 * What may move (rule F4): a call that provably was never sent, always; one that carries an
 * idempotency key or was declared idempotent, under the same key; any other never, and its caller
 * is told that the outcome is unknown.
 *
 * Whose failure it was (rule F10) is decided by comparison, at once. A repeatable call that a
 * station failed goes to another usable one. If that one serves it, it counts against the first; if
 * it gives a failure too, the failure is the call's own and is delivered. Nothing is held until
 * other calls come by. A repeatable attempt that is overdue gets a second attempt elsewhere, within
 * a budget for such hedges; whichever answers first counts. Calls that may not run twice are
 * compared with new ones, which may go to either station (`uncompared.ts`).
 *
 * Nobody waits for nothing (rule F11): a call that cannot be answered within its deadline, or
 * within what callers are known to wait, is refused as soon as that is known. Everything that waits
 * is in one queue (`call-queue.ts`) and leaves it at the pace of the station's admission control
 * (`admission.ts`).
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
import { Reports } from "./reports.ts";
import type { Roles } from "./roles.ts";
import { Router } from "./router.ts";
import type { Station } from "./station.ts";
import { GIVEN_UP, lastOf, noStationFit, seenEpochOf, unknownAt, verdictOn } from "./verdict.ts";

export interface DispatchOptions {
  readonly roles: Roles;
  /** How many calls may wait. */
  readonly maxWaiting: number;
  /** How long a call waits while no station can take it. */
  readonly maxWaitMs: number;
  /** May a keyed call whose station was lost be sent again? */
  readonly resendsKeyed: boolean;
  /** Can stations be asked what became of a key? */
  readonly canAsk: boolean;
}

/**
 * What a station says of a key: it ran, with its result; it did not, and will not; or it does not
 * know.
 */
export type KeyAnswer = { readonly ran: true; readonly result: unknown } | { readonly ran: false } | "unknown";

export type DispatchInput =
  | { readonly type: "submit"; readonly call: Call }
  | { readonly type: "ended"; readonly attempt: Attempt; readonly end: AttemptEnd }
  | { readonly type: "uploading"; readonly attempt: Attempt; readonly isUploading: boolean }
  | { readonly type: "cancel"; readonly call: Call; readonly reason: unknown }
  | { readonly type: "answered"; readonly call: Call; readonly answer: KeyAnswer }
  | { readonly type: "declared"; readonly declarations: readonly LivenessChange[] }
  /** This process was stopped: until `untilMs` failures say nothing about stations. */
  | { readonly type: "stalled"; readonly untilMs: number }
  | { readonly type: "probed"; readonly station: Station; readonly isWell: boolean }
  | {
      readonly type: "maintenance";
      readonly station: Station;
      readonly reason: string | undefined;
      readonly untilMs: number;
    }
  | { readonly type: "epoch-seen"; readonly epoch: number }
  /** Somebody supervises from now on, or nobody does. */
  | { readonly type: "supervised"; readonly isRunning: boolean }
  /** Time has passed, or a circuit changed; `lateByMs`: how much later than asked for. */
  | { readonly type: "tick"; readonly lateByMs: number };

export type DispatchAction =
  | { readonly type: "send"; readonly attempt: Attempt }
  /** Nobody waits for this attempt any more. */
  | { readonly type: "recall"; readonly attempt: Attempt; readonly reason: Error }
  /** Ask `station` what became of the call's key; the answer comes back as an input. */
  | { readonly type: "ask"; readonly call: Call; readonly station: Station }
  | { readonly type: "settle"; readonly call: Call; readonly settlement: Settlement }
  | { readonly type: "leave-slot"; readonly station: Station }
  | { readonly type: "event"; readonly event: FailoverEvent };

/** What speaks against a station when another one has served the call. */
type Loss = Pick<Visit, "station" | "last" | "lastStartedMs" | "lastPermit">;

/**
 * Hedges: extra attempts elsewhere for calls that are overdue, as a share of all calls, and at
 * least so many in 10 s.
 */
const HEDGES = { ratio: 0.1, windowMs: 10_000, reserve: 5 };
/**
 * How often a station may answer that it has seen a newer epoch: after that, another gateway is at
 * work.
 */
const MAX_STALE_RESENDS = 3;
/**
 * A call that is out of a resource of this machine is tried again after this long, twice as long
 * each time.
 */
const SHORTAGE_RETRY_MS = 20;
const MAX_SHORTAGE_RETRY_MS = 250;
/** … and given up after this long: by then its caller should hear of it. */
const MAX_SHORTAGE_MS = 2_000;
/** Ends of attempts that did no work at their station. */
const NEVER_RAN: ReadonlySet<AttemptEnd["result"]> = new Set(["unreachable", "local-shortage", "stale"]);
/** A call that waits for room in a retry budget looks again after this long. */
const BUDGET_RECHECK_MS = 250;
/**
 * An attempt that is overdue so soon after another one is late already: bounds have room for
 * answers that are under way.
 */
const NEXT_LATE_MS = 5;
/** How long answers take beside leisure is measured once in this time. */
const SAMPLE_MS = 0.5;
/**
 * A tick that is later than this means that this process did not run: answers wait unread, and are
 * read first.
 */
const LATE_TICK_MS = 25;
/**
 * They are given time to be read: so long where the deadline is over, and as long as the tick was
 * late elsewhere, …
 */
const READ_FIRST_MS = 10;
/** … because requests may not have been written either, but no longer than this. */
const MOST_READ_FIRST_MS = 250;
/**
 * A station that served within this time is alive; a refusal for load then says how much it takes.
 */
const SERVING_MS = 1_000;
/**
 * A call takes long if it is out for so many times the usual answer time, and for at least this
 * long; one that is to find out whether its station serves at all, for longer.
 */
const LONG = { ratio: 4, leastMs: 100, trialMs: 1_000 };
/**
 * Callers who leave are a sign of load where the chance that so many in a row do without it is no
 * higher.
 */
const LEFT_CHANCE = 0.003;
/** … and not fewer have, … */
const MANY_LEFT = 3;
/** … while more is out at their station than it works on at leisure, by more than chance brings. */
const MUCH_WORK = { ratio: 1.2, deviations: 1.5 };
/**
 * So many times quicker than another attempt of its call is one that says something of that one's
 * station, which takes longer than it ever did, or of which nobody knows how long it takes.
 */
const OUTRUN_RATIO = { overdue: 2, stranger: 3 };
/** Where nothing tells when the queue can move on, it is looked at again this soon. */
const QUEUE_RECHECK_MS = 10;
/**
 * Calls whose callers' patience is unknown are ordered as if it were this long; only the order
 * matters.
 */
const ORDER_HORIZON_MS = 30_000;
/**
 * Where deadline and timeout are the same, the deadline is over first: it began while the call was
 * on its way here.
 */
const NEARLY = 0.9;
/**
 * No refusal tells its caller to stay away for longer than this: what a station does changes
 * sooner.
 */
const MAX_RETRY_AFTER_MS = 10_000;
const ENDLESS = Number.POSITIVE_INFINITY;
const NOTHING: readonly DispatchAction[] = [];

export class Dispatcher {
  readonly roles: Roles;
  readonly patience: CallerPatience = new CallerPatience();
  readonly goodput: GoodputWatch = new GoodputWatch();
  readonly #options: DispatchOptions;
  readonly #router: Router;
  readonly #queue: CallQueue = new CallQueue();
  readonly #out: AttemptsOut;
  readonly #usual: UsualTimes;
  readonly #outlook: Outlook;
  readonly #due: DueHeap<Call> = new DueHeap();
  readonly #hedges: RetryBudgetMachine = new RetryBudgetMachine(HEDGES);
  /** Attempts that were sent since the start, by why. */
  readonly sent: Record<AttemptReason, number> = { first: 0, retry: 0, elsewhere: 0, hedge: 0 };
  #actions: DispatchAction[] = [];
  #parked = 0;
  #needsDecision = false;
  /** When time alone could change what is decided. */
  #decideAtMs: number = Number.NEGATIVE_INFINITY;
  /** Something was learned since that was worked out. */
  #isWakeStale = true;
  #usualInFlight = 0;
  /** When a call that is out may have taken long, and its place be free for one that waits. */
  #longAtMs: number = ENDLESS;
  /** The patience by which waiting calls are ordered. */
  #orderPatienceMs = ORDER_HORIZON_MS;
  readonly #reports: Reports = new Reports();
  readonly #doubted: Set<Station> = new Set();
  /** Until then what is read may have waited unread: this process stood still. */
  #untimedUntilMs: number = Number.NEGATIVE_INFINITY;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.roles = options.roles;
    this.#router = new Router(options.roles);
    this.#out = new AttemptsOut(options.roles.stations.length);
    this.#usual = new UsualTimes(options.roles, this.patience);
    const { roles, patience } = this;
    this.#outlook = new Outlook({ roles, router: this.#router, queue: this.#queue, usual: this.#usual, patience });
  }

  /** Calls that wait for a station. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Calls that wait for an instant, or for a station's word on their key. */
  get parked(): number {
    return this.#parked;
  }

  /** Takes one input; what follows from it is to be done in the order given. */
  dispatch(input: DispatchInput, nowMs: number): readonly DispatchAction[] {
    this.#noteWaits(nowMs);
    this.#take(input, nowMs);
    this.#follow(nowMs);
    return this.takeActions();
  }

  /**
   * The input `submit`, cheaper, because every call makes one. Returns the attempt that is to be
   * sent first of all, if there is one; {@link takeActions} tells what else follows.
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
   * The input `ended` of an attempt that was served with `value`, cheaper as well. True where its
   * call is to be settled with that first of all; {@link takeActions} tells what else follows.
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
   * What follows from the inputs since this was last asked; it is to be done before the next one.
   */
  takeActions(): readonly DispatchAction[] {
    if (this.#actions.length === 0) return NOTHING;
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #follow(nowMs: number): void {
    // Another input may come before the tick that was asked for, and after its instant.
    if (this.#needsDecision || nowMs >= this.#decideAtMs) this.#decide(nowMs);
    if (this.#queue.size > 0) this.#pump(nowMs);
    if (nowMs >= this.goodput.nextLookMs) this.#lookAtGoodput(nowMs);
  }

  /**
   * A limit is lifted when nobody has waited for it for a second. Calls that wait may not have
   * asked for it, because no station was usable; and where a tick is late, this process stood
   * still, and calls may wait unread.
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

  /** When to give it a tick; never in the past. */
  nextWakeMs(nowMs: number): number {
    const otherMs = this.#isWakeStale || this.#queue.size > 0 ? this.#otherWakeMs(nowMs) : this.#decideAtMs;
    const nextMs = Math.min(this.#due.nextMs, otherMs);
    return nextMs > nowMs ? nextMs : nowMs;
  }

  /** When what is decided could change, or the queue could move on. */
  #otherWakeMs(nowMs: number): number {
    if (this.#isWakeStale) this.#decideAtMs = this.roles.nextWakeMs(nowMs);
    this.#isWakeStale = false;
    return this.#queue.size > 0 ? Math.min(this.#decideAtMs, this.#queueOpensAtMs(nowMs)) : this.#decideAtMs;
  }

  #queueOpensAtMs(nowMs: number): number {
    const opensMs = Math.min(this.#router.opensAtMs(nowMs), this.#longAtMs);
    // It did not let anybody go just now, whatever it says of itself.
    return opensMs > nowMs ? opensMs : nowMs + QUEUE_RECHECK_MS;
  }

  /** Makes `name` active as planned; returns the new epoch, or why not. Follow it with a tick. */
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

  // ── inputs
  // ──────────────────────────────────────────────────────────────────────────────────────────────────────

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

  /** Returns the attempt that is to be sent, if the call can go at once. */
  #submit(call: Call, nowMs: number): Attempt | undefined {
    this.goodput.noteOffered();
    this.#outlook.noteOffered(nowMs);
    this.#hedges.deposit(nowMs);
    const late = tooLate("the failover", call.terms.deadline, this.roles.active.parts.minTimeLeftMs, nowMs);
    if (late === undefined) {
      const station = this.#queue.size === 0 ? this.#router.route(call, nowMs) : undefined;
      if (station !== undefined) return this.#start(call, station, nowMs);
      this.#letIn(call, nowMs);
    } else this.#settle(call, { error: late }, "expired", nowMs);
    return undefined;
  }

  /**
   * No station can take `call` now: it waits, unless too many do, or it could not be answered in
   * time.
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
    // A caller that is still sending does not wait yet.
    const isSending = reason instanceof RequestCutError || call.out?.some(({ isUploading }) => isUploading) === true;
    // Nor is it known how long one has waited whose call was read late, because this process stood
    // still.
    if (!isSending && nowMs >= this.roles.distrustUntilMs) this.patience.noteHangUp(nowMs - call.arrivedMs, nowMs);
    this.#event(this.#reports.patience(this.patience.estimateMs, nowMs));
    for (const { crowding } of this.roles.stations) crowding.patienceMs = this.patience.estimateMs ?? ENDLESS;
    this.#sortAgain();
    // Nobody waits for what is late: the station has more than it can answer.
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
    // What is out from before it was down is likely to be lost with it, and has no end that tells
    // so.
    for (const attempt of this.#out.at(station)) this.#setAside(attempt);
    // Its heartbeats say that it serves again: as after a promotion, it is given what is usual, and
    // no trial first.
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
    // What falls due again at this same instant waits for the next tick.
    for (let left = this.#due.size; left > 0; left--) {
      const call = this.#due.takeDue(nowMs);
      if (call === undefined) break;
      this.#fellDue(call, readUntilMs, nowMs);
    }
    if (this.roles.stations.some((station) => station.hasNews(nowMs))) this.#needsDecision = true;
  }

  // ── a call's way
  // ────────────────────────────────────────────────────────────────────────────────────────────────

  #send(call: Call, station: Station, nowMs: number): void {
    if (call.attempts > 0 && !this.#isPaid(call, station, nowMs)) return this.#park(call, BUDGET_RECHECK_MS, nowMs);
    this.#sendLater(this.#start(call, station, nowMs));
  }

  #sendLater(attempt: Attempt | undefined): void {
    if (attempt !== undefined) this.#actions.push({ type: "send", attempt });
  }

  /** Books a new attempt of `call` at `station`, where it was admitted and paid for. */
  #start(call: Call, station: Station, nowMs: number): Attempt {
    const { admission, crowding, parts } = station;
    const { breaker, budget, sharedSlots } = parts;
    if (call.attempts > 0) this.sent[reasonToSend(call, station)]++;
    else {
      if (budget !== undefined) budget.deposit(nowMs);
      this.sent.first++;
    }
    if (sharedSlots !== undefined) sharedSlots.tryTake();
    admission.enter(nowMs);
    station.sent++;
    station.lull.noteSent();
    // What waited while this process stood still comes at once, and is no crowd.
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
   * From this instant on `station` is not to begin to work on `call`: it can be asked, and has not
   * begun by then.
   */
  #beginByMs(call: Call, station: Station, nowMs: number): number {
    return this.#mayAsk(call) ? nowMs + this.#usual.leaseMs(call, station) : ENDLESS;
  }

  /**
   * Books an attempt at `station` that is not the first of its call; false where its budget has no
   * room for it any more.
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

  /** Is `station` to be asked what became of it? Once for each loss. */
  #asks(call: Call, station: Station): boolean {
    return this.#hasAskableKey(call) && call.visitAt(station)?.wasAsked !== true;
  }

  /** Can its station be asked what became of it, and may it go elsewhere if nobody knows? */
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

  /** What an attempt that was served says. Is its call to be settled with that? */
  #served(attempt: Attempt, nowMs: number): boolean {
    const { call, station, permit } = attempt;
    const { admission, answerTimes, parts } = station;
    const { breaker } = parts;
    this.#leave(attempt, nowMs);
    this.#noteTook(attempt, nowMs);
    station.evidence.noteServed(attempt.startedMs, nowMs);
    if (station.evidence.awaitsOvertaking) this.#noteOvertaking(attempt, nowMs);
    admission.noteFinished(this.#usual.ms(station), nowMs, station.crowding, answerTimes.meanMs);
    if (breaker !== undefined) {
      const isSlow = nowMs - attempt.judgedFromMs > station.slowMs && this.#isTimed(nowMs);
      if (permit === undefined) breaker.bypassed(attempt.startedMs, false, nowMs, isSlow);
      else breaker.success(permit, nowMs, isSlow);
    }
    // Who leaves while too much is asked for is no measure of who leaves otherwise.
    if (admission.limit === ENDLESS || station.crowding.answeredStretch < FULL) parts.left.noteWell();
    else parts.left.forget();
    admission.leave();
    if (call.state === DONE) return false;
    const { roles } = this;
    if (station !== roles.active && station.servedInCooldown(nowMs)) this.#needsDecision = true;
    // So it is for most: they failed nowhere, and there is nothing to compare.
    const isPlain = call.visits === undefined && call.out === undefined && roles.failback === undefined;
    if (!isPlain || roles.isAnyBlamedBeside(station)) this.#noteAnswer(attempt, nowMs);
    return true;
  }

  /** What is read late, because this process stood still, says nothing of how long it took. */
  #isTimed(nowMs: number): boolean {
    return nowMs >= this.roles.distrustUntilMs && nowMs >= this.#untimedUntilMs;
  }

  /** It is out no more. Only its place among the calls in flight is left last of all. */
  #leave(attempt: Attempt, nowMs: number): void {
    const { station } = attempt;
    const { admission, crowding } = station;
    this.#out.remove(attempt);
    if (attempt.isUploading || attempt.isSetAside) admission.countAgain();
    if (!attempt.isUploading && !attempt.isAbandoned) crowding.noteEnded();
    station.lull.noteEnded(admission.working - 1, nowMs);
    const { sharedSlots } = station.parts;
    // Whoever waits for the slot outside of this failover is told, which is not for this machine to
    // do.
    if (sharedSlots !== undefined && !sharedSlots.release()) this.#actions.push({ type: "leave-slot", station });
    takeOut(attempt);
  }

  /** `attempt` was served at a station at which others are late. */
  #noteOvertaking({ call, station, startedMs, judgedFromMs, isOverdue }: Attempt, nowMs: number): void {
    const usualMs = this.#usual.overdueAfterMs(station, call.terms.source);
    station.evidence.noteOvertaking(startedMs, !isOverdue && nowMs - judgedFromMs <= usualMs);
  }

  /** An answer came: how long is usual, and has its station too much to do? */
  #noteTook(attempt: Attempt, nowMs: number): void {
    const { call, station, judgedFromMs } = attempt;
    const { admission, answerTimes, crowding } = station;
    const tookMs = nowMs - judgedFromMs;
    if (admission.isTrial) admission.begin(this.#usualInFlight, nowMs);
    // What waits at a station that has too much to do is not usual.
    else if (!crowding.isSlow) this.#usualInFlight += (admission.working - this.#usualInFlight) / 64;
    answerTimes.add(tookMs);
    // A source that was answered at once is known, too.
    const knownMs = tookMs > 0 ? tookMs : Number.MIN_VALUE;
    const { source } = call;
    if (station.quotas.isCounting) station.quotas.noteServed(source.isRefusedBy(station.number, nowMs));
    source.noteServed(station.number, knownMs, nowMs);
    crowding.noteServed(nowMs);
    if (nowMs >= crowding.nextSampleMs || attempt.isEarly) this.#sample(attempt, knownMs, nowMs);
    if (crowding.isLookDue(nowMs)) this.#lookAtCrowd(station, nowMs);
  }

  /**
   * How long an answer took beside leisure and quiet times. Of those within the same moment one is
   * as good as all.
   */
  #sample(attempt: Attempt, tookMs: number, nowMs: number): void {
    const { call, station, isEarly } = attempt;
    const { crowding, slowness, number } = station;
    const { source } = call;
    const { leisureSinceMs } = crowding;
    const tookLog = Math.log(tookMs);
    // The first answer of a source has nothing to be measured by.
    const leisureLog = source.leisureLog(number, leisureSinceMs);
    const seenAs = seenAsOf(station, nowMs);
    if (leisureLog < ENDLESS) crowding.noteTook(tookLog, leisureLog, source.leisureMs(number));
    crowding.nextSampleMs = nowMs + SAMPLE_MS;
    source.noteTook(number, tookMs, nowMs, isEarly, seenAs, tookLog);
    source.noteQuiet(number, nowMs, slowness.quietSinceMs);
    if (nowMs >= slowness.nextLookMs) this.#lookAtSlowness(call, station, nowMs);
  }

  /**
   * Does `station` take much longer than in quiet times, and could another one take its place that
   * does not?
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

  /** What any other end of an attempt says about its station. */
  #bookUnserved(attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { call, station, permit, startedMs, judgedFromMs, isAbandoned } = attempt;
    const { evidence } = station;
    const { active } = this.roles;
    // One that was sent there although it was not active, and for no failure elsewhere, was to be
    // compared.
    if (attempt.number === 1 && station !== active) {
      active.evidence.noteUnservedBeside();
      // A source that no station ever served is likely to fail anywhere.
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
        // It may be its body that the station will not have: another attempt tells, or another call
        // where there can be none.
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
   * A route that nobody ever answered may need more time than the timeout gives it, or break the
   * process that serves it: that is its own, where the station has served others meanwhile, or
   * another one has not served it either.
   */
  #isItsOwnLoss({ call, station, startedMs }: Attempt, nowMs: number): boolean {
    const { source } = call.terms;
    const { lastServedMs } = station.evidence;
    const isOwn = source.noteFailedAlone(station.number, lastServedMs, nowMs) !== "unknown";
    return isOwn || (!source.isKnown && lastServedMs > startedMs);
  }

  /**
   * How old is what is out there, beside what it takes at leisure? Half of its time is over on the
   * average.
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
    // What it took before is not what it takes at leisure now.
    if (admission.endVainLimit(this.#usual.ms(station), crowding, nowMs)) crowding.restart(nowMs, true);
    const wasLearned = admission.isLearned;
    if (admission.limit < ENDLESS) {
      if (crowding.answeredStretch >= CROWDED) admission.noteCrowded(this.#usual.ms(station), nowMs, crowding);
    } else if (crowding.isMounting) admission.noteMounting(this.#usual.ms(station), nowMs, crowding);
    if (admission.isLearned && !wasLearned) this.#event(this.#reports.capacity(station, nowMs));
  }

  /**
   * A refusal for load shows what the station takes, unless it is one route that is always refused.
   */
  #overloaded(call: Call, station: Station, startedMs: number, hintMs: number | undefined, nowMs: number): void {
    const { source } = call.terms;
    const { evidence, admission } = station;
    const isOwn = station.quotas.noteRefused(source.isRefusedBy(station.number, nowMs));
    if (source.noteRefused(station.number, evidence.lastServedMs, nowMs)) {
      evidence.noteAnswer(startedMs);
      // It is the route, as the station was not at work on anything else: so it was for those
      // before it.
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
    this.#noteLoad(station, "overloaded", nowMs);
    if (admission.limit < before && !wasServed) admission.noteMistakable();
    // A station that serves others meanwhile does not have to be left alone.
    if (hintMs !== undefined && !admission.isFinishing(nowMs)) admission.pause(hintMs, nowMs);
  }

  /**
   * A call's failure is its own, and not of `station`. Were its refusals taken for a sign of load,
   * it begins anew.
   */
  #noteFailedAlike({ evidence, admission }: Station, nowMs: number): void {
    if (evidence.noteFailedAlike()) admission.begin(this.#usualInFlight, nowMs);
  }

  /** What the answer to a call says about other stations and attempts. */
  #noteAnswer(attempt: Attempt, nowMs: number): void {
    const { call, station, judgedFromMs } = attempt;
    if (call.visits !== undefined) this.#compareVisits(call.visits, station, nowMs);
    else if (this.roles.isAnyBlamedBeside(station)) this.#compare(call, station, judgedFromMs, nowMs);
    if (call.out !== undefined) this.#outrun(call.out, judgedFromMs, nowMs);
    if (this.roles.failback !== undefined) this.#noteTried(attempt, this.roles.failback, nowMs);
  }

  /** An answer came while a station is tried out. */
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

  /** A call was served that had failed elsewhere before. */
  #compareVisits(visits: readonly Visit[], server: Station, nowMs: number): void {
    for (const visit of visits) if (visit.station !== server) this.#lostComparison(visit, nowMs);
  }

  /**
   * A new call was served. Another station that serves no calls like it, which cannot be sent
   * again, is at fault for that.
   */
  #compare({ terms: { source } }: Call, server: Station, judgedFromMs: number, nowMs: number): void {
    for (const station of this.roles.stations) {
      if (station === server || !station.evidence.hasUncompared) continue;
      const isQuick = (nowMs - judgedFromMs) * STRANGER_RATIO <= this.#usual.strangerAfterMs;
      // One that has too much to do answers late: elsewhere it was only quicker.
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
   * Has it, or had it when a call was sent at `sentMs`, too much to do, so that elsewhere the call
   * would only be quicker? Then all that it answers takes long, or did until it was given less.
   */
  #answersLate({ crowding, admission }: Station, sentMs: number, nowMs: number): boolean {
    return crowding.servedStretch >= FULL || crowding.isBusy(nowMs) || sentMs < admission.byDelayFromMs;
  }

  /**
   * Attempts that were out for long at other stations: one that was sent at `fromMs` was quicker.
   * Where the same work takes longer or shorter by chance, of two attempts one is quicker in any
   * case, but seldom by much.
   */
  #outrun(others: readonly Attempt[], fromMs: number, nowMs: number): void {
    const { failback } = this.roles;
    for (const { station, isHedged, isOverdue, isMoved, startedMs, judgedFromMs, permit } of others) {
      // The next call that is to find out whether it serves would only be one more.
      if (station === failback?.to && failback.isCanary && (isHedged || isOverdue)) {
        this.#endFailback(`${station.name} did not answer its first call in time`, true, nowMs);
      }
      const ratio = isOverdue ? OUTRUN_RATIO.overdue : OUTRUN_RATIO.stranger;
      if (!isHedged || isMoved || (nowMs - fromMs) * ratio > nowMs - judgedFromMs) continue;
      if (!station.evidence.hasShown(nowMs - judgedFromMs, nowMs)) continue;
      // All that it answers takes long: that it has too much to do is no failure.
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
    // What was out while this process did not run was lost here, not there.
    if (last === "lost" && lastStartedMs < this.roles.distrustUntilMs) return;
    // One that has too much to do answers late: elsewhere it was only quicker.
    if (last === "lost" && loser.crowding.isBusy(nowMs)) return;
    // One that refuses a part for load, and serves the rest, is not failing.
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
    // One that never arrived says nothing, where an earlier attempt did: what the station did with
    // that is what counts.
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
   * `station` failed a call. Where a failback tries it out, that is over; in a race the other
   * station has to serve the call, first.
   */
  #notTriedWell(station: Station, nowMs: number): void {
    const { failback } = this.roles;
    if (station !== failback?.to || failback.race !== undefined) return;
    this.#endFailback(`${station.name} failed a call`, true, nowMs);
  }

  /** A call has failed, and no attempt of it is out: what now? */
  #goOn(call: Call, attempt: Attempt, end: AttemptEnd, nowMs: number): void {
    const { result } = end;
    const { station } = attempt;
    const { deadline, isRepeatable, source } = call.terms;
    // A deadline that passed while this process did not run is looked at after the answers that
    // waited unread.
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

  /**
   * A repeatable call was answered with a failure, and there is no other station to ask (any more).
   */
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
    // A route that is served as a rule may be served at a second try.
    if (end.retry === false || !source.isServedLately(nowMs)) return this.#giveUp(call, nowMs);
    const mends =
      end.result === "overloaded"
        ? this.#requeue(call, station, nowMs)
        : this.#retry(call, station, end.retryAfterMs, nowMs);
    if (!mends) this.#giveUp(call, nowMs);
  }

  /**
   * A failure that is not compared with another station's counts against this one where several
   * sources have them.
   */
  #failedAlone(call: Call, { station, startedMs, permit }: Attempt, nowMs: number): void {
    const { source } = call.terms;
    const whose = source.noteFailedAlone(station.number, station.evidence.lastServedMs, nowMs);
    // Not only where it was found out: what others failed before it is likely to be of that kind,
    // too.
    if (whose === "alike") for (const other of this.roles.stations) this.#noteFailedAlike(other, nowMs);
    if (whose !== "unknown") return;
    if (!call.isRepeatable) station.evidence.noteFailedForGood(source, startedMs);
    const several = station.evidence.noteFailed(source, source.hasBeenServedBy(station.number), startedMs, nowMs);
    if (!several || permit === undefined || !source.isServedLately(nowMs)) return;
    station.parts.breaker?.failure(permit, nowMs);
    // Where another station serves it after all, the circuit has counted it already.
    const visit = call.visitAt(station);
    if (visit !== undefined) visit.lastPermit = undefined;
  }

  /** Sent to `station`, and what became of it is unknown: that is asked first, where it can be. */
  #afterLoss(call: Call, station: Station, nowMs: number): void {
    const { deadline, isRepeatable, source } = call.terms;
    if (nowMs >= deadline) return this.#outOfTime(call, nowMs);
    const visit = call.noteVisit(station);
    if (this.#asks(call, station)) {
      visit.wasAsked = true;
      call.state = { phase: "asking", station, lost: visit.lastSettlement ?? { error: unknownAt(station) } };
      this.#parked++;
      this.#rest(call, this.#askUntilMs(call, nowMs));
      this.#actions.push({ type: "ask", call, station });
      return;
    }
    // One that provably did not run is not sent "again".
    if (visit.last === "lost" && (!isRepeatable || !this.#mayResend(call))) return this.#giveUp(call, nowMs);
    const next = this.#router.next(call, nowMs);
    if (next !== undefined) return this.#send(call, next, nowMs);
    // One that waits for another station needs no retry of this one.
    if (!this.roles.isUsable(station, nowMs) || this.#router.hasNext(call, nowMs)) return this.#enqueue(call, nowMs);
    if (call.out !== undefined) return this.#awaitAnswer(call, nowMs);
    if (!source.isKnown && wasLostTwice(call)) return this.#giveUp(call, nowMs);
    if (!this.#retry(call, station, undefined, nowMs)) this.#giveUp(call, nowMs);
  }

  /**
   * Its attempt was only overdue, or its station fell silent: it may be answered yet, and nobody
   * else can serve it now.
   */
  #awaitAnswer(call: Call, nowMs: number): void {
    call.state = RUNNING;
    this.#arm(call, nowMs);
  }

  /**
   * How long the answer is waited for: as long as the call could still be served elsewhere before
   * its caller leaves, as far as is known. One that cannot be sent again waits until its deadline:
   * nothing else could be done for it.
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
      // It did not run there and never will: that attempt is undone.
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
   * Plans another attempt at `station` after a backoff, or ends the call where its budget refuses;
   * false where that is not allowed or in time.
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
   * The budget has no room: the call ends with its failure, on which the refusal is written. True,
   * for that settles it.
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
   * Refused for load: back into the queue, which the station's admission control empties at the
   * pace that it learned. It waits for room in the retry budget, if it has the time, but not where
   * others are refused because waiting is in vain.
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
    // What a station answered, or that it may have run there, is the truth; "nothing was sent"
    // would not be.
    if (call.mayHaveRun || call.visits?.some(({ attempts }) => attempts > 0) === true) return this.#giveUp(call, nowMs);
    const message = `nothing was sent: this machine lacks a resource (${codeIn(cause)})`;
    const error = new LocalShortageError(message, { cause, retryAfterMs: 1_000 });
    this.#settle(call, { error }, "refused", nowMs);
  }

  /** Ends a call with the failure it has had. */
  #giveUp(call: Call, nowMs: number, outcome: CallOutcome = "failed"): void {
    this.#settle(call, verdictOn(call), outcome, nowMs);
  }

  // ── waiting
  // ─────────────────────────────────────────────────────────────────────────────────────────────────────

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

  /** Patience has changed: those who wait are put in the order that follows from it. */
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
   * Looks at `call` again at `untilMs`, or when it or an attempt of it that is still out has no
   * time left.
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
      // One that has failed there goes where it has not been as soon as that station is usable.
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
   * Where nobody knows whether any station lives, the call with most time left finds out, a
   * repeatable one if there is one: one that is given up before the answer can be there would show
   * nothing, and so would the next, for ever.
   */
  #chosen(first: Call, nowMs: number): Call {
    if (nowMs - this.roles.active.evidence.lastServedMs < SERVING_MS) return first;
    return this.#queue.findLast((call) => call.terms.isRepeatable) ?? this.#queue.last ?? first;
  }

  /**
   * Whether callers still wait at the age at which `first` would be answered may be doubtful. Then
   * it is left in the queue until its caller has hung up or still waits beyond that age, and
   * younger ones go meanwhile: that costs nothing where a queue stands, and the station does no
   * work to find out.
   */
  #likelyAwaited(first: Call, nowMs: number): Call {
    this.patience.noteWaits(nowMs - first.arrivedMs);
    const bornAfterMs = nowMs + this.#usual.serviceMs - this.patience.doubtfulFromMs;
    if (first.arrivedMs > bornAfterMs) return first;
    return this.#queue.find(({ arrivedMs }) => arrivedMs > bornAfterMs) ?? first;
  }

  /**
   * A second attempt at a station that a call has reached before is charged to its retry budget.
   */
  #affords(call: Call, station: Station, nowMs: number): boolean {
    const tried = call.visitAt(station)?.attempts ?? 0;
    if (tried === 0 || call.charged === station) return true;
    // It takes the place of one that did no work there, which is on the books.
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
   * No attempt that is still to be sent could be answered in time: said now, unless one is out that
   * may be answered yet.
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

  // ── time
  // ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Sets the instant at which a running call is looked at again. */
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

  /** When `attempt` is slow for the circuit, late, or out of time. */
  #lookAtMs(attempt: Attempt, nowMs: number): number {
    if (attempt.isUploading || attempt.isAbandoned) return ENDLESS;
    const { judgedFromMs, station } = attempt;
    const atMs = Math.min(judgedFromMs + station.parts.timeoutMs, this.#usual.lateAtMs(attempt));
    // Nothing is done then, but a tick that is late tells that it was this process that took so
    // long.
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
    // It goes on without them, and still their time runs out.
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
   * This process stood still: what waits unread may be its answer, or make room for it. Once: else
   * one that is always late would wait for ever.
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
    // A route that was never answered may need more time than any: a few of its kind would fill a
    // limit learned from others.
    if (!call.terms.source.isKnown && station.admission.isLearned) this.#setAside(attempt);
    if (!this.#mayResend(call)) {
      if (!attempt.isOverdue) station.evidence.noteUnanswered(call.terms.source, startedMs);
      else if (!this.#answersLate(station, startedMs, nowMs)) station.evidence.noteLate(startedMs, call.terms.source);
    }
    if (call.state.phase !== "running" || !this.#mayResend(call) || call.out?.length !== 1) return;
    // A station that was replaced and answers nothing is left: that is no second attempt out of
    // impatience.
    if (attempt.isLeft && station.evidence.lastServedMs < startedMs) return this.#moveOn(attempt, nowMs);
    const next = this.#router.next(call, nowMs);
    if (next === undefined || !this.#hedges.withdraw(nowMs)) return;
    this.#hedges.send(nowMs);
    // Where the station can be asked, that comes first: it takes the call back, or says how it
    // ended.
    if (this.#mayAsk(call)) this.#moveOn(attempt, nowMs);
    else this.#send(call, next, nowMs);
  }

  /**
   * Is another one out at its station that will be overdue in a moment? Where calls come quickly,
   * the next few would be sent to a silent station until it is.
   */
  #isNextLate({ station }: Attempt, nowMs: number): boolean {
    for (const other of this.#out.at(station)) {
      if (other.isOverdue || other.isUploading || other.isAbandoned || !this.#usual.isKnown(other)) continue;
      if (this.#usual.lateAtMs(other) <= nowMs + NEXT_LATE_MS) return true;
    }
    return false;
  }

  /**
   * Calls that take long must not hold all places where there are few. Slow routes do right after a
   * station became active; calls that hang at it for good would hold a limit until their deadlines,
   * long after it is well again. One hangs if another was sent later and is answered; nobody can
   * tell at a station that serves nothing, where one after the other finds that out.
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
   * A station is full of calls, has answered none for a second, and was sent none for a second: one
   * more finds out whether it serves again. Otherwise nobody would, until the deadlines of those.
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
   * Is it as a rule answered within `longMs`? Then one that takes longer shows that its station is
   * slow.
   */
  #isQuick({ station, call }: Attempt, longMs: number): boolean {
    const { source } = call.terms;
    return source.isKnown && (source.overdueAfterMs <= longMs || source.leisureMs(station.number) <= longMs);
  }

  /**
   * The limit of its station counts it no more: it would take the place of one that could be
   * served.
   */
  #setAside(attempt: Attempt): void {
    if (attempt.isSetAside) return;
    attempt.isSetAside = true;
    if (!attempt.isUploading) attempt.station.admission.uncount(attempt.startedMs);
  }

  /** May it be sent again although nobody knows whether it ran? */
  #mayResend({ terms }: Call): boolean {
    return terms.isRepeatable && (terms.isIdempotent || this.#options.resendsKeyed);
  }

  /**
   * Where an answer is to stand (`report`), a call that has reached one station goes to no other.
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
    // One that was overtaken long ago by another, which was served, does not say what the station
    // does now.
    const isNews = !isOwn && startedMs >= station.evidence.servedFromMs && !isRepetition(attempt);
    if (isNews) station.evidence.noteLost(startedMs);
    if (breaker !== undefined) {
      if (permit === undefined) {
        if (!isOwn) breaker.bypassed(startedMs, true, nowMs);
      } else if (isOwn && !breaker.isProbe(permit)) breaker.release(permit, nowMs);
      else breaker.failure(permit, nowMs);
    }
    // Nor is it a sign of load that nobody has ever waited long enough.
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

  /** Is it no wonder if nothing is answered for a while, because the station has too much to do? */
  #mayBeMute({ crowding, admission }: Station, nowMs: number): boolean {
    return crowding.mayBeMute(admission.isByDelay, nowMs);
  }

  /**
   * Its caller's time is over before it could be called overdue: a station whose answers have
   * become as slow as callers wait would never be. What counts is that such calls were answered by
   * then, and that nothing was since it was sent.
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
   * Nobody waits for `attempt` any more. Was it overdue, or out for several times as long as its
   * kind takes at leisure? The bounds of what is overdue have followed a station that slows down
   * under load. That is a sign of load where others are as slow, or where nothing is answered and
   * no accident explains it: some calls always take long.
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
   * `attempt`, which was given up, had been out for long. `isMute`: nothing else was answered
   * meanwhile, or it is overdue.
   */
  #unanswered(attempt: Attempt, isMute: boolean, nowMs: number): void {
    const { call, station } = attempt;
    const { parts, crowding, admission, givenUp } = station;
    if (!isRepetition(attempt)) parts.left.note();
    givenUp.note(call.terms, nowMs);
    // What went out before the station began to refuse is no measure of what it was given since.
    if (attempt.startedMs < admission.refusingFromMs) return;
    const work = crowding.work(nowMs);
    // As many may be out there by chance at leisure.
    if (admission.working <= MUCH_WORK.ratio * work + MUCH_WORK.deviations * Math.sqrt(work)) return;
    const isNoAccident = isMute && parts.left.inRow >= MANY_LEFT && parts.left.chance() <= LEFT_CHANCE;
    if (isNoAccident || crowding.answeredStretch >= CROWDED) this.#noteLoad(station, "unanswered", nowMs);
  }

  /** Nobody waits for `attempt` any more, which would have taken longer than `ageMs`. */
  #noteAge({ call: { source }, station, isEarly }: Attempt, ageMs: number, nowMs: number): void {
    const { crowding, number } = station;
    const ageLog = Math.log(ageMs);
    const leisureLog = source.leisureLog(number, crowding.leisureSinceMs);
    if (leisureLog < ENDLESS) crowding.noteLeft(ageLog, leisureLog);
    source.noteLeft(number, ageMs, nowMs, isEarly, seenAsOf(station, nowMs), ageLog);
  }

  // ── roles
  // ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #decide(nowMs: number): void {
    this.#needsDecision = false;
    this.#isWakeStale = true;
    this.#decideAtMs = ENDLESS;
    const { roles } = this;
    for (const station of roles.stations) this.#endMaintenance(station, nowMs);
    // Each promotion changes what is known; two stations cannot promote each other for ever at one
    // instant.
    for (let rounds = roles.stations.length + 1; rounds > 0; rounds--) {
      const decision = roles.decide(nowMs);
      // A promotion has its own reason to end it.
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

  /** Does what is planned, or begins it; true where that changed who is active. */
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

  /** `hasFailed`: the station that was to become active did not serve what it was given. */
  #endFailback(reason: string, hasFailed: boolean, nowMs: number): void {
    const { failback } = this.roles;
    if (failback === undefined) return;
    this.roles.failback = undefined;
    // A race is lost without any blame: the idle station has to be there for a real failure.
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
    // Both begin afresh: a doubt from before must not hide the next one.
    this.#doubted.delete(old);
    this.#doubted.delete(roles.active);
    this.#event({ ...decision, type: "promoted", waiting: this.#queue.size + this.#parked, inFlight });
    // Calls that are out at a station which still answers may finish there.
    if (decision.cause !== "failure") return;
    if (silent) this.#moveAll(old, nowMs);
    else this.#moveUnanswered(old, lastServedMs, nowMs);
  }

  /**
   * Calls at a station that has served nothing since they were sent go on as soon as they are worth
   * a second attempt.
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
   * `station` is silent: what is out there goes elsewhere where that is safe, and may still be
   * answered meanwhile.
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

  /** The call goes on as if `attempt` were lost; it may still be answered meanwhile. */
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

  // ── what follows from an input
  // ──────────────────────────────────────────────────────────────────────────────────

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

  /** It waits no more, in the queue or elsewhere. */
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

  #noteLoad(station: Station, sign: Exclude<LoadSign, "finished">, nowMs: number): void {
    const { admission } = station;
    const before = admission.limit;
    admission.note(sign, this.#usual.ms(station), nowMs, station.crowding);
    if (admission.limit < before) this.#event(this.#reports.capacity(station, nowMs));
  }

  /** Something was learned of `station`: is it in doubt now, and could it be ineligible? */
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

/** Until when what waits unread is read first, where a tick is `lateByMs` late. */
function readUntil(lateByMs: number, nowMs: number): number {
  return lateByMs > LATE_TICK_MS ? nowMs + Math.min(lateByMs, MOST_READ_FIRST_MS) : nowMs;
}

function retryAfterMs(waitMs: number): number {
  return Math.ceil(Math.min(waitMs, MAX_RETRY_AFTER_MS));
}

/**
 * An attempt that was counted as lost, because the call went on without it, has turned out never to
 * have arrived: without it the call may have reached nobody, and its caller is not to be told that
 * it may have run.
 */
function undoLoss(call: Call, station: Station): void {
  const visit = call.noteVisit(station);
  if (visit.attempts > 0) visit.attempts--;
  if (visit.attempts === 0) visit.last = undefined;
}

/**
 * Was it lost at two stations? Where nobody knows its kind, that is likely to be its own: a third
 * attempt would end no better.
 */
function wasLostTwice({ visits = [] }: Call): boolean {
  return visits.length > 1 && visits.every(({ last }) => last === "lost");
}

/**
 * Is it the same call as one that its station was given before, and that was given up there late?
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
 * Where the limit is in force and answers are still slow, the station has become slower, and the
 * limit is not the reason. A limit that is still growing after a promotion may be the reason, as
 * one may that follows the answer times.
 */
function seenAsOf({ admission, crowding }: Station, nowMs: number): SeenAs {
  const isByLimit = admission.isBinding(nowMs) && crowding.stretch < (admission.isLearned ? FULL : CROWDED);
  return isByLimit || admission.isByDelay ? "crowded" : crowding.seenAs;
}

/** Nobody waits any more for this attempt to end. */
function takeOut(attempt: Attempt): void {
  const { call } = attempt;
  const { out } = call;
  if (out === undefined) return;
  if (out.length > 1) call.out = out.filter((other) => other !== attempt);
  else if (out[0] === attempt) call.out = undefined;
}
