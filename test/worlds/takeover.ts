/**
 * The takeover bench (`bench/takeover`) in virtual time: a primary and a backup of fixed latency, a
 * backup that admits so many commands a second and pays for every refusal, callers who send at a
 * fixed rate and hang up when their patience ends, and the faults of the bench. The failover is
 * given what the gateway gives it. What is counted is what the bench counts, so that a promise
 * which the bench takes minutes to measure is a test of a second.
 */
import type { FailoverEvent, FailoverOptions, KeyStatus } from "ground-station-failover";
import { deadlineAt, httpErrorBody, PhiAccrualDetector, PrimaryBackupFailover } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

export type Mode =
  | { readonly name: "ok" | "errors" | "lying-200" | "reset-after" | "stopped" | "killed" | "warming" }
  | { readonly name: "some-fail"; readonly p: number }
  | { readonly name: "slow"; readonly latencyMs: number };

export interface StationPlan {
  readonly latencyMs: number;
  /** Commands a second; 0 for no limit. */
  readonly capacity: number;
  readonly burst: number;
  /** What a refused command costs, in commands. */
  readonly refusalCost: number;
  readonly retryAfterS: number | undefined;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

class Refused extends Error {
  readonly code = "ECONNREFUSED";
  readonly syscall = "connect";
}

class Reset extends Error {
  readonly code = "ECONNRESET";
}

/** A station that executes a command half-way through its latency, once for each key. */
export class PlannedStation {
  readonly name: string;
  readonly executed: Map<string, number> = new Map();
  /** Keys that will not be executed here any more. */
  readonly cancelled: Set<string> = new Set();
  mode: Mode = { name: "ok" };
  refusals = 0;
  received = 0;
  /** Arrivals, by instant. */
  readonly arrivals: number[] = [];
  readonly #clock: VirtualClock;
  readonly #plan: StationPlan;
  readonly #random: () => number;
  #tokens: number;
  #refilledMs: number;
  #life = 0;
  #wake: (() => void)[] = [];
  /** Resolves when the process that lives now is killed. */
  #died: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(name: string, clock: VirtualClock, plan: StationPlan, random: () => number) {
    this.name = name;
    this.#clock = clock;
    this.#plan = plan;
    this.#random = random;
    this.#tokens = plan.burst;
    this.#refilledMs = clock.nowMs();
  }

  set(mode: Mode): void {
    const woken = this.mode.name === "stopped" && mode.name !== "stopped";
    if (mode.name === "killed") {
      this.#life++;
      this.#died.resolve();
      this.#died = Promise.withResolvers();
    }
    this.mode = mode;
    if (woken) for (const wake of this.#wake.splice(0)) wake();
  }

  async health(): Promise<boolean> {
    if (this.mode.name === "killed") return false;
    if (this.mode.name === "stopped") await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this.mode.name !== "errors";
  }

  /** `beginByMs`: later it is not executed any more. */
  async command(key: string, beginByMs = Number.POSITIVE_INFINITY): Promise<Answer> {
    const life = this.#life;
    if (this.mode.name === "killed") throw new Refused(`${this.name} refuses connections`);
    if (this.mode.name === "stopped") await new Promise<void>((resolve) => this.#wake.push(resolve));
    this.received++;
    this.arrivals.push(this.#clock.nowMs());
    const { mode } = this;
    if (mode.name === "errors" || (mode.name === "some-fail" && this.#random() < mode.p)) return failure(500);
    if (mode.name === "warming") return failure(503);
    if (mode.name === "lying-200") return { status: 200, headers: {}, body: { status: "error" } };
    if (!this.#admits()) {
      this.refusals++;
      const { retryAfterS } = this.#plan;
      return failure(503, retryAfterS === undefined ? {} : { "retry-after": String(retryAfterS) });
    }
    const latencyMs = mode.name === "slow" ? mode.latencyMs : this.#plan.latencyMs;
    await this.#work(latencyMs / 2, life);
    if (this.#clock.nowMs() > beginByMs) return failure(504);
    if (this.cancelled.has(key)) return failure(409);
    this.executed.set(key, (this.executed.get(key) ?? 0) + 1);
    await this.#work(latencyMs / 2, life);
    if (this.mode.name === "reset-after") throw new Reset(`${this.name} cut the connection`);
    return { status: 200, headers: {}, body: { status: "ok", key, station: this.name } };
  }

  async #work(ms: number, life: number): Promise<void> {
    // Connections are reset as soon as the process is gone.
    await Promise.race([this.#clock.sleepUntil(this.#clock.nowMs() + ms), this.#died.promise]);
    if (this.mode.name === "stopped") await new Promise<void>((resolve) => this.#wake.push(resolve));
    if (life !== this.#life) throw new Reset(`${this.name} was killed`);
  }

  #admits(): boolean {
    const { capacity, burst, refusalCost } = this.#plan;
    if (capacity === 0) return true;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#refilledMs) * capacity) / 1_000);
    this.#refilledMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.#tokens = Math.max(-capacity, this.#tokens - refusalCost);
    return false;
  }
}

function failure(status: number, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: { status: "error" } };
}

export interface TakeoverPlan {
  /** Commands a second. */
  readonly rate: number;
  readonly latencyMs: number;
  readonly patienceMs: number;
  /** Of the rate, what the backup admits. */
  readonly capacityRatio: number;
  readonly seconds: number;
  readonly faultAtS: number;
  /** How many times the rate is offered at each instant. */
  readonly load?: (atS: number) => number;
  readonly steps: (primary: PlannedStation, backup: PlannedStation) => readonly (readonly [number, () => void])[];
  readonly retryAfterS?: number | undefined;
  readonly knowsDeadline?: boolean;
  readonly canAsk?: boolean;
  readonly options?: Partial<FailoverOptions<PlannedStation>>;
  readonly seed?: number;
}

export interface TakeoverFigures {
  readonly calls: number;
  readonly errors: number;
  readonly doubled: number;
  /** The caller saw an error, and the command was executed. */
  readonly ghosts: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refusals: number;
  /** Calls refused here for load. */
  readonly refusedEarly: number;
  /** Of those, 95 % took at most this long. */
  readonly refusalP95Ms: number;
  /** Each of them: when its call came, and how long it took. */
  readonly refusedCalls: readonly { readonly atMs: number; readonly tookMs: number }[];
  readonly goodput: readonly number[];
  readonly promotions: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly events: readonly FailoverEvent[];
}

interface Seen {
  readonly dueMs: number;
  readonly key: string;
  endedMs: number;
  outcome: string;
}

/** Runs `plan`, and counts. */
export async function takeover(plan: TakeoverPlan): Promise<TakeoverFigures> {
  const clock = new VirtualClock();
  const random = seeded(plan.seed ?? 1);
  const { latencyMs, rate, capacityRatio } = plan;
  const free = { latencyMs, capacity: 0, burst: 0, refusalCost: 0.5, retryAfterS: plan.retryAfterS };
  const primary = new PlannedStation("primary", clock, free, random);
  const capacity = capacityRatio * rate;
  const burst = Math.round(0.24 * rate);
  const backup = new PlannedStation("backup", clock, { ...free, capacity, burst }, random);
  const detector = new PhiAccrualDetector({ clock, model: "adaptive", expectedIntervalMs: 200, ceilingMs: 1_000 });
  const failover = new PrimaryBackupFailover<PlannedStation>({
    primary,
    backup,
    detector,
    clock,
    deadlineMs: 30_000,
    maxWaitMs: 15_000,
    client: {
      timeoutMs: 30_000,
      bulkhead: { maxConcurrent: 256, acquireTimeoutMs: 500 },
      classify: httpErrorBody as never,
    },
    ...(plan.canAsk === true ? { keyStatus: askIn(plan) } : {}),
    ...plan.options,
  });
  const events: FailoverEvent[] = [];
  failover.onEvent((event) => events.push(event));
  const stop = new AbortController();
  const running = failover.run(stop.signal);
  for (const station of [primary, backup]) beat(station, detector, clock, stop.signal);
  await clock.advanceTo(3_000);
  const t0 = clock.nowMs() + 2_000;
  for (const [atS, step] of plan.steps(primary, backup)) clock.at(t0 + atS * 1_000, step);
  const calls: Seen[] = [];
  for (let atS = -2; atS < plan.seconds; atS += 1 / (rate * (plan.load?.(atS) ?? 1))) {
    const seen: Seen = {
      dueMs: t0 + atS * 1_000,
      key: `c${calls.length}`,
      endedMs: Number.POSITIVE_INFINITY,
      outcome: "",
    };
    calls.push(seen);
    clock.at(seen.dueMs, () => send(failover, seen, plan, clock));
  }
  await clock.advanceTo(t0 + plan.seconds * 1_000 + plan.patienceMs + 12_000);
  stop.abort();
  await running;
  return figures(plan, calls, [primary, backup], events, t0);
}

function askIn(_plan: TakeoverPlan) {
  return (station: PlannedStation, key: string): KeyStatus<unknown> | Promise<never> => {
    if (station.mode.name === "killed") return "unknown";
    if (station.mode.name === "stopped") return new Promise(() => undefined);
    const ran = (station.executed.get(key) ?? 0) > 0;
    if (ran) return { ran: true, result: { status: 200, headers: {}, body: { status: "ok", key } } };
    station.cancelled.add(key);
    return { ran: false };
  };
}

function beat(station: PlannedStation, detector: PhiAccrualDetector, clock: VirtualClock, signal: AbortSignal): void {
  const tick = (): void => {
    if (signal.aborted) return;
    void station.health().then((well) => well && detector.noteHeartbeat(station.name));
    clock.at(clock.nowMs() + 200, tick);
  };
  tick();
}

function send(
  failover: PrimaryBackupFailover<PlannedStation>,
  seen: Seen,
  plan: TakeoverPlan,
  clock: VirtualClock,
): void {
  const caller = new AbortController();
  const hangUp = clock.at(seen.dueMs + plan.patienceMs, () => {
    if (seen.outcome === "") end(seen, "hung-up", clock);
    caller.abort();
  });
  const options = {
    idempotencyKey: seen.key,
    source: "127.0.0.1 POST /commands",
    signal: caller.signal,
    ...(plan.knowsDeadline === true ? { deadline: deadlineAt(seen.dueMs + plan.patienceMs) } : {}),
  };
  failover
    .call(
      (context) =>
        new Promise<Answer>((resolve, reject) => {
          const { station, signal } = context;
          signal.addEventListener("abort", () => reject(signal.reason));
          station.command(seen.key, clock.nowMs() + context.beginWithinMs()).then(resolve, reject);
        }),
      options,
    )
    .then(
      ({ status, body }) => {
        const well = status === 200 && (body as { status: string }).status === "ok";
        end(seen, well ? "ok" : `http${status}`, clock);
      },
      (error: { readonly code?: string }) => end(seen, error.code ?? "error", clock),
    )
    .finally(() => hangUp[Symbol.dispose]());
}

function end(seen: Seen, outcome: string, clock: VirtualClock): void {
  if (seen.outcome !== "") return;
  seen.outcome = outcome;
  seen.endedMs = clock.nowMs();
}

function figures(
  plan: TakeoverPlan,
  all: readonly Seen[],
  stations: readonly PlannedStation[],
  events: readonly FailoverEvent[],
  t0: number,
): TakeoverFigures {
  const calls = all.filter(({ dueMs }) => dueMs >= t0);
  const times = (key: string): number => stations.reduce((sum, { executed }) => sum + (executed.get(key) ?? 0), 0);
  const errors = calls.filter(({ outcome }) => outcome !== "ok");
  const faultMs = t0 + plan.faultAtS * 1_000;
  const took = calls
    .filter(({ outcome, dueMs }) => outcome === "ok" && dueMs >= faultMs)
    .map(({ endedMs, dueMs }) => endedMs - dueMs)
    .sort((one, other) => one - other);
  const goodput = new Array<number>(Math.ceil(plan.seconds + plan.patienceMs / 1_000) + 1).fill(0);
  for (const { outcome, endedMs } of calls) {
    const second = Math.floor((endedMs - t0) / 1_000);
    if (outcome === "ok" && second < goodput.length) goodput[second] = (goodput[second] as number) + 1;
  }
  const outcomes: Record<string, number> = {};
  for (const { outcome } of calls) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const refused = calls.filter(({ outcome }) => outcome === "OVERLOADED");
  const refusedMs = refused.map(({ endedMs, dueMs }) => endedMs - dueMs).sort((one, other) => one - other);
  return {
    calls: calls.length,
    errors: errors.length,
    doubled: calls.filter(({ key }) => times(key) > 1).length,
    ghosts: errors.filter(({ key }) => times(key) > 0).length,
    p50Ms: took[Math.floor(took.length / 2)] ?? Number.NaN,
    p99Ms: took[Math.ceil(took.length * 0.99) - 1] ?? Number.NaN,
    refusals: stations.reduce((sum, station) => sum + station.refusals, 0),
    refusedEarly: refused.length,
    refusalP95Ms: refusedMs[Math.ceil(refusedMs.length * 0.95) - 1] ?? 0,
    refusedCalls: refused.map(({ endedMs, dueMs }) => ({ atMs: dueMs, tookMs: endedMs - dueMs })),
    goodput,
    promotions: events.filter(({ type }) => type === "promoted").length,
    outcomes,
    events,
  };
}

/** mulberry32: enough for a coin. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const F = 5;
const simple = (mode: Mode): Pick<TakeoverPlan, "steps"> => ({ steps: (primary) => [[F, () => primary.set(mode)]] });

/** The cases of the bench, by their numbers there. */
export const CASES: Readonly<Record<string, Pick<TakeoverPlan, "steps" | "load">>> = {
  "0": { steps: () => [] },
  "1": simple({ name: "killed" }),
  "2": {
    steps: (p) => [
      [F, () => p.set({ name: "stopped" })],
      [13, () => p.set({ name: "ok" })],
    ],
  },
  "3": simple({ name: "errors" }),
  "4": simple({ name: "lying-200" }),
  "5": simple({ name: "slow", latencyMs: 8_000 }),
  "6": simple({ name: "some-fail", p: 0.5 }),
  "7": simple({ name: "reset-after" }),
  "8": {
    steps: (p) =>
      [5, 9, 13, 17].flatMap((atS) => [
        [atS, () => p.set({ name: "killed" })] as const,
        [atS + 2, () => p.set({ name: "ok" })] as const,
      ]),
  },
  "9": {
    steps: (p, b) => [
      [
        F,
        () => {
          p.set({ name: "killed" });
          b.set({ name: "killed" });
        },
      ],
      [8, () => b.set({ name: "ok" })],
    ],
  },
  "10": simple({ name: "slow", latencyMs: 300 }),
  "11": {
    steps: (p) => [
      [F, () => p.set({ name: "killed" })],
      [12, () => p.set({ name: "ok" })],
    ],
  },
  "12": { ...simple({ name: "killed" }), load: (atS) => (atS >= 5.25 && atS < 6.25 ? 5 : 1) },
};
