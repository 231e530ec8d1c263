/**
 * What the disk is for, on thirty lines of somebody's own code: an append-only journal that
 * acknowledges after its sync and mends a torn tail when it opens. It keeps its promises through
 * power losses, kills and failing devices; the same journal with either of two popular mistakes
 * does not, and is caught.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chance, exponential, wholeBetween } from "../faults/draws.ts";
import type { NodeEnv } from "../kernel/node.ts";
import { World } from "../kernel/world.ts";
import type { Disk } from "./disk.ts";

/** Mistakes that the journal can be built with. */
interface Mistakes {
  readonly acknowledgesBeforeSync?: boolean;
  readonly checksNothing?: boolean;
}

const HEADER_BYTES = 8;

/** Length, checksum over length and text, text. */
function encoded(text: string): Uint8Array {
  const record = Buffer.alloc(HEADER_BYTES + text.length);
  record.writeUInt32LE(text.length, 0);
  record.write(text, HEADER_BYTES, "latin1");
  record.writeUInt32LE(checksum(record), 4);
  return record;
}

/** FNV-1a: never 0 for zeros, so that a hole in the file is no empty record. */
function checksum(record: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const [index, byte] of record.entries()) if (index < 4 || index >= 8) hash = Math.imul(hash ^ byte, 16777619);
  return hash >>> 0;
}

/** The records up to the first that is not whole, and how many bytes they take. */
function decoded(file: Uint8Array, mistakes: Mistakes): { texts: string[]; goodBytes: number } {
  const bytes = Buffer.from(file);
  const texts: string[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const record = bytes.subarray(at, at + HEADER_BYTES + bytes.readUInt32LE(at));
    const whole = record.length === HEADER_BYTES + record.readUInt32LE(0);
    if (!whole || (mistakes.checksNothing !== true && checksum(record) !== record.readUInt32LE(4))) break;
    texts.push(record.toString("latin1", HEADER_BYTES));
    at += record.length;
  }
  return { texts, goodBytes: at };
}

/**
 * Opens the journal and returns what is in it. What the page cache shows need not be on the device
 * (a failed sync before a restart of the process), so the good part is written anew and synced
 * before anybody believes it.
 */
async function opened(disk: Disk, mistakes: Mistakes): Promise<{ texts: string[]; mended: boolean }> {
  const names = await disk.list();
  const file = names.includes("journal") ? await disk.read("journal") : new Uint8Array(0);
  const { texts, goodBytes } = decoded(file, mistakes);
  await disk.write("journal.new", file.subarray(0, goodBytes));
  await disk.sync("journal.new");
  await disk.rename("journal.new", "journal");
  await disk.sync("journal");
  return { texts, mended: goodBytes < file.length };
}

/** What a god knows of the journal. */
class Truth {
  readonly written: Set<string> = new Set();
  acknowledged: string[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Looks at what a restarted journal has found. */
  compare(found: readonly string[]): void {
    let next = 0;
    for (const text of found) {
      if (!this.written.has(text)) this.#world.violate("nothing-invented", `read ${JSON.stringify(text)}`);
      if (text === this.acknowledged[next]) next++;
    }
    const lost = this.acknowledged[next];
    if (lost !== undefined) this.#world.violate("nothing-acknowledged-lost", `${lost} is missing`);
  }
}

/**
 * One process: opens the journal, then writes batches of records until it dies or its disk fails
 * it.
 */
async function journalKeeper(
  { disk, clock, random, incarnation }: NodeEnv,
  truth: Truth,
  world: World,
  mistakes: Mistakes,
) {
  const { texts, mended } = await opened(disk, mistakes);
  truth.compare(texts);
  truth.acknowledged = texts;
  if (mended) world.sometimes("torn tail mended");
  world.sometimes("opened");
  for (let batch = 1; ; batch++) {
    const records = Array.from(
      { length: wholeBetween(random, 1, 4) },
      (_, index) => `${incarnation}.${batch}.${index}`,
    );
    for (const text of records) {
      truth.written.add(text);
      await disk.append("journal", encoded(text));
    }
    if (mistakes.acknowledgesBeforeSync === true) truth.acknowledged.push(...records);
    await disk.sync("journal");
    if (mistakes.acknowledgesBeforeSync !== true) truth.acknowledged.push(...records);
    await clock.sleepUntil(clock.nowMs() + exponential(random, 4));
  }
}

/**
 * One seed: 0.4 seconds of trouble, then a healthy disk, a last power loss, and a look at what is
 * left.
 */
async function run(seed: number, mistakes: Mistakes): Promise<World> {
  const world = new World({ seed });
  const truth = new Truth(world);
  const restart = (): void => node.start();
  const node = world.node("m", (env) =>
    journalKeeper(env, truth, world, mistakes).catch((error: unknown) => {
      // After a failed write or sync there is no telling what the file holds: end, and read it
      // again.
      if ((error as { code?: string }).code !== "EIO") throw error;
      world.sometimes("EIO");
      world.at(world.nowMs + 1, () => {
        node.crash("kill");
        node.start();
      });
    }),
  );
  node.start();
  const trouble = world.random.fork("trouble");
  const errorRate = chance(trouble, 0.5) ? 0.03 : 0;
  const failing = node.disk.impose({ syncErrorRate: errorRate, writeErrorRate: errorRate });
  for (let atMs = 0; atMs < 300; atMs += 10 + exponential(trouble, 50)) {
    const kind = chance(trouble, 0.7) ? "power" : "kill";
    world.at(atMs, () => node.crash(kind));
    world.at(atMs + 5, restart);
  }
  await world.run(400);
  failing[Symbol.dispose]();
  node.crash("power");
  node.start();
  const before = world.met.get("opened") ?? 0;
  await world.run(500);
  const again = (world.met.get("opened") ?? 0) > before;
  if (!again && world.violations.length === 0) world.violate("opens-again", "not open 100 ms after the last fault");
  return world;
}

const onlySeed = process.env["SEED"];
const SEEDS = onlySeed === undefined ? Array.from({ length: 300 }, (_, index) => index + 1) : [Number(onlySeed)];

test("[S] a journal that syncs before it acknowledges and checks what it reads keeps every promise", async () => {
  const met = new Map<string, number>();
  for (const seed of SEEDS) {
    const world = await run(seed, {});
    const again = `replay: SEED=${seed} node --conditions=@gsf/source --test resilience/src/sim/storage/disk-journal.test.ts`;
    assert.deepEqual(world.violations, [], again);
    for (const [situation, times] of world.met) met.set(situation, (met.get(situation) ?? 0) + times);
  }
  if (onlySeed !== undefined) return;
  for (const situation of ["torn tail mended", "EIO"])
    assert.ok((met.get(situation) ?? 0) > 20, `rarely met: ${situation}`);
});

for (const [mistake, invariant, mistakes] of [
  ["acknowledges before its sync", "nothing-acknowledged-lost", { acknowledgesBeforeSync: true }],
  ["checks nothing that it reads", "nothing-invented", { checksNothing: true }],
] as const) {
  test(`[S3] a journal that ${mistake} is caught within 200 seeds`, async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const world = await run(seed, mistakes);
      if (world.violations[0]?.invariant === invariant) return;
    }
    assert.fail(`no seed up to 200 found "${invariant}" broken`);
  });
}
