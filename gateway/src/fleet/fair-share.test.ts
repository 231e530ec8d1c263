import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { FairShare } from "./fair-share.ts";

/** Takes one at a time until nothing more is given; how many that were, and why it ended. */
function takeAll(share: FairShare, caller: string): [number, string] {
  for (let taken = 0; ; taken++) {
    const refusal = share.take(caller, 1);
    if (refusal !== undefined) return [taken, refusal];
  }
}

test("one caller alone → its part of everything", () => {
  assert.deepEqual(takeAll(new FairShare({ max: 100, callerRatio: 0.75 }), "balancer"), [75, "caller"]);
  assert.deepEqual(takeAll(new FairShare({ max: 100, callerRatio: 1 }), "balancer"), [100, "total"]);
});

test("one greedy caller → a second one still gets its part", () => {
  const share = new FairShare({ max: 1_000, callerRatio: 0.75 });
  takeAll(share, "greedy");
  assert.deepEqual(takeAll(share, "second"), [187, "caller"]);
});

test("ten greedy callers → as what they hold ends, all come to hold alike", () => {
  const random = seededRandom("ten greedy callers");
  const share = new FairShare({ max: 1_000, callerRatio: 0.75 });
  const callers = Array.from({ length: 10 }, (_, place) => `caller ${place}`);
  for (const caller of callers) takeAll(share, caller);
  for (let step = 0; step < 20_000; step++) {
    const ends = callers[Math.floor(random.next() * callers.length)] as string;
    if (share.heldBy(ends) > 0) share.giveBack(ends, 1);
    for (const caller of callers) share.take(caller, 1);
  }
  // Three times what is free is a tenth of the rest: 1,000 = 10 * 3 * free + free.
  for (const caller of callers) assert.ok(share.heldBy(caller) >= 90, `${caller}: ${share.heldBy(caller)}`);
});

test("a caller that holds nothing → its first one is given while anything is free", () => {
  const share = new FairShare({ max: 10, callerRatio: 0.5 });
  assert.equal(share.take("first", 9), undefined);
  assert.equal(share.take("second", 1), undefined);
  assert.equal(share.take("third", 1), "total");
});

test("more than is free → nothing of it is given", () => {
  const share = new FairShare({ max: 10, callerRatio: 0.5 });
  assert.equal(share.take("a", 11), "total");
  assert.equal(share.held, 0);
});

test("no bound → everything is given", () => {
  const share = new FairShare({ max: Number.POSITIVE_INFINITY, callerRatio: 0.75 });
  for (let times = 0; times < 10; times++) assert.equal(share.take("a", 1e15), undefined);
});

test("what cannot be refused → counted beyond the bound, and given back like the rest", () => {
  const share = new FairShare({ max: 10, callerRatio: 0.5 });
  share.takeAnyway("a", 15);
  assert.equal(share.held, 15);
  assert.equal(share.take("b", 1), "total");
  share.giveBack("a", 15);
  assert.deepEqual([share.held, share.largest], [0, undefined]);
});

test("any order of taking and giving back → the sums agree, and the bound holds", () => {
  const random = seededRandom("fair-share");
  const share = new FairShare({ max: 500, callerRatio: 0.75 });
  const mine = new Map<string, number>();
  for (let step = 0; step < 20_000; step++) {
    const caller = `caller ${Math.floor(random.next() * 7)}`;
    const amount = 1 + Math.floor(random.next() * 40);
    const held = mine.get(caller) ?? 0;
    if (random.next() < 0.5) {
      if (share.take(caller, amount) === undefined) mine.set(caller, held + amount);
    } else if (held >= amount) {
      share.giveBack(caller, amount);
      mine.set(caller, held - amount);
    }
    const sum = [...mine.values()].reduce((all, one) => all + one, 0);
    assert.equal(share.held, sum);
    assert.ok(sum <= 500);
    assert.equal(share.heldBy(caller), mine.get(caller) ?? 0);
    assert.equal(share.largest?.[1] ?? 0, Math.max(0, ...mine.values()));
  }
});
