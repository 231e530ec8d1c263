/**
 * Stages with real processes: what a drill gets, what is measured, and that nothing is left behind.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { systemClock } from "ground-station-failover";
import { request } from "undici";
import type { DrillExpectation, JsonObject } from "../experiment/experiment.ts";
import type { Measured, Stage } from "../run/hooks.ts";
import { stages } from "./stage.ts";

/** What a test waits for at most, on a machine that is busy with other tests. */
const LIMIT_MS = 60_000;
const QUICK: JsonObject = { steady: { windowMs: 1_500 }, startWithinMs: LIMIT_MS };
const never = new AbortController().signal;

async function start(context: TestContext, settings: JsonObject = {}, signal = never): Promise<Stage> {
  const lines: string[] = [];
  const stage = await stages.start(
    { ...QUICK, ...settings },
    { seed: 7, runId: "test", signal, tell: (line) => lines.push(line) },
  );
  context.after(() => stage.stop());
  return stage;
}

/** Sends a fault at once, and measures it while it is in force. */
async function strike(stage: Stage, fault: () => unknown, expect: Partial<DrillExpectation> = {}): Promise<Measured> {
  const askedAtMs = systemClock.nowMs();
  await fault();
  const window = { askedAtMs, faultAtMs: systemClock.nowMs(), liftedAtMs: undefined };
  const bounds = { recoverFrom: "fault", detectWithinMs: 10_000, recoverWithinMs: 20_000, ...expect } as const;
  return stage.measure(window, bounds, never);
}

async function http(
  method: "GET" | "POST" | "PUT" | "DELETE",
  url: unknown,
  body?: JsonObject,
): Promise<{ status: number; json: JsonObject }> {
  const answer = await request(String(url), {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  return { status: answer.statusCode, json: (await answer.body.json()) as JsonObject };
}

async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  const limitMs = systemClock.nowMs() + LIMIT_MS;
  while (!(await look())) {
    assert.ok(systemClock.nowMs() < limitMs, `gave up waiting for ${what}`);
    await systemClock.sleepUntil(systemClock.nowMs() + 50);
  }
}

const signal = async (stage: Stage, name: string): Promise<number> => (await stage.signals())[name] as number;

function isRunning(pid: unknown): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}

test("an empty stage → a pair that serves, numbers over HTTP, and nothing left at the end", async (context) => {
  const stage = await start(context);
  const { values } = stage;
  const { status, json } = await http("POST", `${values["gateway_url"]}/command`, { command: "mine" });
  assert.deepEqual([status, json["station"]], [200, "primary"]);
  assert.equal((await http("GET", values["steady_state_url"])).status, 200);
  const signals = await stage.signals();
  assert.deepEqual(signals, await stage.signals().then((again) => ({ ...again, ...signals })));
  const { healthy_stations, acked_loss, doubled, steady } = signals;
  assert.deepEqual(
    { healthy_stations, acked_loss, doubled, steady },
    { healthy_stations: 2, acked_loss: 0, doubled: 0, steady: 1 },
  );
  const pids = ["primary_pid", "backup_pid", "gateway_pid", "load_pid"].map((name) => values[name]);
  assert.ok(pids.every(isRunning));
  await stage.stop();
  assert.deepEqual(pids.filter(isRunning), []);
  assert.equal(existsSync(String(values["stage_dir"])), false);
});

test("the primary is killed under load → detected and ridden through, nothing lost or doubled", async (context) => {
  const stage = await start(context, { load: [{ perSecond: 50 }], promises: { errors: 0 } });
  const found = await strike(stage, () => process.kill(Number(stage.values["primary_pid"]), "SIGKILL"));
  assert.ok(found.mttdMs !== null && found.mttdMs < 5_000, `mttd ${found.mttdMs}`);
  assert.ok(found.mttrMs !== null && found.mttrMs < 10_000, `mttr ${found.mttrMs}`);
  assert.equal(found.falseAlarm, undefined);
  assert.deepEqual(found.broken, []);
  assert.deepEqual((await http("GET", stage.values["stations_url"])).json, { active: "backup", healthy: ["backup"] });
  const started = await http("POST", `${stage.values["stage_url"]}/processes/primary/start`);
  assert.ok(isRunning(started.json["pid"]));
  assert.equal(readFileSync(String(stage.values["primary_pid_file"]), "utf8"), String(started.json["pid"]));
  assert.equal((await http("GET", stage.values["primary_process_url"])).json["pid"], started.json["pid"]);
  await until("both stations to be eligible again", async () => (await signal(stage, "healthy_stations")) === 2);
});

test("the primary is frozen → detected and ridden through; a stopped process ends with the stage", async (context) => {
  const stage = await start(context, { load: [{ perSecond: 50 }] });
  const pid = Number(stage.values["primary_pid"]);
  const found = await strike(stage, () => process.kill(pid, "SIGSTOP"));
  assert.ok(found.mttdMs !== null && found.mttdMs < 10_000, `mttd ${found.mttdMs}`);
  assert.ok(found.mttrMs !== null && found.mttrMs < 20_000, `mttr ${found.mttrMs}`);
  assert.deepEqual(found.broken, []);
  await stage.stop();
  assert.equal(isRunning(pid), false);
});

test("slow uploads and impatient callers, no fault → the steady state holds, nothing is detected", async (context) => {
  const load = [
    { perSecond: 20 },
    { kind: "reads", perSecond: 10 },
    { kind: "uploads", perSecond: 1, bytes: 40_000, bytesPerSecond: 20_000, patienceMs: 20_000 },
    { name: "impatient", perSecond: 5, patienceMs: 10, keyed: false },
  ];
  const stage = await start(context, { load });
  const fromMs = systemClock.nowMs();
  await until("a few seconds of this load", () => systemClock.nowMs() > fromMs + 4_000);
  const found = await stage.measure(undefined, { recoverFrom: "fault" }, never);
  assert.equal(found.falseAlarm, undefined);
  assert.deepEqual(found.broken, []);
  assert.equal((await http("GET", `${stage.values["stage_url"]}/steady-state?window=3s`)).status, 200);
});

test("a service told to answer errors → detected; told to stop it → as before", async (context) => {
  const stage = await start(context, { load: [{ perSecond: 50 }] });
  const mode = stage.values["primary_mode_url"];
  const found = await strike(stage, () => http("PUT", mode, { answer: "error-body" }));
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.equal(((await http("DELETE", mode)).json["mode"] as JsonObject)["answer"], "ok");
  const refused = await http("PUT", mode, { anser: "error" });
  assert.equal(refused.status, 400);
  assert.match(String(refused.json["error"]), /mode\.anser.*did you mean answer/);
});

test("a gateway under a supervisor is killed → started again at the same address, and steady", async (context) => {
  const stage = await start(context, { gateway: { restartAfterMs: 1_500 }, detect: ["gateway-away"] });
  const expect = { recoverWithinMs: 30_000 } as const;
  const found = await strike(stage, () => process.kill(Number(stage.values["gateway_pid"]), "SIGKILL"), expect);
  assert.ok(found.mttdMs !== null && found.mttdMs < 10_000, `mttd ${found.mttdMs}`);
  assert.ok(found.mttrMs !== null && found.mttrMs > 100, `mttr ${found.mttrMs}`);
  assert.deepEqual(found.broken, []);
});

test("proxies on every link → commands pass them, and a proxy that is down is felt", async (context) => {
  const stage = await start(context, { proxies: true, load: [{ perSecond: 50 }] });
  const proxies = (await http("GET", `${stage.values["proxy_url"]}/proxies`)).json;
  assert.deepEqual(Object.keys(proxies).sort(), ["backup", "callers", "primary"]);
  const found = await strike(stage, () =>
    http("POST", `${stage.values["proxy_url"]}/proxies/primary`, { enabled: false }),
  );
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.deepEqual(found.broken, []);
});

test("TLS to the stations, and the primary's certificate expires → detected and ridden through", async (context) => {
  const stage = await start(context, { proxies: true, tls: true, load: [{ perSecond: 50 }] });
  const { proxy_url, primary_proxy_listen, primary_proxy_upstream } = stage.values;
  const expired = { name: "primary", listen: primary_proxy_listen, upstream: primary_proxy_upstream } as JsonObject;
  const found = await strike(stage, async () => {
    await request(`${proxy_url}/proxies/primary`, { method: "DELETE" });
    await http("POST", `${proxy_url}/proxies`, { ...expired, tls: { fault: "expired" } });
  });
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.deepEqual(found.broken, []);
});

test("relays with heartbeats → a primary whose service is killed is replaced", async (context) => {
  const stage = await start(context, { heartbeats: "udp", load: [{ perSecond: 50 }] });
  assert.ok(isRunning(stage.values["primary_relay_pid"]));
  const found = await strike(stage, () => process.kill(Number(stage.values["primary_pid"]), "SIGKILL"));
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.deepEqual(found.broken, []);
});

test("a second relay under the same name → the conflict is detected and ridden through", async (context) => {
  const stage = await start(context, { heartbeats: "udp", detect: ["name-conflict"] });
  const twin = `${stage.values["stage_url"]}/processes/primary-twin`;
  const found = await strike(stage, () => http("POST", `${twin}/start`));
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.equal((await http("POST", `${twin}/kill`)).json["pid"], null);
});

test("a load that is added to a running stage → is sent, judged, and taken away again", async (context) => {
  const stage = await start(context);
  const load = `${stage.values["stage_url"]}/load`;
  const refused = await http("PUT", `${load}/surge`, { perSecnd: 3 });
  assert.equal(refused.status, 400);
  assert.equal((await http("PUT", `${load}/surge`, { perSecond: 100 })).status, 201);
  await until("the surge", async () => (await signal(stage, "commands_per_second")) > 60);
  assert.equal((await http("DELETE", `${load}/surge`)).status, 200);
  assert.equal((await http("DELETE", `${load}/surge`)).status, 404);
  await until("the surge to end", async () => (await signal(stage, "commands_per_second")) < 40);
  assert.deepEqual((await stage.measure(undefined, { recoverFrom: "fault" }, never)).broken, []);
});

test("a browser, a body that is too large, a window that is none → refused, each with its status", async (context) => {
  const stage = await start(context);
  const url = stage.values["stage_url"];
  const fromPage = await request(`${url}/processes/primary/kill`, { method: "POST", headers: { origin: "http://x" } });
  await fromPage.body.dump();
  assert.equal(fromPage.statusCode, 403);
  assert.ok(isRunning(stage.values["primary_pid"]));
  assert.equal((await http("PUT", `${url}/load/large`, { name: "x".repeat(100_000) })).status, 413);
  assert.equal((await http("GET", `${url}/steady-state?window=soon`)).status, 400);
  assert.equal((await http("GET", `${url}/stedy-state`)).status, 404);
});

test("a measurement that is interrupted, or of a stage that stands still → rejects", async (context) => {
  const stage = await start(context);
  const stop = new AbortController();
  const window = { askedAtMs: systemClock.nowMs(), faultAtMs: systemClock.nowMs(), liftedAtMs: undefined };
  const measuring = stage.measure(window, { recoverFrom: "fault", detectWithinMs: 60_000 }, stop.signal);
  systemClock.at(systemClock.nowMs() + 500, () => stop.abort());
  await assert.rejects(measuring);
  const pid = stageProcessOf(stage);
  process.kill(pid, "SIGSTOP");
  await stage.stop();
  assert.equal(isRunning(stage.values["gateway_pid"]), false);
});

test("two stages at once → each measures its own fault only", async (context) => {
  const [hurt, well] = await Promise.all([start(context), start(context)]);
  const found = await strike(hurt, () => process.kill(Number(hurt.values["primary_pid"]), "SIGKILL"));
  assert.ok(found.mttdMs !== null);
  assert.ok(found.mttrMs !== null);
  assert.equal(await signal(well, "healthy_stations"), 2);
  assert.deepEqual((await well.measure(undefined, { recoverFrom: "fault" }, never)).broken, []);
});

test("stations that execute each by itself, and the lost one had executed → doubled commands are found", async (context) => {
  const service = { answer: "half", executes: true } as const;
  const stage = await start(context, { executor: "own", load: [{ perSecond: 50 }] });
  const found = await strike(stage, () => http("PUT", stage.values["primary_mode_url"], service), {
    recoverWithinMs: 1_000,
  });
  assert.ok(found.broken.length > 0);
  assert.ok((await signal(stage, "doubled")) > 0);
});

test("a gateway whose log nobody reads → commands are answered as before", async (context) => {
  const stage = await start(context);
  const gateway = `${stage.values["stage_url"]}/processes/gateway`;
  assert.equal((await http("POST", `${gateway}/stall-output`)).status, 200);
  assert.equal((await http("POST", `${gateway}/read-output`)).status, 200);
  assert.equal((await http("POST", `${stage.values["stage_url"]}/processes/gatway/kill`)).status, 404);
});

test("a configuration that the gateway refuses → the start fails with its words, nothing is left", async (context) => {
  const mark = marked(context);
  const settings = { gateway: { group: { lisen: "127.0.0.1:1" } } };
  await assert.rejects(start(context, settings), /lisen/);
  await until("no process to be left", () => processesWith(mark).length === 0);
});

test("the stage's own process is killed (SIGKILL) → every other one ends by itself", async (context) => {
  const mark = marked(context);
  const stage = await start(context, { proxies: true, heartbeats: "udp" });
  const own = stageProcessOf(stage);
  process.kill(own, "SIGKILL");
  await until("no process to be left", () => processesWith(mark).length === 0);
  await assert.rejects(stage.measure(undefined, { recoverFrom: "fault" }, never));
  await assert.rejects(stage.signals());
});

for (const afterMs of [0, 100, 400, 900, 1_600])
  test(`interrupted ${afterMs} ms after the start → no process is left`, async (context) => {
    const mark = marked(context);
    const stop = new AbortController();
    const starting = start(context, {}, stop.signal);
    systemClock.at(systemClock.nowMs() + afterMs, () => stop.abort());
    await starting.catch(() => undefined);
    // Rejected: it has stopped what it had started. Resolved: it was quicker than the interruption.
    if (
      await starting.then(
        () => true,
        () => false,
      )
    )
      return;
    assert.deepEqual(processesWith(mark), []);
  });

for (const [when, line] of [
  ["while the stage starts", "starting"],
  ["while a station is stopped by a signal", "stopped"],
] as const)
  test(`the runner is killed (SIGKILL) ${when} → no process and no file is left`, async (context) => {
    const mark = marked(context);
    const runner = spawn(
      process.execPath,
      ["--conditions=@gsf/source", "--input-type=module-typescript", "-e", RUNNER],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    context.after(() => runner.kill("SIGKILL"));
    const directories = new Set(readdirSync("/tmp").filter((name) => name.startsWith("gsf-stage-")));
    for await (const said of createInterface({ input: runner.stdout })) if (said === line) break;
    if (line === "starting") await until("the first processes", () => processesWith(mark).length >= 3);
    runner.kill("SIGKILL");
    await once(runner, "exit");
    await until("no process to be left", () => processesWith(mark).length === 0);
    const left = readdirSync("/tmp").filter((name) => name.startsWith("gsf-stage-") && !directories.has(name));
    assert.deepEqual(left, []);
  });

const RUNNER = `
  import { stages } from ${JSON.stringify(new URL("./stage.ts", import.meta.url).href)};
  console.log("starting");
  const signal = new AbortController().signal;
  const context = { seed: 1, runId: "test", signal, tell: () => undefined };
  const stage = await stages.start(${JSON.stringify(QUICK)}, context);
  process.kill(stage.values.primary_pid, "SIGSTOP");
  console.log("stopped");
  setInterval(() => undefined, 1_000);
`;

/** The parent of the gateway. */
function stageProcessOf({ values }: Stage): number {
  const stat = readFileSync(`/proc/${values["gateway_pid"]}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Marks every process that this test starts from now on. */
function marked(context: TestContext): string {
  const mark = `GSF_TEST_MARK=${randomBytes(8).toString("hex")}`;
  const [name, value] = mark.split("=") as [string, string];
  process.env[name] = value;
  context.after(() => {
    delete process.env[name];
  });
  return mark;
}

/** The processes of this machine with this mark, but for the test's own. */
function processesWith(mark: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
      } catch {
        return false;
      }
    })
    .map(Number);
}
