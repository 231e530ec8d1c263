/** Which commands a station carries on: none of an epoch that is over, none whose time is up. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StationGuard } from "./station-guard.ts";

describe("[F3] epochs at a station", () => {
  test("an older epoch than the newest seen is refused with the newest, and changes nothing", () => {
    const guard = new StationGuard();
    assert.equal(guard.epochSeen, 0);
    assert.equal(guard.admit(5, undefined, 0).type, "admitted");
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(guard.admit(4, undefined, 1), { type: "stale", epochSeen: 5 });
    }
    assert.equal(guard.epochSeen, 5);
  });

  test("the same epoch goes on as often as it comes, and a newer one replaces it", () => {
    const guard = new StationGuard();
    for (const epoch of [0, 5, 5, 6]) assert.equal(guard.admit(epoch, undefined, 0).type, "admitted", `${epoch}`);
    assert.equal(guard.epochSeen, 6);
    assert.equal(guard.admit(5, undefined, 0).type, "stale");
  });

  test("a command without an epoch is never stale, and says nothing about epochs", () => {
    const guard = new StationGuard();
    guard.noteEpochSeen(7);
    assert.equal(guard.admit(undefined, undefined, 0).type, "admitted");
    assert.equal(guard.epochSeen, 7);
  });

  test("what the service behind has seen counts like what was seen here, and never goes back", () => {
    const guard = new StationGuard();
    guard.noteEpochSeen(9);
    for (const older of [3, undefined]) guard.noteEpochSeen(older);
    assert.equal(guard.epochSeen, 9);
    assert.deepEqual(guard.admit(8, undefined, 0), { type: "stale", epochSeen: 9 });
  });

  test("a command that waits at the station while a newer epoch is seen is refused when it is to go on", () => {
    const guard = new StationGuard();
    const admission = guard.admit(5, 1_000, 0);
    assert.ok(admission.type === "admitted");
    assert.equal(guard.beforeSending(admission, 10).type, "in-time");
    guard.noteEpochSeen(6);
    assert.deepEqual(guard.beforeSending(admission, 10), { type: "stale", epochSeen: 6 });
    assert.deepEqual(
      guard.beforeSending(admission, 2_000),
      { type: "stale", epochSeen: 6 },
      "late, but provably not run",
    );
  });

  test("the epoch of a command that comes too late has been seen all the same", () => {
    const guard = new StationGuard();
    assert.deepEqual(guard.admit(3, 0, 100), { type: "admitted", epoch: 3, deadlineMs: 100 });
    assert.deepEqual(guard.beforeSending({ epoch: 3, deadlineMs: 100 }, 100), { type: "late" });
    assert.equal(guard.admit(2, undefined, 101).type, "stale");
  });
});

describe("[R4] [F4] time left at a station", () => {
  test("it counts from the arrival, however late the command is read, and less of it goes on", () => {
    const guard = new StationGuard();
    assert.deepEqual(guard.admit(1, 250, 1_000), { type: "admitted", epoch: 1, deadlineMs: 1_250 });
    assert.deepEqual(guard.beforeSending({ epoch: undefined, deadlineMs: 1_250 }, 1_100), {
      type: "in-time",
      timeLeftMs: 150,
    });
  });

  test("a command is dropped from the instant of its deadline on, and not before", () => {
    const guard = new StationGuard();
    assert.deepEqual(guard.beforeSending({ epoch: undefined, deadlineMs: 1_250 }, 1_249), {
      type: "in-time",
      timeLeftMs: 1,
    });
    for (const nowMs of [1_250, 1_251, 1e12]) {
      assert.deepEqual(
        guard.beforeSending({ epoch: undefined, deadlineMs: 1_250 }, nowMs),
        { type: "late" },
        `${nowMs}`,
      );
    }
  });

  test("a command without a deadline is never late", () => {
    const guard = new StationGuard();
    const admission = guard.admit(undefined, undefined, 5);
    assert.ok(admission.type === "admitted");
    assert.deepEqual(guard.beforeSending(admission, 1e15), {
      type: "in-time",
      timeLeftMs: Number.POSITIVE_INFINITY,
    });
  });
});

test("[F3] an epoch that is a million ahead and more cannot be one → refused, and the true ones go on", () => {
  const guard = new StationGuard();
  assert.equal(guard.admit(3, undefined, 0).type, "admitted");
  assert.deepEqual(guard.admit(999_999_999_999_999, undefined, 1), { type: "absurd", most: 1_000_003 });
  assert.equal(guard.noteEpochSeen(2 ** 50), false);
  assert.equal(guard.epochSeen, 3);
  assert.equal(guard.admit(4, undefined, 2).type, "admitted");
});
