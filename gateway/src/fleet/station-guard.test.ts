/** Which commands a station carries on: none of an epoch that is over, none whose time is up. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_EPOCHS_AHEAD } from "ground-station-failover/core";
import { StationGuard } from "./station-guard.ts";

const proven = (): boolean => true;
const unproven = (): boolean => false;

describe("[F3] epochs at a station", () => {
  test("an older epoch than the newest seen is refused with the newest, and changes nothing", () => {
    const guard = new StationGuard();
    assert.equal(guard.epochSeen, 0);
    assert.equal(guard.admit(5, undefined, 0, proven).type, "admitted");
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(guard.admit(4, undefined, 1, proven), { type: "stale", epochSeen: 5 });
    }
    assert.equal(guard.epochSeen, 5);
  });

  test("the same epoch goes on as often as it comes, and a newer one replaces it", () => {
    const guard = new StationGuard();
    for (const epoch of [0, 5, 5, 6])
      assert.equal(guard.admit(epoch, undefined, 0, proven).type, "admitted", `${epoch}`);
    assert.equal(guard.epochSeen, 6);
    assert.equal(guard.admit(5, undefined, 0, proven).type, "stale");
  });

  test("a command without an epoch is never stale, and says nothing about epochs", () => {
    const guard = new StationGuard();
    guard.noteEpochSeen(7);
    assert.equal(guard.admit(undefined, undefined, 0, proven).type, "admitted");
    assert.equal(guard.epochSeen, 7);
  });

  test("what the service behind has seen counts like what was seen here, and never goes back", () => {
    const guard = new StationGuard();
    guard.noteEpochSeen(9);
    for (const older of [3, undefined]) guard.noteEpochSeen(older);
    assert.equal(guard.epochSeen, 9);
    assert.deepEqual(guard.admit(8, undefined, 0, proven), { type: "stale", epochSeen: 9 });
  });

  test("a command that waits at the station while a newer epoch is seen is refused when it is to go on", () => {
    const guard = new StationGuard();
    const admission = guard.admit(5, 1_000, 0, proven);
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
    assert.deepEqual(guard.admit(3, 0, 100, proven), { type: "admitted", epoch: 3, deadlineMs: 100 });
    assert.deepEqual(guard.beforeSending({ epoch: 3, deadlineMs: 100 }, 100), { type: "late" });
    assert.equal(guard.admit(2, undefined, 101, proven).type, "stale");
  });
});

describe("[R4] [F4] time left at a station", () => {
  test("it counts from the arrival, however late the command is read, and less of it goes on", () => {
    const guard = new StationGuard();
    assert.deepEqual(guard.admit(1, 250, 1_000, proven), { type: "admitted", epoch: 1, deadlineMs: 1_250 });
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
    const admission = guard.admit(undefined, undefined, 5, proven);
    assert.ok(admission.type === "admitted");
    assert.deepEqual(guard.beforeSending(admission, 1e15), {
      type: "in-time",
      timeLeftMs: Number.POSITIVE_INFINITY,
    });
  });
});

describe("[F3] epochs that nobody proves", () => {
  test("one that is newer is refused and changes nothing; one that is as new, or none, needs no proof", () => {
    const guard = new StationGuard();
    for (const epoch of [1, 1_000_000, 999_999_999_999_999])
      assert.deepEqual(guard.admit(epoch, undefined, 0, unproven), { type: "unproven" }, `${epoch}`);
    assert.equal(guard.epochSeen, 0);
    assert.equal(guard.admit(4, undefined, 1, proven).type, "admitted");
    for (const epoch of [4, undefined]) assert.equal(guard.admit(epoch, undefined, 2, unproven).type, "admitted");
    assert.deepEqual(guard.admit(3, undefined, 3, unproven), { type: "stale", epochSeen: 4 });
    assert.deepEqual(guard.admit(5, undefined, 4, unproven), { type: "unproven" });
    assert.equal(guard.epochSeen, 4);
  });

  test("one that a gateway proves is believed however far ahead it is, by a station that has seen nothing as well", () => {
    for (const epoch of [1_000_001, 2_000_002, 999_999_999_999_999]) {
      const guard = new StationGuard();
      assert.equal(guard.admit(epoch, undefined, 0, proven).type, "admitted");
      assert.equal(guard.epochSeen, epoch);
    }
  });

  test("a service that tells ever higher ones → never further ahead of what is proven than a gateway believes", () => {
    const guard = new StationGuard();
    guard.admit(3, undefined, 0, proven);
    for (const told of [2 ** 50, 1_000_003, 1_000_004, 2_000_003, 3_000_003]) guard.noteEpochSeen(told);
    assert.equal(guard.epochSeen, 3 + MAX_EPOCHS_AHEAD);
    // The gateway goes above it, and the next lie begins from there.
    assert.equal(guard.admit(1_000_004, undefined, 1, proven).type, "admitted");
    guard.noteEpochSeen(2_000_004);
    assert.equal(guard.epochSeen, 2_000_004);
  });
});
