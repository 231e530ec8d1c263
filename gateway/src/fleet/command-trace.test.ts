/** What is known of a command's attempts, and that one that went well costs no listener. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AttemptTimeoutError } from "ground-station-failover";
import { CommandTrace, NO_ANSWER } from "./command-trace.ts";
import type { CommandReply } from "./uplink.ts";

const nowMs = (): number => 10;
const reply = (status: number): CommandReply => ({ status }) as CommandReply;

test("[F9] attempts that failed, hang and answer → each is described as it is, without waiting for any", async () => {
  const trace = new CommandTrace("id", 0);
  trace.noteSubmitted(2, undefined);
  const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
  trace.noteAttempt("north", 1, Promise.reject(refused), nowMs);
  trace.noteAttempt("south", 1, new Promise(() => undefined), nowMs);
  trace.noteAttempt("north", 2, Promise.reject(new AttemptTimeoutError("took too long")), nowMs);
  trace.noteAttempt("west", 2, Promise.resolve(reply(200)), nowMs);
  const described = await trace.described(nowMs);
  assert.deepEqual(
    described.map(({ station, epoch, result }) => [station, epoch, result]),
    [
      ["north", 1, "connection refused"],
      ["south", 1, undefined],
      ["north", 2, NO_ANSWER],
      ["west", 2, "200"],
    ],
  );
  assert.deepEqual([trace.attempts, trace.station, trace.epoch, trace.waitedMs], [4, "west", 2, 8]);
});

test("[G10] fifty attempts → all are counted, and sixteen described", async () => {
  const trace = new CommandTrace("id", 0);
  for (let n = 0; n < 50; n++) trace.noteAttempt("north", 1, Promise.resolve(reply(503)), nowMs);
  assert.deepEqual([trace.attempts, (await trace.described(nowMs)).length], [50, 16]);
});
