/**
 * The dispatcher under random orders of inputs: calls of all kinds, ends of attempts of all kinds
 * in any order, hang-ups, declarations, stalls, probes, maintenance, switchovers, slow uploads, and
 * time. Whatever comes, each call is settled once and in time, what must not be sent twice is not,
 * budgets hold, and everything that was taken is given back.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import { Slots } from "../guard/slots.ts";
import { InvariantViolation } from "../invariant.ts";
import type { Attempt, AttemptResult, Call } from "./call.ts";
import type { DispatchAction } from "./dispatch.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const RUNS = Number(process.env["RUNS"] ?? 400);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/dispatch.properties.test.ts`;

const RESULTS: readonly AttemptResult[] = [
  "served",
  "served",
  "served",
  "failed",
  "overloaded",
  "lost",
  "unreachable",
  "local-shortage",
  "ignored",
  "stale",
];
const LONGEST_DEADLINE_MS = 5_000;
const MAX_WAIT_MS = 2_000;
const MAX_ATTEMPTS = 3;

type Step =
  | {
      readonly kind: "submit";
      readonly keyed: boolean;
      readonly idempotent: boolean;
      readonly source: number;
      readonly deadlineMs: number;
    }
  | {
      readonly kind: "end";
      readonly which: number;
      readonly result: AttemptResult;
      readonly hintMs: number | undefined;
    }
  | { readonly kind: "cancel"; readonly which: number }
  | { readonly kind: "declare"; readonly station: number; readonly to: "alive" | "suspected" | "down" }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "upload"; readonly which: number; readonly on: boolean }
  | { readonly kind: "answer"; readonly answer: "unknown" | "ran" | "did not run" }
  | { readonly kind: "probe"; readonly station: number; readonly isWell: boolean }
  | { readonly kind: "maintenance"; readonly station: number; readonly forMs: number | undefined }
  | { readonly kind: "switchover"; readonly station: number }
  | { readonly kind: "supervised"; readonly isRunning: boolean };

const which = fc.nat({ max: 30 });
const number = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      keyed: fc.boolean(),
      idempotent: fc.boolean(),
      source: fc.nat({ max: 3 }),
      deadlineMs: fc.integer({ min: 1, max: LONGEST_DEADLINE_MS }),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which,
      result: fc.constantFrom(...RESULTS),
      hintMs: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("declare" as const),
      station: number,
      to: fc.constantFrom("alive", "alive", "suspected", "down"),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.nat({ max: 150 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sleep" as const), ms: fc.integer({ min: 30, max: 3_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("upload" as const), which, on: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      answer: fc.constantFrom("unknown", "ran", "did not run"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("probe" as const), station: number, isWell: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("maintenance" as const),
      station: number,
      forMs: fc.option(fc.integer({ min: 1, max: 2_000 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("switchover" as const), station: number }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("supervised" as const), isRunning: fc.boolean() }) },
);

interface Settings {
  readonly canAsk: boolean;
  readonly resendsKeyed: boolean;
  readonly maxConcurrent: number;
  readonly capacityPerSecond: number;
  readonly slots: number | undefined;
  readonly automatic: boolean;
  readonly probes: boolean;
  /** Is it known how long answers take? */
  readonly primed: boolean;
}

const settings: fc.Arbitrary<Settings> = fc.record({
  canAsk: fc.boolean(),
  resendsKeyed: fc.boolean(),
  maxConcurrent: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
  capacityPerSecond: fc.constantFrom(20, Number.POSITIVE_INFINITY),
  slots: fc.constantFrom(undefined, 2),
  automatic: fc.boolean(),
  probes: fc.boolean(),
  primed: fc.boolean(),
});

/** A world, and what it must never do, checked after each input. */
class Checked extends Dispatching {
  readonly slots: readonly (Slots | undefined)[];
  readonly calls: Call[] = [];
  readonly asked: Call[] = [];
  /** Attempts of calls that cannot be repeated which may have run. */
  readonly mayHaveRun: Map<Call, number> = new Map();
  /** Attempts that went beyond a call's first at a station, and first attempts, by station. */
  readonly extra: Map<number, number> = new Map();
  readonly been: Set<string> = new Set();
  /** When this process last woke from standing still. */
  wokeAtMs = Number.NEGATIVE_INFINITY;

  constructor(given: Settings) {
    const slots = [0, 1].map(() => (given.slots === undefined ? undefined : new Slots(given.slots, 0)));
    super({
      alive: false,
      canAsk: given.canAsk,
      resendsKeyed: given.resendsKeyed,
      maxWaitMs: MAX_WAIT_MS,
      maxWaiting: 10,
      failback: { mode: given.automatic ? "automatic" : "manual", holdDownMs: 500 },
      roles: { probes: given.probes, quietMs: 300 },
      stations: slots.map((sharedSlots) => ({
        sharedSlots,
        needsProof: given.probes,
        timeoutMs: 400,
        cooldownMs: 700,
        breaker: { minimumVolume: 5, openDurationMs: 600 },
        capacity: { maxConcurrent: given.maxConcurrent, capacityPerSecond: given.capacityPerSecond },
      })),
    });
    this.slots = slots;
    for (const { name } of this.stations) this.declare(name, "alive");
    this.input({ type: "supervised", isRunning: true });
    if (given.primed) this.serve(40, { source: "source 0" }, 60);
  }

  override input(input: Parameters<Dispatching["input"]>[0]): readonly DispatchAction[] {
    const actions = super.input(input);
    for (const action of actions) {
      if (action.type === "send") this.#sent(action.attempt);
      else if (action.type === "ask") this.asked.push(action.call);
      else if (action.type === "leave-slot") this.slots[action.station.number]?.giveBack();
    }
    this.#ordered(actions);
    return actions;
  }

  #sent(attempt: Attempt): void {
    const { call, station } = attempt;
    assert.notEqual(call.state.phase, "done", "nothing is sent for a call that is settled");
    assert.ok(!this.settled.has(call), "nothing is sent for a call that is settled");
    assert.ok(this.nowMs < call.terms.deadline, "nothing is sent after the deadline");
    if (!call.terms.isRepeatable) {
      assert.equal(this.mayHaveRun.get(call) ?? 0, 0, `call ${call.id} cannot be repeated, and may have run`);
      this.mayHaveRun.set(call, 1);
    }
    const place = `${call.id}@${station.name}`;
    if (this.been.has(place)) this.extra.set(station.number, (this.extra.get(station.number) ?? 0) + 1);
    this.been.add(place);
  }

  /**
   * The stated order: an attempt is recalled after its call is settled or has gone on; a slot is
   * left before it is taken.
   */
  #ordered(actions: readonly DispatchAction[]): void {
    const settled = new Set<Call>();
    for (const action of actions) {
      if (action.type === "settle") {
        assert.ok(!settled.has(action.call));
        settled.add(action.call);
      }
      if (action.type === "send") assert.ok(!settled.has(action.attempt.call), "sent after it was settled");
    }
  }

  override end(
    attempt: Attempt,
    result: AttemptResult,
    more: Parameters<Dispatching["end"]>[2] = {},
  ): readonly DispatchAction[] {
    // What provably did not run may go again, and a call that ended is nobody's business.
    if (result === "unreachable" || result === "local-shortage" || result === "stale")
      this.mayHaveRun.delete(attempt.call);
    const visits = attempt.call.visitAt(attempt.station);
    // An attempt that never arrived is none that the station's budget knows.
    if (result === "unreachable" || result === "local-shortage" || result === "stale") {
      if ((visits?.attempts ?? 0) === 0) this.been.delete(`${attempt.call.id}@${attempt.station.name}`);
    }
    return super.end(attempt, result, more);
  }
}

function take(world: Checked, each: Step): void {
  switch (each.kind) {
    case "submit": {
      const { keyed, idempotent, source, deadlineMs } = each;
      world.calls.push(
        world.submit({
          ...(keyed ? { key: `k${world.calls.length}` } : {}),
          isIdempotent: idempotent,
          source: `source ${source}`,
          deadline: world.nowMs + deadlineMs,
        }),
      );
      return;
    }
    case "end": {
      const attempt = world.out[each.which % Math.max(1, world.out.length)];
      if (attempt !== undefined) world.end(attempt, each.result, { retryAfterMs: each.hintMs });
      return;
    }
    case "cancel": {
      const call = world.calls[each.which % Math.max(1, world.calls.length)];
      if (call !== undefined) world.input({ type: "cancel", call, reason: "gone" });
      return;
    }
    case "declare": {
      const one = world.stations[each.station];
      if (one !== undefined && one.liveness !== each.to) world.declare(one.name, each.to);
      return;
    }
    case "time":
      return world.advance(each.ms);
    case "sleep": {
      const dueAtMs = world.dispatcher.nextWakeMs(world.nowMs);
      world.nowMs += each.ms;
      world.wokeAtMs = world.nowMs;
      world.input({ type: "stalled", untilMs: world.nowMs + 50 });
      world.input({ type: "tick", lateByMs: Math.max(0, world.nowMs - dueAtMs) });
      return;
    }
    case "upload": {
      const attempt = world.out[each.which % Math.max(1, world.out.length)];
      if (attempt !== undefined) world.input({ type: "uploading", attempt, isUploading: each.on });
      return;
    }
    case "answer": {
      const call = world.asked.shift();
      if (call === undefined) return;
      const answer =
        each.answer === "unknown"
          ? "unknown"
          : each.answer === "ran"
            ? { ran: true as const, result: "record" }
            : { ran: false as const };
      world.input({ type: "answered", call, answer });
      return;
    }
    case "probe":
      world.input({ type: "probed", station: world.stations[each.station] as never, isWell: each.isWell });
      return;
    case "maintenance": {
      const reason = each.forMs === undefined ? undefined : "antenna";
      const untilMs = world.nowMs + (each.forMs ?? 0);
      world.input({ type: "maintenance", station: world.stations[each.station] as never, reason, untilMs });
      return;
    }
    case "switchover":
      world.dispatcher.switchover(
        (world.stations[each.station] as { name: string }).name,
        "switchover",
        "drill",
        world.nowMs,
      );
      world.input({ type: "tick", lateByMs: 0 });
      return;
    case "supervised":
      world.input({ type: "supervised", isRunning: each.isRunning });
      return;
  }
}

function check(world: Checked): void {
  const { dispatcher, roles } = world;
  const phases = { waiting: 0, running: 0, parked: 0, asking: 0, done: 0 };
  for (const call of world.calls) {
    phases[call.state.phase]++;
    assert.equal(call.state.phase === "done", world.settled.has(call), `call ${call.id} is ${call.state.phase}`);
    for (const visit of call.visits ?? []) assert.ok(visit.attempts <= MAX_ATTEMPTS, `${visit.attempts} attempts`);
    if (call.state.phase === "running") assert.ok((call.out?.length ?? 0) > 0, `call ${call.id} runs nowhere`);
  }
  assert.equal(dispatcher.waiting, phases.waiting, "the queue holds those that wait");
  assert.equal(dispatcher.parked, phases.parked + phases.asking, "parked are those that are parked or asking");
  for (const one of world.stations) {
    const out = world.out.filter((attempt) => attempt.station === one).length;
    assert.equal(one.inFlight, out, `${one.name}: attempts that are out`);
    assert.equal(one.admission.inFlight, out, `${one.name}: in flight`);
    assert.equal(world.slots[one.number]?.running ?? out, out, `${one.name}: slots`);
  }
  assert.equal(roles.stations.filter((one) => one === roles.active).length, 1);
  assert.ok(dispatcher.nextWakeMs(world.nowMs) >= world.nowMs);
}

/** Lets everything that is out end, and all deadlines pass. */
function wind(world: Checked): void {
  world.advance(LONGEST_DEADLINE_MS + 20);
  world.advance(20);
  for (const call of world.calls)
    assert.ok(world.settled.has(call), `call ${call.id} is ${call.state.phase} after its deadline`);
  for (const attempt of [...world.out]) world.end(attempt, "ignored");
  check(world);
  assert.deepEqual([world.dispatcher.waiting, world.dispatcher.parked, world.out.length], [0, 0, 0]);
  for (const one of world.stations) {
    assert.equal(one.parts.budget?.status(world.nowMs).pending, 0, `${one.name}: charges return`);
  }
}

test("[F4] [F5] [R2] any order of inputs → each call settled once and in time, nothing sent twice that must not be", () => {
  fc.assert(
    fc.property(settings, fc.array(step, { minLength: 20, maxLength: 150 }), (given, steps) => {
      const world = new Checked(given);
      try {
        for (const each of steps) {
          take(world, each);
          check(world);
          for (const call of world.calls) {
            // A sleep ends with what waits unread: that is given 10 ms.
            const lateMs = world.nowMs - Math.max(call.terms.deadline, world.wokeAtMs + 10);
            assert.ok(
              world.settled.has(call) || lateMs <= 0,
              `call ${call.id} is ${call.state.phase}, ${lateMs} ms late`,
            );
          }
        }
        wind(world);
      } catch (error) {
        if (error instanceof InvariantViolation) assert.fail(`${error.message}. ${REPLAY}`);
        throw error;
      }
      // Extra attempts at a station: a tenth of the calls, or ten in each window; overdue ones that
      // are hedged are first attempts elsewhere.
      for (const one of world.stations) {
        const firsts = [...world.been].filter((place) => place.endsWith(`@${one.name}`)).length;
        const extra = world.extra.get(one.number) ?? 0;
        const reserve = 10 * (Math.ceil(world.nowMs / 10_000) + 1);
        assert.ok(
          extra <= Math.max(0.1 * firsts, reserve),
          `${extra} extra attempts at ${one.name} for ${firsts} calls. ${REPLAY}`,
        );
      }
    }),
    { seed: SEED, numRuns: RUNS },
  );
});

test("[F5] nothing happens any more → it is not woken for ever: the next wake is never, or some time away", () => {
  fc.assert(
    fc.property(settings, fc.array(step, { maxLength: 100 }), (given, steps) => {
      const world = new Checked(given);
      for (const each of steps) take(world, each);
      wind(world);
      let ticks = 0;
      const untilMs = world.nowMs + 60_000;
      for (let nextMs = world.dispatcher.nextWakeMs(world.nowMs); nextMs <= untilMs && ticks < 2_000; ticks++) {
        world.nowMs = nextMs;
        world.input({ type: "tick", lateByMs: 0 });
        nextMs = world.dispatcher.nextWakeMs(world.nowMs);
      }
      assert.ok(ticks <= 300, `${ticks} ticks in a minute in which nothing happens. ${REPLAY}`);
    }),
    { seed: SEED, numRuns: Math.ceil(RUNS / 4) },
  );
});
