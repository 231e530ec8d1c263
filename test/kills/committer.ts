/**
 * A process that commits until it is killed: several writers at once, each with records that belong
 * together. It writes a line before it asks for a commit and one when the commit is durable, with
 * system calls that have happened when they return, so that its killer knows what it was told.
 */
import { writeSync } from "node:fs";
import { SqliteStore } from "../../gateway/src/adapters/storage/sqlite-store.ts";
import type { RecordChange } from "../../gateway/src/fleet/record-store.ts";
// Not the library's door: most of the time of such a process would go into loading it.
import { seededRandom } from "../../resilience/src/core/random.ts";
import { systemClock } from "../../resilience/src/runtime/time/system-clock.ts";

const [directory = "", seed = ""] = process.argv.slice(2);
const WRITERS = 8;
/** Old parts are removed, so that pages are freed and used again. */
const KEPT = 20;

function partsOf(writer: number, number: number, random: { next(): number }): RecordChange[] {
  const value = Buffer.alloc(8 + Math.floor(random.next() ** 4 * 8_000), number % 251);
  value.writeUInt32LE(number, 0);
  const key = String(number).padStart(10, "0");
  return [
    { type: "put", table: `latest-${writer}`, key: "a", value },
    { type: "put", table: `parts-${writer}`, key, value },
    { type: "put", table: `latest-${writer}`, key: "b", value },
    { type: "remove-below", table: `parts-${writer}`, below: String(number - KEPT).padStart(10, "0") },
  ];
}

const store = new SqliteStore({ directory, clock: systemClock });
const starts: number[] = [];
for (let writer = 0; writer < WRITERS; writer++) {
  const latest = await store.get(`latest-${writer}`, "a");
  starts.push(latest === undefined ? 0 : Buffer.from(latest).readUInt32LE(0));
}
const random = seededRandom(seed);
// Some of the time before it serves, the store commits in this thread.
for (let number = 1; random.next() < 0.5; number++) await store.commit(partsOf(WRITERS, number, random));
store.serve();
writeSync(1, "ready\n");
for (let writer = 0; writer < WRITERS; writer++) write(writer, random.fork(`${writer}`));

async function write(writer: number, own: { next(): number }): Promise<void> {
  for (let number = (starts[writer] as number) + 1; ; number++) {
    writeSync(1, `ask ${writer} ${number}\n`);
    await store.commit(partsOf(writer, number, own));
    writeSync(1, `ack ${writer} ${number}\n`);
    if (own.next() < 0.2) await systemClock.sleepUntil(systemClock.nowMs() + own.next() * 3);
  }
}
