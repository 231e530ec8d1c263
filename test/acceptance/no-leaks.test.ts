/**
 * Promise [C4]: nothing is left behind. A hundred thousand calls on one long-lived signal, a
 * process with an idle client that exits by itself, and a hundred thousand calls in flight on one
 * timer of the system (in real processes).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { promisify } from "node:util";
import { Bulkhead, ResilientClient } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const CALLS = 100_000;

/**
 * Runs `source` as a process of its own, and returns what it printed. It is killed, and the test
 * fails, if it never exits.
 */
async function runAlone(source: string): Promise<string> {
  const args = ["--conditions=@gsf/source", "--input-type=module", "--eval", source];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname, timeout: 60_000 });
  return stdout.trim();
}

test("[C4] a hundred thousand calls on one long-lived signal leave no listener and no timer", async () => {
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  const bulkhead = new Bulkhead({ name: "uplink", clock, maxConcurrent: 5, acquireTimeoutMs: 500, maxQueue: 10 });
  const client = new ResilientClient({
    name: "uplink",
    clock,
    bulkhead,
    breaker: false,
    timeoutMs: 1_000,
    retry: { baseMs: 1, budget: { clock, ratio: 1 } },
  });
  let made = 0;
  let settled = 0;
  const ends: Record<string, number> = {};
  // In rounds of twenty: five run, ten wait, five find the queue full; some succeed, some fail,
  // some hang and time out.
  for (let round = 0; made < CALLS; round++) {
    for (let call = 0; call < 20; call++, made++) {
      const hangs = round % 500 === 0;
      const bad = call % 3 === 0;
      client
        .call(
          async (context) => {
            if (hangs) await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
            if (bad) throw new Error("down");
          },
          { signal, idempotent: true },
        )
        .then(
          () => "done",
          (error: { code?: string; message: string }) => error.code ?? error.message,
        )
        .then((end) => {
          settled++;
          ends[end] = (ends[end] ?? 0) + 1;
        });
    }
    await clock.advanceBy(round % 500 === 0 ? 5_000 : 4);
  }
  await clock.advanceBy(60_000);
  assert.equal(settled, CALLS);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(clock.pending, 0);
  assert.deepEqual([bulkhead.running, bulkhead.waiting], [0, 0]);
  for (const end of ["done", "down", "BULKHEAD_FULL", "BULKHEAD_TIMEOUT", "ATTEMPT_TIMEOUT"]) {
    assert.ok((ends[end] ?? 0) > 0, `no call ended as ${end}: ${JSON.stringify(ends)}`);
  }
});

test("[C4] a process whose client has become idle exits by itself, long before its timeouts", async () => {
  const printed = await runAlone(`
    import { ResilientClient } from "ground-station-failover";
    const client = new ResilientClient({ name: "uplink", timeoutMs: 3_600_000, bulkhead: { maxConcurrent: 2 }, deadlineMs: 7_200_000 });
    for (let call = 0; call < 1_000; call++) await client.call(async () => call);
    await client.call(async () => { throw new Error("down"); }).catch(() => undefined);
    const { signal } = new AbortController();
    await client.call(async (context) => context.signal.aborted, { signal });
    process.on("exit", () => console.log("exited", process.getActiveResourcesInfo().filter((one) => one === "Timeout").length));
  `);
  assert.equal(printed, "exited 0");
});

test("[C4] a hundred thousand calls in flight with a timeout each hold one timer of the system", async () => {
  const printed = await runAlone(`
    import { ResilientClient } from "ground-station-failover";
    const client = new ResilientClient({ name: "uplink", timeoutMs: 1_000, retry: false });
    const answers = [];
    const calls = [];
    for (let call = 0; call < ${CALLS}; call++) {
      calls.push(client.call(() => new Promise((resolve) => answers.push(resolve))).catch((error) => error.code));
    }
    const timers = process.getActiveResourcesInfo().filter((one) => one === "Timeout").length;
    for (const answer of answers) answer("done");
    const ends = new Set(await Promise.all(calls));
    // A slow machine may have let some of them time out; every one has ended all the same.
    console.log(timers, answers.length, [...ends].every((end) => end === "done" || end === "ATTEMPT_TIMEOUT"));
  `);
  assert.equal(printed, `1 ${CALLS} true`);
});
