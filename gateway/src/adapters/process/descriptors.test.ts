/** How descriptors are shared out among listeners. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionLimits, openFilesLimit, ownDescriptors } from "./descriptors.ts";

test("callers and control get what stations leave, and together they never need more than there is", () => {
  for (const [limit, groups] of [
    [60, 1],
    [256, 1],
    [1_024, 1],
    [1_024, 10],
    [20_000, 3],
    [1_000_000, 1],
  ] as const) {
    const stations = 2 * groups;
    const open = 24;
    const { callers, control } = connectionLimits({ limit, open }, { groups, stations });
    assert.ok(callers >= 1 && control >= 2 && control <= 512);
    assert.ok(
      open + groups + control + 3 * stations + 3 * callers * groups < limit,
      `${limit}: ${callers} callers, ${control}`,
    );
  }
  assert.deepEqual(connectionLimits({ limit: 60, open: 25 }, { groups: 1, stations: 2 }), { callers: 5, control: 2 });
  assert.deepEqual(connectionLimits({ limit: 20_000, open: 30 }, { groups: 1, stations: 2 }), {
    callers: 6_480,
    control: 512,
  });
});

test("with too few descriptors for anything each listener still takes somebody; an unknown limit bounds nobody", () => {
  assert.deepEqual(connectionLimits({ limit: 20, open: 25 }, { groups: 3, stations: 6 }), { callers: 1, control: 2 });
  assert.equal(connectionLimits(undefined, { groups: 1, stations: 2 }).callers, Number.POSITIVE_INFINITY);
});

test("the soft limit is read; no limit is none", () => {
  const text = (soft: string): string =>
    `Limit  Soft Limit  Hard Limit  Units\nMax open files            ${soft}                 4096                 files\n`;
  assert.equal(openFilesLimit(text("1024")), 1_024);
  assert.equal(openFilesLimit(text("unlimited")), undefined);
  const own = ownDescriptors();
  if (process.platform === "linux") assert.ok(own !== undefined && own.open > 3 && own.limit > own.open);
});
