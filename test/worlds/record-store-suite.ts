/**
 * What every record store must do, as cases that both stores pass: the one on SQLite, and the one
 * on a simulated disk. A case gets a rig that opens the store on one and the same place, so that it
 * can close it and open it again.
 */
import assert from "node:assert/strict";
import { type RecordChange, type RecordStore, RecordStoreError } from "../../gateway/src/fleet/record-store.ts";

export interface StoreRig {
  /** Opens the store; only one is open at a time. */
  open(options?: { readonly maxBytes?: number; readonly maxPendingBytes?: number }): Promise<RecordStore>;
}

interface SuiteCase {
  readonly title: string;
  readonly run: (rig: StoreRig) => Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);
export const put = (table: string, key: string, text: string): RecordChange => ({
  type: "put",
  table,
  key,
  value: bytes(text),
});

async function keysIn(store: RecordStore, table: string, options = {}): Promise<string[]> {
  return (await store.scan(table, { limit: 100, ...options })).map(({ key }) => key);
}

/** The code of the store's error. */
export async function refusal(commit: Promise<unknown>): Promise<string> {
  try {
    await commit;
  } catch (error) {
    if (error instanceof RecordStoreError) return error.code;
    throw error;
  }
  return "none";
}

/** Order by UTF-16 code units differs from order by code points in the last two. */
const ORDERED = ["", "a", "a\u0000", "a-", "ab", "b", "é", "\u{1f6f0}", "\uffee"];

export const RECORD_STORE_CASES: readonly SuiteCase[] = [
  {
    title: "changes of a commit → take effect in their order",
    async run(rig) {
      await using store = await rig.open();
      await store.commit([put("t", "k", "1"), put("t", "k", "2"), put("u", "k", "other table")]);
      assert.equal(textOf(await store.get("t", "k")), "2");
      await store.commit([{ type: "remove", table: "t", key: "k" }, put("t", "l", "3")]);
      assert.equal(await store.get("t", "k"), undefined);
      assert.equal(textOf(await store.get("t", "l")), "3");
      assert.equal(textOf(await store.get("u", "k")), "other table");
      await store.commit([put("t", "empty", "")]);
      assert.deepEqual(await store.get("t", "empty"), new Uint8Array(0));
    },
  },
  {
    title: "scan → keys in the order of UTF-16 code units, within bounds, both ways",
    async run(rig) {
      await using store = await rig.open();
      await store.commit([...ORDERED].reverse().map((key) => put("t", key, key)));
      await store.commit([put("s", "before", ""), put("u", "after", "")]);
      assert.deepEqual(await keysIn(store, "t"), ORDERED);
      assert.deepEqual(await keysIn(store, "t", { reverse: true }), [...ORDERED].reverse());
      assert.deepEqual(await keysIn(store, "t", { after: "a", below: "b" }), ["a\u0000", "a-", "ab"]);
      assert.deepEqual(await keysIn(store, "t", { after: "a", limit: 2 }), ["a\u0000", "a-"]);
      assert.deepEqual(await keysIn(store, "t", { below: "b", limit: 1, reverse: true }), ["ab"]);
      assert.deepEqual(await keysIn(store, "none"), []);
    },
  },
  {
    title: "remove-below → removes lesser keys of that table only",
    async run(rig) {
      await using store = await rig.open();
      await store.commit(["1", "2", "3"].flatMap((key) => [put("t", key, key), put("u", key, key)]));
      await store.commit([{ type: "remove-below", table: "t", below: "3" }, put("t", "0", "0")]);
      assert.deepEqual(await keysIn(store, "t"), ["0", "3"]);
      assert.deepEqual(await keysIn(store, "u"), ["1", "2", "3"]);
    },
  },
  {
    title: "commits at once → durable in the order asked for, and after reopening",
    async run(rig) {
      {
        await using store = await rig.open();
        await Promise.all(
          Array.from({ length: 50 }, (_, n) => store.commit([put("t", "k", `${n}`), put("t", `${n}`, "")])),
        );
        assert.equal(textOf(await store.get("t", "k")), "49");
        assert.equal(store.status.pendingCommits, 0);
        assert.equal(store.status.pendingBytes, 0);
      }
      await using again = await rig.open();
      assert.equal(textOf(await again.get("t", "k")), "49");
      assert.equal((await again.scan("t", { limit: 100 })).length, 51);
      assert.equal(again.status.damagedRecords, 0);
    },
  },
  {
    title: "more bytes wait than allowed → busy, and nothing of that commit is stored",
    async run(rig) {
      await using store = await rig.open({ maxPendingBytes: 150_000 });
      const value = new Uint8Array(20_000);
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, n) => refusal(store.commit([{ type: "put", table: "t", key: `${n}`, value }]))),
      );
      const accepted = answers.filter((answer) => answer === "none").length;
      assert.ok(accepted >= 4 && accepted < 12, `${accepted}`);
      assert.deepEqual(new Set(answers), new Set(["none", "busy"]));
      assert.equal((await keysIn(store, "t")).length, accepted);
      assert.equal(await refusal(store.commit([put("t", "later", "")])), "none");
    },
  },
  {
    title: "the store reaches its bound → full; reads and removals go on; then open again",
    async run(rig) {
      await using store = await rig.open({ maxBytes: 256 * 1_024 });
      const value = new Uint8Array(20_000).fill(7);
      let stored = 0;
      for (; stored < 100; stored++) {
        const ended = await refusal(
          store.commit([put("t", "last", `${stored}`), { type: "put", table: "t", key: `k${stored}`, value }]),
        );
        if (ended === "full") break;
        assert.equal(ended, "none");
      }
      assert.ok(stored >= 4 && stored < 20, `${stored}`);
      assert.equal(store.status.state, "full");
      assert.equal(textOf(await store.get("t", "last")), `${stored - 1}`, "half of a commit");
      assert.equal(await store.get("t", `k${stored}`), undefined);
      await store.commit([{ type: "remove-below", table: "t", below: "k9" }]);
      await store.commit([{ type: "put", table: "t", key: "again", value }]);
      assert.equal(store.status.state, "open");
      assert.ok(store.status.bytes <= store.status.maxBytes);
    },
  },
  {
    title: "closed → refuses, after it has stored what waited",
    async run(rig) {
      const store = await rig.open();
      const last = store.commit([put("t", "k", "v")]);
      await store[Symbol.asyncDispose]();
      await last;
      assert.equal(store.status.state, "closed");
      assert.equal(await refusal(store.commit([put("t", "k", "w")])), "closed");
      assert.equal(await refusal(store.get("t", "k")), "closed");
      assert.equal(await refusal(store.scan("t", { limit: 1 })), "closed");
      await using again = await rig.open();
      assert.equal(textOf(await again.get("t", "k")), "v");
    },
  },
  {
    title: "a key or a limit that is not allowed → refused with the value",
    async run(rig) {
      await using store = await rig.open();
      await assert.rejects(store.commit([put("t", "k".repeat(5_000), "")]), RangeError);
      await assert.rejects(store.commit([put("", "k", "")]), RangeError);
      for (const limit of [0, 1.5, 10_001, Number.NaN]) await assert.rejects(store.scan("t", { limit }), RangeError);
      assert.equal(store.status.state, "open");
    },
  },
];
