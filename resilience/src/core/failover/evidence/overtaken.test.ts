/** Late calls, and newer ones that are answered before them in time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Overtaken } from "./overtaken.ts";

test("[F10] late calls go on, and two newer ones are answered in time → those that were sent before these are told, once", () => {
  const overtaken = new Overtaken();
  const source = {};
  overtaken.note(100, source);
  overtaken.note(150);
  assert.deepEqual(overtaken.noteInTime(50), [], "an older one says nothing");
  assert.deepEqual([...overtaken.noteInTime(200), ...overtaken.noteInTime(210)], [], "it may be over");
  overtaken.note(300);
  const told = overtaken.noteInTime(220).map((late) => [late.startedMs, late.source]);
  assert.deepEqual(told, [
    [100, source],
    [150, undefined],
  ]);
  assert.deepEqual([overtaken.size, overtaken.noteInTime(220).length], [1, 0]);
  assert.deepEqual([overtaken.noteInTime(310).length, overtaken.noteInTime(320).length], [0, 1]);
});

test("[F10] calls that hung all at once, and nothing since → never told; nor where the next is late a minute after", () => {
  const overtaken = new Overtaken();
  for (let call = 0; call < 5; call++) overtaken.note(call);
  for (let call = 10; call < 1_000; call++) assert.deepEqual(overtaken.noteInTime(call), []);
  overtaken.note(60_000);
  assert.deepEqual([overtaken.size, overtaken.noteInTime(60_001), overtaken.noteInTime(60_002)], [1, [], []]);
});

test("[F11] a station that has too much to do: late calls are answered before newer ones → none is told", () => {
  const overtaken = new Overtaken();
  let told = 0;
  for (let atMs = 0; atMs < 1_000; atMs += 10) {
    overtaken.note(atMs);
    if (atMs >= 50) overtaken.noteAnswered(atMs - 50);
    // Newer ones are late as well; one in time is what was sent before all that are late now.
    told += overtaken.noteInTime(atMs - 60).length;
  }
  assert.deepEqual([told, overtaken.size], [0, 5]);
});

test("[F10] a hundred late calls → the last 32 are kept", () => {
  const overtaken = new Overtaken();
  for (let call = 0; call < 100; call++) overtaken.note(call);
  overtaken.noteInTime(1_000);
  assert.equal(overtaken.size, 32);
  overtaken.note(1_001);
  assert.equal(overtaken.noteInTime(1_002).length, 31);
});
