/** What a group knows of idempotency keys, and how it stays within its bounds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupKeys, KEY_BYTES } from "./group-keys.ts";
import { type PlacedKey, placeOf } from "./place.ts";

const DAY_MS = 86_400_000;
const NOW_MS = 1_800_000_000_000;
const BOUNDS = { retentionMs: DAY_MS, maxKeys: 3, maxBytes: 10_000 };

class Keys {
  readonly keys: GroupKeys<{ readonly fingerprint: string }>;
  #sequence = 0;

  constructor(changes: Partial<typeof BOUNDS> = {}) {
    this.keys = new GroupKeys({ ...BOUNDS, ...changes });
  }

  /** An answer of `bytes` becomes durable; the places that it pushed out. */
  answered(key: string, bytes = 100, wallMs = NOW_MS): readonly PlacedKey[] | undefined {
    const forgotten = this.keys.makeRoom(bytes, wallMs);
    if (forgotten !== undefined) {
      this.keys.noteAnswered(key, placeOf(this.keys.expiresMs(wallMs), this.#sequence++, bytes));
    }
    return forgotten;
  }

  finds(key: string, wallMs = NOW_MS): string {
    return this.keys.arrive({ key, fingerprint: "f" }, wallMs).type;
  }
}

test("[G1] a key in use → the same request waits, another is refused, and it is free afterwards", () => {
  const { keys } = new Keys();
  keys.begin("k", { fingerprint: "f" });
  assert.equal(keys.arrive({ key: "k", fingerprint: "f" }, NOW_MS).type, "in-use");
  assert.equal(keys.arrive({ key: "k", fingerprint: "g" }, NOW_MS).type, "other-request");
  keys.end("k");
  assert.equal(keys.arrive({ key: "k", fingerprint: "g" }, NOW_MS).type, "new");
});

test("[G1] an answered key → known until its retention is over, and not longer", () => {
  const made = new Keys();
  made.answered("k");
  assert.equal(made.finds("k", NOW_MS + DAY_MS - 1), "answered");
  assert.equal(made.finds("k", NOW_MS + DAY_MS), "new");
});

test("[G10] more keys than maxKeys → the oldest are forgotten", () => {
  const made = new Keys();
  for (const key of ["a", "b", "c"]) assert.deepEqual(made.answered(key), []);
  assert.equal(made.answered("d")?.length, 1);
  assert.deepEqual(
    ["a", "b", "c", "d"].map((key) => made.finds(key)),
    ["new", "answered", "answered", "answered"],
  );
  assert.equal(made.keys.forgottenEarly, 1);
});

test("[G10] more bytes than maxBytes → the oldest are forgotten, and one that can never fit is not taken", () => {
  const made = new Keys({ maxKeys: 1_000, maxBytes: 10 * (100 + KEY_BYTES) });
  for (let number = 0; number < 10; number++) made.answered(`${number}`);
  assert.equal(made.answered("large", 800)?.length, 4);
  assert.ok(made.keys.bytes <= 10 * (100 + KEY_BYTES));
  assert.equal(made.answered("too large", 10_000), undefined);
  assert.equal(made.finds("9"), "answered");
});

test("[G10] expired keys make room first, and do not count as forgotten early", () => {
  const made = new Keys();
  for (const key of ["a", "b", "c"]) made.answered(key);
  assert.equal(made.answered("d", 100, NOW_MS + DAY_MS)?.length, 3);
  assert.deepEqual([made.keys.count, made.keys.forgottenEarly], [1, 0]);
});

test("[G1] a key answered again after its retention → the newer answer counts, bytes are counted once", () => {
  const made = new Keys();
  made.answered("k");
  made.answered("k", 100, NOW_MS + 2 * DAY_MS);
  assert.equal(made.keys.bytes, 100 + KEY_BYTES);
  assert.equal(made.finds("k", NOW_MS + 2 * DAY_MS + 1), "answered");
});
