/**
 * When a station that was busy a moment ago counts as fallen silent, and for how long calls are
 * held back for that.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lull } from "./lull.ts";

/** Calls are sent and answered every `everyMs` until `untilMs`; `out` are out all the time. */
function steady(lull: Lull, everyMs: number, out: number, untilMs: number, fromMs = 0): void {
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += everyMs) {
    lull.noteSent();
    lull.noteEnded(out, nowMs);
  }
}

test("[F10] sixteen calls of 80 ms are out, and nothing comes → on after four answers that are missing", () => {
  const lull = new Lull();
  steady(lull, 5, 16, 1_000);
  for (let sent = 0; sent < 4; sent++) lull.noteSent();
  assert.deepEqual([lull.isOn(80, 1_019), lull.isOn(80, 1_020)], [false, true]);
  assert.deepEqual([lull.endsAtMs(80), lull.isOn(80, 1_159), lull.isOn(80, 1_160)], [1_160, true, false]);
});

test("[F10] any end of a call ends it", () => {
  const lull = new Lull();
  steady(lull, 5, 16, 1_000);
  for (let sent = 0; sent < 4; sent++) lull.noteSent();
  assert.equal(lull.isOn(80, 1_040), true);
  lull.noteEnded(15, 1_041);
  assert.equal(lull.isOn(80, 1_041), false);
});

test("[F10] few calls, an idle station, or one that is known to take long → never on", () => {
  const few = new Lull();
  steady(few, 40, 2, 1_000);
  few.noteSent();
  few.noteSent();
  assert.equal(few.isOn(80, 1_079), false, "two calls are out: their answers may take as long as they like");
  const idle = new Lull();
  idle.noteEnded(0, 1_000);
  for (let sent = 0; sent < 100; sent++) idle.noteSent();
  assert.equal(idle.isOn(80, 1_070), false, "a burst for an idle station is no silence of its");
  const slow = new Lull();
  steady(slow, 50, 16, 1_000);
  for (let sent = 0; sent < 20; sent++) slow.noteSent();
  assert.equal(slow.isOn(5_000, 1_900), false);
});

test("[F10] a station that answers in batches → its pauses are none", () => {
  const lull = new Lull();
  let held = 0;
  for (let batch = 1; batch <= 100; batch++) {
    for (let sent = 0; sent < 20; sent++) {
      lull.noteSent();
      if (lull.isOn(150, (batch - 1) * 100 + sent * 5)) held++;
    }
    for (let answered = 0; answered < 20; answered++) lull.noteEnded(30 - answered, batch * 100);
  }
  assert.ok(held <= 20, `${held} of 2,000 calls would have been held back`);
});

test("[F10] calls whose bodies are still being sent → never on; once the bodies are sent, their answers are missing", () => {
  const lull = new Lull();
  steady(lull, 5, 16, 1_000);
  for (let sent = 0; sent < 10; sent++) {
    lull.noteSent();
    lull.noteUploading();
  }
  assert.equal(lull.isOn(80, 1_040), false);
  for (let over = 0; over < 4; over++) lull.noteSent();
  assert.equal(lull.isOn(80, 1_040), true);
});
