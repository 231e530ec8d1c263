/**
 * What the ordinary checks are made of: how findings are judged, how callers behave, and the name
 * server that dies.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Children, untilReady } from "../processes.ts";
import { ask, type Reply, traffic } from "./client.ts";
import { allAre, atMost, codeOf, isTrue, slowest } from "./finding.ts";

const reply = (status: number, body = "", tookMs = 1): Reply => ({ status, body, tookMs });

test("findings: counts of what came instead, bounds, nothing at all is not good", () => {
  const found = allAre("200", [reply(200), reply(504, '{"code":"LATE"}'), reply(504, '{"code":"LATE"}')], isOk);
  assert.deepEqual([found.isKept, found.found], [false, "1 of 3; 2 × 504 LATE"]);
  assert.equal(allAre("200", [reply(200)], isOk).isKept, true);
  assert.equal(allAre("200", [], isOk).isKept, false);
  assert.deepEqual([atMost("", 50, 50).isKept, atMost("", 51, 50).isKept], [true, false]);
  assert.equal(isTrue("", false).found, "no");
  assert.equal(codeOf(reply(500, "no JSON")), undefined);
  assert.equal(slowest([]), Number.POSITIVE_INFINITY);
  assert.equal(slowest([reply(200, "", 3), reply(200, "", 9)]), 9);
});

const isOk = ({ status }: Reply): boolean => status === 200;

test("callers: own answers, paced uploads that arrive whole, callers who leave", async () => {
  const children = new Children();
  try {
    const child = children.launch(process.execPath, [fileURLToPath(new URL("service.ts", import.meta.url)), "primary"]);
    const port = (await untilReady(child)).match(/READY (\d+)/)?.[1];
    const address = `http://127.0.0.1:${port}`;
    assert.equal((await ask(address, { path: "/error?status=503&retry-after=60" })).status, 503);
    assert.match((await ask(address, { path: "/graphql", method: "POST", bytes: 5 })).body, /"errors"/);
    const upload = { path: "/upload", method: "POST", bytes: 60_000, bytesPerSecond: 200_000 };
    const whole = await ask(address, upload);
    assert.match(whole.body, /"bytes":60000/);
    assert.ok(whole.tookMs >= 200, `${whole.tookMs}`);
    const cut = await ask(address, { ...upload, timeoutMs: 100 });
    assert.deepEqual([cut.status, cut.failure], [0, "left"]);
    const replies = await traffic(address, 50, 200, (number) => ({ path: `/work?ms=${number}` }));
    assert.deepEqual([replies.length, replies.every(isOk)], [10, true]);
    const received = JSON.parse((await ask(address, { path: "/received" })).body) as { received: number };
    assert.ok(received.received >= 13);
  } finally {
    await children.endAll();
  }
});

test("name server: answers for stations, then fails as a dead one does", () => {
  const folder = mkdtempSync(join(tmpdir(), "names-"));
  try {
    const script =
      "require('node:dns').lookup('primary.station.test', { all: true }, (e, a) => console.log(e?.code, a?.[0]?.address))";
    const args = [
      "--import",
      new URL("../../../gateway/src/drills/stage/program-names.ts", import.meta.url).href,
      "-e",
      script,
    ];
    const env = { ...process.env, GSF_NAMES_AWAY: join(folder, "down") };
    const said = (): string => spawnSync(process.execPath, args, { env, encoding: "utf8" }).stdout.trim();
    assert.equal(said(), "undefined 127.0.0.1");
    writeFileSync(join(folder, "down"), "");
    assert.equal(said(), "EAI_AGAIN undefined");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
