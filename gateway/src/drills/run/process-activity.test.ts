/** Programs as activities: real processes, their output, and that nothing of a cut one is left. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { stateOf } from "../../../../test/drills/lifting.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";
import { argumentList, MAX_OUTPUT_BYTES, programIn, runProcess } from "./process-activity.ts";

const NEVER = new AbortController().signal;

/**
 * True once the process has ended; waits for it. Whether its parent has noticed does not matter.
 */
async function isGone(pid: number): Promise<boolean> {
  for (let look = 0; look < 400; look += 1) {
    if ([undefined, "Z"].includes(stateOf(pid))) return true;
    await wait(10);
  }
  return false;
}

/** The number that a program wrote into a file, once it is there. */
async function pidIn(path: string): Promise<number> {
  while (!existsSync(path) || readFileSync(path, "utf8").trim() === "") await wait(10);
  return Number(readFileSync(path, "utf8"));
}

describe("a program as an activity", () => {
  test("status, output and errors → its result, whatever the status", async () => {
    const run = await runProcess(
      { path: "sh", arguments: ["-c", "echo out; echo err >&2; exit 3"] },
      process.env,
      NEVER,
    );
    assert.deepEqual(run, { status: 3, stdout: "out\n", stderr: "err\n" });
  });

  test("a program that a signal ended → the status is the signal's number below zero", async () => {
    const run = await runProcess({ path: "sh", arguments: ["-c", "kill -9 $$"] }, process.env, NEVER);
    assert.equal(run["status"], -9);
  });

  test("arguments as a text → they go through a shell behind the path", async () => {
    const run = await runProcess({ path: "echo", arguments: "'a  b' $((1+1)) | tr a x" }, process.env, NEVER);
    assert.equal(run["stdout"], "x  b 2\n");
  });

  test("arguments as a list and as a map → flat, without empty ones, as Python writes them", () => {
    assert.deepEqual(argumentList(["a b", true, 1.5, "", null, false]), ["a b", "True", "1.5", "False"]);
    assert.deepEqual(argumentList({ "--rate": 3, "--quiet": "" }), ["--rate", "3", "--quiet"]);
    assert.deepEqual(argumentList(null), []);
  });

  test("a name → found in PATH; a directory, a file that may not run and nothing → not", () => {
    using folder = new Folder();
    const program = folder.file("program", "#!/bin/sh\n");
    assert.equal(programIn("program", folder.path), undefined);
    chmodSync(program, 0o700);
    assert.equal(programIn("program", `/nowhere:${folder.path}`), program);
    assert.equal(programIn(folder.path), undefined);
    assert.equal(programIn("program", "/nowhere"), undefined);
  });

  test("a program that is nowhere, a timeout that is none → failed", async () => {
    await assert.rejects(runProcess({ path: "gsf-no-such-program" }, process.env, NEVER), ActivityFailed);
    await assert.rejects(runProcess({ path: "true", timeout: "soon" }, process.env, NEVER), ActivityFailed);
    await assert.rejects(runProcess({ path: "true", timeout: 0 }, process.env, NEVER), ActivityFailed);
  });

  test("output above the bound → its beginning is kept, and how much was dropped is said", async () => {
    const bytes = MAX_OUTPUT_BYTES + 5_000;
    const run = await runProcess({ path: "sh", arguments: ["-c", `head -c ${bytes} /dev/zero`] }, process.env, NEVER);
    const stdout = String(run["stdout"]);
    assert.equal(stdout.lastIndexOf("\0"), MAX_OUTPUT_BYTES - 1);
    assert.ok(stdout.includes("5000"));
  });

  test("the environment → only the given one", async () => {
    const environment = { PATH: process.env["PATH"], ANSWER: "42" };
    const run = await runProcess({ path: "sh", arguments: ["-c", "echo $ANSWER$HOME"] }, environment, NEVER);
    assert.equal(run["stdout"], "42\n");
  });
});

describe("a program that is cut", () => {
  test("a timeout → failed, and its children are gone too", async () => {
    using folder = new Folder();
    const file = `${folder.path}/pid`;
    const script = `sleep 600 & echo $! > ${file}; wait`;
    await assert.rejects(
      runProcess({ path: "sh", arguments: ["-c", script], timeout: 0.5 }, process.env, NEVER),
      ActivityFailed,
    );
    assert.ok(await isGone(await pidIn(file)));
  });

  test("a stop → interrupted, its children get SIGTERM and are gone", async () => {
    using folder = new Folder();
    const [file, cleaned] = [`${folder.path}/pid`, `${folder.path}/cleaned`];
    const stop = new AbortController();
    const script = `trap 'echo yes > ${cleaned}; exit' TERM; sleep 600 & echo $! > ${file}; wait`;
    const running = runProcess({ path: "sh", arguments: ["-c", script] }, process.env, stop.signal);
    const pid = await pidIn(file);
    stop.abort();
    await assert.rejects(running, ActivityInterrupted);
    assert.ok(await isGone(pid));
    assert.equal(readFileSync(cleaned, "utf8"), "yes\n");
  });

  test("a program that ignores SIGTERM → killed after the grace", async () => {
    using folder = new Folder();
    const file = `${folder.path}/pid`;
    const stop = new AbortController();
    const script = `trap '' TERM; echo $$ > ${file}; while true; do sleep 1; done`;
    const running = runProcess({ path: "sh", arguments: ["-c", script] }, process.env, stop.signal);
    const pid = await pidIn(file);
    stop.abort();
    await assert.rejects(running, ActivityInterrupted);
    assert.ok(await isGone(pid));
  });

  test("a run that was stopped already → nothing is started", async () => {
    using folder = new Folder();
    const file = `${folder.path}/started`;
    await assert.rejects(
      runProcess({ path: "touch", arguments: [file] }, process.env, AbortSignal.abort()),
      ActivityInterrupted,
    );
    assert.ok(!existsSync(file));
  });

  test("a program that ended by itself → the daemon that it left goes on", async () => {
    using folder = new Folder();
    const file = `${folder.path}/pid`;
    const script = `sleep 600 >/dev/null 2>&1 & echo $! > ${file}`;
    await runProcess({ path: "sh", arguments: ["-c", script] }, process.env, NEVER);
    const pid = await pidIn(file);
    try {
      assert.ok(process.kill(pid, 0));
    } finally {
      process.kill(pid, "SIGKILL");
    }
  });
});
