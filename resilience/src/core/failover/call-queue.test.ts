/**
 * The queue against a plain sorted array: whatever is added and taken out, those with least time
 * left go first.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dispatching } from "../../../../test/worlds/dispatching.ts";
import type { Call } from "./call.ts";
import { CallQueue } from "./call-queue.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/failover/call-queue.test.ts`;

const world = new Dispatching();
const call = (): Call => world.call();

test("an empty queue → nobody is first, and nobody can be taken out", () => {
  const queue = new CallQueue();
  assert.deepEqual([queue.size, queue.first, queue.remove(call()), queue.takeAll()], [0, undefined, false, []]);
});

test("[F5] least time left first; among equals in the order of arrival", () => {
  const queue = new CallQueue();
  const calls = [call(), call(), call(), call()] as const;
  for (const [place, order] of [30, 10, 30, 20].entries()) queue.add(calls[place] as Call, order);
  assert.deepEqual(queue.takeAll(), [calls[1], calls[3], calls[0], calls[2]]);
  assert.equal(queue.size, 0);
});

test("[F5] find goes from the front, findLast from the back", () => {
  const queue = new CallQueue();
  const calls = [1, 2, 3, 4].map((order) => {
    const made = call();
    queue.add(made, order);
    return made;
  });
  assert.equal(
    queue.find((one) => one.order > 1),
    calls[1],
  );
  assert.equal(
    queue.findLast((one) => one.order < 4),
    calls[2],
  );
  assert.equal(queue.last, calls[3]);
  assert.equal(
    queue.find((one) => one.order > 9),
    undefined,
  );
});

type Step = readonly ["add", number] | readonly ["remove", number] | readonly ["first"] | readonly ["takeAll"];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("add" as const), fc.nat({ max: 30 })) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("remove" as const), fc.nat({ max: 60 })) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("first" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("takeAll" as const)) },
);

test("[F5] any adding and taking out → as a sorted array does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const queue = new CallQueue();
      const model: Call[] = [];
      const all: Call[] = [];
      for (const [kind, number] of steps) {
        if (kind === "add") {
          const added = call();
          all.push(added);
          queue.add(added, number);
          const place = model.findIndex((one) => one.order > number);
          model.splice(place < 0 ? model.length : place, 0, added);
        } else if (kind === "remove") {
          // Those that are in, and those that have left.
          const gone = all[number % Math.max(1, all.length)];
          if (gone === undefined) continue;
          const place = model.indexOf(gone);
          assert.equal(queue.remove(gone), place >= 0, REPLAY);
          if (place >= 0) model.splice(place, 1);
        } else if (kind === "first") {
          assert.equal(queue.first, model[0], REPLAY);
          if (model.length > 0) queue.remove(model.shift() as Call);
        } else {
          assert.deepEqual(queue.takeAll(), model.splice(0), REPLAY);
        }
        assert.equal(queue.size, model.length, REPLAY);
        assert.equal(queue.first, model[0], REPLAY);
        assert.equal(
          queue.findLast(() => true),
          model.at(-1),
          REPLAY,
        );
      }
      assert.deepEqual(queue.takeAll(), model, REPLAY);
    }),
    { seed: SEED, numRuns: 400 },
  );
});

test("a queue that thousands pass through while ten wait → stays in order", () => {
  const queue = new CallQueue();
  const model: Call[] = [];
  for (let number = 0; number < 5_000; number++) {
    const added = call();
    queue.add(added, number);
    model.push(added);
    if (number < 10) continue;
    const leaves = model.splice(number % 3, 1)[0] as Call;
    assert.ok(queue.remove(leaves));
    assert.equal(queue.first, model[0]);
  }
  assert.deepEqual(queue.takeAll(), model);
});

test("[F11] counted in time → who cannot go before its time is over takes nobody's place", () => {
  const queue = new CallQueue();
  for (const order of [5, 10, 15, 20, 100]) queue.add(call(), order);
  const latestMs = (one: Call): number => one.order;
  assert.equal(queue.countInTime(latestMs, 10, 0), 4, "at 0, 10 and 20, and the last at 30; not the one of 15");
  assert.equal(queue.countInTime(latestMs, 10, 16), 2);
  assert.equal(queue.countInTime(latestMs, 0, 0), 5);
});
