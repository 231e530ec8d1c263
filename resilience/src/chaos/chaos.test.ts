/**
 * Each kind of fault does exactly what the table in `fault.ts` says, ends with the call's signal,
 * and leaves nothing.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { CallAbortedError, ConfigurationError, FaultInjectedError } from "../core/errors.ts";
import { judgeError, reportsError } from "../core/outcomes/outcome.ts";
import { seededRandom } from "../core/random.ts";
import { PhiAccrualDetector } from "../runtime/detection/detectors.ts";
import { PrimaryBackupFailover } from "../runtime/failover/failover.ts";
import type { AttemptContext } from "../runtime/guard/attempt.ts";
import { ResilientClient } from "../runtime/guard/client.ts";
import { VirtualClock } from "../sim/kernel/virtual-clock.ts";
import { Chaos } from "./chaos.ts";
import type { FaultKind } from "./fault.ts";

/** A station that counts what reaches it. */
class Station {
  readonly #clock: VirtualClock;
  readonly ranAtMs: number[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  readonly command = async (): Promise<string> => {
    this.ranAtMs.push(this.#clock.nowMs());
    return "done";
  };
}

function world(): { clock: VirtualClock; chaos: Chaos; station: Station } {
  const clock = new VirtualClock();
  return { clock, chaos: new Chaos({ clock, random: seededRandom("chaos.test") }), station: new Station(clock) };
}

const arm: ReadonlyArray<readonly [FaultKind, (chaos: Chaos) => void]> = [
  ["latency", (chaos) => chaos.setLatency({ ms: 500 })],
  ["drops", (chaos) => chaos.setDrops()],
  ["hangs", (chaos) => chaos.setHangs()],
];

test("[H] with nothing set, the operation's own promise comes back", () => {
  const { chaos } = world();
  const promise = Promise.resolve("done");
  assert.equal(chaos.wrap(() => promise)({}), promise);
  chaos.setErrors();
  chaos.off();
  assert.equal(chaos.wrap(() => promise)({}), promise);
});

test("[H] a call that is spared gets the operation's own promise too", () => {
  const { chaos } = world();
  const promise = Promise.resolve("done");
  chaos.setErrors({ keys: ["station-a"] });
  assert.equal(chaos.wrap(() => promise, "station-b")({}), promise);
});

test("[H] latency holds the request back and then sends it", async () => {
  const { clock, chaos, station } = world();
  chaos.setLatency({ ms: 500 });
  assert.equal(await clock.runUntilSettled(Promise.resolve(chaos.wrap(station.command)({}))), "done");
  assert.deepEqual(station.ranAtMs, [500]);
});

test("[H] an injected error keeps the request from being sent and names the key", async () => {
  const { chaos, station } = world();
  chaos.setErrors();
  await assert.rejects(
    async () => chaos.wrap(station.command, "azores")({}),
    (error) => error instanceof FaultInjectedError && error.code === "FAULT_INJECTED" && /azores/.test(error.message),
  );
  assert.deepEqual(station.ranAtMs, []);
});

test("[H] the error may be one of the holder's own", async () => {
  const { chaos, station } = world();
  chaos.setErrors({ error: (key) => new RangeError(`no such dish: ${key}`) });
  await assert.rejects(async () => chaos.wrap(station.command, "azores")({}), new RangeError("no such dish: azores"));
});

test("[H] a dropped request never runs and is silent until the caller gives up", async () => {
  const { clock, chaos, station } = world();
  chaos.setDrops();
  const controller = new AbortController();
  const call = Promise.resolve(chaos.wrap(station.command)({ signal: controller.signal }));
  let settled = false;
  const mark = (): void => {
    settled = true;
  };
  call.then(mark, mark);
  await clock.advanceBy(3_600_000);
  assert.equal(settled, false);
  controller.abort(new Error("lost patience"));
  await assert.rejects(call, CallAbortedError);
  assert.deepEqual(station.ranAtMs, []);
});

test("[H] a refused connection is told at once and counts as never sent", async () => {
  const { chaos, station } = world();
  chaos.setDrops({ as: "refused" });
  await assert.rejects(
    async () => chaos.wrap(station.command)({}),
    (error) =>
      judgeError(error) === "never-sent" && error instanceof Error && error.cause instanceof FaultInjectedError,
  );
  assert.deepEqual(station.ranAtMs, []);
});

test("[H] a hang runs the operation and loses its answer", async () => {
  const { clock, chaos, station } = world();
  chaos.setHangs();
  const controller = new AbortController();
  const call = Promise.resolve(chaos.wrap(station.command)({ signal: controller.signal }));
  await clock.advanceBy(1_000);
  controller.abort();
  await assert.rejects(call, CallAbortedError);
  assert.deepEqual(station.ranAtMs, [0]);
});

test("[H] a hang that is aborted settles only when the work behind it has", async () => {
  const { clock, chaos } = world();
  chaos.setHangs();
  const controller = new AbortController();
  let working = true;
  const work = async (): Promise<void> => {
    await clock.sleepUntil(1_000);
    working = false;
  };
  const call = Promise.resolve(chaos.wrap(work)({ signal: controller.signal }));
  controller.abort();
  await assert.rejects(clock.runUntilSettled(call), CallAbortedError);
  assert.equal(working, false);
});

test("[H] a lying success says 200, reports an error in its body, and did nothing", async () => {
  const { chaos, station } = world();
  chaos.setLyingSuccess();
  const answer = (await chaos.wrap<object, Promise<unknown>>(station.command)({})) as { status: number; body: unknown };
  assert.equal(answer.status, 200);
  assert.ok(reportsError(answer.body));
  chaos.setLyingSuccess({ answer: (key) => ({ ok: false, from: key }) });
  assert.deepEqual(await chaos.wrap(station.command, "azores")({}), { ok: false, from: "azores" });
  assert.deepEqual(station.ranAtMs, []);
});

test("[H] faults of one call surround each other: a slow error is late and an error", async () => {
  const { clock, chaos, station } = world();
  chaos.setErrors();
  chaos.setLatency({ ms: 200 });
  await assert.rejects(clock.runUntilSettled(Promise.resolve(chaos.wrap(station.command)({}))), FaultInjectedError);
  assert.equal(clock.nowMs(), 200);
});

for (const [kind, set] of arm) {
  test(`[H] an abort ends the wait of ${kind} at once and leaves no timer and no count`, async () => {
    const { clock, chaos, station } = world();
    set(chaos);
    const controller = new AbortController();
    const call = Promise.resolve(chaos.wrap(station.command)({ signal: controller.signal }));
    await clock.advanceBy(100);
    assert.equal(chaos.status[0]?.waiting, 1);
    controller.abort(new Error("lost patience"));
    await assert.rejects(
      call,
      (error) => error instanceof CallAbortedError && error.cause === controller.signal.reason,
    );
    assert.equal(clock.pending, 0);
    assert.equal(chaos.status[0]?.waiting, 0);
    assert.equal(clock.nowMs(), 100);
  });

  test(`[H] a signal that is aborted already ends ${kind} before it begins`, async () => {
    const { clock, chaos, station } = world();
    set(chaos);
    await assert.rejects(async () => chaos.wrap(station.command)({ signal: AbortSignal.abort() }), CallAbortedError);
    assert.equal(clock.pending, 0);
  });
}

test("[H] a long-lived signal keeps no listener of waits that are over", async () => {
  const { clock, chaos, station } = world();
  chaos.setLatency({ ms: 10 });
  const { signal } = new AbortController();
  const calls = Array.from({ length: 20 }, () => chaos.wrap(station.command)({ signal }));
  await clock.runUntilSettled(Promise.all(calls));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("[H] a fault that is taken off spares also the calls that another fault still holds back", async () => {
  const { clock, chaos, station } = world();
  chaos.setLatency({ ms: 500 });
  chaos.setErrors();
  const call = Promise.resolve(chaos.wrap(station.command)({}));
  await clock.advanceBy(100);
  chaos.off("errors");
  assert.equal(await clock.runUntilSettled(call), "done");
});

test("[H] two kinds of fault strike independently of each other", async () => {
  const { clock, chaos } = world();
  chaos.setLatency({ ms: 10, probability: 0.5 });
  chaos.setErrors({ probability: 0.5 });
  let both = 0;
  const command = chaos.wrap(async () => undefined);
  for (let call = 0; call < 2_000; call++) {
    const startedMs = clock.nowMs();
    const [end] = await clock.runUntilSettled(Promise.allSettled([command({})]));
    if (end.status === "rejected" && clock.nowMs() > startedMs) both++;
  }
  const replay = "seed chaos.test; replay: node --conditions=@gsf/source --test resilience/src/chaos/chaos.test.ts";
  assert.ok(both > 380 && both < 620, `${both} of 2,000 calls were late and failed, 500 expected (${replay})`);
});

test("[H] under a client, a drop ends with the attempt's timeout, and its slot comes back", async () => {
  const { clock, chaos, station } = world();
  const client = new ResilientClient<string>({ name: "azores", clock, timeoutMs: 250, bulkhead: { maxConcurrent: 1 } });
  chaos.setDrops();
  await assert.rejects(
    clock.runUntilSettled(client.call(chaos.wrap(station.command))),
    (error) => error instanceof Error && "code" in error && error.code === "ATTEMPT_TIMEOUT",
  );
  assert.equal(clock.nowMs(), 250);
  await clock.advanceBy(0);
  assert.equal(client.bulkhead?.running, 0);
  chaos.off();
  assert.equal(await client.call(chaos.wrap(station.command)), "done");
});

test("[H] setting a kind again replaces it, for the calls that follow", async () => {
  const { clock, chaos, station } = world();
  const call = chaos.wrap(station.command);
  chaos.setLatency({ ms: 500 });
  const first = Promise.resolve(call({}));
  chaos.setLatency({ ms: 20 });
  const second = Promise.resolve(call({}));
  await clock.runUntilSettled(Promise.all([first, second]));
  assert.deepEqual(station.ranAtMs, [20, 500]);
});

test("[H] status says what is set, how likely it is, and how often it acted", async () => {
  const { clock, chaos, station } = world();
  assert.deepEqual(chaos.status, []);
  chaos.setErrors({ probability: 1, ramp: { overMs: 1_000 }, keys: ["azores"] });
  await clock.advanceBy(1_000);
  await assert.rejects(async () => chaos.wrap(station.command, "azores")({}));
  await chaos.wrap(station.command, "madeira")({});
  const numbers = { kind: "errors", calls: 1, fired: 1, waiting: 0 };
  assert.deepEqual(chaos.status, [{ ...numbers, armed: true, probability: 1 }]);
  chaos.off("errors");
  assert.deepEqual(chaos.status, [{ ...numbers, armed: false, probability: 0 }]);
});

test("[H] an operation's synchronous throw and plain value keep their meaning under a fault", async () => {
  const { clock, chaos } = world();
  chaos.setLatency({ ms: 10 });
  const thrower = (): string => {
    throw new RangeError("no such dish");
  };
  await assert.rejects(clock.runUntilSettled(Promise.resolve(chaos.wrap(thrower)({}))), RangeError);
  assert.equal(await clock.runUntilSettled(Promise.resolve(chaos.wrap(() => 7)({}))), 7);
});

test("[H] a disposed Chaos refuses to be set, and unknown settings are refused by name", () => {
  const { chaos } = world();
  assert.throws(() => chaos.setDrops({ as: "smoke" as "silence" }), /Chaos drops: as is "smoke"/);
  assert.throws(() => chaos.setLatency({ ms: 5, probability: -1 }), /Chaos latency: probability is -1/);
  assert.deepEqual(chaos.status, [], "what was refused must not be armed");
  chaos[Symbol.dispose]();
  assert.throws(
    () => chaos.setErrors(),
    (error) => error instanceof ConfigurationError && error.hazard === "chaos-disposed",
  );
});

test("[H] the guide's example: its operation says that it is called by a client, or is wrapped in place → its signal is never undefined", async () => {
  using chaos = new Chaos();
  const client = new ResilientClient({ name: "north" });
  // Not run against the world: that this compiles, under exactOptionalPropertyTypes, is the test.
  const call = chaos.wrap(
    async ({ signal }: AttemptContext) => (await fetch("data:,text", { signal })).text(),
    "north",
  );
  assert.equal(await client.call(call, { idempotent: true }), "text");
  assert.equal(await client.call(chaos.wrap(async ({ signal }) => (await fetch("data:,x", { signal })).text())), "x");
  const failover = new PrimaryBackupFailover({
    primary: { name: "a" },
    backup: { name: "b" },
    detector: new PhiAccrualDetector(),
  });
  assert.equal(await failover.call(chaos.wrap(({ station }) => station.name)), "a");
});
