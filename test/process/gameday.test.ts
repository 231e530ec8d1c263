/**
 * A game day as its people hold it: the `gsf` program in a store of its own, a real drill that
 * stops a real process, marks from several terminals at once, the lever, the report.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DrillStore } from "../worlds/drill-store.ts";
import { type Ended, gsf } from "./gsf-process.ts";

/** A process that a drill may stop. It ends with the test. */
class Victim implements AsyncDisposable {
  readonly child: ChildProcess = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "exit");
  }
}

/** Freezes the process for a second. `steady`: the program whose success is the steady state. */
function freeze(pid: number, steady: string): object {
  return {
    title: "A process is frozen | <b>for a second</b>",
    description: "The process is stopped and goes on.",
    "steady-state-hypothesis": {
      title: "all is well",
      probes: [{ type: "probe", name: "well", tolerance: 0, provider: { type: "process", path: steady } }],
    },
    method: [
      {
        type: "action",
        name: "freeze",
        provider: {
          type: "signal",
          arguments: {
            do: "send",
            signal: "SIGSTOP",
            pid,
            target: "victim",
            isStation: false,
            expiresAfterMs: 20_000,
          },
        },
        pauses: { after: 0.3 },
      },
    ],
    extensions: [{ name: "gsf", id: "freeze", category: "infrastructure", guardrails: { baselineMs: 0 } }],
  };
}

interface Day {
  readonly runs: ReadonlyArray<{
    readonly ended: { readonly outcome: string; readonly t0Ms: number | null; readonly t1Ms: number | null } | null;
    readonly times: Record<string, { systemMs: number | null; humanMs: number | null }>;
    readonly marks: ReadonlyArray<{ kind: string; source: string }>;
  }>;
  readonly predictions: ReadonlyArray<{ readonly seal: string; readonly isOutcomeRight: boolean | null }>;
  readonly findings: ReadonlyArray<{ readonly id: string; readonly status: string; readonly verifiedByRun?: string }>;
  readonly problems: ReadonlyArray<{ readonly kind: string; readonly line: number }>;
  readonly checks: ReadonlyArray<{ readonly name: string; readonly isMet: boolean }>;
  readonly status: string;
}

class GameDay implements Disposable {
  readonly store: DrillStore = new DrillStore();

  gsf(...args: string[]): Promise<Ended> {
    return gsf(args, { GSF_STORE: this.store.path });
  }

  day(...args: string[]): Promise<Ended> {
    return this.gsf("gameday", ...args);
  }

  async json(): Promise<Day> {
    const { stdout, stderr, code } = await this.day("report", "--format", "json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Day;
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}

const ROLES = ["--owner", "Ana", "--driver", "Ben", "--observer", "Chi", "--scribe", "Dan", "--halt", "Eva"];

test("a whole day: planned, predicted, briefed, run, marked, found, verified and reported", async () => {
  using held = new GameDay();
  await using victim = new Victim();
  const file = held.store.write("freeze.json", JSON.stringify(freeze(victim.child.pid as number, "true")));
  const planned = await held.day(
    "new",
    "Frozen",
    file,
    "--id",
    "frozen",
    "--system",
    "victim",
    "--environment",
    "local",
    ...ROLES,
  );
  assert.equal(planned.code, 0, planned.stderr);
  const predicted = await held.day(
    "predict",
    "1",
    "it holds",
    "--expect",
    "held",
    "--confidence",
    "80",
    "--team",
    "ops",
    "--by",
    "Ana",
  );
  assert.equal(predicted.code, 0, predicted.stderr);

  const refused = await held.day("run", "1");
  assert.equal(refused.code, 1);
  const briefed = await held.day("brief", "--test-halt", "--rehearsed", "1:SIGCONT by hand");
  assert.equal(briefed.code, 0, briefed.stdout + briefed.stderr);

  const run = await held.day("run", "1", "--", "--seed", "42");
  assert.equal(run.code, 0, run.stdout + run.stderr);
  assert.deepEqual(
    (await held.json()).checks.filter(({ isMet }) => !isMet),
    [],
  );
  const late = await held.day("predict", "1", "--expect", "deviated", "--confidence", "100");
  assert.equal(late.code, 1);
  assert.equal((await held.day("predict", "1", "--expect", "deviated", "--confidence", "100", "--late")).code, 0);
  // Several people write at the same moment.
  const marks = await Promise.all(["p", "d", "a", "s"].map((key) => held.day("mark", key, "at once")));
  assert.deepEqual(
    marks.map(({ code }) => code),
    [0, 0, 0, 0],
  );
  const found = await held.day(
    "findings",
    "add",
    "No",
    "alarm",
    "--severity",
    "2",
    "--class",
    "detection",
    "--owner",
    "Ana",
    "--due",
    "2020-01-01",
  );
  assert.equal(found.code, 0, found.stderr);
  assert.equal((await held.day("findings", "--overdue")).code, 1);
  assert.equal((await held.day("verify", "F1")).code, 1, "there is no later run");
  assert.equal((await held.gsf("drill", "run", file, "--journal", join(held.store.path, "again.json"))).code, 0);
  const verified = await held.day("verify", "frozen/F1");
  assert.equal(verified.code, 0, verified.stderr);
  assert.equal((await held.day("findings", "--overdue")).code, 0);

  const day = await held.json();
  const [first] = day.runs;
  assert.equal(first?.ended?.outcome, "held");
  assert.ok((first?.ended?.t1Ms ?? 0) > (first?.ended?.t0Ms ?? Number.POSITIVE_INFINITY));
  assert.ok((first?.times["detected"]?.humanMs ?? -1) > 0);
  assert.deepEqual(first?.marks.filter(({ source }) => source === "human").length, 4);
  assert.deepEqual(
    day.predictions.map(({ seal, isOutcomeRight }) => [seal, isOutcomeRight]),
    [
      ["sealed", true],
      ["late", false],
    ],
  );
  assert.equal(day.findings[0]?.status, "verified");
  assert.deepEqual(day.problems, []);

  const html = join(held.store.path, "day.html");
  assert.equal((await held.day("report", "--out", html)).code, 0);
  const page = readFileSync(html, "utf8");
  assert.ok(page.includes('class="band"') && page.includes("--seed 42"));
  assert.ok(!page.includes("<b>") && !page.includes("<script"));
  const markdown = (await held.day("report")).stdout;
  assert.equal(markdown.match(/^## \d/gm)?.length, 7);
  assert.ok(!markdown.includes("<b>"));

  assert.equal((await held.day("close")).code, 0);
  assert.equal((await held.day("run", "1", "--day", "frozen")).code, 2);
});

test("a line that somebody changed → the report names it, and the prediction does not count", async () => {
  using held = new GameDay();
  const file = held.store.experiment("a");
  await held.day("new", "Day", file, "--id", "day");
  await held.day("predict", "1", "--expect", "held", "--confidence", "10");
  const path = join(held.store.path, "gamedays", "day.jsonl");
  writeFileSync(path, readFileSync(path, "utf8").replace('"confidence":10', '"confidence":99'));
  const { stdout, stderr, code } = await held.day("report");
  assert.equal(code, 0);
  assert.ok(stderr.includes("line 2") && stdout.includes("CHANGED, does not count"));
  const { problems, predictions } = await held.json();
  assert.deepEqual(
    [problems.map(({ kind, line }) => [kind, line]), predictions.map(({ seal }) => seal)],
    [[["changed", 2]], ["broken"]],
  );
});

test("a halt while a drill runs → the lever is engaged, the fault is lifted, the stop is the guardrail's success", async () => {
  using held = new GameDay();
  await using victim = new Victim();
  const long = freeze(victim.child.pid as number, "true") as { method: Array<{ pauses: object }> };
  (long.method[0] as { pauses: object }).pauses = { after: 60 };
  const file = held.store.write("freeze.json", JSON.stringify(long));
  await held.day("new", "Halted", file, "--id", "halted");
  const run = held.day("run", "1", "--unbriefed");
  await until(() => stateOf(victim.child.pid as number) === "T");
  const halt = await held.day("halt", "a real incident");
  assert.equal(halt.code, 0, halt.stdout + halt.stderr);
  const ended = await run;
  assert.equal(ended.code, 3, ended.stdout + ended.stderr);
  assert.notEqual(stateOf(victim.child.pid as number), "T");
  const { runs } = await held.json();
  assert.equal(runs[0]?.ended?.outcome, "aborted");
  assert.ok(runs[0]?.marks.some(({ kind }) => kind === "halt"));
  assert.equal((await held.gsf("chaos", "status")).code, 1, "drills stay blocked");
});

test("the game day's process is killed while a drill runs → the drill ends, and its result is collected", async () => {
  using held = new GameDay();
  await using victim = new Victim();
  const file = held.store.write("freeze.json", JSON.stringify(freeze(victim.child.pid as number, "true")));
  await held.day("new", "Killed", file, "--id", "killed");
  const child = spawn(process.execPath, ["gateway/bin/gsf.js", "gameday", "run", "1", "--unbriefed"], {
    cwd: new URL("../..", import.meta.url),
    env: { ...process.env, GSF_STORE: held.store.path },
    stdio: "ignore",
  });
  await until(() => stateOf(victim.child.pid as number) === "T");
  child.kill("SIGKILL");
  await until(() => readdirSync(join(held.store.path, "journals")).some((name) => /^[^.].*\.json$/.test(name)));
  assert.equal((await held.json()).runs[0]?.ended, null);
  assert.equal((await held.day("run", "1", "--unbriefed")).code, 1, "one run at a time");
  await until(() => readdirSync(join(held.store.path, "gamedays")).includes("killed.run-1.json"));
  const collected = await held.day("run", "1", "--collect");
  assert.equal(collected.code, 0, collected.stdout + collected.stderr);
  assert.equal((await held.json()).runs[0]?.ended?.outcome, "held");
  assert.notEqual(stateOf(victim.child.pid as number), "T");
});

test("a finding without an owner or with a date that does not exist → refused, and nothing is written", async () => {
  using held = new GameDay();
  await held.day("new", "Day", held.store.experiment("a"), "--id", "day");
  const base = ["findings", "add", "x", "--severity", "1", "--class", "design"];
  for (const wrong of [
    ["--due", "2026-12-31"],
    ["--owner", "Ana"],
    ["--owner", "Ana", "--due", "2026-02-30"],
    ["--owner", " ", "--due", "2026-12-31"],
  ])
    assert.equal((await held.day(...base, ...wrong)).code, 2, wrong.join(" "));
  assert.deepEqual((await held.json()).findings, []);
});

/** R, S, T, … of a process; "" if there is none. */
function stateOf(pid: number): string {
  try {
    return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Resolves when it is so; three minutes are far more than it takes, also on a busy machine. */
async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 3_600; look++) {
    try {
      if (isSo()) return;
    } catch {
      // A directory that is not there yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not become so within three minutes");
}
