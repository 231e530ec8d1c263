/**
 * The record store on SQLite as its users meet it: the cases of every record store, once while the
 * gateway starts and once on its thread; and what only a real file can show.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "ground-station-failover";
import { put, RECORD_STORE_CASES } from "../../../../test/worlds/record-store-suite.ts";
import { UserError } from "../process/exit-codes.ts";
import { SqliteStore, type StoreOptions } from "./sqlite-store.ts";

class Place implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "gsf-store-"));
  readonly directory: string = join(this.path, "fleet.state");

  open(isServing: boolean, options: Partial<StoreOptions> = {}): SqliteStore {
    const store = new SqliteStore({ directory: this.directory, clock: systemClock, ...options });
    if (isServing) store.serve();
    return store;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

for (const isServing of [false, true]) {
  for (const { title, run } of RECORD_STORE_CASES) {
    test(`[G1] SQLite ${isServing ? "on its thread" : "while starting"}: ${title}`, async () => {
      using place = new Place();
      await run({ open: async (options) => place.open(isServing, options) });
    });
  }
}

test("[G1] state directory → only its owner can read it", async () => {
  using place = new Place();
  await using store = place.open(true);
  await store.commit([put("t", "k", "v")]);
  const mode = (name: string): number => statSync(join(place.directory, name)).mode & 0o777;
  assert.equal(mode("."), 0o700);
  for (const name of ["gateway.sqlite", "gateway.sqlite-wal", "gateway.commits", "gateway.lock"])
    assert.equal(mode(name), 0o600, name);
});

test("[G1] the same directory twice in one process → the second is refused", async () => {
  using place = new Place();
  await using _store = place.open(false);
  assert.throws(() => place.open(false), UserError);
});
