/**
 * The catalogue of drills as files: each is valid for the format, the injectors, the guardrails and
 * the stage, says what it expects, and has a runbook; runbooks name only metrics that exist.
 * `npm run drills` plays them.
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { test } from "node:test";
import { CATEGORIES, type DrillExtension } from "../../gateway/src/drills/experiment/experiment.ts";
import { readExperimentFile } from "../../gateway/src/drills/run/experiment-files.ts";
import { ownParts } from "../../gateway/src/drills/run/own-parts.ts";
import { root, text, trackedFiles } from "../tracked.ts";

const parts = ownParts();
const files = trackedFiles().filter((path) => /^drills\/.*\.yaml$/.test(path));
const runbooks = trackedFiles().filter((path) => /^docs\/runbooks\/(?!README).*\.md$/.test(path));

function drillOf(path: string): DrillExtension {
  const read = readExperimentFile(join(root, path), parts);
  if ("problems" in read) assert.fail(`${path}: ${read.problems.map(({ message }) => message).join("; ")}`);
  assert.ok(read.experiment.drill, `${path} has no extension "gsf"`);
  assert.ok(read.experiment.hypothesis, `${path} has no hypothesis`);
  return read.experiment.drill;
}

test("[X4] every file of the catalogue → a valid drill, named as its file, with an expectation", () => {
  const drills = files.map(drillOf);
  assert.deepEqual(
    drills.map(({ id }) => `drills/${id}.yaml`),
    files,
  );
  for (const { id, expect } of drills) assert.notEqual(expect.recoverWithinMs, undefined, id);
  assert.ok(files.length >= 30, `${files.length} drills`);
  for (const category of CATEGORIES)
    assert.ok(drills.filter((drill) => drill.category === category).length >= 3, category);
});

/** For alerts about what no drill brings about. */
const WITHOUT_DRILL = ["state-unusable"];

test("[X4] every drill → a runbook, every runbook but those of alerts alone → a drill", () => {
  const ids = (paths: readonly string[]): string[] => paths.map((path) => basename(path).replace(/\.\w+$/, ""));
  assert.deepEqual(
    ids(runbooks).filter((id) => !WITHOUT_DRILL.includes(id)),
    ids(files),
  );
  const index = text("docs/runbooks/README.md");
  for (const path of runbooks) assert.ok(index.includes(`(${basename(path)})`), path);
});

test("metrics that a runbook names → metrics of the gateway's guide", () => {
  const guide = text("docs/guide/configuration.md");
  for (const path of runbooks) {
    for (const [metric] of text(path).matchAll(/gsf_[a-z_]+/g)) assert.ok(guide.includes(metric), `${path}: ${metric}`);
  }
});
