/**
 * A process that fills a directory's disk through the record store, and says in lines of JSON what
 * the store said: until it is full, while it is full, and when its parent has made room.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "ground-station-failover";
import { SqliteStore } from "../../gateway/src/adapters/storage/sqlite-store.ts";
import { RecordStoreError } from "../../gateway/src/fleet/record-store.ts";

const [place = "", ballastBytes = "0"] = process.argv.slice(2);
const ballast = join(place, "ballast");
writeFileSync(ballast, Buffer.alloc(Number(ballastBytes)));
const changed = Promise.withResolvers<void>();
const say = (what: object): unknown => process.stdout.write(`${JSON.stringify(what)}\n`);
const store = new SqliteStore({
  directory: join(place, "state"),
  clock: systemClock,
  onState(state, detail) {
    say({ state, detail });
    if (state === "open") changed.resolve();
  },
});
store.serve();
const put = (number: number, bytes: number) =>
  store.commit([
    { type: "put", table: "t", key: String(number).padStart(6, "0"), value: new Uint8Array(bytes).fill(1) },
  ]);
const codeOf = (error: unknown): string => (error instanceof RecordStoreError ? error.code : String(error));

let stored = 0;
let refused = "";
while (refused === "" && stored < 5_000) {
  await put(stored, 8_000).then(
    () => stored++,
    (error: unknown) => {
      refused = codeOf(error);
    },
  );
}
const found = (await store.scan("t", { limit: 10_000 })).length;
say({ stored, refused, found });
// A parent that limits the size of files lifts the limit now; here a file makes way.
rmSync(ballast);
say({ waiting: true });
await changed.promise;
await put(stored, 100);
await store.commit([{ type: "remove-below", table: "t", below: "000010" }]);
await store[Symbol.asyncDispose]();
const again = new SqliteStore({ directory: join(place, "state"), clock: systemClock });
say({ afterwards: (await again.scan("t", { limit: 10_000 })).length, expected: stored + 1 - 10 });
await again[Symbol.asyncDispose]();
