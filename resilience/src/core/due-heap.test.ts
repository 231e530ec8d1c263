/**
 * The heap against a plain sorted list: whatever is put in, moved and taken out, the earliest is
 * first.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Due, DueHeap } from "./due-heap.ts";

const SEED = Number(process.env["SEED"] ?? 2702003);
const REPLAY = `seed ${SEED}; replay: SEED=${SEED} node --conditions=@gsf/source --test resilience/src/core/due-heap.test.ts`;

const due = (id: number): Due => ({ id, dueAtMs: 0, duePlace: -1 });

test("an empty heap → nothing is due, and never will be", () => {
  const heap = new DueHeap<Due>();
  assert.deepEqual(
    [heap.size, heap.nextMs, heap.first, heap.takeDue(1e12)],
    [0, Number.POSITIVE_INFINITY, undefined, undefined],
  );
});

test("entries of one instant → fall due in the order of their numbers", () => {
  const heap = new DueHeap<Due>();
  const entries = [4, 1, 3, 2].map(due);
  for (const entry of entries) heap.set(entry, 10);
  assert.equal(heap.takeDue(9.999), undefined);
  assert.deepEqual(
    entries.map(() => heap.takeDue(10)?.id),
    [1, 2, 3, 4],
  );
});

test("set to never → taken out; removed twice → nothing happens", () => {
  const heap = new DueHeap<Due>();
  const entry = due(1);
  heap.set(entry, 5);
  heap.set(entry, Number.POSITIVE_INFINITY);
  assert.deepEqual([heap.size, entry.duePlace], [0, -1]);
  heap.remove(entry);
  heap.set(due(2), 7);
  heap.remove(entry);
  assert.deepEqual([heap.size, heap.nextMs], [1, 7]);
});

type Step =
  | { readonly kind: "set"; readonly id: number; readonly atMs: number }
  | { readonly kind: "remove"; readonly id: number }
  | { readonly kind: "take"; readonly nowMs: number };

const id = fc.nat({ max: 24 });
const atMs = fc.oneof(fc.nat({ max: 20 }), fc.constant(Number.POSITIVE_INFINITY));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), id, atMs }),
  fc.record({ kind: fc.constant("remove" as const), id }),
  fc.record({ kind: fc.constant("take" as const), nowMs: fc.nat({ max: 20 }) }),
);

test("any order of set, move, remove and take → as a sorted list does", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new DueHeap<Due>();
      const entries = Array.from({ length: 25 }, (_, number) => due(number));
      const model = new Map<number, number>();
      const firstOf = (): [number, number] | undefined =>
        [...model].sort(([one, oneMs], [other, otherMs]) => oneMs - otherMs || one - other)[0];
      for (const each of steps) {
        if (each.kind === "take") {
          const first = firstOf();
          const expected = first !== undefined && first[1] <= each.nowMs ? first[0] : undefined;
          assert.equal(heap.takeDue(each.nowMs)?.id, expected, REPLAY);
          if (expected !== undefined) model.delete(expected);
          continue;
        }
        const entry = entries[each.id] as Due;
        if (each.kind === "set") {
          heap.set(entry, each.atMs);
          model.delete(each.id);
          if (each.atMs < Number.POSITIVE_INFINITY) model.set(each.id, each.atMs);
        } else {
          heap.remove(entry);
          model.delete(each.id);
        }
        assert.equal(heap.nextMs, firstOf()?.[1] ?? Number.POSITIVE_INFINITY, REPLAY);
        assert.equal(heap.first?.id, firstOf()?.[0], REPLAY);
        assert.equal(heap.size, model.size, REPLAY);
        for (const [place, one] of heap.entries().entries()) assert.equal(one.duePlace, place, REPLAY);
      }
    }),
    { seed: SEED, numRuns: 300 },
  );
});
