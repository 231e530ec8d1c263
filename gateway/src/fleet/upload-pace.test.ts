import assert from "node:assert/strict";
import { test } from "node:test";
import { UploadPaces } from "./upload-pace.ts";

const OPTIONS = { minBytesPerSecond: 1_024, maxPauseMs: 30_000 };

/**
 * Seconds until an upload is ended that sends `bytes` every `everyS` seconds; undefined where it
 * lives for an hour.
 */
function livesFor(bytes: number, everyS: number, options = OPTIONS): number | undefined {
  const paces = new UploadPaces(options);
  let isEnded = false;
  const pace = paces.begin(() => {
    isEnded = true;
  });
  pace.waits();
  for (let second = 1; second <= 3_600; second++) {
    paces.elapse(1_000);
    if (isEnded) return second;
    if (second % everyS !== 0) continue;
    pace.came(bytes);
    pace.waits();
  }
  return undefined;
}

test("honest uploads, fast and slow → live", () => {
  assert.equal(livesFor(1_048_576, 1), undefined, "1 MiB/s");
  assert.equal(livesFor(20_000, 1), undefined, "a phone, 20 kB/s");
  assert.equal(livesFor(20_000 * 25, 25), undefined, "a phone that stands still for 25 s again and again");
  assert.equal(livesFor(1_500, 1), undefined, "one packet a second");
});

test("nothing comes → ended after the longest pause", () => {
  assert.equal(livesFor(0, 1), 30);
});

test("a byte now and then → ended soon after the longest pause", () => {
  const seconds = livesFor(1, 1) as number;
  assert.ok(seconds >= 30 && seconds <= 31, `${seconds}`);
  assert.equal(livesFor(10, 29), 31);
});

test("half of the least rate → ended within a minute", () => {
  const seconds = livesFor(512, 1) as number;
  assert.ok(seconds > 30 && seconds <= 60, `${seconds}`);
});

test("much at once and then nothing → no credit beyond the longest pause", () => {
  const paces = new UploadPaces(OPTIONS);
  let isEnded = false;
  const pace = paces.begin(() => {
    isEnded = true;
  });
  pace.waits();
  pace.came(10 * 1_024 ** 2);
  pace.waits();
  paces.elapse(29_999);
  assert.equal(isEnded, false);
  paces.elapse(1);
  assert.equal(isEnded, true);
});

test("no least rate → only pauses count", () => {
  const options = { minBytesPerSecond: 0, maxPauseMs: 30_000 };
  assert.equal(livesFor(1, 29, options), undefined);
  assert.equal(livesFor(1, 31, options), 30);
});

test("nobody reads it → no time is spent, and it costs nothing", () => {
  const paces = new UploadPaces(OPTIONS);
  const pace = paces.begin(() => assert.fail("the station is slow, not the caller"));
  pace.waits();
  pace.came(1);
  paces.elapse(1_000_000);
  assert.equal(paces.waiting, 0);
});

test("too slow → told once, and its upload waits for nobody any more", () => {
  const paces = new UploadPaces(OPTIONS);
  let told = 0;
  paces.begin(() => told++).waits();
  for (let second = 0; second < 100; second++) paces.elapse(1_000);
  assert.deepEqual([told, paces.waiting], [1, 0]);
});
