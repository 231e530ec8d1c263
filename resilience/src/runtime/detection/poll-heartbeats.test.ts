/** Polled heartbeats in virtual time: what counts, what does not, and what stays afterwards. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { PhiAccrualDetector } from "./detectors.ts";
import { type HeartbeatProbe, type PollOptions, pollHeartbeats } from "./poll-heartbeats.ts";

function polled(probes: Record<string, HeartbeatProbe>, options: PollOptions = {}, clock = new VirtualClock()) {
  const detector = new PhiAccrualDetector({ clock, expectedIntervalMs: 1_000 });
  const failures: [string, unknown][] = [];
  const onFailure = (node: string, reason: unknown): void => void failures.push([node, reason]);
  const polling = pollHeartbeats(detector, probes, { onFailure, ...options });
  return { clock, detector, failures, polling };
}

test("nodes that answer are alive; those that throw, reject or say no are not", async () => {
  const error = new Error("down");
  const { clock, detector, failures, polling } = polled({
    sync: () => undefined,
    async: async () => ({ ok: true }),
    says: () => ({ ok: false, status: 500 }),
    no: async () => false,
    rejects: () => Promise.reject(error),
    throws: () => {
      throw error;
    },
  });
  await clock.advanceBy(30_000);
  const alive = ["sync", "async", "says", "no", "rejects", "throws"].filter((node) => detector.isAlive(node, 8));
  assert.deepEqual(alive, ["sync", "async"]);
  assert.equal(failures.filter(([node, reason]) => node === "rejects" && reason === error).length, 31);
  polling[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

test("a fixed rate, whatever the answers take", async () => {
  const asked: number[] = [];
  const clock = new VirtualClock();
  const north = async (): Promise<void> => {
    asked.push(clock.nowMs());
    await clock.sleepUntil(clock.nowMs() + 400);
  };
  polled({ north }, {}, clock);
  await clock.advanceBy(3_500);
  assert.deepEqual(asked, [0, 1_000, 2_000, 3_000]);
});

test("no answer in time → aborted, told, asked again; what comes later counts for nothing", async () => {
  const signals: AbortSignal[] = [];
  const answers: (() => void)[] = [];
  const probe: HeartbeatProbe = (signal) => {
    signals.push(signal);
    return new Promise<void>((resolve) => answers.push(resolve));
  };
  const { clock, detector, failures } = polled({ north: probe }, { timeoutMs: 2_500 });
  await clock.advanceBy(2_499);
  assert.equal(signals.length, 1, "none follows while one is out");
  await clock.advanceBy(1);
  assert.deepEqual([signals.length, signals[0]?.aborted, failures.length], [2, true, 1]);
  assert.match(String(failures[0]?.[1]), /north did not answer within 2500 ms/);
  answers[0]?.();
  await clock.advanceBy(1);
  assert.equal(detector.lastHeartbeatMs("north"), undefined);
  answers[1]?.();
  await clock.advanceBy(1);
  assert.equal(detector.lastHeartbeatMs("north"), 2_501);
});

test("disposed → requests that are out are aborted, and nothing is told", async () => {
  let aborted = false;
  const { clock, failures, polling } = polled({
    north: (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(signal.reason);
        });
      }),
  });
  await clock.advanceBy(10);
  polling[Symbol.dispose]();
  await clock.advanceBy(10_000);
  assert.deepEqual([aborted, failures, clock.pending], [true, [], 0]);
});

test("[C3] wrong use → refused by name", () => {
  const detector = new PhiAccrualDetector();
  assert.throws(() => pollHeartbeats({} as never, {}), ConfigurationError);
  assert.throws(() => pollHeartbeats(detector, { north: "url" as never }), /probes.north is "url"/);
  assert.throws(() => pollHeartbeats(detector, {}, { interval: 5 } as never), /did you mean intervalMs/);
  assert.throws(() => pollHeartbeats(detector, {}, { intervalMs: 0 }), /intervalMs is 0/);
});
