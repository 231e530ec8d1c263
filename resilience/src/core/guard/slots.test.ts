/**
 * Admission against a plain model: never more running than allowed, FIFO within a priority, each
 * granted once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigurationError } from "../errors.ts";
import { InvariantViolation } from "../invariant.ts";
import { Slots, Waiter } from "./slots.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/guard/slots.test.ts`;

class Numbered extends Waiter {
  readonly number: number;
  grants = 0;

  constructor(number: number, priority = 0) {
    super(priority);
    this.number = number;
  }

  override granted(): void {
    this.grants++;
  }
}

test("[K1] a slot given back belongs to the first waiter at once; a newcomer in the same step finds none", () => {
  const slots = new Slots(1, 2);
  assert.ok(slots.tryTake());
  const first = new Numbered(1);
  const second = new Numbered(2);
  assert.ok(slots.enqueue(first) && slots.enqueue(second));
  assert.equal(slots.giveBack(), first);
  assert.equal(slots.tryTake(), false);
  assert.equal(slots.running, 1);
  assert.equal(slots.giveBack(), second);
  assert.equal(slots.giveBack(), undefined);
  assert.equal(slots.running, 0);
});

test("[K1] a slot is released where nobody waits for it; where somebody does, it stays taken", () => {
  const slots = new Slots(1, 1);
  assert.ok(slots.tryTake());
  assert.equal(slots.release(), true);
  assert.equal(slots.running, 0);
  assert.throws(() => slots.release(), InvariantViolation);
  const waiter = new Numbered(1);
  assert.ok(slots.tryTake() && slots.enqueue(waiter));
  assert.equal(slots.release(), false);
  assert.equal(slots.giveBack(), waiter);
  assert.deepEqual([slots.running, slots.waiting], [1, 0]);
});

test("[K1] higher priorities go first, in order of asking within one; infinite priorities too", () => {
  const slots = new Slots(1, 10);
  slots.tryTake();
  const priorities = [0, 5, -1, 5, Number.POSITIVE_INFINITY, 0];
  for (const [number, priority] of priorities.entries()) slots.enqueue(new Numbered(number, priority));
  const order = priorities.map(() => (slots.giveBack() as Numbered).number);
  assert.deepEqual(order, [4, 1, 3, 0, 5, 2]);
});

test("[K1] the queue is bounded, and a place that is left can be taken again", () => {
  const slots = new Slots(1, 1);
  slots.tryTake();
  const waiter = new Numbered(1);
  assert.ok(slots.enqueue(waiter));
  assert.equal(slots.enqueue(new Numbered(2)), false);
  assert.ok(slots.remove(waiter));
  assert.equal(slots.remove(waiter), false);
  assert.ok(slots.enqueue(new Numbered(3)));
});

test("a hundred thousand priorities in turn leave no levels behind to be searched", () => {
  const slots = new Slots(1, 10);
  slots.tryTake();
  // Linear in what is kept: with every level kept this would take minutes.
  for (let priority = 0; priority < 100_000; priority++) {
    const waiter = new Numbered(priority, priority);
    slots.enqueue(waiter);
    slots.remove(waiter);
  }
  assert.equal(slots.waiting, 0);
});

test("broken use stops at once: a slot given back that nobody took, a waiter queued twice, a priority without order", () => {
  assert.throws(() => new Slots(1, 1).giveBack(), InvariantViolation);
  const slots = new Slots(1, 3);
  slots.tryTake();
  const waiter = new Numbered(1);
  slots.enqueue(waiter);
  assert.throws(() => slots.enqueue(waiter), InvariantViolation);
  assert.throws(() => new Numbered(1, Number.NaN), ConfigurationError);
  assert.throws(() => new Slots(0, 1), ConfigurationError);
  assert.throws(() => new Slots(1, -1), ConfigurationError);
});

test("[K1] [K2] over random histories it does what a sorted list would do", () => {
  const act = fc.record({
    kind: fc.constantFrom("come", "come", "leave", "give"),
    pick: fc.nat(),
    priority: fc.nat(12),
  });
  const property = fc.property(fc.array(act, { maxLength: 300 }), (acts) => {
    const slots = new Slots(3, 8);
    const model: Numbered[] = [];
    let running = 0;
    for (const [number, { kind, pick, priority }] of acts.entries()) {
      if (kind === "come" && !slots.tryTake()) {
        const waiter = new Numbered(number, priority);
        assert.equal(slots.enqueue(waiter), model.length < 8, REPLAY);
        if (model.length < 8) model.push(waiter);
      } else if (kind === "come") running++;
      else if (kind === "leave" && model.length > 0) {
        assert.ok(slots.remove(model.splice(pick % model.length, 1)[0] as Numbered), REPLAY);
      } else if (kind === "give" && running > 0) {
        const next = model.toSorted((left, right) => right.priority - left.priority || left.number - right.number)[0];
        assert.equal(slots.giveBack(), next, REPLAY);
        if (next === undefined) running--;
        else model.splice(model.indexOf(next), 1);
      }
      assert.deepEqual([slots.running, slots.waiting], [running, model.length], REPLAY);
      assert.ok(running <= 3 && (model.length === 0 || running === 3), REPLAY);
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

test("[K6] the limit was raised → those that wait get the new slots, the highest priority first, and no more", () => {
  const slots = new Slots(1, 10);
  slots.tryTake();
  const [low, high, last] = [new Numbered(1, 0), new Numbered(2, 5), new Numbered(3, 0)];
  for (const waiter of [low, high, last]) slots.enqueue(waiter);
  assert.equal(slots.takeForWaiter(), undefined);
  slots.maxConcurrent = 3;
  assert.deepEqual([slots.takeForWaiter() === high, slots.takeForWaiter() === low], [true, true]);
  assert.equal(slots.takeForWaiter(), undefined);
  assert.deepEqual([slots.running, slots.waiting], [3, 1]);
});

test("[K6] a full queue → the newest of the lowest priority goes for a higher one, and for no equal one", () => {
  class Shed extends Numbered {
    isShed = false;
    override displaced(): void {
      this.isShed = true;
    }
  }
  const slots = new Slots(1, 3);
  slots.tryTake();
  const [old, young, command] = [new Shed(1, -10), new Shed(2, -10), new Shed(3, 0)];
  for (const waiter of [old, young, command]) assert.ok(slots.enqueue(waiter));
  assert.equal(slots.enqueue(new Shed(4, -10)), false);
  const emergency = new Shed(5, 10);
  assert.ok(slots.enqueue(emergency));
  assert.deepEqual([young.isShed, old.isShed, slots.waiting], [true, false, 3]);
  assert.ok(slots.enqueue(new Shed(6, 0)));
  assert.ok(old.isShed);
  assert.equal(slots.enqueue(new Shed(7, 0)), false, "equals stay");
  assert.equal(slots.giveBack(), emergency);
  assert.equal(slots.giveBack(), command);
});
