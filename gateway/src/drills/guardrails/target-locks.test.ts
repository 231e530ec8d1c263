/**
 * Locks under attack: dead holders, two that take over at once, and many starts at the same
 * instant. The starters are this file, started again as processes.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Target } from "../injection.ts";
import { STORE } from "../store.ts";
import { ownIdentity, type ProcessIdentity } from "./process-identity.ts";
import { TargetLocks } from "./target-locks.ts";

const STARTER = "GSF_TEST_STARTER";
const STARTERS = 3;
const TRIES = 60;

function station(name: string): Target {
  return { kind: "station", name, isStation: true, share: 1 };
}

/** Takes the lock of each try at the same instant as the others, and says whether it has it. */
function playStarter(store: string): void {
  let held: TargetLocks | undefined;
  process.on("message", (name: string) => {
    if (name === "release") held?.release();
    else {
      held = new TargetLocks(store, `run-${process.pid}`, ownIdentity());
      process.send?.(held.take([station(name), station("shared")]) === undefined);
    }
  });
  process.once("disconnect", () => process.exit(0));
  process.send?.("ready");
}

/** A holder that is dead: its number belongs to this process, which started at another time. */
function deadIdentity(): ProcessIdentity {
  return { ...ownIdentity(), startTime: "1" };
}

function testLocks(): void {
  const store = mkdtempSync(join(tmpdir(), "gsf-locks-"));
  after(() => rmSync(store, { recursive: true, force: true }));
  const directory = join(store, STORE.locks);
  const own = ownIdentity();
  const files = (): string[] => readdirSync(directory);

  test("two sets that overlap → the second is refused and holds nothing of its own", () => {
    const [one, other] = [new TargetLocks(store, "run-1", own), new TargetLocks(store, "run-2", own)];
    assert.equal(one.take([station("a"), station("b")]), undefined);
    assert.equal(other.take([station("c"), station("b")])?.target, "station b");
    assert.equal(files().length, 2);
    assert.equal(other.take([station("c")]), undefined);
    assert.equal(one.take([station("a"), station("d")]), undefined);
    one.release();
    other.release();
    assert.deepEqual(files(), []);
  });

  test("holder dead → taken over; release of the dead one's lock afterwards changes nothing", () => {
    const dead = new TargetLocks(store, "dead", deadIdentity());
    assert.equal(dead.take([station("a"), station("b")]), undefined);
    const living = new TargetLocks(store, "living", own);
    assert.equal(living.take([station("b"), station("a")]), undefined);
    dead.release();
    assert.equal(files().length, 2);
    assert.equal(new TargetLocks(store, "third", own).take([station("a")])?.target, "station a");
    living.release();
    assert.deepEqual(files(), []);
  });

  test("holder of before a restart of the machine → taken over; of another namespace → held", () => {
    const before = new TargetLocks(store, "before", { ...own, boot: "another" });
    assert.equal(before.take([station("a")]), undefined);
    const living = new TargetLocks(store, "living", own);
    assert.equal(living.take([station("a")]), undefined);
    living.release();
    const elsewhere = new TargetLocks(store, "elsewhere", { ...own, pid: 999_999_999, namespace: "pid:[1]" });
    assert.equal(elsewhere.take([station("b")]), undefined);
    assert.equal(living.take([station("b")])?.target, "station b");
    elsewhere.release();
  });

  test("lock file torn or empty → counts as held, and its path is told", () => {
    const holder = new TargetLocks(store, "holder", own);
    assert.equal(holder.take([station("a")]), undefined);
    const [name] = files();
    for (const text of ["", "{", "null", '{"holder":{"pid":1}}']) {
      writeFileSync(join(directory, name as string), text);
      const conflict = new TargetLocks(store, "next", own).take([station("a")]);
      assert.ok(conflict?.observed.includes(name as string), text);
    }
    rmSync(join(directory, name as string));
  });

  test("names that differ only where a file name cannot → different locks", () => {
    const locks = [new TargetLocks(store, "run-1", own), new TargetLocks(store, "run-2", own)];
    assert.equal(locks[0]?.take([station("a/b")]), undefined);
    assert.equal(locks[1]?.take([station("a_b"), station("../a/b")]), undefined);
    for (const one of locks) one.release();
    assert.deepEqual(files(), []);
  });

  test(`${STARTERS} processes start at once, ${TRIES} times, half of them over a dead lock → one wins`, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const starters = Array.from(
      { length: STARTERS },
      (): ChildProcess =>
        spawn(process.execPath, ["--conditions=@gsf/source", fileURLToPath(import.meta.url)], {
          stdio: ["ignore", "ignore", "inherit", "ipc"],
          env: { ...env, [STARTER]: store },
        }),
    );
    const answer = async (starter: ChildProcess): Promise<unknown> =>
      ((await once(starter, "message")) as [unknown])[0];
    await Promise.all(starters.map(answer));
    let wins = 0;
    for (let index = 0; index < TRIES; index++) {
      if (index % 2 === 0)
        new TargetLocks(store, "dead", deadIdentity()).take([station(`try-${index}`), station("shared")]);
      const answers = starters.map(answer);
      for (const starter of starters) starter.send(`try-${index}`);
      const won = (await Promise.all(answers)).filter((one) => one === true).length;
      assert.ok(won <= 1, `try ${index}: ${won} won`);
      wins += won;
      for (const starter of starters) starter.send("release");
      // Each answers in order, so a lock of the next try means that this one was given back.
      const [idle] = [new TargetLocks(store, "judge", own)];
      while (idle.take([station(`try-${index}`), station("shared")]) !== undefined)
        await new Promise((resolve) => setImmediate(resolve));
      idle.release();
    }
    assert.equal(wins, TRIES);
    for (const starter of starters) starter.disconnect();
    await Promise.all(starters.map((starter) => once(starter, "exit")));
    assert.deepEqual(files(), []);
  });
}

const starterStore = process.env[STARTER];
if (starterStore !== undefined) playStarter(starterStore);
else testLocks();
