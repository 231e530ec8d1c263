/**
 * What real processes run out of: limits, disk, processor, memory and ports; and that it all comes
 * back.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contextOf, IDLE, lift, stateOf, until, Victim } from "../../../../test/drills/lifting.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { resource } from "./resource.ts";

const lacksNamespaces = spawnSync("unshare", ["-Urm", "true"]).status === 0 ? false : "unshare -Urm is not allowed";

test("descriptors limited → open fails with EMFILE; lifted twice, it succeeds again", async () => {
  await using victim = new Victim(`
    const { openSync, closeSync } = require("node:fs");
    process.on("SIGUSR2", () => {
      const open = [];
      let code = "none";
      try { for (let one = 0; one < 20; one++) open.push(openSync("/dev/null", "r")); } catch (error) { code = error.code; }
      for (const one of open) closeSync(one);
      console.log(code);
    });
    setInterval(() => {}, 1000);
    console.log("ready");`);
  await victim.line();
  const prepared = await resource.prepare({ do: "descriptors", pid: victim.pid, spare: 5 }, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  assert.equal((await prepared.remaining()).length, 1);
  process.kill(victim.pid, "SIGUSR2");
  assert.equal(await victim.line(1), "EMFILE");
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  process.kill(victim.pid, "SIGUSR2");
  assert.equal(await victim.line(2), "none");
});

test("file size limited → a write fails with EFBIG and the process lives", async () => {
  using folder = new Folder();
  const path = join(folder.path, "journal");
  await using victim = new Victim(`
    const { appendFileSync } = require("node:fs");
    process.on("SIGUSR2", () => {
      let code = "none";
      try { appendFileSync(${JSON.stringify(path)}, "x".repeat(5000)); } catch (error) { code = error.code; }
      console.log(code);
    });
    setInterval(() => {}, 1000);
    console.log("ready");`);
  await victim.line();
  const prepared = await resource.prepare({ do: "file-size", pid: victim.pid, limitBytes: 4_096 }, contextOf());
  await prepared.inject();
  process.kill(victim.pid, "SIGUSR2");
  assert.equal(await victim.line(1), "EFBIG");
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a limit of a process that is gone → the inverse does nothing, nothing remains", async () => {
  const victim = new Victim(IDLE);
  await victim.line();
  const prepared = await resource.prepare({ do: "descriptors", pid: victim.pid, spare: 5 }, contextOf());
  await victim[Symbol.asyncDispose]();
  await assert.rejects(prepared.inject(), UserError);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a disk of a namespace full → ENOSPC there; lifted, there is space again", { skip: lacksNamespaces }, async () => {
  using folder = new Folder();
  const mount = `mount -t tmpfs -o size=2m none ${folder.path} && echo ready && exec sleep 60`;
  const inside = spawn("unshare", ["-Urm", "sh", "-c", mount], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(inside.stdout, "data");
    const pid = inside.pid as number;
    const free = (): number => statfsSync(`/proc/${pid}/root${folder.path}`).bavail;
    assert.ok(free() > 0);
    const prepared = await resource.prepare({ do: "disk", pid, path: folder.path }, contextOf());
    assert.ok(free() > 0);
    await prepared.inject();
    assert.equal(free(), 0);
    assert.ok(await prepared.felt());
    assert.equal((await prepared.remaining()).length, 1);
    assert.deepEqual(readdirSync(folder.path), []);
    await lift(prepared.inverses);
    await lift(prepared.inverses);
    assert.deepEqual(await prepared.remaining(), []);
    assert.ok(free() > 0);
  } finally {
    inside.kill("SIGKILL");
    await once(inside, "exit");
  }
});

test("the machine's own disk → refused, because it has more space than maxBytes", async () => {
  using folder = new Folder();
  const args = { do: "disk", path: folder.path, maxBytes: 65_536 };
  await assert.rejects(resource.prepare(args, contextOf()), UserError);
  assert.deepEqual(readdirSync(folder.path), []);
});

/** The processes that the injection's output names. */
async function holders(args: JsonObject, stop = new AbortController()): Promise<void> {
  const before = childrenOf(process.pid);
  const prepared = await resource.prepare(args, contextOf(stop.signal));
  assert.deepEqual(childrenOf(process.pid), before);
  await prepared.inject();
  const [keeper] = childrenOf(process.pid).filter((pid) => !before.includes(pid));
  const below = descendants(keeper as number);
  assert.ok(below.length > 0);
  await until(async () => (await prepared.felt()) !== undefined);
  assert.equal((await prepared.remaining()).length, 1);
  if (stop.signal.aborted) return;
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  await until(() => [keeper as number, ...below].every((pid) => stateOf(pid) === undefined));
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

test("busy processes → take processor time, and are gone after the lift", () =>
  holders({ do: "cpu", processes: 1, nice: 19 }));

test("memory → held, and gone after the lift", () => holders({ do: "memory", mebibytes: 32 }));

test("ports → taken, and free after the lift", () => holders({ do: "ports", count: 20, allowWholeMachine: true }));

test("busy processes of a drill that is killed → they end, too", async () => {
  const program = `
    import { resource } from ${JSON.stringify(new URL("./resource.ts", import.meta.url).href)};
    const prepared = await resource.prepare(
      { do: "cpu", processes: 1, nice: 19 },
      { seed: 1, signal: new AbortController().signal, values: { configuration: {}, secrets: {} } });
    await prepared.inject();
    console.log("in force");`;
  const runner = spawn(process.execPath, [...process.execArgv, "--input-type=module", "-e", program]);
  await once(runner.stdout, "data");
  const below = descendants(runner.pid as number);
  assert.ok(below.length >= 3, `${below}`);
  runner.kill("SIGKILL");
  await once(runner, "exit");
  await until(() => below.every((pid) => stateOf(pid) === undefined));
});

test("the keeper of busy processes is killed → they end, too, and nothing remains", async () => {
  const before = childrenOf(process.pid);
  const prepared = await resource.prepare({ do: "cpu", processes: 1, nice: 19 }, contextOf());
  await prepared.inject();
  const [keeper] = childrenOf(process.pid).filter((pid) => !before.includes(pid));
  const below = descendants(keeper as number);
  process.kill(keeper as number, "SIGKILL");
  await until(() => below.every((pid) => stateOf(pid) === undefined));
  await until(async () => (await prepared.remaining()).length === 0);
});

test("what is not bounded or not allowed → refused by field", async () => {
  await assert.rejects(resource.prepare({ do: "ports", count: 5 }, contextOf()), UserError);
  await assert.rejects(resource.prepare({ do: "memory", mebibytes: 65_536 }, contextOf()), UserError);
  await using victim = new Victim(IDLE);
  await victim.line();
  const { pid } = victim;
  await assert.rejects(resource.prepare({ do: "descriptors", pid, limit: 1_048_576 }, contextOf()), UserError);
  const fields = (args: JsonObject): string[] => resource.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({ do: "descriptors", pid }), ["limit"]);
  assert.deepEqual(fields({ do: "descriptors", limit: 5, spare: 5 }), ["pid", "limit"]);
  assert.deepEqual(fields({ do: "disk" }), ["path"]);
  assert.deepEqual(fields({ do: "cpu", processes: 0 }), ["processes"]);
});
