/**
 * Promise [F11]: no metastable state. Whatever the callers' patience, which nobody tells the
 * failover, and whatever the rate: once the trigger is gone, goodput is back within five seconds
 * and twice the patience; where the load stays above what the station takes, four fifths of that
 * are goodput, and the rest is refused at once; no collapse is silent. A surge, and what an outage
 * left behind, is ridden out by waiting: hardly more calls fail than have to. The station is a
 * bucket of so many commands a second that pays for every refusal with half a command.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES, type Mode, type TakeoverFigures, type TakeoverPlan, takeover } from "../worlds/takeover.ts";

const FAULT_AT_S = 5;
const LATENCY_MS = 80;

interface Told {
  readonly rate: number;
  readonly patienceMs: number;
  readonly capacityRatio: number;
  readonly retryAfterS?: number;
}

/** By when goodput must be back after a fault that ended at `endedAtS`. */
const backAtS = (endedAtS: number, patienceMs: number): number => Math.ceil(endedAtS + 5 + (2 * patienceMs) / 1_000);

function run(name: string, told: Told, untilS: number): Promise<TakeoverFigures> {
  const plan: TakeoverPlan = {
    latencyMs: LATENCY_MS,
    faultAtS: FAULT_AT_S,
    seconds: untilS,
    ...(CASES[name] as Pick<TakeoverPlan, "steps" | "load">),
    ...told,
  };
  return takeover(plan);
}

/** Goodput a second, from `fromS` to `toS`. */
function goodput(figures: TakeoverFigures, fromS: number, toS: number): number {
  const seconds = figures.goodput.slice(fromS, toS);
  return seconds.reduce((sum, count) => sum + count, 0) / seconds.length;
}

/**
 * The faults of the bench after which the backup serves, with the second in which the trigger is
 * gone.
 */
const TRIGGERS: readonly (readonly [string, string, number])[] = [
  ["1", "the primary is killed", 5],
  ["3", "the primary answers 500 to all", 5],
  ["5", "the primary takes 8 s", 5],
  ["6", "half of all commands fail at the primary", 5],
  ["7", "the primary resets after each command", 5],
  ["9", "both are down for three seconds", 8],
  ["12", "the primary is killed, and five times the load comes for a second", 6.25],
];

for (const [name, what, endedAtS] of TRIGGERS) {
  for (const patienceMs of [500, 2_000, 10_000]) {
    test(`[F11] ${what}, callers wait ${patienceMs} ms, backup of 1.2 → goodput back in time`, async () => {
      const rate = 100;
      const backS = backAtS(endedAtS, patienceMs);
      const figures = await run(name, { rate, patienceMs, capacityRatio: 1.2 }, backS + 6);
      for (let second = backS; second < backS + 5; second++) {
        const good = goodput(figures, second, second + 1);
        assert.ok(good >= 0.9 * rate, `${good}/s in second ${second} of ${figures.goodput}`);
      }
    });
  }
}

for (const rate of [20, 200, 800]) {
  test(`[F11] both down for three seconds at ${rate}/s, refusals with Retry-After: 1 → goodput back in time`, async () => {
    const backS = backAtS(8, 2_000);
    const figures = await run("9", { rate, patienceMs: 2_000, capacityRatio: 1.2, retryAfterS: 1 }, backS + 6);
    assert.ok(goodput(figures, backS, backS + 5) >= 0.9 * rate, `${figures.goodput}`);
  });
}

for (const patienceMs of [500, 2_000, 10_000]) {
  for (const rate of [20, 200]) {
    test(`[F11] a backup of 0.7 for good, ${rate}/s, callers wait ${patienceMs} ms → 0.8 of it is goodput, the rest is refused early`, async () => {
      const capacityRatio = 0.7;
      const knownS = backAtS(FAULT_AT_S, patienceMs);
      const figures = await run("1", { rate, patienceMs, capacityRatio, retryAfterS: 1 }, knownS + 11);
      const good = goodput(figures, knownS, knownS + 10);
      assert.ok(good >= 0.8 * capacityRatio * rate, `${good}/s of ${capacityRatio * rate}/s: ${figures.goodput}`);
      // Nobody has to hang up first: that more comes than is answered shows after two seconds, and
      // a moment to find that out.
      const told = figures.refusedCalls.filter(({ atMs }) => atMs >= 5_000 + 1_000 * (FAULT_AT_S + 3.5));
      const late = told.filter(({ tookMs }) => tookMs > 100);
      assert.ok(told.length > 20, `${told.length} refused`);
      assert.ok(late.length <= 0.01 * told.length, `${late.length} of ${told.length} were told after 100 ms`);
      assert.ok(
        figures.events.some(({ type }) => type === "capacity-learned"),
        "it is said what the station takes",
      );
    });
  }
}

/**
 * What no front could serve, at 200/s, 80 ms, patience of 2 s and a backup of 1.2: the floor of the
 * bench.
 */
for (const [name, what, floor] of [
  ["9", "both are down for three seconds", 232],
  ["12", "five times the load for a second after a promotion", 254],
] as const) {
  test(`[F11] ${what} → errors at most half a percent above what cannot be served`, async () => {
    const figures = await run(name, { rate: 200, patienceMs: 2_000, capacityRatio: 1.2, retryAfterS: 1 }, 20);
    assert.ok(figures.errors <= floor + 0.005 * figures.calls, `${figures.errors} of ${figures.calls}`);
    assert.ok(figures.ghosts <= (name === "9" ? 10 : 0), `${figures.ghosts} were executed and reported failed`);
    assert.ok(figures.refusals <= 0.02 * figures.calls, `${figures.refusals} were refused by the station`);
  });
}

test("[F11] both are killed, one is started again, 20/s on 0.7 of that → goodput back in time", async () => {
  const figures = await run("9", { rate: 20, patienceMs: 2_000, capacityRatio: 0.7, retryAfterS: 1 }, 24);
  assert.ok(goodput(figures, 14, 24) >= 0.8 * 14, `${figures.goodput}`);
});

test("[F11] a backup of 0.3 for good → the collapse is told within two seconds of it, with its numbers", async () => {
  const figures = await run("1", { rate: 100, patienceMs: 2_000, capacityRatio: 0.3 }, 30);
  const told = figures.events.filter((event) => event.type === "overload");
  const promoted = figures.events.find(({ type }) => type === "promoted");
  assert.ok(promoted !== undefined && "atMs" in promoted);
  const [first] = told;
  assert.ok(first !== undefined && first.atMs - promoted.atMs <= 2_000 + 2_000, "patience, and two seconds");
  assert.ok(first.answered < first.ended / 2 && first.station === "backup" && first.limit > 0);
  assert.ok(told.length >= 2 && told.length <= 4, `every ten seconds: ${told.length}`);
  assert.ok(goodput(figures, 14, 29) >= 0.8 * 30, `${figures.goodput}`);
});

/**
 * What the only station that is left does for three seconds, and for how long the last command of
 * that time keeps it busy.
 */
const BROWNOUTS: readonly (readonly [string, Mode, number])[] = [
  ["stands still", { name: "stopped" }, 0],
  ["takes 2 s", { name: "slow", latencyMs: 2_000 }, 2],
  ["takes 5 s", { name: "slow", latencyMs: 5_000 }, 5],
  ["answers 503 to all", { name: "warming" }, 0],
  ["answers 500 to all", { name: "errors" }, 0],
  ["refuses connections", { name: "killed" }, 0],
  ["resets after each command", { name: "reset-after" }, 0],
];

for (const [what, mode, busyS] of BROWNOUTS) {
  for (const patienceMs of [500, 2_000]) {
    test(`[F11] the only station ${what} for three seconds, callers wait ${patienceMs} ms → goodput back in time`, async () => {
      for (const rate of [20, 200]) {
        for (const capacityRatio of [1.2, 10]) {
          const backS = backAtS(11 + busyS, patienceMs);
          const figures = await takeover({
            rate,
            patienceMs,
            capacityRatio,
            latencyMs: LATENCY_MS,
            faultAtS: 8,
            seconds: backS + 6,
            steps: (primary, backup) => [
              [2, () => primary.set({ name: "killed" })],
              [8, () => backup.set(mode)],
              [11, () => backup.set({ name: "ok" })],
            ],
          });
          const good = goodput(figures, backS, backS + 5);
          assert.ok(good >= 0.9 * rate, `${good} of ${rate}/s, capacity ${capacityRatio}: ${figures.goodput}`);
        }
      }
    });
  }
}

test("[F11] deadlines that callers do send → what cannot be answered by them is refused, not sent", async () => {
  const plan = { rate: 100, patienceMs: 1_000, capacityRatio: 0.7 };
  const figures = await takeover({
    latencyMs: LATENCY_MS,
    faultAtS: FAULT_AT_S,
    seconds: 25,
    knowsDeadline: true,
    ...(CASES["1"] as Pick<TakeoverPlan, "steps">),
    ...plan,
  });
  assert.ok(goodput(figures, 12, 24) >= 0.8 * 70, `${figures.goodput}`);
  const ghostRate = figures.ghosts / figures.calls;
  assert.ok(ghostRate <= 0.02, `${figures.ghosts} of ${figures.calls} were executed, and nobody waited any more`);
});
