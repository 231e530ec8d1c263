/**
 * The heap against a sorted list: order of instants, order of asking within one, cancelling from
 * anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InvariantViolation } from "../../core/invariant.ts";
import { type QueuedRun, TimerQueue } from "./timer-queue.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/runtime/time/timer-queue.test.ts`;

test("over random histories it does what a sorted list would do", () => {
  const act = fc.record({ kind: fc.constantFrom("add", "add", "cancel", "take"), value: fc.nat(50) });
  const property = fc.property(fc.array(act, { maxLength: 400 }), (acts) => {
    let emptied = 0;
    const queue = new TimerQueue(() => emptied++);
    const ran: number[] = [];
    let model: { atMs: number; number: number; entry: QueuedRun }[] = [];
    for (const [number, { kind, value }] of acts.entries()) {
      if (kind === "add") {
        const entry = queue.add(value, (subject: number) => ran.push(subject), number);
        model.push({ atMs: value, number, entry });
        model = model.toSorted((left, right) => left.atMs - right.atMs || left.number - right.number);
      } else if (kind === "cancel" && model.length > 0) {
        const [cancelled] = model.splice(value % model.length, 1);
        const before = emptied;
        cancelled?.entry[Symbol.dispose]();
        cancelled?.entry[Symbol.dispose]();
        assert.equal(emptied - before, model.length === 0 ? 1 : 0, REPLAY);
      } else if (kind === "take") {
        const due = model[0] !== undefined && model[0].atMs <= value ? model.shift() : undefined;
        const taken = queue.takeDue(value);
        assert.equal(taken, due?.entry, REPLAY);
        taken?.run();
        assert.equal(ran.at(-1), due?.number ?? ran.at(-1), REPLAY);
      }
      assert.equal(queue.size, model.length, REPLAY);
      assert.equal(queue.nextAtMs, model[0]?.atMs ?? Number.POSITIVE_INFINITY, REPLAY);
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

test("an entry that has run, or whose queue has moved on, can be cancelled without effect", () => {
  const queue = new TimerQueue();
  const first = queue.add(1, () => undefined, undefined);
  queue.add(2, () => undefined, undefined);
  assert.equal(queue.takeDue(1), first);
  first[Symbol.dispose]();
  assert.equal(queue.size, 1);
});

test("NaN is no instant: it would put every other wait out of order", () => {
  assert.throws(() => new TimerQueue().add(Number.NaN, () => undefined, undefined), InvariantViolation);
});
