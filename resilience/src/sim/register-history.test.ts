/** Histories of a register: explained by some order, or by none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../core/random.ts";
import { type RegisterOperation, unexplained } from "./register-history.ts";

const SEED: string = process.env["SEED"] ?? "2702003";

function read(value: unknown, calledMs: number, returnedMs: number): RegisterOperation {
  return { kind: "read", value, calledMs, returnedMs };
}

function write(value: unknown, calledMs: number, returnedMs?: number): RegisterOperation {
  return { kind: "write", value, calledMs, returnedMs };
}

test("one after the other: the newest value is read → explained; an older one → not, and it is named", () => {
  assert.equal(unexplained([], 0), undefined);
  assert.equal(unexplained([write(1, 0, 1), read(1, 2, 3), write(2, 4, 5), read(2, 6, 7)], 0), undefined);
  assert.equal(
    unexplained([write(1, 0, 1), write(2, 4, 5), read(1, 6, 7)], 0),
    "no order explains the read of 1 from 6 to 7 ms",
  );
  assert.match(unexplained([read(7, 0, 1)], 0) ?? "", /the read of 7/);
});

test("at the same time: either value may be read, and once the new one was, the old one may not", () => {
  assert.equal(unexplained([write(1, 0, 10), read(0, 1, 2), read(1, 3, 4)], 0), undefined);
  assert.match(unexplained([write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)], 0) ?? "", /the read of 0 from 3 to 4 ms/);
  assert.equal(unexplained([write(1, 0, 10), read(1, 1, 5), read(0, 2, 4)], 0), undefined, "these overlap, too");
});

test("a write of which nobody knows what became → it may be read later, or never, but not before its call", () => {
  assert.equal(unexplained([write(1, 0), read(0, 5, 6), read(1, 100, 101)], 0), undefined);
  assert.equal(unexplained([write(1, 0), read(0, 5, 6)], 0), undefined);
  assert.match(unexplained([write(1, 10), read(1, 5, 6)], 0) ?? "", /the read of 1/);
  assert.match(unexplained([write(1, 0), read(1, 5, 6), read(0, 7, 8)], 0) ?? "", /the read of 0/);
});

test("values that are not numbers, and those that are alike, are told apart as Object.is does", () => {
  const [one, other] = [{}, {}];
  assert.equal(unexplained([write(one, 0, 1), read(one, 2, 3)], undefined), undefined);
  assert.notEqual(unexplained([write(one, 0, 1), read(other, 2, 3)], undefined), undefined);
  assert.equal(unexplained([write(Number.NaN, 0, 1), read(Number.NaN, 2, 3)], undefined), undefined);
});

test("random histories of a register that is one → always explained; with one stale read among them → not", () => {
  for (let round = 0; round < 100; round++) {
    const random = seededRandom(`${SEED}/${round}`);
    const effects = Array.from({ length: 60 }, (_, place) => {
      const atMs = 100 + place * 10;
      const [calledMs, returnedMs] = [atMs - random.next() * 40, atMs + random.next() * 40];
      return { place, atMs, calledMs, returnedMs, isWrite: random.next() < 0.4, isLost: random.next() < 0.1 };
    });
    let held = 0;
    const history = effects.map(({ place, calledMs, returnedMs, isWrite, isLost }) => {
      if (isWrite) held = place + 1;
      return isWrite ? write(held, calledMs, isLost ? undefined : returnedMs) : read(held, calledMs, returnedMs);
    });
    const shuffled = history.toSorted((one, other) => Number(one.value) - Number(other.value));
    assert.equal(unexplained(shuffled, 0), undefined, `SEED=${SEED}, round ${round}`);
    const broken = [...history, write(-1, 2_000, 2_001), read(0, 2_002, 2_003)];
    assert.match(unexplained(broken, 0) ?? "", /from 2002 to 2003 ms/, `SEED=${SEED}, round ${round}`);
  }
});

test("nonsense is refused: a return before its call, a read that never returned", () => {
  assert.throws(() => unexplained([read(1, 5, 4)], 0), /history\[0\] returned at 4 ms, before its call at 5 ms/);
  assert.throws(() => unexplained([{ ...read(1, 5, 6), returnedMs: undefined }], 0), /leave it out/);
});
