/**
 * An operation throws what cannot be read: whatever it is, its caller gets that very thing, slot,
 * permit and timers come back, and it counts as an ordinary failure. Before that, reading it threw
 * inside the promise that ends the call: the process ended, the slot was lost, and a failover's
 * caller waited for ever.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { make, nothingIsLeftBehind } from "../../../test/calls.ts";
import { UNREADABLE_ERRORS } from "../../../test/unreadable.ts";
import { StaleEpochError } from "../core/errors.ts";
import { seenEpochOf } from "../core/failover/verdict.ts";
import { retryRefusalOf } from "../core/guard/retry-refusal.ts";
import {
  codeIn,
  isError,
  isProgrammingError,
  staleEpochIn,
  wasConnectionLost,
  wasLocalShortage,
  wasNeverSent,
  wasRefusedLocally,
} from "../core/outcomes/error-evidence.ts";
import { grpcStatus, httpErrorBody, httpStatus, judgeError, problemJson } from "../core/outcomes/outcome.ts";
import { VirtualClock } from "../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "./detection/detectors.ts";
import { PrimaryBackupFailover } from "./failover/failover.ts";
import { CircuitBreaker } from "./guard/breaker.ts";
import { Bulkhead } from "./guard/bulkhead.ts";

nothingIsLeftBehind();

/** What `call` rejects with; nothing of it is read. */
const thrownBy = (call: Promise<unknown>): Promise<{ thrown: unknown }> =>
  call.then(
    () => assert.fail("it resolved"),
    (thrown: unknown) => ({ thrown }),
  );

const PRESETS = [undefined, httpStatus, httpErrorBody, problemJson, grpcStatus];

test("[F10] an error that cannot be read → proves nothing, and no reader throws", () => {
  for (const [what, make] of UNREADABLE_ERRORS) {
    const error = make();
    const proofs = [wasNeverSent, wasLocalShortage, wasConnectionLost, isProgrammingError, wasRefusedLocally];
    for (const proof of proofs) assert.equal(proof(error), false, `${what}: ${proof.name}`);
    assert.deepEqual([typeof isError(error), staleEpochIn(error)], ["boolean", undefined], what);
    assert.deepEqual([codeIn(error), seenEpochOf(error), retryRefusalOf(error)], ["UNKNOWN", 0, undefined], what);
    for (const judge of [judgeError, ...PRESETS.map((preset) => preset?.error ?? judgeError)]) {
      assert.equal(judge(error), "failure", what);
    }
  }
});

test("[F3] an old epoch's refusal whose number cannot be read, or is none → an old epoch's refusal without one", () => {
  for (const seenEpoch of [{}, "9", null]) {
    const error = Object.assign(new StaleEpochError("old"), { seenEpoch });
    assert.deepEqual([staleEpochIn(error), seenEpochOf(error)], [error, 0]);
  }
});

test("[C1] [B1] an operation throws what cannot be read → delivered as it is, a failure, retried; nothing is left behind", async () => {
  for (const [what, makeError] of UNREADABLE_ERRORS) {
    for (const classify of PRESETS) {
      const world = make(classify === undefined ? {} : { classify });
      const error = makeError();
      let sends = 0;
      const operation = (): never => {
        sends++;
        throw error;
      };
      const call = world.client.call(operation, { idempotent: true });
      const { thrown } = await world.clock.runUntilSettled(thrownBy(call));
      assert.ok(thrown === error, what);
      assert.deepEqual([sends, world.client.breaker?.status.failures], [3, 3], what);
    }
  }
});

test("[B1] [K1] a circuit breaker and a bulkhead by themselves → the same, and permit and slot come back", async () => {
  for (const [what, makeError] of UNREADABLE_ERRORS) {
    const error = makeError();
    const operation = (): never => {
      throw error;
    };
    const breaker = new CircuitBreaker({ minimumVolume: 1, openDurationMs: 1, clock: new VirtualClock() });
    assert.ok((await thrownBy(breaker.execute(operation))).thrown === error, what);
    assert.deepEqual([breaker.state, breaker.status.failures], ["open", 1], what);
    const bulkhead = new Bulkhead({ maxConcurrent: 1 });
    assert.ok((await thrownBy(bulkhead.execute(operation))).thrown === error, what);
    assert.equal(bulkhead.running, 0, what);
  }
});

test("[F4] a failover → its caller gets it at once, and no station keeps the attempt", async () => {
  for (const [what, makeError] of UNREADABLE_ERRORS) {
    const clock = new VirtualClock();
    const failover = new PrimaryBackupFailover({
      primary: { name: "a" },
      backup: { name: "b" },
      detector: new PhiAccrualDetector({ clock }),
      client: { retry: false, classify: httpStatus },
      deadlineMs: 1_000,
      clock,
    });
    const error = makeError();
    const call = failover.call(() => {
      throw error;
    });
    const { thrown } = await clock.runUntilSettled(thrownBy(call));
    assert.ok(thrown === error, what);
    assert.ok(clock.nowMs() < 1_000, what);
    assert.deepEqual(
      failover.status.stations.map(({ inFlight }) => inFlight),
      [0, 0],
      what,
    );
  }
});

test("[C1] a result that cannot be read, with or without a preset → delivered or refused, and nothing is left behind", async () => {
  const refuse = (): never => {
    throw new Error("do not ask");
  };
  const result = Object.defineProperties(
    {},
    { body: { get: refuse }, bodyUsed: { get: refuse }, status: { get: refuse } },
  );
  const plain = make();
  assert.equal(await plain.clock.runUntilSettled(plain.client.call(() => result)), result);
  const judging = make({ classify: httpStatus });
  const { thrown } = await judging.clock.runUntilSettled(thrownBy(judging.client.call(() => result as never)));
  assert.match(String(thrown), /an HTTP preset needs its status/);
  assert.equal(judging.client.breaker?.status.calls, 0);
});

test("[F10] a 503 whose headers cannot be read → overloaded, without a hint", () => {
  const headers = {
    get(): never {
      throw new Error("do not ask");
    },
  };
  assert.deepEqual(httpStatus.result?.({ status: 503, headers }), { outcome: "overloaded", retry: true });
});

test("[F4] a station that is asked for a key and says what cannot be read → unknown, and the call goes on", async () => {
  const clock = new VirtualClock();
  const detector = new PhiAccrualDetector({ clock });
  const controller = new AbortController();
  const said = {
    get ran(): boolean {
      throw new Error("do not ask");
    },
  };
  const failover = new PrimaryBackupFailover({
    primary: { name: "a" },
    backup: { name: "b" },
    detector,
    clock,
    client: { timeoutMs: 60_000 },
    keyStatus: async () => said as never,
  });
  const beat = (names: readonly string[]) => (): void => {
    for (const name of names) detector.noteHeartbeat(name);
  };
  for (let atMs = 0; atMs < 60_000; atMs += 100) clock.at(atMs, beat(atMs < 20_000 ? ["a", "b"] : ["b"]));
  const running = failover.run(controller.signal);
  await clock.advanceBy(19_990);
  const call = failover.call(
    ({ station }) => (station.name === "a" ? new Promise<string>(() => undefined) : station.name),
    { idempotencyKey: "k" },
  );
  assert.equal(await clock.runUntilSettled(call), "b");
  controller.abort();
  await clock.runUntilSettled(running);
});
