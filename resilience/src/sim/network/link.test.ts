/** Conditions as data: how several add up, and delays that follow from a share alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import {
  type BurstDelay,
  checkedConditions,
  combined,
  delaySource,
  HEALTHY_LINK,
  type LinkConditions,
} from "./link.ts";

const random = seededRandom("link");
const add = (...layers: Partial<LinkConditions>[]): ReturnType<typeof combined> =>
  combined(
    HEALTHY_LINK,
    layers.map((conditions) => ({ conditions, sinceMs: 0 })),
    random,
  );

test("several faults: any cut cuts, rates take the worst, delays and clogs add up, the narrowest counts", () => {
  const { delays, ...rest } = add(
    { cut: true, lossRate: 0.1, bytesPerSecond: 1_000, clogMs: 5, delay: { kind: "fixed", ms: 7 } },
    { cut: false, held: true, lossRate: 0.3, bytesPerSecond: 5_000, queueBytes: 9, clogMs: 6 },
    {
      lossRate: 0.2,
      duplicateRate: 0.5,
      corruptRate: 0.6,
      reorderRate: 0.7,
      reorderMs: 3,
      delay: { kind: "fixed", ms: 8 },
    },
  );
  assert.deepEqual(rest, {
    lossRate: 0.3,
    duplicateRate: 0.5,
    reorderRate: 0.7,
    reorderMs: 100,
    corruptRate: 0.6,
    bytesPerSecond: 1_000,
    queueBytes: 9,
    clogMs: 11,
    cut: true,
    held: true,
  });
  assert.deepEqual(
    delays.map((delay) => delay(0, 0)),
    [0.2, 7, 8],
  );
});

test("nothing imposed is the base, and the base is left alone", () => {
  const before = JSON.stringify(HEALTHY_LINK);
  add({ lossRate: 1, cut: true });
  const { delays, ...rest } = add();
  const { delay, ...base } = HEALTHY_LINK;
  assert.deepEqual(rest, base);
  assert.deepEqual([delays.length, delay.kind, JSON.stringify(HEALTHY_LINK)], [1, "exponential", before]);
});

test("a delay is fixed by its share: the larger, the later", () => {
  const kinds = [
    { kind: "uniform", minMs: 1, maxMs: 9 },
    { kind: "exponential", minMs: 1, meanMs: 5 },
    { kind: "pareto", minMs: 1, shape: 1.2, capMs: 1e6 },
  ] as const;
  for (const delay of kinds) {
    const source = delaySource(delay, 0, random);
    assert.equal(source(0, 0), 1, delay.kind);
    for (let share = 0.01; share < 1; share += 0.01) assert.ok(source(share, 0) > source(share - 0.01, 0), delay.kind);
  }
});

test("bursts stand where they stand, however often and from when on they are asked for", () => {
  const delay: BurstDelay = {
    kind: "bursts",
    calm: { kind: "fixed", ms: 1 },
    burst: { kind: "fixed", ms: 2 },
    meanCalmMs: 50,
    meanBurstMs: 50,
  };
  const often = delaySource(delay, 1_000, random);
  const seen: number[] = [];
  for (let atMs = 1_000; atMs < 3_000; atMs++) seen.push(often(0, atMs));
  assert.ok(seen.includes(1) && seen.includes(2));
  const later = delaySource(delay, 5_000, random);
  assert.notDeepEqual(
    seen.map((_, index) => later(0, 5_000 + index)),
    seen,
    "another fault has bursts of its own",
  );
  const seldom = delaySource(delay, 1_000, random);
  for (let atMs = 1_500; atMs < 3_000; atMs += 100) assert.equal(seldom(0, atMs), seen[atMs - 1_000], `${atMs}`);
});

test("a plan that has been through a file means the same", () => {
  const conditions = { delay: { kind: "pareto", minMs: 1, shape: 2, capMs: 9 }, lossRate: 0.25, held: true } as const;
  assert.deepEqual(checkedConditions("plan", JSON.parse(JSON.stringify(conditions))), conditions);
});
