/**
 * Hedged calls: if the first attempt takes longer than nearly all others, the same call is sent
 * once more, the first good answer wins, and the other is cancelled (Dean and Barroso, "The Tail at
 * Scale", 2013). It shortens the tail that comes from single slow requests. It does not help
 * against a service that is slow as a whole: then every call would be sent twice, which is why
 * hedges are charged to the retry budget and sent one at a time.
 *
 *   call ──► first attempt ─────────────────────► good answer ──► caller; the other is cancelled
 *              └─ delay ─► budget? ─► hedge ────┘
 *
 * Each goes through the client: breaker, bulkhead and timeout apply to both. The breaker counts the
 * answer that was used and not the one that was cancelled.
 */
import { AsyncResource } from "node:async_hooks";
import { brand } from "../../core/brand.ts";
import type { Deadline } from "../../core/deadline.ts";
import { ConfigurationError } from "../../core/errors.ts";
import { HedgeDelay, type HedgeDelayOptions } from "../../core/guard/hedge-delay.ts";
import { COUNT, checked, checkNames, type Names, noOperation, refusal } from "../../core/options.ts";
import { Listeners } from "../listeners.ts";
import { judgeResult } from "./booking.ts";
import { Call } from "./call.ts";
import { type CallOptions, checkCallOptions, isRepeatable, type Operation } from "./call-options.ts";
import { ResilientClient } from "./client.ts";
import type { ClientParts } from "./client-parts.ts";
import { RetryBudget } from "./retry-budget.ts";

/** Options of a hedged client. */
export interface HedgeOptions<T = unknown> extends HedgeDelayOptions {
  /** The client whose calls are hedged. No default. */
  readonly client: ResilientClient<T>;
  /**
   * After what time a hedge is sent. In ms, from 0, below 2^31. Default: learned, so that a call is
   * hedged that takes longer than `quantile` of the latest answers.
   */
  readonly delayMs?: number | undefined;
  /**
   * How many hedges a call may have, each a delay after the one before; a whole number, 1 … 10.
   * Default 1: a second one helps little.
   */
  readonly maxHedges?: number | undefined;
  /**
   * What hedges are charged to. Default: the client's budget, which its retries are charged to as
   * well; one of its own if the client has none.
   */
  readonly budget?: RetryBudget | undefined;
}

/** An event of a hedged client. */
export type HedgeEvent =
  /** A hedge was sent. `hedge`: 1 for the first one of the call. */
  | { readonly type: "hedge"; readonly hedge: number; readonly afterMs: number }
  /** The budget had no room for a hedge. */
  | { readonly type: "hedge-refused"; readonly afterMs: number };

/** What a hedged client has done. */
export interface HedgeStatus {
  readonly calls: number;
  readonly hedges: number;
  /** Hedges whose answer was used. */
  readonly won: number;
  /** Hedges that the budget refused. */
  readonly refused: number;
  /** After what time the next hedge would be sent; `Infinity` as long as too little is known. */
  readonly delayMs: number;
}

const NAMES: Names<HedgeOptions> = {
  client: true,
  delayMs: true,
  maxHedges: true,
  budget: true,
  quantile: true,
  minDelayMs: true,
  minSamples: true,
};
const MAX_HEDGES = 10;

/**
 * Sends calls of a client once more when they take unusually long, and uses the first good answer.
 *
 * @example
 * ```ts
 * import { HedgedClient, ResilientClient } from "ground-station-failover";
 *
 * const client = new ResilientClient({ name: "north" });
 * const hedged = new HedgedClient({ client, delayMs: 20 });
 * let sent = 0;
 * const read = () => (sent++ === 0 ? new Promise<string>(() => {}) : Promise.resolve("quick"));
 * console.log(await hedged.call(read, { idempotent: true })); // quick
 * console.log(hedged.status.hedges, hedged.status.won); // 1 1
 * ```
 */
export class HedgedClient<T = unknown> {
  static {
    brand(HedgedClient, "HedgedClient");
  }

  readonly client: ResilientClient<T>;
  readonly budget: RetryBudget;
  readonly maxHedges: number;
  /** @internal What a hedge needs: one attempt, charged beforehand. */
  readonly parts: ClientParts<T>;
  readonly #fixedDelayMs: number | undefined;
  readonly #learned: HedgeDelay;
  readonly #ownsBudget: boolean;
  readonly #listeners: Listeners<HedgeEvent> = new Listeners();
  readonly #counts = { calls: 0, hedges: 0, won: 0, refused: 0 };

  constructor(options: HedgeOptions<T>) {
    checkNames("HedgedClient", options, NAMES);
    const { client, delayMs, maxHedges = 1, budget, ...learned } = options;
    if (!(client instanceof ResilientClient)) throw refusal("HedgedClient", "client", client, "a ResilientClient");
    if (budget !== undefined && !(budget instanceof RetryBudget))
      throw refusal("HedgedClient", "budget", budget, "a RetryBudget");
    this.client = client;
    const range = { min: 0, max: 2 ** 31 - 1 };
    this.#fixedDelayMs = delayMs === undefined ? undefined : checked("HedgedClient", "delayMs", delayMs, range);
    this.maxHedges = checked("HedgedClient", "maxHedges", maxHedges, { ...COUNT, max: MAX_HEDGES });
    this.#learned = new HedgeDelay(learned);
    this.budget = budget ?? client.budget ?? new RetryBudget({ clock: client.parts.clock });
    // The client deposits the first attempts of its calls into its own budget.
    this.#ownsBudget = this.budget !== client.budget;
    this.parts = { ...client.parts, maxAttempts: 1, budget: undefined };
  }

  get delayMs(): number {
    return this.#fixedDelayMs ?? this.#learned.delayMs;
  }

  get status(): HedgeStatus {
    return { ...this.#counts, delayMs: this.delayMs };
  }

  /** Calls `listener` for hedges that were sent or refused; dispose to stop. */
  onHedge(listener: (event: HedgeEvent) => void): Disposable {
    return this.#listeners.add(listener);
  }

  /**
   * As {@link ResilientClient.call}, hedged. The call must be safe to repeat (`idempotent` or a
   * key); otherwise it rejects with a `ConfigurationError`, because two attempts would be out at
   * once. If none gives a good answer, the caller gets how the first one ended.
   */
  call<R extends T = T>(operation: Operation<R>, options: CallOptions): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const { name } = this.client;
      if (typeof operation !== "function") throw noOperation(name, operation);
      checkCallOptions(name, options);
      if (!isRepeatable(options)) throw notRepeatable(name);
      const nowMs = this.client.parts.clock.nowMs();
      const deadline = this.client.deadlineOf(options, nowMs);
      this.#counts.calls++;
      if (this.#ownsBudget) this.budget.deposit(nowMs);
      const hedging = this as HedgedClient<unknown> as HedgedClient<R>;
      new HedgedCall<R>(hedging, operation, options, deadline, resolve, reject).start(nowMs);
    });
  }

  /** @internal Charges a hedge; false if the budget has no room for it. */
  mayHedge(hedge: number, afterMs: number): boolean {
    // In one step: nothing is waited for in between.
    const isPaid = this.budget.withdraw() && this.budget.send();
    this.#counts[isPaid ? "hedges" : "refused"]++;
    if (this.#listeners.any)
      this.#listeners.tell(isPaid ? { type: "hedge", hedge, afterMs } : { type: "hedge-refused", afterMs });
    return isPaid;
  }

  /** @internal A call was answered well. `firstMs`: how long its first attempt took, or was out. */
  noteWon(firstMs: number, isHedge: boolean): void {
    this.#learned.add(firstMs);
    if (isHedge) this.#counts.won++;
  }
}

/** How an attempt ended that gave no good answer. */
type Ending<T> = { readonly value: T } | { readonly error: unknown };

class HedgedCall<T> {
  readonly #hedging: HedgedClient<T>;
  readonly #operation: Operation<T>;
  readonly #options: CallOptions;
  readonly #deadline: Deadline;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  /** A hedge belongs to its caller's context, and not to that of a timer. */
  readonly #context = new AsyncResource("HedgedClient.call");
  readonly #out: Set<Call<T>> = new Set();
  #startedMs = 0;
  #hedges = 0;
  #timer: Disposable | undefined;
  /** How the first attempt ended, or the first hedge as long as that is out. */
  #ending: Ending<T> | undefined;
  #isOver = false;

  constructor(
    hedging: HedgedClient<T>,
    operation: Operation<T>,
    options: CallOptions,
    deadline: Deadline,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#hedging = hedging;
    this.#operation = operation;
    this.#options = options;
    this.#deadline = deadline;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(nowMs: number): void {
    this.#startedMs = nowMs;
    this.#send(this.#hedging.client.parts, nowMs, false);
    this.#waitForNext(nowMs);
  }

  #waitForNext(nowMs: number): void {
    const dueMs = nowMs + this.#hedging.delayMs;
    // Without time for an answer, another attempt is of no use.
    if (this.#isOver || this.#hedges >= this.#hedging.maxHedges || dueMs >= this.#deadline) return;
    this.#timer = this.#hedging.client.parts.clock.at(dueMs, () => this.#hedge());
  }

  #hedge(): void {
    const nowMs = this.#hedging.client.parts.clock.nowMs();
    this.#timer = undefined;
    if (!this.#hedging.mayHedge(this.#hedges + 1, nowMs - this.#startedMs)) return;
    this.#hedges++;
    this.#context.runInAsyncScope(() => this.#send(this.#hedging.parts, nowMs, true));
    this.#waitForNext(nowMs);
  }

  #send(parts: ClientParts<T>, nowMs: number, isHedge: boolean): void {
    const call = new Call<T>(
      parts,
      this.#operation,
      this.#options,
      this.#deadline,
      (value) => (this.#isGood(value) ? this.#win(call, value, isHedge) : this.#lose(call, { value }, isHedge)),
      (error) => this.#lose(call, { error }, isHedge),
    );
    this.#out.add(call);
    call.start(nowMs);
  }

  /** A result may be classified as a failure; a client delivers it all the same. */
  #isGood(value: T): boolean {
    const { classify, clock } = this.#hedging.client.parts;
    if (classify?.result === undefined) return true;
    const judged = judgeResult(classify, value, clock);
    return "outcome" in judged && (judged.outcome === "success" || judged.outcome === "ignored");
  }

  #win(winner: Call<T>, value: T, isHedge: boolean): void {
    if (this.#isOver) return;
    this.#out.delete(winner);
    this.#end();
    this.#hedging.noteWon(this.#hedging.client.parts.clock.nowMs() - this.#startedMs, isHedge);
    for (const call of this.#out) call.cancel();
    this.#resolve(value);
  }

  #lose(call: Call<T>, ending: Ending<T>, isHedge: boolean): void {
    if (this.#isOver) return;
    this.#out.delete(call);
    if (!isHedge || this.#ending === undefined) this.#ending = ending;
    // The client has tried again already if that made sense: a hedge now would be one more retry.
    if (this.#out.size > 0) return;
    this.#end();
    const last = this.#ending;
    if ("value" in last) this.#resolve(last.value);
    else this.#reject(last.error);
  }

  #end(): void {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

function notRepeatable(name: string): ConfigurationError {
  return new ConfigurationError(
    "hedge-not-repeatable",
    `${name}: a hedged call may run twice at the same time, so it must be safe to repeat: say idempotent: true, or give an idempotencyKey.`,
  );
}
