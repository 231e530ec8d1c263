/**
 * Attacks on the dead-man's switch with real processes: a runner that is killed at any instant, a
 * watchdog that is killed or stopped, and both. The runner is this file, started again as a process
 * that stops a child and puts a toxic on a server. Whatever dies, the child runs again and the
 * toxic is gone.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom, systemClock } from "ground-station-failover";
import type { Experiment, JsonObject } from "../experiment/experiment.ts";
import type { Inverse, PreparedInjection } from "../injection.ts";
import type { GuardrailSession, Plan, PlannedInjection } from "../run/hooks.ts";
import { STORE } from "../store.ts";
import { DrillGuardrails } from "./guardrails.ts";
import { engageLever } from "./lever.ts";
import { startTimeOf } from "./process-identity.ts";
import { journalsIn, readJournal } from "./undo-journal.ts";

/** What the runner's process is told, in its environment. */
interface Script {
  readonly store: string;
  readonly runId: string;
  readonly api: string;
  readonly victim: number;
  readonly settings: JsonObject;
  readonly expiresAfterMs: number;
  /** Where it kills itself; absent: it goes on until somebody else does. */
  readonly dieAt?: string;
}

const SCRIPT = "GSF_TEST_RUNNER";
const SETTINGS = { baselineMs: 0, blastRadius: { maxTargets: 2, allowTotalOutage: true } };
/** Generous: the machine may be shared. */
const WITHIN_MS = 60_000;

/** The runner: two faults, then the end. It tells each step on its channel. */
async function playRunner({ store, runId, api, victim, settings, expiresAfterMs, dieAt }: Script): Promise<void> {
  const at = async (step: string): Promise<void> => {
    if (step === dieAt) process.kill(process.pid, "SIGKILL");
    await new Promise((resolve) => process.send?.(step, resolve));
  };
  const injections = [stopped(victim, expiresAfterMs), toxic(api, runId, expiresAfterMs)];
  const begun = await new DrillGuardrails().begin(planOf({ store, runId, injections, settings }));
  if (begun.kind === "refused") {
    process.send?.(begun.reasons);
    return process.disconnect();
  }
  let tripped = 0;
  begun.stopRequested.addEventListener("abort", () => {
    tripped = systemClock.nowMs();
    process.send?.({ trip: begun.stopRequested.reason });
  });
  await at("begun");
  for (const planned of injections) await inForce(begun, planned, at);
  await at("all in force");
  if (!begun.stopRequested.aborted)
    await new Promise((resolve) => begun.stopRequested.addEventListener("abort", resolve, { once: true }));
  const failed = await begun.lift();
  const liftedMs = systemClock.nowMs() - tripped;
  await at("lifted");
  await begun.end();
  process.send?.({ failed, liftedMs, trips: begun.trips(), clean: await begun.proveClean() });
  process.disconnect();
}

async function inForce(session: GuardrailSession, planned: PlannedInjection, at: (step: string) => Promise<void>) {
  await at(`${planned.activity}: before`);
  if ((await session.beforeInjection(planned)) !== undefined) return;
  await at(`${planned.activity}: inverse written`);
  const injecting = planned.prepared.inject();
  await at(`${planned.activity}: under way`);
  await injecting;
  await at(`${planned.activity}: in force`);
  await session.afterInjection(planned, true);
  await at(`${planned.activity}: confirmed`);
}

function stopped(victim: number, expiresAfterMs: number): PlannedInjection {
  const startTime = startTimeOf(victim) ?? "";
  return planned("stop", expiresAfterMs, [{ kind: "signal", pid: victim, startTime, signal: "SIGCONT" }], async () => {
    process.kill(victim, "SIGSTOP");
  });
}

function toxic(api: string, name: string, expiresAfterMs: number): PlannedInjection {
  return planned("toxic", expiresAfterMs, [{ kind: "http", method: "DELETE", url: `${api}/${name}` }], async () => {
    await fetch(`${api}/${name}`, { method: "POST" });
  });
}

function planned(
  activity: string,
  expiresAfterMs: number,
  inverses: readonly Inverse[],
  inject: () => Promise<void>,
): PlannedInjection {
  const prepared: PreparedInjection = {
    targets: [{ kind: "process", name: `${activity} of ${process.pid}`, isStation: true, share: 1 }],
    shown: activity,
    inverses,
    expiresAfterMs,
    inject: async () => {
      await inject();
      return null;
    },
    felt: async () => "felt",
    remaining: async () => [],
  };
  return { activity, prepared };
}

function planOf(part: {
  readonly store: string;
  readonly runId: string;
  readonly injections: readonly PlannedInjection[];
  readonly settings: JsonObject;
}): Plan {
  const { settings, ...others } = part;
  const drill = { id: "attack", guardrails: settings } as unknown as NonNullable<Experiment["drill"]>;
  return {
    ...others,
    experiment: { drill } as Experiment,
    values: { configuration: {}, secrets: {} },
    seed: 1,
    specHash: "hash",
    environment: "local",
    isDry: false,
    signals: undefined,
    signalsUrl: undefined,
    steadyStateHolds: async () => true,
    signal: new AbortController().signal,
    tell: () => undefined,
  };
}

/** A server with toxics, which stands for the proxy's API. It may take its time to add one. */
class ToxicServer {
  readonly toxics: Set<string> = new Set();
  readonly #server: Server;
  addAfterMs = 0;
  posts = 0;
  refuses = false;
  refusals = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      const name = request.url as string;
      if (request.method === "POST") {
        this.posts += 1;
        const add = (): void => {
          this.toxics.add(name);
          response.end();
        };
        if (this.addAfterMs === 0) add();
        else setTimeout(add, this.addAfterMs);
      } else if (this.refuses) {
        this.refusals += 1;
        response.statusCode = 503;
        response.end();
      } else {
        response.statusCode = this.toxics.delete(name) ? 204 : 404;
        response.end();
      }
    });
  }

  async url(): Promise<string> {
    if (!this.#server.listening) await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A server of signals that can be broken in several ways. */
class SignalServer {
  readonly #server: Server;
  body = '{"acked_loss":0}';
  #hangs = false;

  constructor() {
    this.#server = createServer((_, response) => {
      if (!this.#hangs) response.end(this.body);
    });
  }

  async url(): Promise<string> {
    if (!this.#server.listening) await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/signals`;
  }

  hang(): void {
    this.#hangs = true;
  }

  say(body: string): void {
    this.body = body;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** A run of the attacked runner. */
class AttackedRun {
  readonly store: string = mkdtempSync(join(tmpdir(), "gsf-guardrails-"));
  readonly victim: ChildProcess = spawn("sleep", ["600"], { stdio: "ignore" });
  readonly runner: ChildProcess;
  readonly steps: string[] = [];
  readonly messages: Array<Record<string, unknown>> = [];
  readonly runId: string;
  #heard: () => void = () => undefined;

  constructor(runId: string, api: string, more: Partial<Script> = {}) {
    this.runId = runId;
    const asked: Script = {
      ...{
        store: this.store,
        runId,
        api,
        victim: this.victim.pid as number,
        settings: SETTINGS,
        expiresAfterMs: 60_000,
      },
      ...more,
    };
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    this.runner = spawn(process.execPath, ["--conditions=@gsf/source", fileURLToPath(import.meta.url)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...env, [SCRIPT]: JSON.stringify(asked) },
    });
    this.runner.on("message", (message) => {
      if (typeof message === "string") this.steps.push(message);
      else this.messages.push(message as Record<string, unknown>);
      this.#heard();
    });
    this.runner.on("exit", () => this.#heard());
  }

  /** Resolves when the runner has told the step, or has ended. */
  async reached(step: string): Promise<void> {
    while (!this.steps.includes(step) && this.runner.exitCode === null && this.runner.signalCode === null)
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
  }

  /** The message that has this member. */
  async told(member: string): Promise<Record<string, unknown>> {
    for (;;) {
      const found = this.messages.find((message) => member in message);
      if (found !== undefined) return found;
      assert.ok(this.runner.exitCode === null && this.runner.signalCode === null, `ended without ${member}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async ended(): Promise<void> {
    if (this.runner.exitCode === null && this.runner.signalCode === null) await once(this.runner, "exit");
  }

  get victimState(): string {
    const line = readFileSync(`/proc/${this.victim.pid}/stat`, "latin1");
    return line.slice(line.lastIndexOf(")") + 2, line.lastIndexOf(")") + 3);
  }

  get isLeft(): boolean {
    return existsSync(join(this.store, STORE.undo)) && journalsIn(this.store).length > 0;
  }

  /** The watchdog of the runner, found by its parent while that lives. */
  get watchdog(): number {
    const found = readdirSync("/proc").filter(
      (name) => /^\d+$/.test(name) && isWatchdogOf(Number(name), this.runner.pid),
    );
    assert.equal(found.length, 1);
    return Number(found[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.runner, this.victim]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(this.store, { recursive: true, force: true });
  }
}

function isWatchdogOf(pid: number, parent: number | undefined): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[1]) === parent && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("chaos-watchdog");
  } catch {
    return false;
  }
}

/** Waits until it is so; the watchdog's work has no event in this process. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  const byMs = systemClock.nowMs() + WITHIN_MS;
  while (!isSo()) {
    assert.ok(systemClock.nowMs() < byMs, `not in ${WITHIN_MS} ms: ${what}`);
    await systemClock.sleepUntil(systemClock.nowMs() + 10);
  }
}

function describeAttacks(): void {
  const server = new ToxicServer();
  after(() => server.close());
  const attack = { skip: process.platform === "linux" ? false : "looks processes up in /proc" };

  describe("[X3] the dead-man's switch under attack", attack, () => {
    test("runner killed in mid-fault → child runs again, toxic gone, journal removed", async (context) => {
      await using run = new AttackedRun("mid-fault", await server.url());
      await run.reached("all in force");
      assert.equal(run.victimState, "T");
      assert.ok(server.toxics.has("/mid-fault"));
      const killedMs = systemClock.nowMs();
      run.runner.kill("SIGKILL");
      await until("the faults are lifted", () => run.victimState !== "T" && !server.toxics.has("/mid-fault"));
      context.diagnostic(`lifted ${Math.round(systemClock.nowMs() - killedMs)} ms after the SIGKILL`);
      await until("the journal is removed", () => !run.isLeft);
    });

    test("runner killed at 50 seeded instants → never a fault left", async () => {
      const random = seededRandom(13);
      const steps = ["stop", "toxic"].flatMap((activity) =>
        ["before", "inverse written", "under way", "in force", "confirmed"].map((step) => `${activity}: ${step}`),
      );
      const api = await server.url();
      const attacks = Array.from({ length: 50 }, (_, index) => async () => {
        const step = steps[index % steps.length] as string;
        // Every other one dies by its own hand, exactly there; the others a moment behind.
        const isExact = index % 2 === Math.floor(index / steps.length) % 2;
        const name = `instant-${index}`;
        await using run = new AttackedRun(name, api, isExact ? { dieAt: step } : {});
        if (!isExact) {
          await run.reached(step);
          await systemClock.sleepUntil(systemClock.nowMs() + random.fork(name).next() * 4);
          run.runner.kill("SIGKILL");
        }
        await run.ended();
        await until(`${name}: the journal is removed`, () => !run.isLeft);
        assert.notEqual(run.victimState, "T", `${name}: ${step}`);
        assert.ok(!server.toxics.has(`/${name}`), `${name}: ${step}`);
      });
      // Some at once, so that the machine is as busy as it may be.
      const workers = Array.from({ length: 4 }, async () => {
        for (let next = attacks.shift(); next !== undefined; next = attacks.shift()) await next();
      });
      await Promise.all(workers);
    });

    test("toxic comes into force after the runner's death → lifted all the same", async () => {
      const slow = new ToxicServer();
      slow.addAfterMs = 700;
      after(() => slow.close());
      await using run = new AttackedRun("late", await slow.url());
      await until("the toxic is asked for", () => slow.posts > 0);
      run.runner.kill("SIGKILL");
      await until("the toxic is added", () => slow.toxics.has("/late"));
      await until("the toxic is lifted", () => slow.toxics.size === 0);
      await until("the journal is removed", () => !run.isLeft);
      assert.equal(slow.toxics.size, 0);
    });

    test("runner stopped in mid-fault → lifted when the fault expires", async () => {
      await using run = new AttackedRun("frozen", await server.url(), { expiresAfterMs: 1_000 });
      await run.reached("all in force");
      run.runner.kill("SIGSTOP");
      await until("the faults are lifted", () => run.victimState !== "T" && !server.toxics.has("/frozen"));
      run.runner.kill("SIGCONT");
      const { trips } = await run.told("trips");
      assert.equal((trips as Array<{ rule: string }>)[0]?.rule, "expires-after");
    });

    for (const [how, signal] of [
      ["killed", "SIGKILL"],
      ["stopped", "SIGSTOP"],
      ["told to end", "SIGTERM"],
    ] as const) {
      test(`watchdog ${how} in mid-fault → runner aborts and lifts`, async () => {
        await using run = new AttackedRun(`dog-${signal}`, await server.url());
        await run.reached("all in force");
        process.kill(run.watchdog, signal);
        const { trips, failed } = await run.told("trips");
        assert.equal((trips as Array<{ rule: string }>)[0]?.rule, "watchdog");
        assert.deepEqual(failed, []);
        assert.notEqual(run.victimState, "T");
        assert.ok(!server.toxics.has(`/dog-${signal}`));
        assert.ok(!run.isLeft);
      });
    }

    test("watchdog killed before the first fault → no fault is put in force", async () => {
      await using run = new AttackedRun("no-dog", await server.url(), { dieAt: "never" });
      await run.reached("begun");
      process.kill(run.watchdog, "SIGKILL");
      await run.told("trips");
      assert.ok(!run.isLeft);
      assert.ok(!server.toxics.has("/no-dog"));
    });

    test("runner and watchdog killed → next drill refused, recover lifts", async () => {
      await using run = new AttackedRun("both", await server.url());
      await run.reached("all in force");
      const dog = run.watchdog;
      process.kill(dog, "SIGSTOP");
      run.runner.kill("SIGKILL");
      await run.ended();
      process.kill(dog, "SIGKILL");
      assert.equal(run.victimState, "T");
      const [path] = journalsIn(run.store);
      assert.deepEqual(
        readJournal(path as string)?.open.map(({ name }) => name),
        ["stop", "toxic"],
      );

      const refused = await new DrillGuardrails().begin(
        planOf({ store: run.store, runId: "next", injections: [], settings: SETTINGS }),
      );
      assert.deepEqual(refused.kind === "refused" && refused.reasons.map(({ rule }) => rule), ["leftover"]);

      assert.equal(await recoverCode(run.store), 0);
      assert.notEqual(run.victimState, "T");
      assert.ok(!server.toxics.has("/both"));
      assert.ok(!run.isLeft);
      assert.equal(await recoverCode(run.store), 0);
    });

    test("stop condition holds while the runner stands still → lifted without the runner", async (context) => {
      const signals = new SignalServer();
      after(() => signals.close());
      const settings = {
        ...SETTINGS,
        stop: ["acked_loss > 0"],
        signals: { acked_loss: { url: await signals.url(), jsonpath: "$.acked_loss" } },
      };
      await using run = new AttackedRun("condition", await server.url(), { settings });
      await run.reached("all in force");
      run.runner.kill("SIGSTOP");
      signals.body = '{"acked_loss":1}';
      const brokenMs = systemClock.nowMs();
      await until("the faults are lifted", () => run.victimState !== "T" && !server.toxics.has("/condition"));
      context.diagnostic(`lifted ${Math.round(systemClock.nowMs() - brokenMs)} ms after the signal broke the rule`);
      run.runner.kill("SIGCONT");
      const { trips } = await run.told("trips");
      const [trip] = trips as Array<{ rule: string; observed: string; abortLatencyMs: number }>;
      assert.equal(trip?.rule, "acked_loss > 0");
      assert.equal(trip?.observed, "acked_loss = 1");
      assert.equal(typeof trip?.abortLatencyMs, "number");
    });

    for (const [how, breakIt] of [
      ["hangs", (signals: SignalServer) => signals.hang()],
      ["is gone", (signals: SignalServer) => signals.close()],
      ["says nonsense", (signals: SignalServer) => signals.say("<html>")],
      ["says no number", (signals: SignalServer) => signals.say('{"acked_loss":"0"}')],
    ] as const) {
      test(`source of a signal ${how} → blind, so the drill stops`, async () => {
        const signals = new SignalServer();
        after(() => signals.close());
        const settings = {
          ...{ ...SETTINGS, stop: ["max(acked_loss, 10s) > 0"], blindAfterMs: 1_500 },
          signals: { acked_loss: { url: await signals.url(), jsonpath: "$.acked_loss" } },
        };
        await using run = new AttackedRun(`blind-${how.replaceAll(" ", "-")}`, await server.url(), { settings });
        await run.reached("all in force");
        breakIt(signals);
        const { trips, failed } = await run.told("trips");
        assert.equal((trips as Array<{ rule: string }>)[0]?.rule, "blind");
        assert.deepEqual(failed, []);
        assert.notEqual(run.victimState, "T");
      });
    }

    test("inverse that fails at first → tried until it works", async () => {
      const stubborn = new ToxicServer();
      after(() => stubborn.close());
      await using run = new AttackedRun("stubborn", await stubborn.url());
      await run.reached("all in force");
      stubborn.refuses = true;
      run.runner.kill("SIGKILL");
      await until("the lift was refused twice", () => stubborn.refusals > 1);
      assert.ok(run.isLeft);
      stubborn.refuses = false;
      await until("the toxic is lifted", () => stubborn.toxics.size === 0);
      await until("the journal is removed", () => !run.isLeft);
    });

    test("second drill on the same target while the first runs → refused, the first goes on", async () => {
      await using run = new AttackedRun("first", await server.url());
      await run.reached("all in force");
      const target = { kind: "process", name: `stop of ${run.runner.pid}`, isStation: true, share: 1 };
      const one = stopped(run.victim.pid as number, 1_000);
      const other = { ...one, prepared: { ...one.prepared, targets: [target] } };
      const refused = await new DrillGuardrails().begin(
        planOf({ store: run.store, runId: "second", injections: [other], settings: SETTINGS }),
      );
      assert.deepEqual(refused.kind === "refused" && refused.reasons.map(({ rule }) => rule), ["lock"]);
      assert.equal(run.victimState, "T");
      assert.deepEqual(journalsIn(run.store).length, 1);
    });

    test("lever engaged in mid-fault → lifted, and the latency is told", async (context) => {
      await using run = new AttackedRun("halted", await server.url());
      await run.reached("all in force");
      engageLever(run.store, "Ana", "drill of the drill", new Date().toISOString());
      const { trips } = await run.told("trips");
      const [trip] = trips as Array<{ rule: string; abortLatencyMs: number | null }>;
      assert.equal(trip?.rule, "lever");
      assert.ok(typeof trip?.abortLatencyMs === "number" && trip.abortLatencyMs < 10_000);
      context.diagnostic(`abort latency ${trip.abortLatencyMs} ms`);
      assert.notEqual(run.victimState, "T");
    });
  });
}

async function recoverCode(store: string): Promise<number | null> {
  const program = fileURLToPath(new URL("../../../bin/gsf.js", import.meta.url));
  const child = spawn(process.execPath, [program, "chaos", "recover", "--store", store], { stdio: "ignore" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

const script = process.env[SCRIPT];
if (script !== undefined) await playRunner(JSON.parse(script) as Script);
else describeAttacks();
