/**
 * A whole run with injectors and guardrails that a test holds in its hand: in which order they are
 * asked, what a stop at any instant leaves (nothing), what makes a run invalid, dirty, aborted or
 * skipped, and each member of the journal.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { placeholder } from "../../../../test/drills/lifting.ts";
import { Diary, experimentIn, NO_STAGES, permissive, runOptions } from "../../../../test/drills/plays.ts";
import { Folder } from "../../../../test/process/gsf-process.ts";
import type { InjectorName, Json } from "../experiment/experiment.ts";
import { specHash } from "../experiment/spec-hash.ts";
import type { GuardrailTrip, Injector, Journal, PreparedInjection } from "../injection.ts";
import type { DrillParts } from "./drill-parts.ts";
import { type DrillResult, runDrill } from "./drill-run.ts";
import { dryRun } from "./dry-run.ts";
import type { GuardrailSession, Mark, Measured, Stages } from "./hooks.ts";
import { writeJournal } from "./journal.ts";
import { RunStop } from "./run-stop.ts";

/** A fault that is in force while it is true, and everything that was asked of it. */
class Fault {
  isInForce = false;
  isFelt = true;
  isLiftable = true;
  readonly asked: string[] = [];
  /** Called at each step with its name; a test stops the run or waits in it. */
  at: (step: string) => void | Promise<void> = () => undefined;

  readonly injector: Injector = {
    name: "signal",
    problems: () => [],
    missing: async () => undefined,
    prepare: async (args) => {
      await this.#step("prepare");
      return this.#prepared(String(args["target"] ?? "victim"));
    },
  };

  parts(session: Partial<GuardrailSession> = {}, stages: Stages = NO_STAGES): DrillParts {
    const guardrails = permissive({
      beforeInjection: async () => {
        await this.#step("before");
        return undefined;
      },
      afterInjection: async () => this.#step("after"),
      lift: async () => {
        this.asked.push("lift");
        if (this.isLiftable) this.isInForce = false;
        return this.isLiftable ? [] : ["victim: cannot be lifted"];
      },
      proveClean: async () => {
        this.asked.push("prove");
        return this.isInForce ? ["victim is hurt"] : [];
      },
      end: async () => void this.asked.push("end"),
      ...session,
    });
    return { injectors: new Map<InjectorName, Injector>([["signal", this.injector]]), guardrails, stages };
  }

  async #step(step: string): Promise<void> {
    this.asked.push(step);
    await this.at(step);
  }

  #prepared(name: string): PreparedInjection {
    return {
      targets: [{ kind: "process", name, isStation: false, share: 1 }],
      shown: `hurt ${name}`,
      inverses: [{ kind: "process", path: "/bin/true", arguments: [] }],
      expiresAfterMs: 60_000,
      inject: async () => {
        await this.#step("inject");
        this.isInForce = true;
        await this.#step("injected");
        return { hurt: name };
      },
      felt: async () => (this.isInForce && this.isFelt ? `${name} is hurt` : undefined),
      remaining: async () => (this.isInForce ? [`${name} is hurt`] : []),
    };
  }
}

function drill(diary: Diary, more = "", missesFrom?: number): string {
  return `
title: t
description: d
steady-state-hypothesis:
  title: h
  probes: [${diary.looks("look", missesFrom)}]
method:
  - {type: action, name: hurt, provider: {type: signal, arguments: {do: send}}}
  - {type: action, name: one, provider: ${diary.writes("one")}}
rollbacks:
  - {type: action, name: back, provider: ${diary.writes("back")}}
extensions:
  - {name: gsf, id: a-drill, category: infrastructure, ${more}}
`;
}

async function run(
  text: string,
  parts: DrillParts,
  rest: { stop?: RunStop; tell?: (line: string) => void } = {},
): Promise<DrillResult> {
  using folder = new Folder();
  return await runDrill({ ...runOptions(experimentIn(text), folder.path, rest), parts });
}

describe("a drill", () => {
  test("that goes well → planned, guarded, lifted, proved clean, ended; held", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const { outcome, reason, journal } = await run(drill(diary), fault.parts());
    assert.deepEqual([outcome, reason], ["held", undefined]);
    // The first "prepare" is for the plan.
    assert.deepEqual(fault.asked, [
      "prepare",
      "prepare",
      "before",
      "inject",
      "injected",
      "after",
      ...["lift", "lift", "prove", "lift", "end"],
    ]);
    assert.deepEqual(diary.words, ["look", "one", "look", "back", "look"]);
    assert.deepEqual(journal.gsf?.felt, { hurt: "victim is hurt" });
    assert.deepEqual(
      journal.gsf?.marks.map(({ kind }) => kind),
      ["fault", "lifted"],
    );
  });

  test("whose fault was not felt → invalid", async () => {
    using diary = new Diary();
    const fault = new Fault();
    fault.isFelt = false;
    const { outcome, journal } = await run(drill(diary), fault.parts());
    assert.equal(outcome, "invalid");
    assert.deepEqual(journal.gsf?.felt, { hurt: null });
  });

  test("whose injector fails → invalid, and the rest of the method is played", async () => {
    using diary = new Diary();
    const fault = new Fault();
    fault.at = (step) => {
      if (step === "inject") throw new Error("no such process");
    };
    const { outcome, journal } = await run(drill(diary), fault.parts());
    assert.equal(outcome, "invalid");
    assert.deepEqual(
      journal.run.map(({ status }) => status),
      ["failed", "succeeded"],
    );
    assert.deepEqual(journal.gsf?.felt, { hurt: null });
  });

  test("that hits nothing → invalid, nothing is played", async () => {
    using diary = new Diary();
    const fault = new Fault();
    fault.at = () => {
      throw new Error("there is no process 0");
    };
    const { outcome } = await run(drill(diary), fault.parts());
    assert.equal(outcome, "invalid");
    assert.deepEqual(diary.words, []);
  });

  test("that cannot be lifted → dirty, with what is left", async () => {
    using diary = new Diary();
    const fault = new Fault();
    fault.isLiftable = false;
    const { outcome, reason } = await run(drill(diary), fault.parts());
    assert.equal(outcome, "dirty");
    assert.ok(reason?.includes("victim is hurt"));
  });

  test("after which the steady state misses → deviated, though it holds again after the lift", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const wound = join(diary.folder, "wound");
    const probe = `{type: probe, name: whole, tolerance: 1, provider: {type: process, path: test, arguments: ["-e", "${wound}"]}}`;
    fault.at = (step) => {
      if (step === "inject") writeFileSync(wound, "");
    };
    const parts = fault.parts({
      lift: async () => {
        const { rmSync } = await import("node:fs");
        rmSync(wound, { force: true });
        fault.isInForce = false;
        return [];
      },
    });
    const { outcome, journal } = await run(drill(diary).replace(/probes: .*/, `probes: [${probe}]`), parts);
    assert.equal(outcome, "deviated");
    assert.equal(journal.deviated, true);
  });

  test("that is refused by a guardrail → aborted, nothing is played, the reason in the journal", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const guardrails = {
      ...permissive(),
      begin: async () => ({ kind: "refused", reasons: [{ rule: "lever", observed: "halted by Ana" }] }) as const,
    };
    const { outcome, journal } = await run(drill(diary), { ...fault.parts(), guardrails });
    assert.equal(outcome, "aborted");
    assert.equal(journal.status, "aborted");
    assert.deepEqual(
      journal.gsf?.trips.map(({ rule }) => rule),
      ["lever"],
    );
    assert.deepEqual(diary.words, []);
  });

  test("that begins while the lever is engaged → aborted before anything is started", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const reasons = [{ rule: "lever", observed: "halted by Ana" }];
    const guardrails = { ...permissive(), halted: () => ({ kind: "refused", reasons }) as const };
    const { outcome, journal } = await run(drill(diary), { ...fault.parts(), guardrails });
    assert.equal(outcome, "aborted");
    assert.deepEqual(
      journal.gsf?.trips.map(({ rule }) => rule),
      ["lever"],
    );
    assert.deepEqual([diary.words, fault.asked, guardrails.begun], [[], [], []]);
  });

  test("that needs what is not here → skipped with the reason, nothing is played", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const { outcome, reason, journal } = await run(drill(diary, "requires: [gsf-no-such-program]"), fault.parts());
    assert.equal(outcome, "skipped");
    assert.ok(reason?.includes("gsf-no-such-program"));
    assert.equal(journal.status, "aborted");
    assert.deepEqual([diary.words, fault.asked], [[], []]);
  });

  test("an injection that a guardrail does not allow → aborted, not put in force", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const trip: GuardrailTrip = { rule: "blast-radius", at: "", observed: "2 targets", abortLatencyMs: null };
    const { outcome } = await run(drill(diary), fault.parts({ beforeInjection: async () => trip }));
    assert.equal(outcome, "aborted");
    assert.ok(!fault.asked.includes("inject"));
    assert.deepEqual(diary.words, ["look", "back"]);
  });

  test("a guardrail that trips during the method → lifted at once, aborted", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const tripped = new AbortController();
    const trip: GuardrailTrip = { rule: "stop", at: "", observed: "error_ratio is 0.3", abortLatencyMs: null };
    const slow = `  - {type: action, name: slow, provider: ${diary.writes("slow", { afterMs: 60_000 })}}\nrollbacks:`;
    fault.at = (step) => {
      if (step === "after") setImmediate(() => tripped.abort(trip));
    };
    const { outcome, reason } = await run(
      drill(diary).replace("rollbacks:", slow),
      fault.parts({ stopRequested: tripped.signal }),
    );
    assert.equal(outcome, "aborted");
    assert.ok(reason?.includes("error_ratio is 0.3"));
    assert.ok(!diary.words.includes("slow"));
  });
});

describe("a stop at any instant", () => {
  for (const step of ["prepare", "before", "inject", "injected", "after"])
    test(`in "${step}" → nothing is in force, interrupted`, async () => {
      using diary = new Diary();
      const fault = new Fault();
      const stop = new RunStop();
      let count = 0;
      fault.at = (at) => {
        if (at === step && (step !== "prepare" || ++count === 2))
          stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks: "skip" });
      };
      const { outcome, journal } = await run(drill(diary), fault.parts(), { stop });
      assert.equal(outcome, "interrupted");
      assert.equal(journal.status, "interrupted");
      assert.equal(fault.isInForce, false);
      assert.equal(fault.asked.at(-1), "end");
      assert.ok(fault.asked.lastIndexOf("lift") > fault.asked.lastIndexOf("injected"));
      assert.ok(!diary.words.includes("one"));
    });

  test("a lift that comes while the fault is still on its way → lifted again behind it", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const stop = new RunStop();
    fault.at = async (step) => {
      if (step !== "inject") return;
      stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks: "skip" });
      // In force only when the first lift is long over.
      await new Promise((resolve) => setTimeout(resolve, 200));
    };
    const { outcome } = await run(drill(diary), fault.parts(), { stop });
    assert.equal(outcome, "interrupted");
    assert.equal(fault.isInForce, false);
  });

  test("at 20 seeded instants → the fault is lifted and the guardrails are ended", async () => {
    const random = seededRandom(20_260_131).fork("instants");
    for (let round = 0; round < 20; round += 1) {
      using diary = new Diary();
      const fault = new Fault();
      const stop = new RunStop();
      const atMs = random.next() * 400;
      const timer = setTimeout(
        () => stop.request({ kind: "interrupted", by: "SIGTEST", rollbacks: "by-strategy" }),
        atMs,
      );
      fault.at = () => new Promise((resolve) => setTimeout(resolve, 15));
      const { outcome } = await run(drill(diary), fault.parts(), { stop });
      clearTimeout(timer);
      assert.ok(outcome === "interrupted" || outcome === "held", `${outcome} after ${atMs} ms`);
      assert.equal(fault.isInForce, false, `after ${atMs} ms`);
      if (fault.asked.includes("before")) assert.equal(fault.asked.at(-1), "end");
    }
  });
});

/** A stage that measures what a test says. */
function stagesThat(measured: Partial<Measured>, asked: string[], fault?: Fault): Stages {
  const marks: Mark[] = [];
  return {
    problems: () => [],
    missing: async () => undefined,
    start: async () => ({
      values: { from_stage: "yes" },
      signalsUrl: undefined,
      signals: async () => ({}),
      mark: (mark) => void marks.push(mark),
      measure: async (window) => {
        asked.push(
          `measured ${fault?.isInForce === true ? "in force" : "lifted"}, lifted at ${window?.liftedAtMs === undefined ? "no time" : "a time"}`,
        );
        return { mttdMs: 100, mttrMs: 200, falseAlarm: undefined, broken: [], marks: [...marks], ...measured };
      },
      stop: async () => void asked.push("stopped"),
    }),
  };
}

describe("a stage", () => {
  test("rides through → measured while the fault is in force; its values are known; stopped at last", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const asked: string[] = [];
    const lines: string[] = [];
    const text = drill(diary, "stage: {}, expect: {detectWithinMs: 100, recoverWithinMs: 200}").replace(
      "{do: send}",
      `{do: send, target: "${placeholder("from_stage")}"}`,
    );
    const { outcome, journal } = await run(text, fault.parts({}, stagesThat({}, asked, fault)), {
      tell: (line) => lines.push(line),
    });
    assert.equal(outcome, "held");
    assert.deepEqual(asked, ["measured in force, lifted at no time", "stopped"]);
    const { targets, mttdMs, mttrMs, detectWithinMs, recoverWithinMs, marks } = journal.gsf ?? assert.fail();
    assert.deepEqual(
      targets.map(({ name }) => name),
      ["yes"],
    );
    assert.deepEqual([mttdMs, mttrMs, detectWithinMs, recoverWithinMs], [100, 200, 100, 200]);
    assert.deepEqual(
      marks.map(({ kind }) => kind),
      ["fault", "lifted"],
    );
  });

  test("recovers from the lift → lifted first, then measured", async () => {
    using diary = new Diary();
    const fault = new Fault();
    const asked: string[] = [];
    const { outcome } = await run(
      drill(diary, "stage: {}, expect: {recoverFrom: lift, recoverWithinMs: 100}"),
      fault.parts({}, stagesThat({}, asked, fault)),
    );
    assert.equal(outcome, "deviated");
    assert.deepEqual(asked, ["measured lifted, lifted at a time", "stopped"]);
  });

  test("that cannot be started → invalid", async () => {
    using diary = new Diary();
    const { outcome } = await run(drill(diary, "stage: {}"), new Fault().parts());
    assert.equal(outcome, "invalid");
  });

  test("that does not measure → invalid, and stopped", async () => {
    using diary = new Diary();
    const asked: string[] = [];
    const stages = stagesThat({}, asked);
    const start: Stages["start"] = async (settings, context) => ({
      ...(await stages.start(settings, context)),
      measure: async () => {
        throw new Error("its process ended");
      },
    });
    const { outcome } = await run(drill(diary, "stage: {}"), new Fault().parts({}, { ...stages, start }));
    assert.equal(outcome, "invalid");
    assert.deepEqual(asked, ["stopped"]);
  });
});

describe("--probe-only", () => {
  async function probed(measured: Partial<Measured>, missesFrom?: number): Promise<DrillResult> {
    using diary = new Diary();
    using folder = new Folder();
    const options = runOptions(
      experimentIn(drill(diary, "stage: {}, expect: {detectWithinMs: 100, recoverWithinMs: 100}", missesFrom)),
      folder.path,
    );
    const parts = new Fault().parts({}, stagesThat({ mttdMs: null, mttrMs: null, ...measured }, []));
    return await runDrill({ ...options, parts, probeOnlyMs: 300 });
  }

  test("nothing is seen → held, no fault, looked at for the whole time", async () => {
    const { outcome, journal } = await probed({});
    assert.equal(outcome, "held");
    assert.deepEqual([journal.run, journal.rollbacks, journal.gsf?.felt], [[], [], {}]);
    assert.ok(journal.steady_states.during.length >= 2);
    assert.ok(journal.duration >= 0.3);
  });

  test("something is detected, or the hypothesis misses → deviated", async () => {
    assert.equal((await probed({ falseAlarm: "backup promoted" })).outcome, "deviated");
    assert.equal((await probed({}, 3)).outcome, "deviated");
  });
});

describe("the journal", () => {
  const RUN = ["activity", "output", "start", "status", "end", "duration"];
  const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

  async function journalFor(more = ""): Promise<{ journal: Journal; text: string; diary: Diary }> {
    using diary = new Diary();
    const text = `${drill(diary)}\n${more}`;
    const { journal } = await run(text, new Fault().parts());
    return { journal, text, diary };
  }

  test("every member → Chaos Toolkit's name and kind", async () => {
    const { journal, text } = await journalFor();
    assert.deepEqual(Object.keys(journal), [
      ...["chaoslib-version", "platform", "node", "experiment", "start", "status", "deviated", "steady_states"],
      ...["run", "rollbacks", "end", "duration", "gsf"],
    ]);
    const { source } = experimentIn(text);
    assert.deepEqual(journal.experiment, source);
    assert.equal(journal.node, hostname());
    assert.equal(journal.status, "completed");
    assert.equal(journal.deviated, false);
    assert.ok(RFC_3339.test(journal.start) && RFC_3339.test(journal.end) && journal.start <= journal.end);
    assert.ok(journal.duration > 0 && journal.duration < 60);
    assert.deepEqual(Object.keys(journal.steady_states), ["before", "after", "during"]);
    assert.deepEqual(journal.steady_states.during, []);
    const { before, after } = journal.steady_states;
    for (const look of [before, after]) {
      assert.deepEqual(Object.keys(look ?? {}), ["steady_state_met", "probes"]);
      assert.equal(look?.steady_state_met, true);
      assert.deepEqual(Object.keys(look?.probes[0] ?? {}), [...RUN, "tolerance_met"]);
    }
    assert.deepEqual(
      journal.run.map((one) => Object.keys(one)),
      [RUN, RUN],
    );
    assert.deepEqual(
      journal.rollbacks.map((one) => Object.keys(one)),
      [RUN],
    );
    const [hurt] = journal.run;
    assert.deepEqual(hurt?.output, { hurt: "victim" });
    assert.deepEqual(hurt?.activity, (source["method"] as readonly Json[])[0]);
    assert.ok(RFC_3339.test(hurt?.start ?? "") && RFC_3339.test(hurt?.end ?? ""));
  });

  test("the member gsf → the record of the drill", async () => {
    const { journal, text } = await journalFor();
    const record = journal.gsf ?? assert.fail();
    assert.deepEqual(Object.keys(record), [
      ...["runId", "id", "category", "weight", "specHash", "seed", "environment", "outcome"],
      ...["targets", "felt", "mttdMs", "mttrMs", "trips", "marks"],
    ]);
    assert.equal(record.specHash, specHash(experimentIn(text).source));
    assert.deepEqual([record.id, record.category, record.weight, record.seed], ["a-drill", "infrastructure", 1, 7]);
    assert.deepEqual(record.targets, [{ kind: "process", name: "victim", isStation: false, share: 1 }]);
  });

  test("an experiment without the extension → no member gsf", async () => {
    using diary = new Diary();
    const { journal } = await run(drill(diary).replace(/extensions:[\s\S]*$/, ""), new Fault().parts());
    assert.equal("gsf" in journal, false);
  });

  test("a title with a name → filled in", async () => {
    using diary = new Diary();
    const text = `${drill(diary).replace("title: t", `title: "for ${placeholder("who")}"`)}\nconfiguration: {who: Lima}\n`;
    assert.equal((await run(text, new Fault().parts())).journal.experiment["title"], "for Lima");
  });

  test("written → the whole file at once, and nothing is left beside it", async () => {
    const { journal } = await journalFor();
    using folder = new Folder();
    const path = join(folder.path, "deep", "journal.json");
    writeJournal(path, journal);
    writeJournal(path, journal);
    assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), JSON.parse(JSON.stringify(journal)));
    assert.deepEqual(readdirSync(join(folder.path, "deep")), ["journal.json"]);
    assert.throws(() => writeJournal(folder.path, journal));
    assert.ok(!readdirSync(folder.path).some((name) => name.startsWith(".")));
  });
});

describe("a secret", () => {
  const TOKEN = "tok-8461-very-secret";

  function withSecret(diary: Diary): string {
    const tells = `{type: process, path: echo, arguments: ["\${token}"]}`;
    const url = `{type: http, url: "http://127.0.0.1:1/\${token}"}`;
    return `${drill(diary)
      .replace("{do: send}", `{do: send, target: "${placeholder("token")}"}`)
      .replace(
        "rollbacks:",
        `  - {type: action, name: tells, provider: ${tells}}\n  - {type: action, name: asks, provider: ${url}}\nrollbacks:`,
      )}
secrets: {api: {token: ${TOKEN}}}
controls: [{name: bad, provider: ${url}}]
`;
  }

  test("in arguments, outputs, errors and the file → in no line, no journal, no reason", async () => {
    using diary = new Diary();
    const fault = new Fault();
    fault.isFelt = false;
    const lines: string[] = [];
    const result = await run(withSecret(diary), fault.parts(), { tell: (line) => lines.push(line) });
    assert.equal(result.outcome, "invalid");
    assert.ok(JSON.stringify(result.journal).includes("tells"));
    assert.ok(!JSON.stringify([result, lines]).includes(TOKEN));
  });

  test("in a dry run → in no line", async () => {
    using diary = new Diary();
    using folder = new Folder();
    const lines: string[] = [];
    const options = runOptions(experimentIn(withSecret(diary)), folder.path, { tell: (line) => lines.push(line) });
    const dry = await dryRun({ ...options, parts: new Fault().parts() });
    assert.equal(dry.kind, "possible");
    assert.ok(lines.length > 8);
    assert.ok(!JSON.stringify([dry, lines]).includes(TOKEN));
  });
});

test("a dry run → shows each command and its inverse; nothing is played or put in force", async () => {
  using diary = new Diary();
  using folder = new Folder();
  const fault = new Fault();
  const lines: string[] = [];
  const options = runOptions(experimentIn(drill(diary)), folder.path, { tell: (line) => lines.push(line) });
  assert.deepEqual(await dryRun({ ...options, parts: fault.parts() }), { kind: "possible" });
  assert.deepEqual(fault.asked, ["prepare", "end"]);
  assert.deepEqual(diary.words, []);
  for (const part of ["hurt victim", "/bin/true", "process victim"])
    assert.ok(
      lines.some((line) => line.includes(part)),
      part,
    );
  assert.ok(!existsSync(join(folder.path, "journals")));
});
