/**
 * Runs of lost beats longer than any seen: bounded by how often a run goes on, and by what was
 * seen.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { HeartbeatTrace } from "./heartbeat-trace.ts";
import { LostRuns, lostBeatsIn } from "./lost-runs.ts";
import { summarizeTraffic, type TrafficSummary } from "./traffic-summary.ts";

function trafficOf(lossRate: number, beats: number, seed: number): TrafficSummary {
  const random = seededRandom(seed);
  const trace = new HeartbeatTrace();
  for (let beat = 0; beat < beats; beat++) if (random.next() >= lossRate) trace.add("a", { sequence: beat }, beat * 50);
  return summarizeTraffic(trace, { outageMs: Number.POSITIVE_INFINITY });
}

test("[D10] the bound lies above the true rate of runs, seen or not", () => {
  let low = 0;
  for (let seed = 0; seed < 40; seed++) {
    const traffic = trafficOf(0.02, 20_000, seed);
    for (const length of [1, 2, 3, 4]) {
      const trueRate = (0.98 * 0.02 ** length) / 50;
      if (new LostRuns(traffic, 0.95).perMs(length) < trueRate) low++;
    }
  }
  assert.ok(low <= 16, `${low} of 160 bounds were too low`);
});

/**
 * A Gilbert-Elliott channel: two states, each with a loss rate of its own, and the chances to
 * change between them.
 */
interface Channel {
  readonly good: number;
  readonly bad: number;
  readonly enter: number;
  readonly leave: number;
}

const CHANNELS: readonly Channel[] = [
  { good: 0.001, bad: 1, enter: 5e-4, leave: 1 / 3 },
  { good: 0.002, bad: 1, enter: 3e-4, leave: 1 / 5 },
  { good: 0.02, bad: 1, enter: 3e-4, leave: 1 / 5 },
  { good: 0.002, bad: 0.7, enter: 3e-4, leave: 1 / 20 },
  { good: 0.001, bad: 1, enter: 5e-5, leave: 1 / 10 },
];

/** An hour of beats every 50 ms through the channel. */
function burstyTraffic({ good, bad, enter, leave }: Channel, seed: string): TrafficSummary {
  const random = seededRandom(seed);
  const trace = new HeartbeatTrace();
  let isBad = false;
  for (let beat = 0; beat < 72_000; beat++) {
    isBad = random.next() < (isBad ? 1 - leave : enter);
    if (random.next() >= (isBad ? bad : good)) trace.add("a", { sequence: beat }, beat * 50);
  }
  return summarizeTraffic(trace, { outageMs: Number.POSITIVE_INFINITY });
}

/**
 * The true rate, per ms, of runs of at least `length` lost beats: a received beat, then so many
 * lost ones.
 */
function trueRunsPerMs({ good, bad, enter, leave }: Channel, length: number): number {
  let inGood = ((1 - good) * leave) / (enter + leave);
  let inBad = ((1 - bad) * enter) / (enter + leave);
  for (let beat = 0; beat < length; beat++) {
    const next = (inGood * (1 - enter) + inBad * leave) * good;
    inBad = (inGood * enter + inBad * (1 - leave)) * bad;
    inGood = next;
  }
  return (inGood + inBad) / 50;
}

test("[D10] losses in bursts → the bound lies above the true rate of longer runs than were seen", () => {
  for (const [place, channel] of CHANNELS.entries()) {
    const bounds = Array.from(
      { length: 20 },
      (_, seed) => new LostRuns(burstyTraffic(channel, `${place} ${seed}`), 0.95),
    );
    for (const length of [6, 10, 20, 30]) {
      const trueRate = trueRunsPerMs(channel, length);
      const low = bounds.filter((bound) => bound.perMs(length) < trueRate).length;
      assert.ok(low <= 4, `channel ${place}, runs of ${length}: ${low} of 20 bounds were too low`);
    }
  }
});

test("[D10] runs longer than are counted apart → continued by their true mean length", () => {
  const trace = new HeartbeatTrace();
  let sequence = 0;
  for (let run = 0; run < 50; run++) {
    for (let beat = 0; beat < 100; beat++) trace.add("a", { sequence: ++sequence }, sequence * 50);
    sequence += run % 2 === 0 ? 64 : 464;
  }
  const runs = new LostRuns(summarizeTraffic(trace, { outageMs: Number.POSITIVE_INFINITY }), 0.95);
  assert.ok(runs.perMs(300) > runs.perMs(64) / 10, "half of the runs are longer than that");
});

test("[D10] single losses → the bound is no more cautious than it has to be", () => {
  const trueRate = (0.98 * 0.02 ** 4) / 50;
  const bounds = Array.from({ length: 21 }, (_, seed) => new LostRuns(trafficOf(0.02, 72_000, seed), 0.95).perMs(4));
  const middle = bounds.sort((one, other) => one - other)[10] as number;
  assert.ok(middle < 10 * trueRate, `${middle / trueRate} times the true rate`);
});

test("[D10] it falls with the length of the run, and is nothing where nothing was lost or numbered", () => {
  const traffic = trafficOf(0.05, 20_000, 1);
  let last = Number.POSITIVE_INFINITY;
  for (let length = 1; length < 100; length++) {
    const rate = new LostRuns(traffic, 0.95).perMs(length);
    assert.ok(rate <= last && rate >= 0);
    last = rate;
  }
  assert.equal(new LostRuns(trafficOf(0, 1_000, 1), 0.95).perMs(1), 0);
  assert.equal(new LostRuns({ ...traffic, loss: undefined }, 0.95).perMs(1), 0);
});

test("[D10] a silence is as many lost beats as fit, with half an interval for jitter", () => {
  assert.deepEqual(
    [60, 90, 126, 176, 1_000].map((silenceMs) => lostBeatsIn(silenceMs, 50)),
    [1, 1, 2, 3, 19],
  );
});
