/**
 * Two copies of this library in one process, as two versions in one tree or a module registry per
 * test file (Jest) make them, and errors of another realm: what one copy throws or makes, the other
 * takes for what it is. The second copy here is a real one: the sources in another folder, so that
 * no module is shared.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import * as ours from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";

const folder = mkdtempSync(join(tmpdir(), "gsf-copy-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const sources = fileURLToPath(new URL("../../resilience/src", import.meta.url));
cpSync(sources, folder, { recursive: true, filter: (path) => !path.endsWith(".test.ts") });
const theirs = (await import(pathToFileURL(join(folder, "index.ts")).href)) as typeof ours;

const REALM = createContext();
const BUSY_CALLS = 20;

function foreignError(code: string, syscall: string): Error {
  return Object.assign(runInContext(`new Error("${syscall} ${code}")`, REALM) as Error, { code, syscall });
}

/** What came of `calls` calls, and how often the operation ran. */
async function outcomes(
  options: Partial<ours.ClientOptions>,
  operation: () => unknown,
  callOptions: ours.CallOptions = {},
): Promise<{ ran: number; ends: unknown[]; client: ours.ResilientClient }> {
  const clock = new VirtualClock();
  const client = new ours.ResilientClient({ name: "north", clock, ...options });
  const ends: unknown[] = [];
  let ran = 0;
  const count = (): unknown => {
    ran++;
    return operation();
  };
  for (let call = 0; call < BUSY_CALLS; call++) {
    const end = client.call(count, callOptions).catch((error: unknown) => error);
    ends.push(await clock.runUntilSettled(end));
  }
  return { ran, ends, client };
}

test("[B5] refusals of another copy's bulkhead, wrapped or not → our breaker stays closed, and nothing is retried", async () => {
  assert.notEqual(theirs.BulkheadFullError, ours.BulkheadFullError, "else this proves nothing");
  const full = new theirs.BulkheadFullError("full");
  for (const error of [full, new Error("no telemetry", { cause: full })]) {
    const { ran, client } = await outcomes({}, () => Promise.reject(error), { idempotent: true });
    assert.deepEqual([client.breaker?.state, client.breaker?.status.failures, ran], ["closed", 0, BUSY_CALLS]);
    const breaker = new ours.CircuitBreaker({ clock: new VirtualClock() });
    for (let call = 0; call < BUSY_CALLS; call++) await assert.rejects(breaker.execute(() => Promise.reject(error)));
    assert.deepEqual([breaker.state, breaker.status.failures], ["closed", 0]);
  }
});

test("[R3] a connection refused, as an error of another realm → never sent, so sent again without a key", async () => {
  const refused = foreignError("ECONNREFUSED", "connect");
  assert.equal(refused instanceof Error, false, "else this proves nothing");
  const retry = { maxAttempts: 3, budget: false } as const;
  const { ran } = await outcomes({ breaker: false, retry }, () => Promise.reject(refused));
  assert.equal(ran, 3 * BUSY_CALLS);
  const { ran: once } = await outcomes({ breaker: false, retry }, () =>
    Promise.reject(foreignError("ECONNRESET", "read")),
  );
  assert.equal(once, BUSY_CALLS, "a lost connection proves nothing");
});

test("[F3] a stale epoch that another copy reports → an epoch was seen, and the call is sent under a newer one", async () => {
  const clock = new VirtualClock();
  const failover = new ours.PrimaryBackupFailover({
    primary: { name: "north" },
    backup: { name: "south" },
    detector: new ours.PhiAccrualDetector({ expectedIntervalMs: 100, clock }),
    clock,
  });
  const epochs: number[] = [];
  const end = failover.call(({ epoch }) => {
    epochs.push(epoch);
    if (epoch > 7) return "done";
    throw new Error("refused", { cause: new theirs.StaleEpochError("old", { seenEpoch: 7 }) });
  });
  assert.equal(await clock.runUntilSettled(end), "done");
  assert.deepEqual(epochs, [1, 8]);
});

test("parts that another copy made → shared as they are, and not taken for options", () => {
  const clock = new VirtualClock();
  const breaker = new theirs.CircuitBreaker({ name: "shared", clock });
  const bulkhead = new theirs.Bulkhead({ name: "shared", maxConcurrent: 3, clock });
  const budget = new theirs.RetryBudget({ clock });
  const client = new ours.ResilientClient({ name: "north", clock, breaker, bulkhead, retry: { budget } });
  assert.deepEqual(
    [client.breaker === breaker, client.bulkhead === bulkhead, client.budget === budget],
    [true, true, true],
  );
});

test("a detector that another copy made → its clock is the supervisor's, and its deadlines are timers", async () => {
  const clock = new VirtualClock();
  const detector = new theirs.PhiAccrualDetector({ expectedIntervalMs: 100, clock });
  const declared: string[] = [];
  const supervisor = new ours.LivenessSupervisor({
    detector,
  });
  supervisor.onLivenessChange(({ node, to }) => declared.push(`${node} ${to}`));
  const stop = new AbortController();
  const running = supervisor.run(stop.signal);
  supervisor.watch("north");
  for (let beat = 0; beat < 20; beat++) {
    detector.noteHeartbeat("north");
    await clock.advanceBy(100);
  }
  assert.ok(clock.pending > 0, "it waits on the detector's clock");
  await clock.advanceBy(60_000);
  assert.equal(declared.at(-1), "north down");
  stop.abort();
  await running;
});

test("[F11] an upload that its caller broke off, by another copy's reason → says nothing about patience", () => {
  assert.ok(new theirs.RequestCutError() instanceof ours.RequestCutError);
});

test("[R4] a deadline set through one copy → obeyed by a client of the other, and taken off by the other's withoutDeadline", async () => {
  const call = (): Promise<number> =>
    new ours.ResilientClient({ name: "north" }).call(({ deadline }) => Promise.resolve(deadline));
  const deadline = theirs.deadlineAfter(60_000);
  assert.equal(await theirs.withDeadline(deadline, call), deadline);
  assert.equal(ours.withDeadline(deadline, theirs.ambientDeadline), deadline);
  assert.equal(
    ours.withDeadline(deadline, () => theirs.withoutDeadline(ours.ambientDeadline)),
    ours.NO_DEADLINE,
  );
  assert.equal(ours.ambientDeadline(), ours.NO_DEADLINE);
});
