/**
 * One process at a time writes a game day's file. The turn is a small file that names its holder;
 * the operating system makes it with its content at once, or not at all. The turn of a process that
 * died is taken away, by one process at a time, after a second look: so nobody takes away a turn
 * that has just been given to somebody else.
 */
import { readFileSync, rmSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { createFile } from "../guardrails/durable-file.ts";
import { isIdentity, isRunning, ownIdentity } from "../guardrails/process-identity.ts";

/** Longest wait for another writer; each one needs some milliseconds. */
const MAX_WAIT_MS = 10_000;
const LOOK_EVERY_MS = 5;
/** A process that takes a dead one's turn away needs less than this. */
const MAX_TAKING_MS = 5_000;

/** Runs `work` while no other process has the turn of `path`. */
export async function inTurn<Result>(path: string, work: () => Result): Promise<Result> {
  const turn = `${path}.turn`;
  const own = JSON.stringify(ownIdentity());
  for (let waitedMs = 0; !createFile(turn, own); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs >= MAX_WAIT_MS)
      throw new UserError("promiseBroken", `${path} is being written by ${holder(turn)} for more than 10 s; try again`);
    if (isOfTheDead(turn)) takeAway(turn, own);
    else await sleep(LOOK_EVERY_MS);
  }
  try {
    return work();
  } finally {
    rmSync(turn, { force: true });
  }
}

function isOfTheDead(turn: string): boolean {
  try {
    const identity: unknown = JSON.parse(readFileSync(turn, "utf8"));
    return !isIdentity(identity) || !isRunning(identity);
  } catch (error) {
    // It was given back in the meantime; or it is no text of ours, which a dead machine leaves.
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

function takeAway(turn: string, own: string): void {
  const taking = `${turn}.taking`;
  if (createFile(taking, own)) {
    try {
      if (isOfTheDead(turn)) rmSync(turn, { force: true });
    } finally {
      rmSync(taking, { force: true });
    }
    return;
  }
  const sinceMs = statSync(taking, { throwIfNoEntry: false })?.mtimeMs;
  if (sinceMs !== undefined && Date.now() - sinceMs > MAX_TAKING_MS) rmSync(taking, { force: true });
}

function holder(turn: string): string {
  try {
    return `process ${(JSON.parse(readFileSync(turn, "utf8")) as { pid: number }).pid}`;
  } catch {
    return "another process";
  }
}
