import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReplay, replay, writeReplay } from "./replay.ts";
import type { Simulation } from "./simulation.ts";
import { runOnce } from "./simulation.ts";

interface Days {
  readonly faults: readonly { readonly atMs: number; readonly rain: number }[];
}

/** `bearable`: how much rain the dam bears. */
const dam = (bearable: number, invariant = "dam-holds"): Simulation<Days> => ({
  name: "dam",
  plan: (random) => ({ faults: [10, 20, 30].map((atMs) => ({ atMs: atMs + random.next(), rain: random.next() })) }),
  build: (world, { faults }) => {
    let level = 0;
    for (const { atMs, rain } of faults)
      world.at(atMs, () => {
        level += rain;
        world.trace.note(world.nowMs, "dam", "rain", `${rain}`);
        if (level > bearable) world.violate(invariant, `level ${level}`);
      });
  },
  untilMs: 100,
});
const weak = dam(1);
const failed = await runOnce(weak, { seed: "spring" });
const text = writeReplay(failed, "abc123");

test("[S1] a replay file alone repeats the run to the bit", async () => {
  const file = parseReplay(text, "dam.json");
  assert.deepEqual(
    [file.simulation, file.seed, file.commit, file.node, file.v8],
    ["dam", "spring", "abc123", process.versions.node, process.versions.v8],
  );
  const { verdict, run, remark } = await replay(weak, file);
  assert.equal(verdict, "exact");
  assert.equal(remark, undefined);
  assert.equal(run.hash, failed.hash);
  assert.deepEqual(run.violation, failed.violation);
  assert.deepEqual(run.plan, failed.plan);
  assert.ok(run.records.length > 0);
});

test("the plan of the file is run, not the one that the seed would give", async () => {
  const record = JSON.parse(text) as { plan: Days };
  const plan = { faults: [{ atMs: 3, rain: 9 }] };
  const { run, verdict } = await replay(weak, parseReplay(JSON.stringify({ ...record, plan }), "edited.json"));
  assert.equal(run.violation?.atMs, 3);
  assert.equal(verdict, "same-violation");
  const wetter = { faults: record.plan.faults.map(({ atMs, rain }) => ({ atMs, rain: rain * 1.001 })) };
  const other = await replay(weak, parseReplay(JSON.stringify({ ...record, plan: wetter }), "edited.json"));
  assert.equal(other.run.violation?.step, failed.violation?.step);
  assert.equal(other.verdict, "same-violation", "the same step is not the same run");
});

test("code that was mended, fails otherwise, or fails elsewhere is told apart", async () => {
  const file = parseReplay(text, "dam.json");
  assert.equal((await replay(dam(100), file)).verdict, "fixed");
  assert.equal((await replay(dam(0), file)).verdict, "same-violation");
  assert.equal((await replay(dam(0, "no-damp-feet"), file)).verdict, "other-violation");
  await assert.rejects(replay({ ...weak, name: "dyke" }, file), /replay is of the simulation "dam", not of "dyke"/);
});

test("another engine is remarked upon", async () => {
  const file = { ...parseReplay(text, "dam.json"), node: "20.0.0" };
  assert.match((await replay(weak, file)).remark ?? "", /recorded on Node 20\.0\.0/);
});

test("a run that did not fail has no replay file", async () => {
  const calm = await runOnce(dam(100), { seed: 1 });
  assert.throws(() => writeReplay(calm), /did not fail/);
});

test("[G6] a file that is none is refused with what is wrong, where, and what is allowed", () => {
  const refused = (content: string, message: RegExp): void =>
    assert.throws(() => parseReplay(content, "some.json"), message);
  refused("", /^Error: some\.json is not a replay file: /);
  refused("{", /^Error: some\.json is not a replay file: /);
  for (const other of ["null", "[]", "7", '"text"']) refused(other, /some\.json is not a replay file: it holds/);
  const fields = JSON.parse(text) as Record<string, unknown>;
  const changed = (change: Record<string, unknown>): string => JSON.stringify({ ...fields, ...change });
  refused(changed({ format: 2 }), /some\.json: "format" is 2; it must be 1/);
  refused(changed({ format: undefined }), /"format" is missing/);
  refused(changed({ simulation: "" }), /"simulation" is ""; it must be a text that is not empty/);
  refused(changed({ seed: null }), /"seed" is null; it must be a text or a finite number/);
  refused(changed({ tieBreak: "coin" }), /"tieBreak" is "coin"; it must be "asked" or "drawn"/);
  refused(changed({ detail: 3 }), /"detail" is 3; it must be a text/);
  refused(changed({ atMs: -1 }), /"atMs" is -1/);
  refused(changed({ step: 1.5 }), /"step" is 1\.5; it must be a whole number from 0/);
  refused(changed({ hash: undefined }), /"hash" is missing/);
  refused(changed({ commit: 5 }), /"commit" is 5/);
  refused(changed({ plan: { faults: "none" } }), /"plan" is .*; it must be an object with a list "faults"/);
  refused(changed({ plan: { lies: "x".repeat(500) } }), /"plan" is \{"lies":"x{40,60}…; /);
  for (const field of Object.keys(fields).filter((name) => name !== "commit")) {
    refused(changed({ [field]: undefined }), new RegExp(`"${field}" is missing`));
  }
});
