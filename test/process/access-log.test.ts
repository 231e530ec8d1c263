/**
 * The access log of a real gateway: what the smallest file writes, and what a file of its own
 * gets, also while it is renamed.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ServedPair } from "./served-pair.ts";

interface Line {
  readonly log?: string;
  readonly why: readonly string[];
  readonly requestId: string;
  readonly path: string;
  readonly status?: number;
  readonly outcome: string;
  readonly station?: string;
  readonly attempts: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
  readonly caller: string;
  readonly userAgent?: string;
  readonly traceparent?: string;
}

function linesIn(text: string): Line[] {
  const lines = text.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Line).filter(({ log }) => log === "access");
}

/** Waits for a line about the request `id`. */
async function lineOf(read: () => string, id: string): Promise<Line> {
  for (;;) {
    const found = linesIn(read()).find(({ requestId }) => requestId === id);
    if (found !== undefined) return found;
    await pause(20);
  }
}

const headers = (id: string): Record<string, string> => ({ "x-request-id": id, "user-agent": "test/1" });

test("[F9] smallest file → successes leave no line; failed, refused and slow requests do, without the query", async () => {
  await using pair = await ServedPair.open((request, response) => {
    if (request.url === "/slow") return void setTimeout(() => response.end("late"), 1_100);
    if (request.url?.startsWith("/broken") === true) response.statusCode = 500;
    request.resume().once("end", () => response.end("served"));
  });
  const read = (): string => pair.gateway?.stderr ?? "";
  await (await fetch(`${pair.group}/fine`, { headers: headers("fine") })).text();
  const slow = fetch(`${pair.group}/slow`, { headers: headers("slow") }).then((answer) => answer.text());
  const broken = `${pair.group}/broken?token=secret`;
  await (await fetch(broken, { method: "POST", body: "12345", headers: headers("broken") })).text();
  const failed = await lineOf(read, "broken");
  assert.deepEqual(
    [failed.path, failed.status, failed.outcome, failed.bytesIn, failed.bytesOut, failed.caller, failed.userAgent],
    ["/broken", 500, "5xx", 5, 6, "127.0.0.1", "test/1"],
  );
  assert.deepEqual([failed.why[0], failed.station, failed.attempts >= 1], ["failed", "primary", true]);
  await slow;
  const late = await lineOf(read, "slow");
  assert.ok(late.why.includes("slow") && late.durationMs >= 1_000, JSON.stringify(late));
  const refused = await (
    await fetch(`${pair.group}/x`, { headers: { ...headers("bad"), "grpc-timeout": "x" } })
  ).json();
  assert.equal((refused as { requestId: string }).requestId, "bad");
  assert.deepEqual((await lineOf(read, "bad")).why, ["refused"]);
  assert.ok(!linesIn(read()).some(({ requestId }) => requestId === "fine"));
  assert.doesNotMatch(read(), /token=secret/);
});

test("[F9] a file, sample 1 → a line for each request; renamed, it is opened anew", async () => {
  await using pair = await ServedPair.open(
    (_request, response) => void response.end("served"),
    "accessLog: { to: ./access.log, sample: 1 }",
  );
  const path = join(pair.folder.path, "access.log");
  const read = (at: string) => (): string => (existsSync(at) ? readFileSync(at, "utf8") : "");
  await (await fetch(pair.group, { headers: headers("one") })).text();
  assert.deepEqual((await lineOf(read(path), "one")).why, ["sampled"]);
  renameSync(path, `${path}.1`);
  await pause(1_100);
  await (await fetch(pair.group, { headers: headers("two") })).text();
  await lineOf(read(path), "two");
  await (await fetch(pair.group, { headers: headers("three") })).text();
  await pair.end("SIGTERM");
  assert.deepEqual(
    linesIn(read(path)()).map(({ requestId }) => requestId),
    ["two", "three"],
  );
});
