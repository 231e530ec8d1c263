/**
 * An observer that doubts itself: beats that wait unread, a silence all round, and where the doubt
 * ends.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "./detectors.ts";
import { ObserverHealth } from "./observer-health.ts";
import { type Abstention, LivenessSupervisor, type LivenessSupervisorOptions } from "./supervisor.ts";

const INTERVAL_MS = 50;

/** Nodes that beat in turn to a supervisor of their own, until they are made silent. */
class Watch {
  readonly told: string[] = [];
  readonly abstentions: Abstention[] = [];
  readonly silent: Set<string> = new Set();
  readonly supervisor: LivenessSupervisor;
  readonly detector: PhiAccrualDetector;
  readonly #clock: VirtualClock;

  constructor(
    clock: VirtualClock,
    nodes: readonly string[],
    options: Partial<LivenessSupervisorOptions> = {},
    ceilingMs: number = 20 * INTERVAL_MS,
  ) {
    this.#clock = clock;
    const [expectedIntervalMs, minDeviationMs] = [INTERVAL_MS, INTERVAL_MS];
    this.detector = new PhiAccrualDetector({ clock, expectedIntervalMs, minDeviationMs, ceilingMs });
    this.supervisor = new LivenessSupervisor({
      detector: this.detector,
      ...options,
    });
    this.supervisor.onLivenessChange(({ node, to, atMs }) => this.told.push(`${node} ${to} at ${Math.round(atMs)}`));
    this.supervisor.onAbstention((abstention) => this.abstentions.push(abstention));
    for (const [place, node] of nodes.entries()) {
      this.supervisor.watch(node);
      const beat = (): void => {
        if (!this.silent.has(node)) this.detector.noteHeartbeat(node);
        clock.at(clock.nowMs() + INTERVAL_MS, beat);
      };
      clock.at((place * INTERVAL_MS) / nodes.length, beat);
    }
    void this.supervisor.run(new AbortController().signal);
  }

  /**
   * `node`, silent otherwise, beats 60 times at this pace: what is declared until the detector
   * knows it is forgotten.
   */
  async slowDown(node: string, everyMs: number): Promise<void> {
    this.silent.add(node);
    for (let beat = 0; beat < 60; beat++) {
      await this.#clock.advanceBy(everyMs);
      this.detector.noteHeartbeat(node);
    }
    this.told.length = 0;
    this.abstentions.length = 0;
  }

  down(): string[] {
    return this.told.filter((sentence) => sentence.includes("down"));
  }
}

/** Level 8 is 5.61 deviations out. */
const DECLARED_MS = INTERVAL_MS + 5.61 * INTERVAL_MS;

test("[D7] everybody falls silent: it doubts itself first, says so and until when, and then declares all the same", async () => {
  const clock = new VirtualClock();
  const watch = new Watch(clock, ["a", "b"]);
  await clock.advanceBy(10_000);
  watch.silent.add("a").add("b");
  await clock.advanceBy(DECLARED_MS + 30);
  assert.deepEqual(watch.down(), []);
  const [doubt] = watch.abstentions;
  assert.equal(doubt?.reason, "observer-isolated");
  const forMs = (doubt?.untilMs ?? 0) - (doubt?.atMs ?? 0);
  assert.ok(Math.abs(forMs - DECLARED_MS) < 5, `as long again: ${forMs}`);
  assert.equal(watch.supervisor.liveness("a"), "suspected", "suspicion goes on");
  await clock.advanceTo((doubt?.untilMs ?? 0) + 60);
  assert.deepEqual(
    watch.down().map((sentence) => sentence.slice(0, 6)),
    ["a down", "b down"],
  );
  assert.equal(watch.abstentions.length, 1);
});

test("[D7] the doubt ends where somebody is heard again, and comes anew with the next silence", async () => {
  const clock = new VirtualClock();
  const watch = new Watch(clock, ["a", "b"]);
  await clock.advanceBy(10_000);
  watch.silent.add("a").add("b");
  await clock.advanceBy(DECLARED_MS + 30);
  watch.silent.delete("b");
  await clock.advanceBy(2 * INTERVAL_MS + 50);
  assert.deepEqual(
    watch.down().map((sentence) => sentence.slice(0, 6)),
    ["a down"],
    "it hears, so a is lost",
  );
  watch.silent.delete("a");
  await clock.advanceBy(5_000);
  watch.silent.add("a").add("b");
  await clock.advanceBy(DECLARED_MS + 30);
  assert.equal(watch.down().length, 1);
  assert.equal(watch.abstentions.length, 2);
});

test("[D7] one wait for all: who fell silent earlier is not declared within the wait that is announced for another", async () => {
  const clock = new VirtualClock();
  const watch = new Watch(clock, ["a", "b"], {}, 5_000);
  await watch.slowDown("a", 500);
  // By itself "a" would be declared 780 ms after this beat, and "b" 330 ms after its last.
  await clock.advanceBy(430);
  watch.silent.add("b");
  await clock.advanceBy(450);
  const [doubt] = watch.abstentions;
  assert.equal(doubt?.reason, "observer-isolated");
  assert.deepEqual(watch.down(), []);
  await clock.advanceTo((doubt?.untilMs ?? 0) - 1);
  assert.deepEqual(watch.down(), []);
  await clock.advanceBy(2);
  assert.equal(watch.down().length, 2);
});

test("[D7] one node that is lost while another beats is declared as ever, and so is one that is watched alone", async () => {
  for (const nodes of [["a", "b"], ["a"]]) {
    const clock = new VirtualClock();
    const watch = new Watch(clock, nodes);
    await clock.advanceBy(10_000);
    watch.silent.add("a");
    await clock.advanceBy(DECLARED_MS + 5);
    assert.equal(watch.down().length, 1, `${nodes}`);
    assert.deepEqual(watch.abstentions, []);
  }
});

test("[D7] slow beats too: who spoke less than an interval before all fell silent has not been heard since", async () => {
  for (const phase of [0.3, 0.6, 0.95]) {
    const clock = new VirtualClock();
    const detector = new PhiAccrualDetector({ clock, model: "adaptive", expectedIntervalMs: 1_000 });
    const told: string[] = [];
    const supervisor = new LivenessSupervisor({
      detector,
    });
    supervisor.onLivenessChange(({ node, to }) => told.push(`${node} ${to}`));
    supervisor.onAbstention(({ reason }) => told.push(reason));
    for (const [node, fromMs] of [
      ["a", 0],
      ["b", 1_000 * phase],
    ] as const) {
      supervisor.watch(node);
      for (let beat = 0; beat < 600; beat++) clock.at(fromMs + 1_000 * beat, () => detector.noteHeartbeat(node));
    }
    void supervisor.run(new AbortController().signal);
    await clock.advanceBy(605_000);
    const [doubt, ...downs] = told
      .slice(told.indexOf("observer-isolated"))
      .filter((what) => !what.endsWith("suspected"));
    assert.equal(doubt, "observer-isolated", `phase ${phase}: ${told}`);
    assert.deepEqual(downs.sort(), ["a down", "b down"]);
    assert.ok(!told.slice(0, told.indexOf("observer-isolated")).some((what) => what.endsWith("down")), `${told}`);
  }
});

test("[D7] [D11] whoever is past the detector's ceiling is declared, also within a wait that is announced for another", async () => {
  const clock = new VirtualClock();
  const watch = new Watch(clock, ["a", "b"]);
  await watch.slowDown("a", 900);
  // By itself "a" is declared at the ceiling of a second, and "b" 330 ms after its last beat.
  await clock.advanceBy(550);
  watch.silent.add("b");
  await clock.advanceBy(400);
  assert.equal(watch.abstentions.length, 1);
  assert.ok((watch.abstentions[0]?.untilMs ?? 0) > clock.nowMs() + 100);
  await clock.advanceBy(120);
  assert.deepEqual(
    watch.down().map((sentence) => sentence.slice(0, 6)),
    ["a down"],
  );
});

test("[D7] the doubt does not outlast the detector's ceiling", async () => {
  const clock = new VirtualClock();
  const observer = new ObserverHealth();
  const watch = new Watch(clock, ["a", "b"], { observer });
  await clock.advanceBy(60);
  watch.silent.add("a").add("b");
  await clock.advanceBy(20 * INTERVAL_MS + 60);
  assert.equal(watch.down().length, 2);
});

test("[D7] supervisors that share what they hear: one group lost is lost, all groups lost is the observer's own doubt", async () => {
  for (const [all, groups] of [
    [false, 1],
    [true, 2],
  ] as const) {
    const clock = new VirtualClock();
    const observer = new ObserverHealth();
    const first = new Watch(clock, ["a", "b"], { observer });
    const second = new Watch(clock, ["c", "d"], { observer });
    await clock.advanceBy(10_000);
    first.silent.add("a").add("b");
    if (all) second.silent.add("c").add("d");
    await clock.advanceBy(DECLARED_MS + 30);
    assert.equal(first.down().length, all ? 0 : 2);
    assert.equal(first.abstentions.length + second.abstentions.length, all ? groups : 0);
  }
});

test("[D7] beats that wait in the socket are read before anybody is accused, however short the stall was", async () => {
  const clock = new VirtualClock();
  const watch = new Watch(clock, ["a"]);
  await clock.advanceBy(10_000);
  watch.silent.add("a");
  const lastMs = watch.detector.lastHeartbeatMs("a") ?? 0;
  // The beat is taken in at the very instant at which the silence is due, after the timers of that
  // instant.
  const dueMs = watch.detector.whenLevel("a", 5) ?? 0;
  await clock.advanceTo(dueMs - 1);
  const waits = (): void => {
    if (clock.nowMs() >= dueMs) watch.detector.noteHeartbeat("a");
    else clock.at(Math.max(dueMs, clock.nowMs()), waits);
  };
  waits();
  await clock.advanceTo(dueMs + 40);
  assert.ok((watch.detector.lastHeartbeatMs("a") ?? 0) > lastMs);
  assert.deepEqual(
    watch.told.map((sentence) => sentence.slice(0, 7)),
    ["a alive"],
  );
});

test("[D7] a supervisor that was stopped is no source any more → what its nodes say does not comfort the others", async () => {
  for (const isStopped of [true, false]) {
    const clock = new VirtualClock();
    const observer = new ObserverHealth();
    const stop = new AbortController();
    const [other, own] = [new Watch(clock, ["c", "d"]), new Watch(clock, ["a", "b"], { observer })];
    const listening = new LivenessSupervisor({ detector: other.detector, observer });
    for (const node of ["c", "d"]) listening.watch(node);
    const running = listening.run(stop.signal);
    await clock.advanceBy(10_000);
    if (isStopped) stop.abort();
    own.silent.add("a").add("b");
    await clock.advanceBy(2_000);
    assert.equal(own.abstentions.length > 0, isStopped);
    stop.abort();
    await running;
  }
});
