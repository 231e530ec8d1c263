/**
 * Configuration files that are changed and put back, checked by the real program, and run twice.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contextOf, lift, stateOf, until, Victim } from "../../../../test/drills/lifting.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { config } from "./config.ts";

const FLEET = `# kept
control:
  listen: 127.0.0.1:0
groups:
  - name: atlantic
    heartbeat: { kind: http, path: /healthz }
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
`;

for (const [title, change, expected] of [
  ["whole", { content: "groups: 7\n" }, "groups: 7\n"],
  ["truncated", { truncateTo: 10 }, FLEET.slice(0, 10)],
  ["in one place", { replace: [{ from: "backup", to: "primary" }] }, FLEET.replaceAll("backup", "primary")],
] as const) {
  test(`a file changed ${title} → the new bytes; lifted twice, the old ones`, async () => {
    using folder = new Folder();
    const path = folder.file("fleet.yaml", FLEET);
    const prepared = await config.prepare({ do: "write", path, ...change }, contextOf());
    assert.equal(readFileSync(path, "utf8"), FLEET);
    await prepared.inject();
    assert.equal(readFileSync(path, "utf8"), expected);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(await prepared.felt());
    assert.equal((await prepared.remaining()).length, 1);
    await lift(prepared.inverses);
    await lift(prepared.inverses);
    assert.equal(readFileSync(path, "utf8"), FLEET);
    assert.deepEqual(await prepared.remaining(), []);
  });
}

test("values set in a file → only they change, comments stay", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  const set = { "groups.0.stations.1.name": "primary", "groups.0.detector": { thing: 1 } };
  const prepared = await config.prepare({ do: "write", path, set }, contextOf());
  await prepared.inject();
  const now = readFileSync(path, "utf8");
  assert.ok(now.startsWith("# kept\n") && now.includes("thing: 1") && !now.includes("backup"), now);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a file that was not there → written, and deleted by the inverse", async () => {
  using folder = new Folder();
  const path = join(folder.path, "new.yaml");
  const prepared = await config.prepare({ do: "write", path, content: "" }, contextOf());
  await prepared.inject();
  assert.equal(readFileSync(path, "utf8"), "");
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("an inverse that is played before the fault came → the file stays as it is", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  const prepared = await config.prepare({ do: "write", path, content: "x" }, contextOf());
  await lift(prepared.inverses);
  assert.equal(readFileSync(path, "utf8"), FLEET);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a drill that is aborted before the injection → the file stays as it is", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  const stop = new AbortController();
  const prepared = await config.prepare({ do: "write", path, content: "x" }, contextOf(stop.signal));
  stop.abort();
  await assert.rejects(prepared.inject());
  assert.equal(readFileSync(path, "utf8"), FLEET);
});

test("a reader of the file → told by SIGHUP at the change and at the lift", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  await using reader = new Victim(`
    const { readFileSync } = require("node:fs");
    process.on("SIGHUP", () => console.log(readFileSync(${JSON.stringify(path)}, "utf8").length));
    setInterval(() => {}, 1000);
    console.log("ready");`);
  await reader.line();
  const prepared = await config.prepare({ do: "write", path, truncateTo: 3, pid: reader.pid }, contextOf());
  await prepared.inject();
  assert.equal(await reader.line(1), "3");
  await lift(prepared.inverses);
  assert.equal(await reader.line(2), String(FLEET.length));
});

test("a good and a bad file checked → exit code and text of gsf check-config", async () => {
  using folder = new Folder();
  const run = async (text: string): Promise<JsonObject> => {
    const path = folder.file("fleet.yaml", text);
    const prepared = await config.prepare({ do: "check", path }, contextOf());
    const output = (await prepared.inject()) as JsonObject;
    assert.ok(await prepared.felt());
    assert.deepEqual(await prepared.remaining(), []);
    return output;
  };
  const good = await run(FLEET);
  assert.equal(good["status"], 0, JSON.stringify(good));
  const bad = await run(FLEET.replaceAll("backup", "primary"));
  assert.equal(bad["status"], 3);
  assert.equal(JSON.parse(bad["stdout"] as string).valid, false);
});

test("a second gateway → ready, and gone after the lift", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  const prepared = await config.prepare({ do: "second-gateway", path, readyWithinMs: 30_000 }, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.equal(output["isReady"], true, JSON.stringify(output));
  const { pid } = JSON.parse(output["output"] as string) as { pid: number };
  assert.equal((await prepared.remaining()).length, 1);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  await until(() => stateOf(pid) === undefined);
});

test("a second gateway that cannot start → its exit code, and nothing left", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", "groups: 7\n");
  const prepared = await config.prepare({ do: "second-gateway", path }, contextOf());
  const output = (await prepared.inject()) as JsonObject;
  assert.deepEqual([output["isReady"], output["exitCode"]], [false, 3]);
  assert.deepEqual(await prepared.remaining(), []);
});

test("what cannot be changed → refused, with the field", async () => {
  using folder = new Folder();
  const path = folder.file("fleet.yaml", FLEET);
  const refused = async (args: JsonObject): Promise<void> => {
    await assert.rejects(config.prepare({ do: "write", ...args }, contextOf()), UserError);
  };
  await refused({ path: folder.path, content: "x" });
  await refused({ path: join(folder.path, "no/fleet.yaml"), content: "x" });
  await refused({ path: join(folder.path, "no.yaml"), truncateTo: 1 });
  await refused({ path, content: FLEET });
  await refused({ path, replace: [{ from: "not there", to: "x" }] });
  await refused({ path, set: { "groups.7.listen": "x" } });
  writeFileSync(path, "a: [\n");
  await refused({ path, set: { a: 1 } });
  const fields = (args: JsonObject): string[] => config.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "write", path }), ["content"]);
  assert.deepEqual(fields({ do: "write", path, content: "x", truncateTo: 1 }), ["content"]);
  assert.deepEqual(fields({ do: "write", path, truncateTo: -1 }), ["truncateTo"]);
  assert.deepEqual(fields({ do: "write", path, replace: [{ from: "" }] }), ["replace[0].from", "replace[0].to"]);
});
