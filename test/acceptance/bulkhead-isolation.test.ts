/**
 * Promise [K3]: saturating one bulkhead leaves another's p99 within 10 % of its baseline. Two
 * downstreams behind one process, on the virtual clock; the healthy one's service times come from a
 * printed seed. The other test shows that the measure can fail: with one bulkhead for both, the
 * healthy downstream's callers starve.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bulkhead, ResilientClient, seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const SEED = "CN-2702-003";
const REPLAY = `seed "${SEED}"; replay: node --conditions=@gsf/source --test test/acceptance/bulkhead-isolation.test.ts`;
const CALLS = 4_000;

interface Run {
  readonly p99Ms: number;
  readonly served: number;
  readonly refusedElsewhere: number;
}

/**
 * Healthy calls every 5 ms of 10 to 50 ms each; beside them, if `saturated`, calls to a service
 * that never answers.
 */
async function run(saturated: boolean, shared: boolean): Promise<Run> {
  const clock = new VirtualClock();
  const random = seededRandom(SEED);
  const pool = { clock, maxConcurrent: 20, acquireTimeoutMs: 50 };
  const healthyPool = new Bulkhead({ name: "healthy", ...pool });
  const illPool = shared ? healthyPool : new Bulkhead({ name: "ill", ...pool });
  const healthy = new ResilientClient({
    name: "healthy",
    clock,
    bulkhead: healthyPool,
    timeoutMs: 1_000,
    retry: false,
    breaker: false,
  });
  const ill = new ResilientClient({
    name: "ill",
    clock,
    bulkhead: illPool,
    timeoutMs: 1_000,
    retry: false,
    breaker: false,
  });
  const tookMs: number[] = [];
  let refusedElsewhere = 0;
  const all: Promise<unknown>[] = [];
  for (let call = 0; call < CALLS; call++) {
    const serviceMs = 10 + 40 * random.next();
    const startedMs = clock.nowMs();
    const done = healthy.call(() => clock.sleepUntil(startedMs + serviceMs));
    all.push(done.then(() => tookMs.push(clock.nowMs() - startedMs)).catch(() => undefined));
    if (saturated) {
      const stuck = ill.call(() => clock.sleepUntil(startedMs + 5_000));
      all.push(stuck.catch(() => refusedElsewhere++));
    }
    await clock.advanceBy(5);
  }
  await clock.runUntilSettled(Promise.all(all));
  const sorted = tookMs.toSorted((left, right) => left - right);
  return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN, served: tookMs.length, refusedElsewhere };
}

test("[K3] one downstream saturated: the other's p99 stays within 10 % of its baseline, and every call is served", async () => {
  const baseline = await run(false, false);
  const beside = await run(true, false);
  assert.equal(baseline.served, CALLS);
  assert.equal(beside.served, CALLS, REPLAY);
  assert.ok(beside.refusedElsewhere > CALLS * 0.9, "the ill downstream was saturated indeed");
  assert.ok(
    Math.abs(beside.p99Ms / baseline.p99Ms - 1) <= 0.1,
    `p99 ${beside.p99Ms} beside ${baseline.p99Ms}; ${REPLAY}`,
  );
});

test("[K3] the measure can fail: sharing one bulkhead, the healthy downstream's callers are starved", async () => {
  const together = await run(true, true);
  assert.ok(together.served < CALLS * 0.9, `${together.served} served; ${REPLAY}`);
});
