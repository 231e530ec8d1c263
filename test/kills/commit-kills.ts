/**
 * Kills a committing process (`committer.ts`) at seeded instants, again and again over the same
 * files, and looks after each: every commit that was acknowledged is there, and none is there by
 * half.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { seededRandom, systemClock } from "ground-station-failover";
import { SqliteStore } from "../../gateway/src/adapters/storage/sqlite-store.ts";
import type { KillOptions } from "./kill-options.ts";

const COMMITTER = fileURLToPath(new URL("committer.ts", import.meta.url));

interface Heard {
  /** By writer: the last commit asked for, and the last acknowledged. */
  readonly asked: Map<number, number>;
  readonly acknowledged: Map<number, number>;
  /** How many were acknowledged. */
  readonly count: number;
}

/** Returns how many commits were acknowledged. Throws an `AssertionError` if one is missing. */
export async function killCommitter({ kills, seed, note = () => undefined }: KillOptions): Promise<number> {
  const place = mkdtempSync(join(tmpdir(), "gsf-kills-"));
  const directory = join(place, "state");
  const random = seededRandom(`committer ${seed}`);
  let total = 0;
  try {
    for (let kill = 1; kill <= kills; kill++) {
      // A fifth of them while it starts: opening repairs what the kill before has left.
      const isEarly = random.next() < 0.2;
      const afterMs = random.next() * (isEarly ? 400 : 120);
      const heard = await runUntilKilled(directory, `${seed}/${kill}`, isEarly, afterMs);
      total += heard.count;
      await check(
        directory,
        heard,
        `kill ${kill} of seed ${seed}, ${isEarly ? "while starting, " : ""}after ${afterMs} ms`,
      );
      note(`${kill} of ${kills} kills, ${total} commits acknowledged, none lost`);
    }
    return total;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function runUntilKilled(directory: string, seed: string, isEarly: boolean, afterMs: number): Promise<Heard> {
  const child = spawn(process.execPath, ["--conditions=@gsf/source", COMMITTER, directory, seed], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<string | null>((resolve) => child.once("close", (_code, signal) => resolve(signal)));
  let output = "";
  const committing = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      output += piece;
      if (output.includes("ack ")) resolve();
    });
  });
  await Promise.race([ended, isEarly ? Promise.resolve() : committing]);
  await Promise.race([ended, sleep(afterMs)]);
  child.kill("SIGKILL");
  assert.equal(await ended, "SIGKILL", `the committer ended by itself:\n${output.slice(-500)}`);
  const asked = new Map<number, number>();
  const acknowledged = new Map<number, number>();
  let count = 0;
  for (const [, word, writer, number] of output.matchAll(/^(ask|ack) (\d+) (\d+)$/gm)) {
    (word === "ask" ? asked : acknowledged).set(Number(writer), Number(number));
    if (word === "ack") count++;
  }
  return { asked, acknowledged, count };
}

async function check(directory: string, { asked, acknowledged }: Heard, when: string): Promise<void> {
  await using store = new SqliteStore({ directory, clock: systemClock });
  assert.equal(store.status.damagedRecords, 0, when);
  for (const [writer, last] of asked) {
    const values = await Promise.all(["a", "b"].map((key) => store.get(`latest-${writer}`, key)));
    const [one, other] = values.map((value) => value && Buffer.from(value));
    assert.deepEqual(one, other, `half a commit of writer ${writer}: ${when}`);
    const stored = one?.readUInt32LE(0) ?? 0;
    const told = acknowledged.get(writer) ?? 0;
    assert.ok(stored >= told, `writer ${writer}: ${told} was acknowledged, ${stored} is stored: ${when}`);
    assert.ok(stored <= last, `writer ${writer}: ${last} was asked for, ${stored} is stored: ${when}`);
    const parts = await store.scan(`parts-${writer}`, { limit: 1, reverse: true });
    assert.equal(Number(parts[0]?.key ?? 0), stored, `half a commit of writer ${writer}: ${when}`);
  }
}
