/** The guardrails of a whole run, with a real watchdog: what refuses it, and what stops it. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { Experiment, JsonObject } from "../experiment/experiment.ts";
import type { Inverse, PreparedInjection, Target } from "../injection.ts";
import type { GuardrailSession, Plan, PlannedInjection } from "../run/hooks.ts";
import { STORE } from "../store.ts";
import { DrillGuardrails } from "./guardrails.ts";
import { engageLever, releaseLever } from "./lever.ts";
import { journalsIn } from "./undo-journal.ts";

const NOW = new Date().toISOString();
const QUICK: JsonObject = { baselineMs: 0 };
const stores: string[] = [];
after(() => {
  for (const store of stores) rmSync(store, { recursive: true, force: true });
});

function newStore(): string {
  const store = mkdtempSync(join(tmpdir(), "gsf-session-"));
  stores.push(store);
  return store;
}

interface Fault {
  readonly planned: PlannedInjection;
  readonly path: string;
  readonly inForce: boolean;
}

/** A fault that is a file which should not be there. */
function fault(store: string, name: string, more: Partial<PreparedInjection> = {}): Fault {
  const path = join(store, `fault-${name}`);
  const target: Target = { kind: "file", name, isStation: false, share: 1 };
  const inverse: Inverse = { kind: "file", path };
  const prepared: PreparedInjection = {
    ...{ targets: [target], shown: name, inverses: [inverse], expiresAfterMs: 60_000 },
    inject: async () => {
      writeFileSync(path, "fault");
      return null;
    },
    felt: async () => "felt",
    remaining: async () => (existsSync(path) ? [path] : []),
    ...more,
  };
  return {
    planned: { activity: name, prepared },
    path,
    get inForce() {
      return existsSync(path);
    },
  };
}

interface PlanParts {
  readonly store: string;
  readonly faults: readonly Fault[];
  readonly settings?: JsonObject;
  readonly more?: Partial<Plan>;
}

let runs = 0;

function planOf({ store, faults, settings = QUICK, more = {} }: PlanParts): Plan {
  const drill = { id: "test", guardrails: settings } as unknown as NonNullable<Experiment["drill"]>;
  return {
    ...{ store, runId: `run-${++runs}`, experiment: { drill } as Experiment, seed: 1, specHash: "hash" },
    ...{ values: { configuration: {}, secrets: {} }, environment: "local", isDry: false },
    ...{ signals: undefined, signalsUrl: undefined, signal: new AbortController().signal },
    injections: faults.map(({ planned }) => planned),
    steadyStateHolds: async () => true,
    tell: () => undefined,
    ...more,
  };
}

async function rulesOf(parts: PlanParts, guardrails = new DrillGuardrails()): Promise<string[]> {
  const begun = await guardrails.begin(planOf(parts));
  if (begun.kind === "session") {
    await begun.end();
    return [];
  }
  const locks = join(parts.store, STORE.locks);
  assert.deepEqual(journalsIn(parts.store), []);
  assert.deepEqual(existsSync(locks) ? readdirSync(locks) : [], []);
  return begun.reasons.map(({ rule }) => rule);
}

async function session(parts: PlanParts): Promise<GuardrailSession> {
  const begun = await new DrillGuardrails().begin(planOf(parts));
  assert.ok(begun.kind === "session", JSON.stringify(begun));
  return begun;
}

async function inject(of: GuardrailSession, { planned }: Fault): Promise<string | undefined> {
  const trip = await of.beforeInjection(planned);
  if (trip !== undefined) return trip.rule;
  await planned.prepared.inject();
  await of.afterInjection(planned, true);
  return undefined;
}

describe("[X3] before the drill", () => {
  test("nothing against it → begins, and leaves nothing behind at its end", async () => {
    const store = newStore();
    assert.deepEqual(await rulesOf({ store, faults: [fault(store, "a")] }), []);
    assert.deepEqual(journalsIn(store), []);
    assert.deepEqual(readdirSync(join(store, STORE.locks)), []);
  });

  test("lever engaged, or its file torn → refused; released → begins", async () => {
    const store = newStore();
    const faults = [fault(store, "a")];
    engageLever(store, "Ana", "incident", NOW);
    assert.deepEqual(await rulesOf({ store, faults }), ["lever"]);
    writeFileSync(join(store, STORE.lever), '{"engaged":fal');
    assert.deepEqual(await rulesOf({ store, faults }), ["lever"]);
    releaseLever(store, "Ana", NOW);
    assert.deepEqual(await rulesOf({ store, faults }), []);
  });

  test("several reasons → all are told at once", async () => {
    const store = newStore();
    const station: Target = { kind: "station", name: "north", isStation: true, share: 1 };
    const faults = [
      fault(store, "a", { targets: [station], expiresAfterMs: Number.POSITIVE_INFINITY }),
      fault(store, "b", { targets: [] }),
      fault(store, "c"),
    ];
    const settings = {
      ...{ baselineMs: 0, stop: ["acked_loss > 0"], incident: { file: "/dev/zero" }, onCall: { command: ["false"] } },
      ...{ blastRadius: { never: ["C"] }, protectedPasses: [{ from: NOW, to: "2099-01-01T00:00:00Z" }] },
      businessHours: { timezone: "UTC", days: ["mon"], from: "00:00", to: "24:00" },
    };
    const tuesday = new DrillGuardrails({ wallMs: () => Date.parse("2026-12-01T10:00:00Z") });
    assert.deepEqual(
      (
        await rulesOf(
          {
            store,
            faults,
            settings: { ...settings, protectedPasses: [{ from: "2026-12-01T10:05:00Z", to: "2026-12-01T10:10:00Z" }] },
          },
          tuesday,
        )
      ).sort(),
      [
        "business-hours",
        "empty-target",
        "expires-after",
        "incident",
        "last-healthy-station",
        "max-targets",
        "never",
        "on-call",
        "protected-pass",
        "stop",
      ],
    );
  });

  test("higher environment → needs hours, an on-call and a pass below; the lowest does not", async () => {
    const store = newStore();
    const faults = [fault(store, "a")];
    const staging = { environment: "staging" };
    assert.deepEqual(await rulesOf({ store, faults, more: staging }), [
      "lower-environment",
      "business-hours",
      "on-call",
    ]);
    assert.deepEqual(await rulesOf({ store, faults, more: { environment: "moon" } }), [
      "environment",
      "business-hours",
      "on-call",
    ]);
    const settings = { ...QUICK, businessHours: "any", onCall: { command: ["echo", "Ana"] } };
    mkdirSync(join(store, STORE.journals));
    const gsf = { specHash: "hash", environment: "local", outcome: "held" };
    writeFileSync(join(store, STORE.journals, "1.json"), JSON.stringify({ gsf, end: NOW }));
    assert.deepEqual(await rulesOf({ store, faults, settings, more: staging }), []);
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { ...staging, specHash: "other" } }), [
      "lower-environment",
    ]);
    // Production needs staging, and a run on the laptop is none.
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { environment: "production" } }), [
      "lower-environment",
    ]);
  });

  test("hours that end during the drill → refused", async () => {
    const store = newStore();
    const settings = { ...QUICK, businessHours: { timezone: "UTC", days: ["tue"], from: "09:00", to: "10:01" } };
    const at = (time: string): DrillGuardrails =>
      new DrillGuardrails({ wallMs: () => Date.parse(`2026-12-01T${time}Z`) });
    const faults = [fault(store, "a", { expiresAfterMs: 60_000 })];
    assert.deepEqual(await rulesOf({ store, faults, settings }, at("09:59:00")), []);
    assert.deepEqual(await rulesOf({ store, faults, settings }, at("10:00:00")), ["business-hours"]);
  });

  test("settings with a mistake, or a value that is missing → refused", async () => {
    const store = newStore();
    assert.deepEqual(await rulesOf({ store, faults: [], settings: { baselineMs: -1, stop: ["a"] } }), ["settings"]);
  });

  test("steady state does not hold in the baseline → refused; lever during it → refused", async () => {
    const store = newStore();
    const faults = [fault(store, "a")];
    const settings = { baselineMs: 60_000 };
    let looks = 0;
    const steadyStateHolds = async (): Promise<boolean> => ++looks < 2;
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { steadyStateHolds } }), ["baseline"]);
    const halting = async (): Promise<boolean> => {
      engageLever(store, "Ana", "", NOW);
      return true;
    };
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { steadyStateHolds: halting } }), ["lever"]);
    releaseLever(store, "Ana", NOW);
    const hanging = (): Promise<boolean> => {
      engageLever(store, "Ana", "", NOW);
      return new Promise(() => undefined);
    };
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { steadyStateHolds: hanging } }), ["lever"]);
  });

  test("one miss, and time for another baseline → it begins anew; always missed → refused", async () => {
    const store = newStore();
    const faults = [fault(store, "a")];
    const settings = { baselineMs: 1_000, baselineWithinMs: 4_000 };
    let looks = 0;
    const onceMissed = async (): Promise<boolean> => ++looks !== 1;
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { steadyStateHolds: onceMissed } }), []);
    assert.ok(looks >= 2);
    const never = async (): Promise<boolean> => false;
    assert.deepEqual(await rulesOf({ store, faults, settings, more: { steadyStateHolds: never } }), ["baseline"]);
  });

  test("run stopped by a person in the baseline → given up", async () => {
    const store = newStore();
    const stop = new AbortController();
    const steadyStateHolds = async (): Promise<boolean> => {
      stop.abort();
      return true;
    };
    const more = { steadyStateHolds, signal: stop.signal };
    assert.deepEqual(await rulesOf({ store, faults: [fault(store, "a")], settings: { baselineMs: 60_000 }, more }), [
      "interrupted",
    ]);
  });

  test("dry run → checked, and nothing is written", async () => {
    const store = newStore();
    const begun = await new DrillGuardrails().begin(
      planOf({ store, faults: [fault(store, "a")], more: { isDry: true } }),
    );
    assert.equal(begun.kind, "session");
    assert.deepEqual(readdirSync(store), []);
    engageLever(store, "Ana", "", NOW);
    assert.deepEqual(await rulesOf({ store, faults: [], more: { isDry: true } }), ["lever"]);
  });

  test("two runs in one process on one target → one begins, each time", async () => {
    const store = newStore();
    for (let index = 0; index < 3; index++) {
      const plans = [0, 1].map(() => planOf({ store, faults: [fault(store, "same")] }));
      const begun = await Promise.all(plans.map((plan) => new DrillGuardrails().begin(plan)));
      assert.deepEqual(begun.map(({ kind }) => kind).sort(), ["refused", "session"]);
      for (const one of begun) if (one.kind === "session") await one.end();
    }
  });
});

describe("during the drill", () => {
  test("injected, lifted, proved clean", async () => {
    const store = newStore();
    const one = fault(store, "a");
    const run = await session({ store, faults: [one] });
    assert.equal(await inject(run, one), undefined);
    assert.ok(one.inForce);
    assert.equal((await run.proveClean()).length, 1);
    assert.deepEqual(await run.lift(), []);
    assert.deepEqual(await run.lift(), []);
    assert.ok(!one.inForce);
    assert.deepEqual(await run.proveClean(), []);
    assert.deepEqual(run.trips(), []);
    await run.end();
    await run.end();
    assert.deepEqual(journalsIn(store), []);
  });

  test("lever engaged between two injections → the second is not allowed, the first is lifted", async () => {
    const store = newStore();
    const [one, other] = [fault(store, "a"), fault(store, "b")];
    const run = await session({ store, faults: [one, other], settings: { ...QUICK, blastRadius: { maxTargets: 2 } } });
    assert.equal(await inject(run, one), undefined);
    engageLever(store, "Ana", "", NOW);
    assert.equal(await inject(run, other), "lever");
    assert.ok(run.stopRequested.aborted);
    assert.deepEqual(await run.lift(), []);
    assert.ok(!one.inForce && !other.inForce);
    assert.equal(typeof run.trips()[0]?.abortLatencyMs, "number");
    await run.end();
  });

  test("targets that became more, or others, since the plan → not allowed", async () => {
    const store = newStore();
    const targets: Target[] = [{ kind: "file", name: "a", isStation: false, share: 1 }];
    const one = fault(store, "a", { targets });
    const run = await session({
      store,
      faults: [one],
      settings: { ...QUICK, blastRadius: { never: ["lease-store"] } },
    });
    targets[0] = { kind: "process", name: "lease-store", isStation: false, share: 1 };
    assert.equal(await inject(run, one), "never");
    assert.ok(!one.inForce);
    await run.end();

    const next = await session({ store, faults: [fault(store, "b")] });
    const station: Target = { kind: "station", name: "north", isStation: true, share: 1 };
    assert.equal(await inject(next, fault(store, "b", { targets: [station] })), "last-healthy-station");
    await next.end();
  });

  test("inverse that cannot be written → not allowed", async () => {
    const store = newStore();
    const one = fault(store, "a");
    const run = await session({ store, faults: [one] });
    rmSync(join(store, STORE.undo), { recursive: true });
    assert.equal(await inject(run, one), "undo-journal");
    assert.ok(!one.inForce);
    await run.end();
  });

  test("fault that comes into force behind its lift → lifted when it has settled", async () => {
    const store = newStore();
    const one = fault(store, "a");
    const run = await session({ store, faults: [one] });
    assert.equal(await run.beforeInjection(one.planned), undefined);
    const lifting = run.lift();
    await one.planned.prepared.inject();
    await run.afterInjection(one.planned, true);
    assert.deepEqual(await lifting, []);
    assert.ok(!one.inForce);
    await run.end();
    assert.deepEqual(journalsIn(store), []);
  });

  test("injection that failed half-way → lifted at once; given up and late → lifted when asked", async () => {
    const store = newStore();
    const one = fault(store, "a");
    const run = await session({ store, faults: [one] });
    assert.equal(await run.beforeInjection(one.planned), undefined);
    await one.planned.prepared.inject();
    await run.afterInjection(one.planned, false);
    assert.ok(!one.inForce);
    await one.planned.prepared.inject();
    assert.deepEqual(await run.lift(), []);
    assert.ok(!one.inForce);
    await run.end();
    await one.planned.prepared.inject();
    assert.deepEqual(await run.lift(), []);
    assert.ok(!one.inForce);
  });

  test("inverse that fails → told, the others are lifted, and the journal stays", async () => {
    const store = newStore();
    const fails: Inverse = { kind: "process", path: "false", arguments: [] };
    const [one, bad] = [fault(store, "a"), fault(store, "b", { inverses: [fails] })];
    const run = await session({ store, faults: [one, bad], settings: { ...QUICK, blastRadius: { maxTargets: 2 } } });
    assert.equal(await inject(run, one), undefined);
    assert.equal(await inject(run, bad), undefined);
    assert.equal((await run.lift()).length, 1);
    assert.ok(!one.inForce);
    await run.end();
    assert.equal(journalsIn(store).length, 1);
  });

  test("injector that throws, or hangs, when asked what is left → no proof", async () => {
    const store = newStore();
    const throws = fault(store, "a", { remaining: () => Promise.reject(new Error("gone")) });
    const run = await session({ store, faults: [throws] });
    assert.equal(await inject(run, throws), undefined);
    assert.deepEqual(await run.lift(), []);
    assert.equal((await run.proveClean()).length, 1);
    await run.end();
  });
});
