/** The wall clock of a real process that was started with libfaketime; skipped without it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { contextOf, lift, until, Victim } from "../../../../test/drills/lifting.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { clock, faketimeEnvironment, faketimeLibrary } from "./clock.ts";

const library = faketimeLibrary();
const skip = library === undefined ? "libfaketime is not installed" : false;

/** Answers with its wall clock, and with its monotonic one. */
const WATCH = `
  const { createServer } = require("node:http");
  const server = createServer((request, response) => response.end(JSON.stringify([Date.now(), performance.now()])));
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;

for (const offsetSeconds of [3_600, -7_200]) {
  test(`a step of ${offsetSeconds} s → the process shows it, its monotonic clock does not`, { skip }, async () => {
    using folder = new Folder();
    const file = folder.file("offset", "+0\n");
    await using watch = new Victim(WATCH, faketimeEnvironment(library as string, file));
    const dateUrl = `http://127.0.0.1:${await watch.line()}/`;
    const clocks = async (): Promise<[number, number]> => (await (await fetch(dateUrl)).json()) as [number, number];
    const [, monotonic] = await clocks();
    const prepared = await clock.prepare({ do: "step", file, pid: watch.pid, dateUrl, offsetSeconds }, contextOf());
    assert.equal(readFileSync(file, "utf8"), "+0\n");
    await prepared.inject();
    assert.ok(await prepared.felt());
    assert.equal((await prepared.remaining()).length, 1);
    const [wall, later] = await clocks();
    assert.ok(Math.abs(wall - Date.now() - offsetSeconds * 1_000) < 5_000, `${wall - Date.now()}`);
    assert.ok(later - monotonic < 60_000 && later >= monotonic, `${later - monotonic}`);
    await lift(prepared.inverses);
    await lift(prepared.inverses);
    assert.deepEqual(await prepared.remaining(), []);
    await until(async () => Math.abs((await clocks())[0] - Date.now()) < 5_000);
  });
}

test("a drift of 50 % → felt, and lifted", { skip }, async () => {
  using folder = new Folder();
  const file = folder.file("offset", "+0\n");
  const prepared = await clock.prepare({ do: "drift", file, rate: 1.5 }, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a process without libfaketime, or with another file → refused", { skip }, async () => {
  using folder = new Folder();
  const [file, other] = [folder.file("offset", "+0\n"), folder.file("other", "+0\n")];
  await using plain = new Victim(WATCH);
  await plain.line();
  await using faked = new Victim(WATCH, faketimeEnvironment(library as string, other));
  await faked.line();
  await using whole = new Victim(WATCH, {
    ...faketimeEnvironment(library as string, file),
    FAKETIME_DONT_FAKE_MONOTONIC: "0",
  });
  await whole.line();
  for (const { pid } of [plain, faked, whole]) {
    await assert.rejects(clock.prepare({ do: "step", file, pid, offsetSeconds: 60 }, contextOf()), UserError);
  }
});

test("wrong arguments → each problem names its field", () => {
  const fields = (args: JsonObject): string[] => clock.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "step", file: "f", offsetSeconds: 0 }), ["offsetSeconds"]);
  assert.deepEqual(fields({ do: "drift", rate: 1 }), ["file"]);
  assert.deepEqual(fields({ do: "drift", file: "f", rate: 100, pid: 2, pidFile: "x" }), ["rate", "pid"]);
});
