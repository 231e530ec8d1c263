/**
 * `gsf demo` with each fault, judged by its own JSON and by the processes that it leaves: none.
 * These are the project's promise with real processes, sockets and signals: no error reaches a
 * caller, nothing is lost, nothing runs twice.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";

const GSF = fileURLToPath(new URL("../../gateway/bin/gsf.js", import.meta.url));
/**
 * What a test waits for at most: far more than the demo's own bounds allow it to take when all is
 * well.
 */
const LIMIT_MS = 60_000;

interface Running {
  readonly child: ChildProcess;
  /** Where the demo puts its files. */
  readonly directory: string;
  out(): string;
  /** The timeline so far. */
  err(): string;
}

interface Report {
  readonly fault: string;
  readonly ok: boolean;
  readonly sent: number;
  readonly callerErrors: number;
  readonly executedTwice: number;
  readonly lost: number;
  readonly outageMs: number;
  readonly takeoverMs: number | null;
  readonly epoch: number;
  readonly absorbed: { readonly repeatedKey: number; readonly olderEpoch: number; readonly byStation: number };
  readonly healed?: { readonly wellAfterMs: number; readonly switchBackMs: number };
}

function startDemo(context: TestContext, ...args: string[]): Running {
  const directory = mkdtempSync(join(tmpdir(), "gsf-demo-test-"));
  const child = spawn(process.execPath, [GSF, "demo", "--json", "--seconds", "1", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: directory },
  });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk;
  });
  context.after(() => {
    child.kill("SIGKILL");
    for (const pid of pidsIn(err)) if (isRunning(pid)) process.kill(pid, "SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  return { child, directory, out: () => out, err: () => err };
}

/** Runs the demo to its end; checks what holds for every fault. */
async function play(context: TestContext, ...args: string[]): Promise<Report> {
  const demo = startDemo(context, ...args);
  const [code] = (await once(demo.child, "close")) as [number | null];
  assert.equal(code, 0, `${demo.err()}\n${demo.out()}`);
  const lines = demo.out().split("\n");
  assert.deepEqual(
    [lines.length, lines[1]],
    [2, ""],
    `standard output holds one object and nothing else: ${demo.out()}`,
  );
  const report = JSON.parse(lines[0] as string) as Report;
  const { callerErrors, executedTwice, lost, ok } = report;
  assert.deepEqual({ ok, callerErrors, executedTwice, lost }, { ok: true, callerErrors: 0, executedTwice: 0, lost: 0 });
  assert.ok(report.sent >= 50);
  assert.ok(report.takeoverMs !== null && report.takeoverMs > 0 && report.takeoverMs < 30_000, demo.out());
  assert.ok(report.outageMs >= 0);
  assert.equal(report.epoch, args.includes("--then-heal") ? 3 : 2);
  assert.match(demo.err(), /south is active in place of north/);
  assert.match(demo.err(), /first command served by south/);
  const pids = pidsIn(demo.err());
  assert.ok(pids.length >= 5);
  assert.deepEqual(pids.filter(isRunning), []);
  assert.deepEqual(readdirSync(demo.directory), []);
  return report;
}

function pidsIn(timeline: string): number[] {
  return [...timeline.matchAll(/pid (\d+) /g)].map((match) => Number(match[1]));
}

/** A process that has ended but was not collected by its new parent runs no more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return process.platform !== "linux";
  }
}

/** Resolves once `holds`; looks again and again, up to a limit that only a failure reaches. */
async function eventually(what: string, holds: () => boolean): Promise<void> {
  const limitMs = performance.now() + LIMIT_MS;
  while (!holds()) {
    assert.ok(performance.now() < limitMs, `gave up waiting for ${what}`);
    const turn = Promise.withResolvers<void>();
    setTimeout(turn.resolve, 20);
    await turn.promise;
  }
}

test("[F2] kill: the primary is killed under load, and no caller notices", async (t) => {
  assert.equal((await play(t)).fault, "kill");
});

test("[F3] hang: what the woken primary still holds is absorbed: too late, or of an epoch that is over", async (t) => {
  const { fault, absorbed } = await play(t, "--fault", "hang");
  assert.equal(fault, "hang");
  assert.ok(absorbed.olderEpoch + absorbed.byStation > 0, JSON.stringify(absorbed));
});

test("[F4] errors: commands that ran and were reported as failed are sent again and run once", async (t) => {
  const { absorbed } = await play(t, "--fault", "errors");
  assert.ok(absorbed.repeatedKey > 0, JSON.stringify(absorbed));
});

test("[C2] lying-200: an error in the body of a 200 is a failure, and no caller sees one", async (t) => {
  const { absorbed } = await play(t, "--fault", "lying-200");
  assert.ok(absorbed.repeatedKey > 0, JSON.stringify(absorbed));
});

test("[F1] slow: a primary that answers after everybody's patience is replaced although it beats", async (t) => {
  await play(t, "--fault", "slow");
});

test("[D6] flap: a primary that comes and goes is replaced once", async (t) => {
  assert.equal((await play(t, "--fault", "flap")).epoch, 2);
});

test("[F7] kill, then heal: the primary comes back, and is switched back to without an error", async (t) => {
  const { healed } = await play(t, "--then-heal");
  assert.ok(healed !== undefined && healed.switchBackMs > 0);
});

test("stopped in the middle, it leaves no process and no file", async (t) => {
  const demo = startDemo(t, "--fault", "hang");
  const closed = once(demo.child, "close");
  await eventually("the fault", () => demo.err().includes("Fault at north"));
  demo.child.kill("SIGINT");
  assert.deepEqual(await closed, [130, null]);
  const pids = pidsIn(demo.err());
  assert.equal(pids.length, 5);
  assert.deepEqual(pids.filter(isRunning), []);
  assert.deepEqual(readdirSync(demo.directory), []);
});

test("killed itself while a station is stopped, it leaves no process", async (t) => {
  const demo = startDemo(t, "--fault", "hang");
  const closed = once(demo.child, "close");
  await eventually("the station to be stopped", () => demo.err().includes("south is active in place of north"));
  demo.child.kill("SIGKILL");
  await closed;
  const pids = pidsIn(demo.err());
  assert.equal(pids.length, 5);
  await eventually("its processes to end", () => !pids.some(isRunning));
});

test("[G6] an unknown fault and a rate that is none are refused with what is allowed", async (t) => {
  for (const [args, says] of [
    [["--fault", "gremlins"], /kill, hang, errors, lying-200, slow, flap/],
    [["--rate", "many"], /whole number from 1 to 2000/],
  ] as const) {
    const demo = startDemo(t, ...args);
    assert.deepEqual(await once(demo.child, "close"), [2, null]);
    assert.match(demo.err(), says);
  }
});
