/** The injections of a run on a virtual clock: when a fault counts as felt, and one that hangs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import type { Activity, InjectorName, InjectorProvider } from "../experiment/experiment.ts";
import type { Injector, PreparedInjection } from "../injection.ts";
import { ActivityFailed } from "./activity-failure.ts";
import type { GuardrailSession } from "./hooks.ts";
import { OwnInjections } from "./own-injections.ts";
import { RunStop } from "./run-stop.ts";

/** Injections whose injectors do what the test says, and what the guardrails were asked. */
function rig(prepared: Partial<PreparedInjection>) {
  const clock = new VirtualClock();
  const stop = new RunStop();
  const asked: string[] = [];
  const injectorOf = (name: InjectorName): Injector => ({
    name,
    problems: () => [],
    missing: async () => undefined,
    prepare: async () => ({
      ...{ targets: [], shown: "", inverses: [], expiresAfterMs: 60_000 },
      ...{ inject: async () => null, felt: async () => "felt", remaining: async () => [] },
      ...prepared,
    }),
  });
  const session: GuardrailSession = {
    kind: "session",
    stopRequested: new AbortController().signal,
    beforeInjection: async () => undefined,
    afterInjection: async (_planned, isInForce) => void asked.push(`after ${isInForce}`),
    lift: async () => {
      asked.push("lift");
      return [];
    },
    proveClean: async () => [],
    trips: () => [],
    end: async () => undefined,
  };
  const injections = new OwnInjections({
    injectors: new Map((["signal", "load"] as const).map((name) => [name, injectorOf(name)])),
    ...{ seed: 1, values: { configuration: {}, secrets: {} }, stop, clock },
    tell: () => undefined,
    onInForce: (name, atMs) => asked.push(`in force: ${name} at ${atMs}`),
  });
  injections.guardWith(session);
  const inject = (name: string, type: InjectorName = "signal") => {
    const provider: InjectorProvider = { type, arguments: {} };
    const activity: Activity = {
      ...{ type: "action", name, provider, background: false, pauses: {}, controls: [], source: {} },
    };
    return injections.inject(activity, provider, stop.signal, true);
  };
  return { clock, stop, asked, injections, inject };
}

test("proof that is seen only for a moment → the fault was felt", async () => {
  let isSeen = false;
  const { clock, injections, inject } = rig({ felt: async () => (isSeen ? "state T" : undefined) });
  await inject("hurt");
  await clock.advanceTo(1_000);
  assert.deepEqual(injections.felt(), { hurt: null });
  isSeen = true;
  await clock.advanceTo(1_300);
  isSeen = false;
  await clock.advanceTo(5_000);
  await injections.beforeLift();
  assert.deepEqual(injections.felt(), { hurt: "state T" });
});

test("two of one name → both are in the record", async () => {
  const { clock, injections, inject } = rig({});
  await inject("hurt");
  await inject("hurt");
  await clock.advanceTo(10);
  assert.deepEqual(injections.felt(), { hurt: "felt", "hurt (2)": "felt" });
  injections.end();
});

test("a load and then a fault → measured from the fault; a load alone → from its begin", async () => {
  let clock: VirtualClock | undefined;
  const both = rig({
    inject: async () => {
      await clock?.sleepUntil(clock.nowMs() + 100);
      return null;
    },
  });
  clock = both.clock;
  for (const [name, type, untilMs] of [
    ["load", "load", 100],
    ["fault", "signal", 200],
  ] as const) {
    const injecting = both.inject(name, type);
    await both.clock.advanceTo(untilMs);
    await injecting;
    if (type === "load")
      assert.deepEqual(both.injections.window(undefined), { askedAtMs: 0, faultAtMs: 0, liftedAtMs: undefined });
  }
  assert.deepEqual(both.injections.window(300), { askedAtMs: 100, faultAtMs: 200, liftedAtMs: 300 });
  both.injections.end();
});

test("an injection that hangs after a stop → given up, and lifted when it comes into force", async () => {
  const late = Promise.withResolvers<null>();
  const { clock, stop, asked, injections, inject } = rig({ inject: () => late.promise });
  const injecting = assert.rejects(inject("hurt"), ActivityFailed);
  await clock.advanceTo(1);
  stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks: "skip" });
  await clock.advanceTo(60_000);
  await injecting;
  assert.equal(injections.unsettled, 1);
  assert.deepEqual(asked, ["lift"]);
  late.resolve(null);
  await clock.advanceTo(60_001);
  assert.deepEqual(asked, ["lift", "after true", "lift"]);
  assert.equal(injections.unsettled, 0);
});

test("before the guardrails have begun → nothing is put in force", async () => {
  const { stop } = rig({});
  const injections = new OwnInjections({
    ...{ injectors: new Map(), seed: 1, values: { configuration: {}, secrets: {} }, stop, clock: new VirtualClock() },
    ...{ tell: () => undefined, onInForce: () => undefined },
  });
  const provider: InjectorProvider = { type: "signal", arguments: {} };
  const activity: Activity = {
    ...{ type: "action", name: "hurt", provider, background: false, pauses: {}, controls: [], source: {} },
  };
  await assert.rejects(injections.inject(activity, provider, stop.signal, true), ActivityFailed);
});
