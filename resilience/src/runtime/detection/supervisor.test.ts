/**
 * The supervisor at work on a virtual clock: timers, its own stalls, listeners that reach back,
 * detectors of others.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import type { LivenessChange } from "../../core/detection/supervisor.ts";
import { ConfigurationError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PrimaryBackupFailover } from "../failover/failover.ts";
import type { Clock } from "../time/clock.ts";
import { type FailureDetector, PhiAccrualDetector } from "./detectors.ts";
import { type Abstention, LivenessSupervisor, type LivenessSupervisorOptions } from "./supervisor.ts";

/** A clock of a process that can be stopped: while it is, time passes and nothing runs. */
class StoppableClock implements Clock {
  readonly inner: VirtualClock = new VirtualClock();
  #stoppedMs = 0;
  nowMs(): number {
    return this.inner.nowMs() + this.#stoppedMs;
  }
  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    return this.inner.at(atMs - this.#stoppedMs, run, subject as Subject);
  }
  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void> {
    return this.inner.sleepUntil(atMs - this.#stoppedMs, signal);
  }
  stopFor(ms: number): void {
    this.#stoppedMs += ms;
  }
}

interface Scene {
  readonly detector: PhiAccrualDetector;
  readonly supervisor: LivenessSupervisor;
  readonly seen: LivenessChange[];
  readonly stop: AbortController;
  readonly running: Promise<void>;
}

function scene(clock: Clock, options: Partial<LivenessSupervisorOptions> = {}): Scene {
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50 });
  const seen: LivenessChange[] = [];
  const stop = new AbortController();
  const supervisor = new LivenessSupervisor({
    detector,
    ...options,
  });
  supervisor.onLivenessChange((declaration) => seen.push(declaration));
  return { detector, supervisor, seen, stop, running: supervisor.run(stop.signal) };
}

function told(seen: readonly LivenessChange[]): string[] {
  return seen.map(({ node, from, to }) => `${node}: ${from} -> ${to}`);
}

async function beat(detector: PhiAccrualDetector, clock: VirtualClock, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    detector.noteHeartbeat("a");
    await clock.advanceBy(50);
  }
}

test("[D6] it declares by timers, at the instant the detector foretells, and tells of recovery", async () => {
  const clock = new VirtualClock();
  const { detector, supervisor, seen, stop, running } = scene(clock);
  supervisor.watch("a");
  await beat(detector, clock, 100);
  assert.deepEqual(told(seen), ["a: unknown -> alive"]);
  await clock.advanceBy(5000);
  assert.deepEqual(told(seen.slice(1)), ["a: alive -> suspected", "a: suspected -> down"]);
  for (const [index, level] of [
    [1, 5],
    [2, 8],
  ] as const) {
    assert.ok(Math.abs((seen[index]?.atMs ?? 0) - (detector.whenLevel("a", level) as number)) < 1);
  }
  assert.equal(supervisor.liveness("a"), "down");
  await beat(detector, clock, 2);
  assert.deepEqual(told(seen.slice(3)), ["a: down -> alive"]);
  stop.abort();
  await running;
  assert.equal(clock.pending, 0);
});

test("[D4] a node never heard from is declared when its grace period ends", async () => {
  const clock = new VirtualClock();
  const { supervisor, seen, stop, running } = scene(clock, { gracePeriodMs: 700 });
  supervisor.watch("a");
  await clock.advanceBy(3000);
  assert.deepEqual(told(seen), ["a: unknown -> down"]);
  assert.equal(seen[0]?.atMs, 700);
  stop.abort();
  await running;
});

test("[C4] it holds no timer while nothing is watched, nor when it does not run, nor after the abort", async () => {
  const clock = new VirtualClock();
  const { supervisor, stop, running } = scene(clock);
  assert.equal(clock.pending, 0);
  supervisor.watch("a");
  supervisor.watch("b");
  assert.equal(clock.pending, 1);
  await clock.advanceBy(100);
  assert.equal(clock.pending, 1);
  supervisor.unwatch("a");
  supervisor.unwatch("b");
  assert.equal(clock.pending, 0);
  supervisor.watch("a");
  stop.abort();
  await running;
  assert.equal(clock.pending, 0);
  supervisor.watch("c");
  assert.equal(clock.pending, 0);
  await supervisor.run(AbortSignal.abort());
  assert.equal(clock.pending, 0);
});

test("it can be run again after it was stopped, but not twice at once", async () => {
  const clock = new VirtualClock();
  const { supervisor, seen, stop, running } = scene(clock, { gracePeriodMs: 10 });
  await assert.rejects(supervisor.run(new AbortController().signal), ConfigurationError);
  stop.abort();
  await running;
  supervisor.watch("a");
  const again = new AbortController();
  const rerunning = supervisor.run(again.signal);
  await clock.advanceBy(20);
  assert.deepEqual(told(seen), ["a: unknown -> down"]);
  again.abort();
  await rerunning;
});

test("[D7] after a stall of its own it abstains until the heartbeats that waited were read", async () => {
  const clock = new StoppableClock();
  const abstentions: Abstention[] = [];
  const { detector, supervisor, seen, stop, running } = scene(clock, { maxAbstentionMs: 50 });
  supervisor.onAbstention((abstention) => abstentions.push(abstention));
  supervisor.watch("a");
  await beat(detector, clock.inner, 100);
  clock.stopFor(400);
  // The late timer runs before the socket is read, as in a real event loop.
  await clock.inner.advanceBy(45);
  assert.equal(abstentions.length, 1);
  assert.ok((abstentions[0]?.lateByMs ?? 0) > 300 && abstentions[0]?.untilMs === (abstentions[0]?.atMs ?? 0) + 50);
  assert.equal(supervisor.abstentions, 1);
  await beat(detector, clock.inner, 20);
  assert.deepEqual(told(seen), ["a: unknown -> alive"], "the stall was not taken for the node's silence");
  await clock.inner.advanceBy(500);
  assert.equal(supervisor.liveness("a"), "down", "a real silence afterwards is declared");
  stop.abort();
  await running;
});

test("[D7] a process that is always late still declares in the end", async () => {
  const clock = new StoppableClock();
  const { detector, supervisor, stop, running } = scene(clock);
  supervisor.watch("a");
  await beat(detector, clock.inner, 100);
  for (let turn = 0; turn < 40 && supervisor.liveness("a") !== "down"; turn++) {
    clock.stopFor(200);
    await clock.inner.advanceTo(clock.inner.nextAtMs);
  }
  assert.equal(supervisor.liveness("a"), "down");
  assert.equal(supervisor.abstentions, 3);
  stop.abort();
  await running;
});

test("[D7] it reads what waits before each accusation, and not before the first one only", async () => {
  const clock = new VirtualClock();
  const { detector, supervisor, seen, stop, running } = scene(clock);
  supervisor.watch("a");
  await beat(detector, clock, 100);
  for (let round = 0; round < 3; round++) {
    const accusedMs = detector.whenLevel("a", 5) as number;
    await clock.advanceTo(accusedMs - 0.01);
    // The supervisor's timer for this instant was asked for before, so it runs first; then the
    // socket is read.
    clock.at(accusedMs, () => detector.noteHeartbeat("a"));
    await clock.advanceTo(accusedMs);
    await clock.advanceBy(10);
    assert.deepEqual(told(seen), ["a: unknown -> alive"], `round ${round}`);
    await beat(detector, clock, 20);
  }
  stop.abort();
  await running;
});

test("[D7] a process that stands still every now and then → it abstains each time, however often that was", async () => {
  const clock = new StoppableClock();
  const { detector, supervisor, seen, stop, running } = scene(clock, { maxAbstentionMs: 50 });
  supervisor.watch("a");
  await beat(detector, clock.inner, 100);
  for (let stall = 1; stall <= 8; stall++) {
    clock.stopFor(400);
    await clock.inner.advanceTo(clock.inner.nextAtMs);
    assert.equal(supervisor.abstentions, stall);
    await beat(detector, clock.inner, 40);
  }
  assert.deepEqual(told(seen), ["a: unknown -> alive"]);
  stop.abort();
  await running;
});

test("[C4] it was stopped while it read before an accusation → run again, it reads before that accusation all the same", async () => {
  const clock = new VirtualClock();
  const { detector, supervisor, seen, stop, running } = scene(clock);
  supervisor.watch("a");
  await beat(detector, clock, 100);
  const accusedMs = detector.whenLevel("a", 5) as number;
  await clock.advanceTo(accusedMs - 0.01);
  clock.at(accusedMs, () => stop.abort());
  await clock.advanceTo(accusedMs);
  await running;
  const again = new AbortController();
  const rerunning = supervisor.run(again.signal);
  // Its first look is at this instant, and accuses; then the socket is read.
  clock.at(accusedMs, () => detector.noteHeartbeat("a"));
  await clock.advanceBy(10);
  assert.deepEqual(told(seen), ["a: unknown -> alive"]);
  again.abort();
  await rerunning;
});

test("[C4] run and ended ten times → no listener is left on any signal", async () => {
  const clock = new VirtualClock();
  const supervisor = new LivenessSupervisor({ detector: new PhiAccrualDetector({ clock, expectedIntervalMs: 50 }) });
  supervisor.watch("a");
  for (let run = 0; run < 10; run++) {
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    await clock.advanceBy(10);
    assert.equal(getEventListeners(stop.signal, "abort").length, 1);
    stop.abort();
    await running;
    assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  }
});

/** A process without a free moment: its timers run at the end of each turn of its event loop. */
class BusyClock implements Clock {
  readonly inner: VirtualClock = new VirtualClock();
  readonly #turnMs: number;

  constructor(turnMs: number) {
    this.#turnMs = turnMs;
  }

  nowMs(): number {
    return this.inner.nowMs();
  }

  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void> {
    return this.inner.sleepUntil(atMs, signal);
  }

  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    const turn = Math.ceil(Math.max(atMs, this.nowMs() + 1) / this.#turnMs);
    return this.inner.at(turn * this.#turnMs, run, subject as Subject);
  }
}

test("[D7] so does one that is late every other time, because its event loop is busy", async () => {
  for (const turnMs of [51, 60, 75, 100]) {
    const clock = new BusyClock(turnMs);
    const { detector, supervisor, stop, running } = scene(clock);
    supervisor.watch("a");
    await beat(detector, clock.inner, 100);
    await clock.inner.advanceBy(3_000);
    assert.equal(supervisor.liveness("a"), "down", `turns of ${turnMs} ms`);
    stop.abort();
    await running;
  }
});

test("[D7] to watch somebody else does not hide that it stood still", async () => {
  for (const act of ["watch", "unwatch"] as const) {
    const clock = new StoppableClock();
    const { detector, supervisor, stop, running, seen } = scene(clock, { gracePeriodMs: 60_000 });
    supervisor.watch("a");
    supervisor.watch("c");
    await beat(detector, clock.inner, 100);
    clock.stopFor(2_000);
    supervisor[act](act === "watch" ? "b" : "c");
    await clock.inner.advanceTo(clock.inner.nextAtMs);
    assert.equal(supervisor.abstentions, 1, act);
    assert.deepEqual(
      told(seen).filter((sentence) => /down|suspected/.test(sentence)),
      [],
      act,
    );
    stop.abort();
    await running;
  }
});

test("listeners are told after all changes are in force, and may watch, unwatch and ask", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const { supervisor, stop, running } = scene(clock, { gracePeriodMs: 100 });
  supervisor.onLivenessChange(({ node, to }) => {
    seen.push(`${node} ${to} (a ${supervisor.liveness("a")}, b ${supervisor.liveness("b")})`);
    supervisor.unwatch(node);
    if (node === "a") supervisor.watch("c");
  });
  supervisor.watch("a");
  supervisor.watch("b");
  await clock.advanceBy(100);
  assert.deepEqual(seen, ["a down (a down, b down)", "b down (a unknown, b down)"]);
  await clock.advanceBy(100);
  assert.equal(seen[2], "c down (a unknown, b unknown)");
  assert.equal(clock.pending, 0);
  stop.abort();
  await running;
});

test("[D6] a detector of one's own needs the three methods only, and is polled", async () => {
  const clock = new VirtualClock();
  let level = Number.POSITIVE_INFINITY;
  const detector: FailureDetector = {
    noteHeartbeat: () => {
      level = 0;
    },
    suspicionLevel: () => level,
    isAlive: (_node, threshold) => level < threshold,
  };
  const seen: LivenessChange[] = [];
  const supervisor = new LivenessSupervisor({
    detector,
    clock,
    recheckMs: 20,
  });
  supervisor.onLivenessChange((one) => seen.push(one));
  const stop = new AbortController();
  const running = supervisor.run(stop.signal);
  supervisor.watch("a");
  await clock.advanceBy(50);
  assert.equal(supervisor.liveness("a"), "unknown");
  detector.noteHeartbeat("a");
  await clock.advanceBy(20);
  assert.equal(supervisor.liveness("a"), "alive");
  level = 9;
  await clock.advanceBy(20);
  assert.deepEqual(told(seen), ["a: unknown -> alive", "a: alive -> down"]);
  stop.abort();
  await running;
});

test("a clock other than the detector's is refused", () => {
  const detector = new PhiAccrualDetector({ clock: new VirtualClock() });
  assert.throws(() => new LivenessSupervisor({ detector, clock: new VirtualClock() }), /clock is not the detector's/);
});

test("who cannot ask, for want of something of its own, accuses nobody until it can have asked again, and says so once", async () => {
  const clock = new VirtualClock();
  const abstentions: Abstention[] = [];
  const { detector, supervisor, seen, stop, running } = scene(clock);
  supervisor.onAbstention((abstention) => abstentions.push(abstention));
  supervisor.watch("a");
  await beat(detector, clock, 20);
  const short = clock.nowMs();
  for (let asked = 0; asked < 20; asked++) {
    supervisor.abstain(100);
    await clock.advanceBy(50);
  }
  assert.deepEqual(told(seen), ["a: unknown -> alive"], "a second without a beat");
  assert.deepEqual(abstentions, [{ reason: "own-shortage", atMs: short, lateByMs: 0, untilMs: short + 100 }]);
  await clock.advanceBy(500);
  assert.equal(supervisor.liveness("a"), "down", "nothing is lacking any more, and it is still silent");
  assert.throws(() => supervisor.abstain(-1), ConfigurationError);
  stop.abort();
  await running;
});

/** Runs `work`, and returns what surfaced as an uncaught exception meanwhile. */
async function surfacing(work: () => Promise<void>): Promise<string[]> {
  const surfaced: string[] = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => surfaced.push(error.message));
  try {
    await work();
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
  return surfaced;
}

test("[D7] a listener that throws surfaces, and the supervisor goes on", async () => {
  const clock = new StoppableClock();
  const seen: string[] = [];
  const surfaced = await surfacing(async () => {
    const { detector, supervisor, stop, running } = scene(clock);
    supervisor.onLivenessChange(({ to }) => {
      seen.push(to);
      throw new Error(to);
    });
    supervisor.onAbstention(({ reason }) => {
      throw new Error(reason);
    });
    const watching = new LivenessSupervisor({
      detector,
    });
    watching.onLivenessChange(({ to }) => {
      seen.push(to);
      throw new Error(to);
    });
    watching.watch("a");
    const watch = watching.run(stop.signal);
    await beat(detector, clock.inner, 10);
    await clock.inner.advanceBy(5_000);
    await beat(detector, clock.inner, 60);
    stop.abort();
    await Promise.all([running, watch]);
  });
  assert.deepEqual(seen, ["alive", "suspected", "down", "alive"]);
  assert.deepEqual(surfaced, seen);
});

test("[D7] a detector that throws → nobody is accused, told once while it lasts, and watching goes on", async () => {
  const clock = new VirtualClock();
  let broken = false;
  let level = 0;
  const detector: FailureDetector = {
    noteHeartbeat: () => undefined,
    suspicionLevel: () => {
      if (broken) throw new Error("no table");
      return level;
    },
    isAlive: () => true,
  };
  const seen: LivenessChange[] = [];
  const told: Abstention[] = [];
  const stop = new AbortController();
  const supervisor = new LivenessSupervisor({
    detector,
    clock,
  });
  supervisor.onLivenessChange((declaration) => seen.push(declaration));
  supervisor.onAbstention((abstention) => told.push(abstention));
  supervisor.watch("a");
  const running = supervisor.run(stop.signal);
  await clock.advanceBy(100);
  assert.deepEqual([supervisor.liveness("a"), told.length], ["alive", 0]);
  broken = true;
  await clock.advanceBy(60_000);
  assert.equal(supervisor.liveness("a"), "alive", "a bug in the detector is no evidence against a node");
  assert.deepEqual(
    told.map(({ reason, error }) => [reason, String(error)]),
    [["detector-error", "Error: no table"]],
  );
  broken = false;
  level = 10;
  await clock.advanceBy(500);
  assert.equal(supervisor.liveness("a"), "down", "it goes on where the detector does");
  level = 0;
  await clock.advanceBy(5_000);
  broken = true;
  await clock.advanceBy(100);
  assert.equal(told.length, 2, "told again when it begins again");
  assert.equal(supervisor.abstentions, 2);
  stop.abort();
  await running;
});

test("[D7] through a failover: a detector, a lease and a note that throw end no process and no status", async () => {
  const clock = new VirtualClock();
  let broken = false;
  const word = <T>(value: T): T => {
    if (broken) throw new Error("broken");
    return value;
  };
  const events: string[] = [];
  const failover = new PrimaryBackupFailover({
    primary: { name: "a" },
    backup: { name: "b" },
    clock,
    detector: { noteHeartbeat: () => undefined, suspicionLevel: () => word(0), isAlive: () => true },
    heartbeatNote: () => word("answered 200"),
    lease: { validUntilMs: () => word(Number.POSITIVE_INFINITY) },
    maxWaitMs: 100,
  });
  failover.onEvent((event) => events.push(event.type === "abstention" ? event.reason : event.type));
  const stop = new AbortController();
  const running = failover.run(stop.signal);
  await clock.advanceBy(200);
  assert.equal(await failover.call(() => "ran"), "ran");
  const surfaced = await surfacing(async () => {
    broken = true;
    await clock.advanceBy(1_000);
    assert.equal(failover.status.stations[0]?.level, Number.POSITIVE_INFINITY);
    assert.equal(failover.currentActive, "primary");
    assert.ok(events.includes("detector-error"), events.join());
    broken = false;
    await clock.advanceBy(1_000);
  });
  assert.ok(surfaced.every((message) => message === "broken"));
  assert.equal(await failover.call(() => "ran"), "ran");
  stop.abort();
  await running;
});

test("[D7] short of something for long, then for a moment, again and again → told once while the longest lasts", async () => {
  const clock = new VirtualClock();
  const abstentions: Abstention[] = [];
  const { supervisor, stop, running } = scene(clock);
  supervisor.onAbstention((abstention) => abstentions.push(abstention));
  supervisor.abstain(1_000);
  for (let time = 0; time < 8; time++) {
    await clock.advanceBy(100);
    supervisor.abstain(10);
  }
  assert.equal(abstentions.length, 1);
  await clock.advanceBy(300);
  supervisor.abstain(10);
  assert.equal(abstentions.length, 2);
  stop.abort();
  await running;
});

test("[D7] [D11] nobody is heard, and the ceiling comes before as long again → in doubt until the ceiling, then down", async () => {
  const clock = new VirtualClock();
  const abstentions: Abstention[] = [];
  const seen: LivenessChange[] = [];
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 50, minDeviationMs: 50, ceilingMs: 400 });
  const supervisor = new LivenessSupervisor({
    detector,
  });
  supervisor.onAbstention((abstention) => abstentions.push(abstention));
  supervisor.onLivenessChange((declaration) => seen.push(declaration));
  const stop = new AbortController();
  const running = supervisor.run(stop.signal);
  for (const node of ["a", "b"]) supervisor.watch(node);
  for (let beats = 0; beats < 100; beats++) {
    for (const node of ["a", "b"]) detector.noteHeartbeat(node);
    await clock.advanceBy(50);
  }
  const lastMs = clock.nowMs() - 50;
  await clock.advanceBy(1_000);
  const [doubt] = abstentions;
  assert.ok(doubt !== undefined && doubt.reason === "observer-isolated");
  assert.ok(2 * (doubt.atMs - lastMs) > 400, `accused after ${doubt.atMs - lastMs} ms`);
  assert.equal(doubt.untilMs, lastMs + 400);
  const down = seen.filter(({ to }) => to === "down").map(({ node, atMs }) => [node, Math.round(atMs - lastMs)]);
  assert.deepEqual(down, [
    ["a", 400],
    ["b", 400],
  ]);
  stop.abort();
  await running;
});
