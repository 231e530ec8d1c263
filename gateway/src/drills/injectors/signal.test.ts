/** Signals at real processes: in force, felt, lifted twice, nothing left; and what is refused. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contextOf, IDLE, lift, placeholder, stateOf, until, Victim } from "../../../../test/drills/lifting.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { signal } from "./signal.ts";

/** The field that the refusal names. */
async function refusedField(args: JsonObject): Promise<string> {
  const error = await signal.prepare(args, contextOf()).then(
    () => assert.fail("it was prepared"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof UserError, String(error));
  return error.message.split(": ")[1]?.split(" ")[0] as string;
}

test("a stopped process → in state T, felt; lifted twice, it goes on and nothing is left", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const prepared = await signal.prepare({ do: "send", signal: "SIGSTOP", pid: victim.pid }, contextOf());
  assert.notEqual(stateOf(victim.pid), "T");
  assert.equal(await prepared.felt(), undefined);
  await prepared.inject();
  assert.equal(stateOf(victim.pid), "T");
  assert.ok(await prepared.felt());
  assert.equal((await prepared.remaining()).length, 1);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  await until(() => stateOf(victim.pid) !== "T");
  assert.deepEqual(await prepared.remaining(), []);
});

test("a killed process → gone when inject resolves, felt, no inverse without a restart", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const prepared = await signal.prepare({ do: "send", signal: "SIGKILL", pid: String(victim.pid) }, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  assert.deepEqual(prepared.inverses, []);
  assert.deepEqual(await prepared.remaining(), []);
});

test("a killed process with a restart → remaining until it is back", async () => {
  using folder = new Folder();
  await using victim = new Victim(IDLE);
  await victim.line();
  const pidFile = folder.file("victim.pid", String(victim.pid));
  const back = `sleep 30 </dev/null >/dev/null 2>&1 & echo $! > ${pidFile}`;
  const restart = {
    path: "/bin/sh",
    arguments: ["-c", `[ -e ${pidFile}.back ] && exit 0; touch ${pidFile}.back; ${back}`],
  };
  const prepared = await signal.prepare({ do: "send", signal: "SIGKILL", pidFile, restart }, contextOf());
  assert.deepEqual(prepared.targets, [{ kind: "process", name: "victim", isStation: false, share: 1 }]);
  await prepared.inject();
  assert.equal((await prepared.remaining()).length, 1);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  const again = await signal.prepare({ do: "send", signal: "SIGKILL", pidFile }, contextOf());
  await again.inject();
});

test("a target that is gone before the signal → refused, and nobody else is hit", async () => {
  const victim = new Victim(IDLE);
  await victim.line();
  const prepared = await signal.prepare({ do: "send", signal: "SIGSTOP", pid: victim.pid }, contextOf());
  await victim[Symbol.asyncDispose]();
  await assert.rejects(prepared.inject(), UserError);
  assert.equal(await prepared.felt(), undefined);
  assert.deepEqual(await prepared.remaining(), []);
  await lift(prepared.inverses);
  assert.equal(await refusedField({ do: "send", signal: "SIGSTOP", pid: victim.pid }), "pid");
});

test("a cycle → the process is stopped again and again, until the permit is deleted", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const args = { do: "cycle", pid: victim.pid, stopMs: 30, everyMs: 40 };
  const prepared = await signal.prepare(args, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  assert.equal((await prepared.remaining()).length, 1);
  await lift(prepared.inverses);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  assert.notEqual(stateOf(victim.pid), "T");
});

test("a cycle that is aborted in the middle → the process goes on", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const stop = new AbortController();
  const args = { do: "cycle", pid: victim.pid, stopMs: 9_000, everyMs: 10_000 };
  const prepared = await signal.prepare(args, contextOf(stop.signal));
  await prepared.inject();
  assert.equal(stateOf(victim.pid), "T");
  stop.abort();
  await until(() => stateOf(victim.pid) !== "T");
  assert.deepEqual(await prepared.remaining(), []);
});

test("a cycle over its time → ends by itself", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const args = { do: "cycle", pid: victim.pid, stopMs: 20, everyMs: 40, forMs: 150 };
  const prepared = await signal.prepare(args, contextOf());
  await prepared.inject();
  await until(async () => (await prepared.remaining()).length === 0);
  assert.notEqual(stateOf(victim.pid), "T");
});

test("random pauses → felt, and nothing left after the lift", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const args = { do: "pauses", pid: victim.pid, minStopMs: 5, maxStopMs: 20, minRunMs: 5, maxRunMs: 20 };
  const prepared = await signal.prepare(args, contextOf());
  await prepared.inject();
  assert.ok(await prepared.felt());
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
});

test("the process that stops another again and again is killed → the inverses alone free it", async () => {
  await using victim = new Victim(IDLE);
  await victim.line();
  const program = `
    import { signal } from ${JSON.stringify(new URL("./signal.ts", import.meta.url).href)};
    const prepared = await signal.prepare(
      { do: "cycle", pid: ${victim.pid}, stopMs: 9000, everyMs: 10000 },
      { seed: 1, signal: new AbortController().signal, values: { configuration: {}, secrets: {} } });
    await prepared.inject();
    console.log(JSON.stringify(prepared.inverses));`;
  const runner = spawn(process.execPath, [...process.execArgv, "--input-type=module", "-e", program]);
  let printed = "";
  runner.stdout.on("data", (piece: Buffer) => (printed += piece));
  await until(() => printed.endsWith("\n"));
  runner.kill("SIGKILL");
  await once(runner, "exit");
  assert.equal(stateOf(victim.pid), "T");
  await lift(JSON.parse(printed));
  await until(() => stateOf(victim.pid) !== "T");
});

test("a kill loop → each new process under the file is killed when it is ready", async () => {
  using folder = new Folder();
  const pidFile = join(folder.path, "victim.pid");
  const supervisor = `
    const { spawn } = require("node:child_process");
    const { writeFileSync } = require("node:fs");
    const start = () => {
      const child = spawn("sleep", ["60"]);
      writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
      child.once("exit", start);
    };
    process.on("SIGTERM", () => {});
    start();
    console.log("ready");`;
  await using up = new Victim(supervisor);
  await up.line();
  const prepared = await signal.prepare({ do: "kill-loop", pidFile, times: 4 }, contextOf());
  await prepared.inject();
  await until(async () => (await prepared.remaining()).length === 0);
  assert.match((await prepared.felt()) as string, /^4 /);
  await lift(prepared.inverses);
  assert.deepEqual(await prepared.remaining(), []);
  const named = (): string | undefined => stateOf(Number(readFileSync(pidFile, "utf8")));
  await until(() => named() === "S");
  up.child.kill("SIGKILL");
  const last = await signal.prepare({ do: "send", signal: "SIGKILL", pidFile }, contextOf());
  await last.inject();
});

test("what is not ours, or what the drill runs under → refused by field", async () => {
  for (const pid of [0, 1, process.pid, process.ppid]) {
    assert.equal(await refusedField({ do: "send", signal: "SIGKILL", pid }), "pid");
  }
  using folder = new Folder();
  assert.equal(await refusedField({ do: "send", signal: "SIGKILL", pidFile: folder.file("p", "-1") }), "pidFile");
  assert.equal(await refusedField({ do: "send", signal: "SIGKILL", pidFile: join(folder.path, "no") }), "pidFile");
});

test("a process of another user → refused", { skip: process.getuid?.() === 0 ? false : "needs root" }, async () => {
  const other = spawn("sleep", ["60"], { uid: 65_534, stdio: "ignore" });
  try {
    assert.equal(await refusedField({ do: "send", signal: "SIGSTOP", pid: other.pid as number }), "pid");
  } finally {
    other.kill("SIGKILL");
  }
});

test("wrong arguments → each problem names its field", () => {
  const fields = (args: JsonObject): string[] => signal.problems(args).map((one) => one.split(":")[0] as string);
  assert.deepEqual(fields({}), ["do"]);
  assert.deepEqual(fields({ do: "sned" }), ["do"]);
  assert.deepEqual(fields({ do: "send", signal: "SIGSTOP" }), ["pid"]);
  assert.deepEqual(fields({ do: "send", signal: "SIGSTOP", pid: 5, pidFile: "x" }), ["pid"]);
  assert.deepEqual(fields({ do: "send", signal: "STOP", pid: "5x", expiresAfterMs: 1 }), [
    "expiresAfterMs",
    "pid",
    "signal",
  ]);
  assert.deepEqual(fields({ do: "send", signal: "SIGSTOP", pid: 5, singal: 1 }), ["singal"]);
  assert.deepEqual(fields({ do: "cycle", pid: 5, stopMs: 50, everyMs: 40 }), ["stopMs"]);
  assert.deepEqual(fields({ do: "cycle", pid: placeholder("pid"), stopMs: placeholder("stop"), everyMs: 40 }), []);
  assert.deepEqual(fields({ do: placeholder("what"), anything: 1 }), []);
});
