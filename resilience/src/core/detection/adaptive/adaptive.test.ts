/**
 * The adaptive machine: what its levels promise, its inverse, bounds, first beats, changes of
 * traffic, outages.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../../errors.ts";
import { type Random, seededRandom } from "../../random.ts";
import { phiAccrualMachine } from "../phi-accrual.ts";
import type { PhiAccrualMachine, PhiAccrualOptions } from "../phi-accrual-options.ts";
import { levelForMistakes } from "./adaptive.ts";
import { RATE_LEVEL } from "./level-scale.ts";

const SEED: string = process.env["SEED"] ?? "27020049";

/** A sender with normal gaps, and the machine that hears it. */
class Line {
  readonly machine: PhiAccrualMachine;
  readonly #random: Random;
  readonly #numbered: boolean;
  nowMs = 1000;
  sequence = 0;
  mistakes = 0;

  constructor(name: string, options: PhiAccrualOptions = {}, numbered: boolean = true) {
    this.machine = phiAccrualMachine({ model: "adaptive", ...options });
    this.#random = seededRandom(SEED).fork(name);
    this.#numbered = numbered;
    this.arrive();
  }

  arrive(): void {
    if (this.sequence > 0 && this.machine.suspicionLevel("a", this.nowMs) >= 8) this.mistakes++;
    const beat = this.#numbered ? { sequence: this.sequence } : undefined;
    assert.equal(this.machine.noteHeartbeat("a", beat, this.nowMs), "counted");
    this.sequence++;
  }

  beats(count: number, meanMs: number, deviationMs: number): this {
    for (let beat = 0; beat < count; beat++) {
      const normal = Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next());
      this.nowMs += Math.max(0.1, meanMs + deviationMs * normal);
      this.arrive();
    }
    return this;
  }

  deadlineMs(level: number = 8): number {
    return (this.machine.whenLevel("a", level) as number) - this.nowMs;
  }
}

test("[D9] a level is a promise of mistakes an hour: 8 for one, a level more for ten times fewer", () => {
  assert.equal(levelForMistakes(1), 8);
  assert.equal(levelForMistakes(10), 7);
  assert.ok(Math.abs(levelForMistakes(1 / 24) - 9.380211241711606) < 1e-12);
});

test("[D9] N(50, 10) for five hours: about one mistake an hour at level 8, the deadline near the true 92 ms", () => {
  for (const numbered of [true, false]) {
    const line = new Line(`steady ${numbered}`, {}, numbered).beats(72_000, 50, 10);
    const before = line.mistakes;
    line.beats(4 * 72_000, 50, 10);
    assert.ok(line.mistakes - before <= 10, `${line.mistakes - before} mistakes in four hours; SEED=${SEED}`);
    assert.ok(line.deadlineMs() > 80 && line.deadlineMs() < 103, `${line.deadlineMs()} ms; SEED=${SEED}`);
  }
});

test("[D3] levels stay readable as phi: below 2 for a usual wait, above 8 when the next beat is 300 ms late", () => {
  const line = new Line("figures").beats(2000, 50, 10);
  assert.ok(line.machine.suspicionLevel("a", line.nowMs + 50) < 0.6);
  assert.ok(line.machine.suspicionLevel("a", line.nowMs + 70) < 2);
  assert.ok(line.machine.suspicionLevel("a", line.nowMs + 350) > 8);
});

test("[D11] whenLevel agrees with polling at every level, state of knowledge and stretch", () => {
  const lines = [new Line("one"), new Line("few").beats(3, 50, 10), new Line("many").beats(3000, 50, 10)];
  lines.push(new Line("alarmed").beats(3000, 50, 10).beats(1, 200, 0));
  lines.push(new Line("unnumbered", {}, false).beats(500, 50, 10));
  for (const { machine, nowMs } of lines) {
    for (const level of [1e-9, 0.1, 0.30103, 1, 2, 3, 5, 8, 9.38, 20, 300, Number.MAX_VALUE]) {
      const whenMs = machine.whenLevel("a", level) as number;
      assert.ok(machine.suspicionLevel("a", whenMs + 1e-3) >= level, `level ${level}`);
      if (whenMs > nowMs + 1e-3) assert.ok(machine.suspicionLevel("a", whenMs - 1e-3) < level, `level ${level}`);
    }
  }
});

test("[D11] the level never falls while silence lasts, and the ceiling always holds", () => {
  for (const count of [0, 2, 4, 10, 300]) {
    const { machine, nowMs } = new Line(`rising ${count}`).beats(count, 50, 10);
    let previous = -1;
    for (let silenceMs = 0; silenceMs <= 20_000; silenceMs += silenceMs < 500 ? 0.5 : 50) {
      const level = machine.suspicionLevel("a", nowMs + silenceMs);
      assert.ok(Number.isFinite(level) && level >= previous, `${count} beats, ${silenceMs} ms: ${level}`);
      previous = level;
    }
    assert.equal(previous, Number.MAX_VALUE);
  }
  const wild = new Line("wild", { ceilingMs: 5000 });
  for (let beat = 0; beat < 2000; beat++) wild.beats(1, beat % 2 === 0 ? 1 : 4000, 0);
  assert.ok(wild.deadlineMs() <= 5000);
});

test("[D11] no history brings a node to a level sooner than the shortest silence", () => {
  for (const gapMs of [0.1, 1, 50]) {
    const line = new Line(`short ${gapMs}`).beats(3000, gapMs, 0);
    for (const level of [0.5, 3, 8, 20]) {
      const least = line.machine.shortestSilenceMs(level);
      assert.ok(line.deadlineMs(level) >= least - 1e-6, `${gapMs} ms beats, level ${level}`);
    }
  }
});

test("[D4] after five beats silence is declared within three base timeouts, without a false start", () => {
  for (const meanMs of [50, 500]) {
    for (let life = 0; life < 300; life++) {
      const line = new Line(`life ${life}`).beats(4, meanMs, meanMs / 5);
      assert.equal(line.mistakes, 0, `life ${life}; SEED=${SEED}`);
      assert.ok(line.deadlineMs() < 9 * meanMs, `${line.deadlineMs()} ms; SEED=${SEED}`);
    }
  }
});

test("[D9] rare losses beside little jitter do not blind it while it has seen little", () => {
  for (const [lossRate, deviationMs] of [
    [0.2, 2],
    [0.05, 2],
    [0.02, 0.5],
    [0.01, 2],
    [0.002, 2],
  ] as const) {
    const random = seededRandom(`${SEED}-${lossRate}`);
    const machine = phiAccrualMachine({ model: "adaptive", expectedIntervalMs: 50 });
    let longestMs = 0;
    for (let sequence = 1; sequence <= 20_000; sequence++) {
      const nowMs = 50 * sequence + deviationMs * (random.next() + random.next() + random.next() - 1.5) * 2;
      if (random.next() < lossRate) continue;
      machine.noteHeartbeat("a", { sequence }, nowMs);
      if (sequence > 10) longestMs = Math.max(longestMs, (machine.whenLevel("a", 8) as number) - nowMs);
    }
    assert.ok(longestMs < 1_500, `${lossRate} lost, deviation ${deviationMs}: up to ${longestMs} ms; SEED=${SEED}`);
  }
});

test("[D5] the gap of an outage is not learned, short or long, and the next crash is found as fast", () => {
  for (const outageMs of [2_000, 60_000]) {
    const line = new Line(`outage ${outageMs}`).beats(20_000, 50, 10);
    const beforeMs = line.deadlineMs();
    line.beats(1, outageMs, 0);
    assert.ok(line.deadlineMs() < 3.1 * beforeMs, `${line.deadlineMs()} right after it, ${beforeMs} before`);
    line.beats(60, 50, 10);
    assert.ok(line.deadlineMs() < 1.25 * beforeMs, `${line.deadlineMs()} three seconds later, ${beforeMs} before`);
  }
});

/**
 * Beats that a path held back arrive together, then it goes on: how often it was suspected from
 * their first on.
 */
function released(line: Line, count: number, apartMs: number): number {
  line.beats(1, 50 * count, 0);
  line.mistakes = 0;
  return line.beats(count - 1, apartMs, apartMs / 10).beats(200, 50, 10).mistakes;
}

test("[D5] a backlog that is released teaches nothing: the node is not suspected again", () => {
  for (const numbered of [true, false])
    for (const known of [200, 6_000])
      for (const count of [8, 40, 1_200])
        for (const apartMs of [0.1, 3, 20])
          for (let life = 0; life < 3; life++) {
            if (count === 1_200 && apartMs === 20) continue; // Three minutes at another pace are a change of traffic.
            const line = new Line(`backlog ${known} ${count} ${apartMs} ${life}`, {}, numbered).beats(known, 50, 10);
            const again = released(line, count, apartMs);
            assert.equal(again, 0, `${count} beats ${apartMs} ms apart after ${known}; SEED=${SEED}`);
          }
});

test("[D5] a backlog that waited for the observer's first look teaches nothing either", () => {
  for (const [options, apartMs] of [
    [{}, 0.1],
    [{ expectedIntervalMs: 50 }, 0.1],
    [{ expectedIntervalMs: 50 }, 5],
  ] as const) {
    const line = new Line(`first backlog ${apartMs}`, options).beats(40, apartMs, apartMs / 10).beats(200, 50, 10);
    assert.equal(line.mistakes, 0, `${apartMs} ms apart, ${JSON.stringify(options)}; SEED=${SEED}`);
  }
});

test("[D9] a sender that beats ten times as often after an overdue silence is followed within three seconds", () => {
  const line = new Line("faster").beats(2_000, 50, 2).beats(1, 2_000, 0).beats(600, 5, 0.2);
  assert.ok(line.deadlineMs() < 50, `${line.deadlineMs()} ms; SEED=${SEED}`);
});

test("[D9] a step up costs at most two mistakes, and a step down is followed within ten seconds", () => {
  for (const [meanMs, deviationMs] of [
    [100, 20],
    [50, 50],
    [400, 80],
  ] as const) {
    let [soonMs, steadyMs] = [0, 0];
    for (let run = 0; run < 8; run++) {
      const line = new Line(`step ${meanMs} ${deviationMs} ${run}`).beats(20_000, 50, 10);
      line.mistakes = 0;
      line.beats(600, meanMs, deviationMs);
      assert.ok(
        line.mistakes <= 2,
        `${line.mistakes} mistakes at a step to N(${meanMs}, ${deviationMs}); SEED=${SEED}`,
      );
      line.beats(200, 50, 10);
      soonMs += medianDeadlineMs(line);
      line.beats(2000, 50, 10);
      steadyMs += medianDeadlineMs(line);
    }
    assert.ok(soonMs < 1.1 * steadyMs, `${soonMs / 8} after ten seconds, ${steadyMs / 8} in the end; SEED=${SEED}`);
  }
});

/** Over the next beats, because a single deadline rests on a deviation of a few. */
function medianDeadlineMs(line: Line, beats = 21, meanMs = 50, deviationMs = 10, level = 8): number {
  const deadlines = Array.from({ length: beats }, () => line.beats(1, meanMs, deviationMs).deadlineMs(level));
  return deadlines.sort((one, other) => one - other)[beats >> 1] as number;
}

test("[D9] long silences that recur are no outages but the network, and are waited for", () => {
  const line = new Line("recurring");
  for (let round = 0; round < 60; round++) line.beats(1200, 50, 10).beats(1, 1500, 50);
  line.mistakes = 0;
  for (let round = 0; round < 60; round++) line.beats(1200, 50, 10).beats(1, 1500, 50);
  assert.ok(line.mistakes <= 4, `${line.mistakes} of 60 such silences were mistaken; SEED=${SEED}`);
});

test("[D9] calm traffic with rare long stalls that becomes rough → no deadline beyond what silences ask for", () => {
  for (const numbered of [true, false]) {
    const line = new Line(`blind ${numbered}`, {}, numbered);
    for (let round = 0; round < 30; round++) line.beats(2_000, 50, 2).beats(1, 500, 20);
    let longestMs = 0;
    for (let beat = 0; beat < 400; beat++) longestMs = Math.max(longestMs, line.beats(1, 50, 25).deadlineMs());
    // A quarter more than the best fixed timeout, a bin, and the stretch after a mistake.
    assert.ok(longestMs < 1_600, `${longestMs} ms; SEED=${SEED}`);
  }
});

test("[D11] untold ceiling and half a minute between beats → it is raised, and falls back when the sender hurries", () => {
  const line = new Line("slow").beats(300, 30_000, 1_000);
  assert.ok(line.mistakes <= 12, `${line.mistakes} mistakes in 300 beats; SEED=${SEED}`);
  assert.ok(line.deadlineMs(Number.MAX_VALUE) > 500_000);
  line.beats(3, 50, 2);
  assert.equal(Math.round(line.deadlineMs(Number.MAX_VALUE)), 20_000);
});

test("[D11] a ceiling that was told is never raised, nor an untold one by lone outages", () => {
  const told = new Line("told", { ceilingMs: 20_000 }).beats(20, 30_000, 1_000);
  assert.equal(told.mistakes, 20);
  const line = new Line("lone outages");
  for (let outage = 0; outage < 5; outage++) line.beats(3, 50, 2).beats(1, 60_000, 0);
  assert.equal(Math.round(line.deadlineMs(Number.MAX_VALUE)), 20_000);
});

/** As the gateway sets its detector up (ADR 0013). */
function gatewayOptions(intervalMs: number): PhiAccrualOptions {
  const minDeviationMs = Math.max(20, (intervalMs + 150) / 10);
  return { expectedIntervalMs: intervalMs, minDeviationMs, ceilingMs: Math.max(1_000, 20 * intervalMs) };
}

test("[D9] few hours were watched → the gateway's declaration takes at most 1.8 times as long as after five hours", () => {
  for (const intervalMs of [50, 200]) {
    const options = gatewayOptions(intervalMs);
    const steady = new Line("steady", options).beats((5 * 3_600_000) / intervalMs, intervalMs, intervalMs / 25);
    for (let life = 0; life < 10; life++) {
      const young = new Line(`young ${life}`, options).beats(20, intervalMs, intervalMs / 25);
      for (const beats of [0, 20, 40, 240, 2_700]) {
        const ratio = young.beats(beats, intervalMs, intervalMs / 25).deadlineMs(12) / steady.deadlineMs(12);
        assert.ok(ratio <= 1.8, `${ratio} times ${steady.deadlineMs(12)} ms at ${young.nowMs} ms; SEED=${SEED}`);
      }
    }
  }
});

test("[D9] ordinary stalls in the first hour → at most one declared at 12, few mistakes at 8", () => {
  for (let life = 0; life < 8; life++) {
    const line = new Line(`first hour ${life}`, gatewayOptions(50));
    const random = seededRandom(SEED).fork(`stalls ${life}`);
    let declared = 0;
    for (let stall = 0; stall < 24; stall++) {
      line.beats(3_000, 50, 3);
      const silenceMs = 250 + 300 * random.next();
      if (silenceMs >= line.deadlineMs(12)) declared++;
      line.nowMs += silenceMs;
      line.arrive();
    }
    assert.ok(declared <= 1, `${declared} of 24 stalls declared at level 12; SEED=${SEED}`);
    assert.ok(line.mistakes <= 12, `${line.mistakes} mistakes; SEED=${SEED}`);
  }
});

test("[D9] nodes and options have bounds", () => {
  const machine = phiAccrualMachine({ model: "adaptive", maxNodes: 1 });
  assert.equal(machine.noteHeartbeat("a", undefined, 0), "counted");
  assert.equal(machine.noteHeartbeat("b", undefined, 0), "refused");
  machine.forget("a");
  assert.equal(machine.noteHeartbeat("b", undefined, 0), "counted");
  assert.throws(() => phiAccrualMachine({ model: "adaptiv" as "adaptive" }), ConfigurationError);
});

test("[D9] two paths, one beat in ten by the slow one → no more mistakes than were promised", () => {
  const hours = 12;
  let mistakes = 0;
  for (let life = 0; life < 4; life++) {
    const random = seededRandom(SEED).fork(`paths ${life}`);
    const line = new Line(`paths ${life}`);
    const hear = (forMs: number): void => {
      for (const endMs = line.nowMs + forMs; line.nowMs < endMs; line.arrive())
        line.nowMs += (random.next() < 0.1 ? 120 : 20) + random.next();
    };
    hear(600_000);
    line.mistakes = 0;
    hear((hours / 4) * 3_600_000);
    mistakes += line.mistakes;
  }
  assert.ok(mistakes <= 1.35 * hours, `${mistakes} mistakes in ${hours} hours; SEED=${SEED}`);
});

test("[D9] traffic grows calm again → after 64 beats the deadline is at most a fifth longer than before", () => {
  const steps: ReadonlyArray<Readonly<Record<"low" | "high", readonly [number, number]>>> = [
    { low: [50, 10], high: [100, 20] },
    { low: [50, 5], high: [50, 50] },
    { low: [100, 5], high: [100, 50] },
  ];
  const ratios: number[] = [];
  // Above that level, what was seen in few hours lengthens the deadline as well.
  for (const { low, high } of steps) {
    for (let life = 0; life < 12; life++) {
      const line = new Line(`calm again ${low} ${high} ${life}`).beats(20_000, ...low);
      const beforeMs = medianDeadlineMs(line, 21, ...low, RATE_LEVEL);
      line.beats(3_000, ...high).beats(62, ...low);
      ratios.push(medianDeadlineMs(line, 5, ...low, RATE_LEVEL) / beforeMs);
    }
  }
  const ratio = ratios.sort((one, other) => one - other)[ratios.length >> 1] as number;
  assert.ok(ratio < 6 / 5, `${ratio} times as long as before; SEED=${SEED}`);
});
