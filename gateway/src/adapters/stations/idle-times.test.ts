import assert from "node:assert/strict";
import { test } from "node:test";
import { IdleTimes } from "./idle-times.ts";

test("[F4] before anything is known, a second is safe", () => {
  assert.equal(new IdleTimes().safeMs(0), 1_000);
});

test("[F4] half of what a connection survived is safe, and never more than half of what the station closed", () => {
  const times = new IdleTimes();
  times.noteSurvived(4_000);
  times.noteSurvived(1_000);
  assert.equal(times.safeMs(0), 2_000);
  times.noteClosed(300, 1_000);
  assert.equal(times.safeMs(1_000), 150);
  times.noteClosed(2_000, 2_000);
  times.noteSurvived(4_000);
  assert.equal(times.safeMs(2_000), 150, "one of its machines closes sooner than another");
});

test("[F4] what a restart closed is forgotten after five minutes, and what is closed as soon again is not", () => {
  const times = new IdleTimes();
  times.noteSurvived(4_000);
  times.noteClosed(10, 0);
  assert.equal(times.safeMs(299_999), 5);
  assert.equal(times.safeMs(300_000), 2_000);
  times.noteClosed(500, 300_000);
  for (let atMs = 310_000; atMs < 2_000_000; atMs += 10_000) times.noteClosed(atMs % 40_000 === 0 ? 505 : 740, atMs);
  assert.equal(times.safeMs(2_000_000), 250);
  for (let atMs = 2_000_000; atMs < 2_400_000; atMs += 10_000) times.noteClosed(751, atMs);
  assert.equal(times.safeMs(2_400_000), 375.5, "it keeps them for longer now");
});
