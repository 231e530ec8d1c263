/** Histories of a register: explained by some order, or by none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
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

test("a value that nobody wrote is read → not explained, and told so, whatever else was lost", () => {
  for (const lost of [18, 200]) {
    const writes = Array.from({ length: lost }, (_, place) => write(place, place * 100));
    assert.equal(
      unexplained([...writes, read(-9, 90_000, 90_001)], -1),
      "no order explains the read of -9 from 90000 to 90001 ms: nobody had written that",
    );
  }
  assert.match(unexplained([write(1, 10, 20), read(1, 5, 6)], 0) ?? "", /the read of 1 .* nobody had written that/);
});

test("a stale read behind many lost writes → not explained; a lost write whose value is read later → explained", () => {
  const lost = Array.from({ length: 200 }, (_, place) => write(`lost ${place}`, place));
  const stale = [write("old", 300, 301), write("new", 302, 303), read("old", 400, 401)];
  assert.equal(unexplained([...lost, ...stale], 0), "no order explains the read of old from 400 to 401 ms");
  const late = [write("new", 300, 301), read("lost 7", 400, 401), read("lost 150", 402, 403)];
  assert.equal(unexplained([...lost, ...late], 0), undefined);
  assert.match(unexplained([...lost, ...late, read("lost 7", 404, 405)], 0) ?? "", /the read of lost 7 from 404/);
});

test("a write is lost once: its value is read, overwritten and read again → not explained; lost twice → explained", () => {
  const history = [write(1, 0), read(1, 5, 6), write(2, 7, 8), read(2, 9, 10), read(1, 11, 12)];
  assert.match(unexplained(history, 0) ?? "", /the read of 1 from 11/);
  assert.equal(unexplained([...history, write(1, 1)], 0), undefined);
});

test("random histories → the same answer as trying every order", () => {
  const answers = { explained: 0, not: 0 };
  for (let round = 0; round < 3_000; round++) {
    const random = seededRandom(`${SEED}/small/${round}`);
    const whole = (below: number): number => Math.floor(random.next() * below);
    const history = Array.from({ length: 1 + whole(6) }, () => {
      const calledMs = whole(20);
      const returnedMs = calledMs + whole(12);
      if (whole(2) === 0) return read(whole(3), calledMs, returnedMs);
      return write(whole(3), calledMs, whole(3) === 0 ? undefined : returnedMs);
    });
    const isExplained = someOrder(history, 0);
    assert.equal(unexplained(history, 0) === undefined, isExplained, `SEED=${SEED}: ${JSON.stringify(history)}`);
    answers[isExplained ? "explained" : "not"]++;
  }
  assert.ok(answers.explained > 500 && answers.not > 500, JSON.stringify(answers));
});

/** Tries every order that keeps to true time. */
function someOrder(left: readonly RegisterOperation[], held: unknown): boolean {
  if (left.every(({ returnedMs }) => returnedMs === undefined)) return true;
  const untilMs = Math.min(...left.map(({ returnedMs = Number.POSITIVE_INFINITY }) => returnedMs));
  return left.some(({ kind, value, calledMs }, place) => {
    if (calledMs > untilMs || (kind === "read" && value !== held)) return false;
    return someOrder(left.toSpliced(place, 1), value);
  });
}

test("too many operations at once → a RangeError soon, which says how many and what to do", () => {
  const writes = Array.from({ length: 20 }, (_, place) => write(place + 1, 0, 100));
  const reads = Array.from({ length: 20 }, (_, place) => read(place + 1, 0, 100));
  assert.throws(
    () => unexplained([...writes, ...reads, read(1, 200, 201), read(2, 202, 203)], 0),
    /more than 50000 states to look at, for 42 operations of which up to 40 overlap: check each key by itself/,
  );
});

test("an operation that is none → refused: kind, instants, a misspelt field", () => {
  const refused = (operation: object, message: RegExp): void =>
    assert.throws(() => unexplained([operation as RegisterOperation], 0), message);
  refused({ ...read(1, 5, 6), kind: "raed" }, /history\[0\]: kind is "raed"; it must be "read" or "write"/);
  refused({ ...read(1, 5, 6), calledMs: Number.NaN }, /calledMs is NaN/);
  refused({ kind: "write", value: 1, calledMs: 5, returnedMs: null }, /returnedMs is null/);
  refused({ kind: "write", value: 1, calledMs: 5, returndMs: 6 }, /no option returndMs; did you mean returnedMs\?/);
  assert.throws(() => unexplained(undefined as never, 0), /unexplained: history is missing; it must be a list/);
  assert.equal(unexplained([{ ...read(0, 5, 6), client: "a" } as RegisterOperation], 0), undefined);
});

test("nonsense is refused: a return before its call, a read that never returned", () => {
  assert.throws(() => unexplained([read(1, 5, 4)], 0), /history\[0\] returned at 4 ms, before its call at 5 ms/);
  assert.throws(() => unexplained([{ ...read(1, 5, 6), returnedMs: undefined }], 0), /leave it out/);
});
