/**
 * From levels to declarations: thresholds apart, sustained suspicion, dwell, flap damping, grace,
 * abstention, wakes.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../errors.ts";
import { type Random, seededRandom } from "../random.ts";
import type { SuspicionSource } from "./detector.ts";
import { FixedHeartbeatMachine } from "./fixed-heartbeat.ts";
import { phiAccrualMachine } from "./phi-accrual.ts";
import { type LivenessChange, SupervisorMachine, type SupervisorOptions } from "./supervisor.ts";

const SEED: string = process.env["SEED"] ?? "27020036";
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/detection/supervisor.test.ts`;

/** A source whose level is whatever the test says: the smallest that the contract allows. */
class Dial implements SuspicionSource {
  level: number = Number.POSITIVE_INFINITY;
  suspicionLevel(): number {
    return this.level;
  }
}

function dialled(options: SupervisorOptions = {}): {
  dial: Dial;
  supervisor: SupervisorMachine;
  at: (level: number, nowMs: number) => string[];
} {
  const dial = new Dial();
  const supervisor = new SupervisorMachine(dial, options);
  supervisor.watch("a", 0);
  const at = (level: number, nowMs: number): string[] => {
    dial.level = level;
    return supervisor.evaluate(nowMs).map(({ from, to }) => `${from} -> ${to}`);
  };
  return { dial, supervisor, at };
}

test("[D6] suspect, declare and clear have thresholds of their own", () => {
  const { at } = dialled({ minDwellMs: 0 });
  assert.deepEqual(at(0, 0), ["unknown -> alive"]);
  assert.deepEqual(at(4.9, 1), []);
  assert.deepEqual(at(5, 2), ["alive -> suspected"]);
  assert.deepEqual(at(3, 3), [], "not clearly low yet");
  assert.deepEqual(at(7.9, 4), []);
  assert.deepEqual(at(8, 5), ["suspected -> down"]);
  assert.deepEqual(at(2, 6), []);
  assert.deepEqual(at(1.9, 7), ["down -> alive"]);
  assert.deepEqual(at(5, 8), ["alive -> suspected"]);
  assert.deepEqual(at(1, 9), ["suspected -> alive"]);
  assert.deepEqual(at(1e300, 10), ["alive -> down"], "at once, where the level is high at once");
});

test("[D6] down → looked at again when its dwell is over, not before; and only those who are heard are counted on", () => {
  const { at, supervisor } = dialled({ minDwellMs: 1_000, recheckMs: 50 });
  assert.equal(supervisor.expected, 0);
  at(0, 0);
  assert.equal(supervisor.expected, 1);
  at(5, 1);
  assert.equal(supervisor.expected, 1, "suspected, and still counted on");
  at(9, 2);
  assert.deepEqual([supervisor.expected, supervisor.nextWakeMs(2)], [0, 1_002]);
  at(9, 1_002);
  assert.equal(supervisor.nextWakeMs(1_002), 1_052);
});

test("[D7] heard of, long ago, while it abstains → neither down nor alive: nothing is known of it", () => {
  const source: SuspicionSource = { suspicionLevel: () => 0, lastHeartbeatMs: () => 0 };
  const supervisor = new SupervisorMachine(source, { ceilingMs: 1_000 });
  supervisor.watch("a", 0);
  supervisor.abstainUntil(3_000);
  assert.deepEqual(supervisor.evaluate(2_000), []);
  assert.deepEqual(
    supervisor.evaluate(3_000).map(({ to }) => to),
    ["down"],
  );
});

test("[D6] a level around a threshold makes one declaration, not one a look", () => {
  const { at } = dialled();
  at(0, 0);
  const seen = [5, 4.9, 5.1, 4.8, 5.2, 4.9].flatMap((level, index) => at(level, index + 1));
  assert.deepEqual(seen, ["alive -> suspected"]);
});

test("[D6] suspicion has to be sustained, and starts over when it breaks off", () => {
  const { at } = dialled({ sustainMs: 100 });
  at(0, 0);
  assert.deepEqual(at(9, 10), ["alive -> suspected"]);
  assert.deepEqual(at(9, 100), []);
  assert.deepEqual(at(7, 105), []);
  assert.deepEqual(at(9, 110), []);
  assert.deepEqual(at(9, 209.9), []);
  assert.deepEqual(at(9, 210), ["suspected -> down"]);
});

test("[D6] a declared node stays down for the dwell, and longer each time it flaps", () => {
  const { at } = dialled({ minDwellMs: 1000, maxDwellMs: 3000, flapWindowMs: 10_000 });
  at(0, 0);
  let nowMs = 0;
  const dwells: number[] = [];
  for (let round = 0; round < 5; round++) {
    nowMs += 1;
    assert.deepEqual(at(9, nowMs), ["alive -> down"]);
    const downAtMs = nowMs;
    while (at(0, nowMs).length === 0) nowMs += 100;
    dwells.push(nowMs - downAtMs);
  }
  assert.deepEqual(dwells, [1000, 2000, 3000, 3000, 3000]);
  nowMs += 10_001;
  at(9, nowMs);
  assert.deepEqual(at(0, nowMs + 999), []);
  assert.deepEqual(at(0, nowMs + 1000), ["down -> alive"], "after a quiet flap window the damping is forgotten");
});

test("[D4] a node never heard from is unknown through its grace period, then declared", () => {
  const { supervisor, at } = dialled({ gracePeriodMs: 5000 });
  assert.deepEqual(at(Number.POSITIVE_INFINITY, 4999), []);
  assert.equal(supervisor.liveness("a"), "unknown");
  const [declared] = supervisor.evaluate(5000);
  assert.deepEqual([declared?.from, declared?.to, declared?.level], ["unknown", "down", Number.POSITIVE_INFINITY]);
  assert.equal(declared?.silentForMs, undefined);
  assert.match(declared?.rule ?? "", /never heard from within the grace period of 5000 ms/);
  assert.deepEqual(at(0, 6000), ["down -> alive"]);
});

test("[D6] several consumers read one detector with thresholds of their own", () => {
  const dial = new Dial();
  const livenesses = [3, 5, 8].map((threshold) => {
    const supervisor = new SupervisorMachine(dial, { suspectThreshold: threshold, declareThreshold: threshold });
    supervisor.watch("a", 0);
    dial.level = 0;
    supervisor.evaluate(0);
    dial.level = 6;
    supervisor.evaluate(1);
    return supervisor.liveness("a");
  });
  assert.deepEqual(livenesses, ["down", "down", "alive"]);
});

test("[D7] while it abstains no node moves towards down, but a node may come back", () => {
  const { supervisor, at } = dialled({ minDwellMs: 0, gracePeriodMs: 10 });
  supervisor.abstainUntil(100);
  assert.deepEqual(at(Number.POSITIVE_INFINITY, 50), [], "not even past the grace period");
  assert.deepEqual(at(0, 60), ["unknown -> alive"]);
  assert.deepEqual(at(1e9, 99), []);
  assert.deepEqual(at(1e9, 100), ["alive -> down"]);
  supervisor.abstainUntil(300);
  supervisor.abstainUntil(200);
  assert.deepEqual(at(0, 101), ["down -> alive"]);
  assert.deepEqual(at(9, 299), [], "the longer abstention holds");
});

test("[D6] a beat between two looks breaks sustained suspicion off, though neither look saw the level low", () => {
  const detector = phiAccrualMachine({ expectedIntervalMs: 100, minDeviationMs: 5, minSamples: 1 });
  const supervisor = new SupervisorMachine(detector, { sustainMs: 1_000, recheckMs: 400 });
  supervisor.watch("a", 0);
  for (let beat = 0; beat <= 50; beat++) detector.noteHeartbeat("a", undefined, beat * 100);
  supervisor.evaluate(5_000);
  supervisor.evaluate(5_500);
  detector.noteHeartbeat("a", undefined, 5_600);
  assert.deepEqual(supervisor.evaluate(6_000), [], "silent for 400 ms again, and suspicious again");
  assert.deepEqual(supervisor.evaluate(6_600), [], "for 600 ms, not for 1,100");
  assert.deepEqual(
    supervisor.evaluate(7_000).map(({ to, silentForMs }) => [to, silentForMs]),
    [["down", 1_400]],
  );
});

test("[D7] suspicion seen while abstaining does not count as sustained", () => {
  const { supervisor, at } = dialled({ sustainMs: 100 });
  at(0, 0);
  supervisor.abstainUntil(50);
  assert.deepEqual(at(9, 10), []);
  assert.deepEqual(at(9, 50), ["alive -> suspected"]);
  assert.deepEqual(at(9, 149), []);
  assert.deepEqual(at(9, 150), ["suspected -> down"]);
});

test("a level that is no number is no reason for trust", () => {
  const { at } = dialled({ gracePeriodMs: 10 });
  assert.deepEqual(at(Number.NaN, 5), []);
  assert.deepEqual(at(0, 6), ["unknown -> alive"]);
  assert.deepEqual(at(Number.NaN, 7), ["alive -> down"]);
});

test("only watched nodes are declared, and nothing is to be waited for without them", () => {
  const { supervisor, at } = dialled();
  at(0, 0);
  supervisor.watch("a", 1);
  assert.equal(supervisor.liveness("a"), "alive", "watching twice changes nothing");
  supervisor.unwatch("a");
  assert.deepEqual(at(9, 2), []);
  assert.equal(supervisor.liveness("a"), "unknown");
  assert.equal(supervisor.nextWakeMs(2), Number.POSITIVE_INFINITY);
});

/** Follows wakes until something is declared; fails rather than spin. */
function nextDeclaration(supervisor: SupervisorMachine, fromMs: number, limit = 200): LivenessChange {
  let nowMs = fromMs;
  for (let wake = 0; wake < limit; wake++) {
    const [declaration] = supervisor.evaluate(nowMs);
    if (declaration !== undefined) return declaration;
    const nextMs = supervisor.nextWakeMs(nowMs);
    assert.ok(nextMs > nowMs, `the wake after ${nowMs} is at ${nextMs}: a timer would spin`);
    nowMs = nextMs;
  }
  return assert.fail(`no declaration within ${limit} wakes`);
}

function gaps(random: Random): number {
  return Math.max(0, 50 + 10 * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()));
}

test("[D11] wakes lead to each declaration at the instant that polling would find, wherever the clock began", () => {
  for (let run = 0; run < 60; run++) {
    const random = seededRandom(SEED).fork(`wakes ${run}`);
    const model = (["normal", "lognormal", "exponential"] as const)[run % 3] as "normal";
    const detector = phiAccrualMachine({ model, expectedIntervalMs: 50 });
    const supervisor = new SupervisorMachine(detector, run % 2 === 0 ? {} : { sustainMs: 30 });
    const originMs = run % 4 === 0 ? 0 : 1e12 * random.next();
    let nowMs = originMs;
    supervisor.watch("a", nowMs);
    let wakeMs = nowMs;
    for (let beat = 0; beat < 20 + 3 * run; beat++) {
      nowMs += gaps(random);
      for (; wakeMs <= nowMs; wakeMs = supervisor.nextWakeMs(wakeMs)) supervisor.evaluate(wakeMs);
      detector.noteHeartbeat("a", { sequence: beat }, nowMs);
    }
    const lastMs = nowMs;
    // Beats may have come since the timer was set: follow it as a runtime would, from where it
    // stands.
    for (const [level, extraMs] of [
      [5, 0],
      [8, supervisor.options.sustainMs],
    ] as const) {
      if (supervisor.liveness("a") === (level === 5 ? "suspected" : "down")) continue;
      const declaration = nextDeclaration(supervisor, wakeMs);
      wakeMs = declaration.atMs;
      let polledMs = lastMs;
      while (detector.suspicionLevel("a", polledMs) < level) polledMs += 0.25;
      const error = wakeMs - extraMs - polledMs;
      assert.ok(Math.abs(error) <= 1, `run ${run}: ${declaration.rule}, ${error} ms from polling; ${REPLAY}`);
    }
    assert.equal(supervisor.liveness("a"), "down", REPLAY);
  }
});

test("[D11] a node that beats ever faster is still declared in time, although the timer was set for its slow days", () => {
  const detector = phiAccrualMachine({ expectedIntervalMs: 1000, minDeviationMs: 5, minSamples: 10 });
  const supervisor = new SupervisorMachine(detector);
  supervisor.watch("a", 0);
  let nowMs = 0;
  let wakeMs = 0;
  for (let beat = 0; beat < 30; beat++) {
    for (; wakeMs <= nowMs; wakeMs = supervisor.nextWakeMs(wakeMs)) supervisor.evaluate(wakeMs);
    detector.noteHeartbeat("a", { sequence: beat }, nowMs);
    nowMs += 20;
  }
  const suspected = nextDeclaration(supervisor, wakeMs);
  const down = nextDeclaration(supervisor, supervisor.nextWakeMs(suspected.atMs));
  assert.equal(down.to, "down");
  assert.ok(Math.abs(down.atMs - (detector.whenLevel("a", 8) as number)) <= 1);
});

test("[D11] a source that cannot tell when is polled every recheckMs", () => {
  const { supervisor, at } = dialled({ recheckMs: 40 });
  at(0, 0);
  assert.equal(supervisor.nextWakeMs(0), 40);
  at(3, 40);
  assert.equal(supervisor.nextWakeMs(40), 80);
});

test("[D11] silence past the supervisor's own ceiling is declared whatever the level, exactly then", () => {
  const detector = phiAccrualMachine({ expectedIntervalMs: 1000 });
  const supervisor = new SupervisorMachine(detector, { ceilingMs: 300 });
  supervisor.watch("a", 0);
  detector.noteHeartbeat("a", undefined, 0.1);
  assert.equal(nextDeclaration(supervisor, 0.2).to, "alive");
  const down = nextDeclaration(supervisor, supervisor.nextWakeMs(0.2));
  assert.deepEqual([down.to, down.atMs], ["down", 0.1 + 300]);
  assert.match(down.rule, /past the ceiling of 300 ms/);
});

test("[D6] a declaration carries its numbers and its rule", () => {
  const detector = phiAccrualMachine({ expectedIntervalMs: 50 });
  const supervisor = new SupervisorMachine(detector);
  supervisor.watch("a", 0);
  detector.noteHeartbeat("a", undefined, 0);
  supervisor.evaluate(0);
  const [declaration] = supervisor.evaluate(250);
  assert.equal(declaration?.silentForMs, 250);
  assert.equal(declaration?.level, detector.suspicionLevel("a", 250));
  assert.match(declaration?.rule ?? "", /^suspicion 15\.\d+ after 250 ms of silence reached the declare threshold 8$/);
});

test("contradicting options are refused by name", () => {
  const refused: [SupervisorOptions, RegExp][] = [
    [{ clearThreshold: 5 }, /clearThreshold \(5\)/],
    [{ suspectThreshold: 9 }, /suspectThreshold \(9\)/],
    [{ declareThreshold: Number.NaN }, /declareThreshold is NaN/],
    [{ maxDwellMs: 500 }, /maxDwellMs is 500/],
    [{ maxDwellMs: 70_000 }, /maxDwellMs is 70000/],
    [{ recheckMs: 0 }, /recheckMs is 0/],
  ];
  for (const [options, message] of refused) {
    assert.throws(
      () => new SupervisorMachine(new Dial(), options),
      (error) => error instanceof ConfigurationError && message.test(error.message),
    );
  }
});

/**
 * Changes in a minute of a node that beats every second and pauses for 2.5 s, when it is suspected,
 * after each `beats` of them.
 */
function flapping(beats: number): LivenessChange[] {
  const machine = new FixedHeartbeatMachine();
  const supervisor = new SupervisorMachine(machine);
  supervisor.watch("a", 0);
  const found: LivenessChange[] = [];
  let beatAtMs = 0;
  let sequence = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
    if (nowMs >= beatAtMs) {
      machine.noteHeartbeat("a", { sequence }, nowMs);
      sequence++;
      beatAtMs += sequence % beats === 0 ? 2_500 : 1_000;
    }
    found.push(...supervisor.evaluate(nowMs));
  }
  return found;
}

test("[D6] a node that is suspected again and again stays suspected until it is quiet", () => {
  for (const beats of [1, 2, 4, 8]) {
    const found = flapping(beats);
    assert.ok(found.length > 6 && found.length <= 11, `${beats} beats: ${found.length} changes in a minute`);
    assert.equal(found.at(-1)?.to, "suspected");
  }
});

test("[D6] a node suspected four times in a minute is cleared by one beat each time; by the fifth, when it is quiet", () => {
  const { at, supervisor, dial } = dialled();
  at(0, 0);
  for (const nowMs of [2_000, 4_000, 6_000, 8_000]) {
    assert.deepEqual(at(5, nowMs), ["alive -> suspected"]);
    assert.deepEqual(at(0, nowMs + 1), ["suspected -> alive"]);
  }
  assert.deepEqual(at(5, 10_000), ["alive -> suspected"]);
  assert.deepEqual(at(0, 10_001), []);
  assert.deepEqual(at(4, 12_000), [], "not clear, and not suspicious either");
  assert.deepEqual(at(0, 14_000), []);
  dial.level = 0;
  const [cleared] = supervisor.evaluate(14_001);
  assert.equal(
    cleared?.rule,
    "suspicion 0 is below the clear threshold 2, and has been quiet for 4000 of 4000 ms after 5 suspicions",
  );
  assert.deepEqual(at(5, 100_000), ["alive -> suspected"]);
  assert.deepEqual(at(0, 100_001), ["suspected -> alive"], "a minute later all is forgiven");
});

test("[D6] suspicious again while it has to be quiet → it begins anew; without a dwell there is no damping", () => {
  const { at } = dialled();
  at(0, 0);
  for (const nowMs of [10, 20, 30, 40]) assert.equal(at(5, nowMs).length + at(0, nowMs + 1).length, 2);
  at(5, 50);
  assert.deepEqual(at(0, 51), []);
  assert.deepEqual(at(6, 1_050), []);
  assert.deepEqual(at(0, 1_051), []);
  assert.deepEqual(at(0, 2_050), []);
  assert.deepEqual(at(0, 2_051), ["suspected -> alive"], "a second, the minimum dwell");
  const undamped = dialled({ minDwellMs: 0 });
  undamped.at(0, 0);
  for (let nowMs = 1; nowMs < 20; nowMs += 2) {
    undamped.at(5, nowMs);
    assert.deepEqual(undamped.at(0, nowMs + 1), ["suspected -> alive"]);
  }
});

test("[D6] outages, however many → what ends them is the dwell, and no suspicion of them", () => {
  const { at } = dialled({ maxDwellMs: 1_000 });
  at(0, 0);
  for (let round = 0; round < 8; round++) {
    at(5, round * 2_000 + 1);
    at(9, round * 2_000 + 2);
    assert.deepEqual(at(0, round * 2_000 + 1_001), []);
    assert.deepEqual(at(0, round * 2_000 + 1_002), ["down -> alive"]);
  }
});

test("[D11] a node that is down is hardly checked until it is heard, and then at its next recheckMs", () => {
  const detector = new FixedHeartbeatMachine({ intervalMs: 50, timeoutMs: 150 });
  const supervisor = new SupervisorMachine(detector, { recheckMs: 50, minDwellMs: 0 });
  supervisor.expectNotes();
  supervisor.watch("a", 0);
  detector.noteHeartbeat("a", undefined, 0);
  supervisor.evaluate(0);
  let nowMs = 0;
  while (supervisor.liveness("a") !== "down") {
    nowMs = supervisor.nextWakeMs(nowMs);
    supervisor.evaluate(nowMs);
  }
  const downMs = nowMs;
  assert.equal(supervisor.nextWakeMs(nowMs), downMs + 10_000);
  assert.equal(supervisor.noteHeard("a", downMs + 10_020), false, "it is overdue anyway");
  supervisor.evaluate(downMs + 10_020);
  detector.noteHeartbeat("a", undefined, downMs + 10_165);
  assert.equal(supervisor.noteHeard("a", downMs + 10_165), true);
  assert.equal(supervisor.noteHeard("b", downMs + 10_165), false);
  assert.equal(supervisor.nextWakeMs(downMs + 10_165), downMs + 10_170);
  supervisor.evaluate(downMs + 10_170);
  assert.equal(supervisor.liveness("a"), "alive");
});
