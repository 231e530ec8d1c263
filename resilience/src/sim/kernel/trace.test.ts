/**
 * That the hash tells runs apart and only them, and that the newest records are kept as they were.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { Trace } from "./trace.ts";

/** A run of three events; `change` is asked for each word and may give another. */
function hashOf(change: (word: string) => string = (word) => word, shiftMs = 0): string {
  const trace = new Trace({ keep: 10 });
  trace.step(1);
  trace.note(1, change("gateway"), change("start"), change("incarnation 1"));
  trace.step(2.5 + shiftMs);
  trace.message(2.5 + shiftMs, change("deliver"), change("gateway"), change("station"), change("command 7"));
  trace.step(4);
  return trace.hash;
}

test("[S1] the same run has the same hash, on every engine", () => {
  assert.match(hashOf(), /^[0-9a-f]{16}$/);
  assert.equal(hashOf(), hashOf());
  // Known here so that another engine, or a change to the mixing, is seen. It may be changed with
  // the mixing.
  assert.equal(hashOf(), "43b47a818da22670");
  assert.equal(new Trace({ keep: 0 }).hash, "fd87ed2399ceaa0f");
});

test("[S1] any word or instant that differs, however little, gives another hash", () => {
  const hashes = new Set([hashOf()]);
  for (const different of ["gateway", "start", "incarnation 1", "deliver", "station", "command 7"]) {
    for (const other of [`${different} `, different.slice(1), different.toUpperCase(), ""]) {
      hashes.add(hashOf((word) => (word === different ? other : word)));
    }
  }
  hashes.add(hashOf(undefined, 2 ** -50));
  hashes.add(hashOf(undefined, -0.25));
  assert.equal(hashes.size, 1 + 6 * 4 + 2);
});

test("[S1] order, boundaries between words, and what kind of thing it was count", () => {
  const [abc, def] = [(trace: Trace) => trace.note(0, "a", "b", "c"), (trace: Trace) => trace.note(0, "d", "e", "f")];
  const step = (trace: Trace): void => trace.step(0);
  const orders: ((trace: Trace) => void)[][] = [
    [abc, def],
    [def, abc],
    [(trace) => trace.note(0, "ab", "", "c"), def],
    [(trace) => trace.note(0, "b", "a", "c"), def],
    [(trace) => trace.message(0, "b", "a", "", "c"), def],
    [(trace) => trace.message(0, "b", "", "a", "c"), def],
    [(trace) => trace.note(7, "a", "b", "c"), def],
    [(trace) => trace.message(7, "b", "a", "", "c"), def],
    [step, abc, def],
    [abc, step, def],
  ];
  const hashes = orders.map((runs) => {
    const trace = new Trace({ keep: 10 });
    for (const run of runs) run(trace);
    return trace.hash;
  });
  assert.equal(new Set(hashes).size, orders.length);
});

test("[S1] a hundred thousand runs that differ by one digit do not share a hash", () => {
  const hashes = new Set<string>();
  for (let run = 0; run < 100_000; run++) {
    const trace = new Trace({ keep: 0 });
    trace.step(run / 1000);
    hashes.add(trace.hash);
  }
  assert.equal(hashes.size, 100_000);
});

test("the hash covers what is not kept any more, and does not depend on how much is", () => {
  const hashes = [0, 1, 7, Number.POSITIVE_INFINITY].map((keep) => {
    const trace = new Trace({ keep });
    for (let index = 0; index < 50; index++) trace.note(index, "node", "kind", `detail ${index}`);
    return trace.hash;
  });
  assert.equal(new Set(hashes).size, 1);
});

test("reading the hash changes nothing", () => {
  const [read, unread] = [new Trace({ keep: 1 }), new Trace({ keep: 1 })];
  for (const trace of [read, unread]) {
    trace.step(1);
    if (trace === read) assert.equal(trace.hash, trace.hash);
    trace.step(2);
  }
  assert.equal(read.hash, unread.hash);
});

test("the newest records are kept, oldest first, for every size of the ring", () => {
  for (const keep of [0, 1, 2, 3, 5, 8, Number.POSITIVE_INFINITY]) {
    const trace = new Trace({ keep });
    for (let count = 1; count <= 17; count++) {
      trace.step(count * 10);
      trace.note(count * 10, "node", "kind", String(count));
      const first = Math.max(1, count - keep + 1);
      const expected = Array.from({ length: count - first + 1 }, (_, index) => String(first + index));
      assert.deepEqual(
        trace.records.map((record) => record.detail),
        expected,
        `keep ${keep}, after ${count}`,
      );
      assert.equal(trace.dropped, count - expected.length);
    }
    assert.equal(trace.steps, 17);
  }
});

test("a record says what, when, to whom; a message has a peer and a note has none, also in a slot used before", () => {
  const trace = new Trace({ keep: 2 });
  trace.step(1);
  trace.message(1, "deliver", "a", "b", "hello");
  trace.note(1, "a", "state", "open");
  trace.step(2);
  trace.note(2, "b", "state", "closed");
  trace.message(2, "drop", "b", "a", "answer");
  assert.deepEqual(trace.records, [
    { step: 2, atMs: 2, kind: "state", node: "b", detail: "closed" },
    { step: 2, atMs: 2, kind: "drop", node: "b", peer: "a", detail: "answer" },
  ]);
});

test("records that were read stay as they were while the run goes on", () => {
  const trace = new Trace({ keep: 2 });
  trace.note(1, "a", "kind", "first");
  const read = trace.records;
  for (let index = 0; index < 5; index++) trace.note(2, "b", "kind", "later");
  assert.deepEqual(read, [{ step: 0, atMs: 1, kind: "kind", node: "a", detail: "first" }]);
});

test("names without end neither change the hash nor stay in memory", () => {
  const names = seededRandom("names");
  const run = (): string => {
    const trace = new Trace({ keep: 0 });
    const random = names.fork("run");
    for (let index = 0; index < 30_000; index++)
      trace.note(0, `node ${Math.floor(random.next() * 20_000)}`, "kind", "");
    return trace.hash;
  };
  assert.equal(run(), run());
});

test("a size that is none is refused", () => {
  for (const keep of [-1, 1.5, Number.NaN]) {
    assert.throws(() => new Trace({ keep }), { message: new RegExp(`Trace: keep is ${keep}`) });
  }
});
