/**
 * Reading experiments in the style of published ones: each is read as it is, or refused with the
 * names of what cannot be run; and each kind of mistake is answered with its place.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Experiment } from "./experiment.ts";
import type { Problem } from "./problem.ts";
import { readExperiment } from "./read.ts";

const folder = new URL("./published/", import.meta.url);

/**
 * What each file is: read (no names), or refused because of these Python functions and controls.
 */
const PUBLISHED: Readonly<Record<string, readonly string[]>> = {
  "aws-stop-instance.json": ["chaostracing.control", "chaosaws.ec2.actions.stop_instance", "chaosslack.notification"],
  "azure-machines.yaml": ["chaosazure.machine.actions.restart_machines"],
  "dynamic-configuration.yaml": [],
  "dynamic-python.yaml": ["shop.tokens.fresh"],
  "file-must-exist.json": [],
  "istio-delay.yaml": [
    "chaosistio.fault.actions.add_delay_fault",
    "chaosistio.fault.probes.get_virtual_service",
    "chaosistio.fault.actions.remove_delay_fault",
  ],
  "kubectl-tolerances.yaml": [],
  "kubernetes-node-drain.yaml": ["chaosk8s.node.actions.drain_nodes", "chaosk8s.node.actions.uncordon_node"],
  "kubernetes-pod-loss.json": ["chaosk8s.pod.probes.pods_in_phase", "chaosk8s.pod.actions.terminate_pods"],
  "litmus-through-kubectl.yaml": [],
  "reliably-plan.yaml": ["chaosreliably.activities.http.probes.measure_response_time"],
  "runtime-strategies.yaml": [],
  "sleep-by-position.json": [""],
  "spring-chaos-monkey.json": ["chaosspring.actions.enable_chaosmonkey"],
  "toxiproxy-latency.json": [],
  "toxiproxy-proxies.yml": [],
  "vault-secrets.json": [],
};

function problemsOf(text: string, name = "experiment.yaml"): readonly Problem[] {
  const read = readExperiment(text, name);
  return "problems" in read ? read.problems : [];
}

function experimentOf(text: string, name = "experiment.yaml"): Experiment {
  const read = readExperiment(text, name);
  assert.ok("experiment" in read, JSON.stringify(read));
  return read.experiment;
}

function published(name: string): string {
  return readFileSync(new URL(name, folder), "utf8");
}

test("[X2] every published experiment has an expected reading", () => {
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(PUBLISHED).sort());
});

for (const [name, refused] of Object.entries(PUBLISHED)) {
  test(`published ${name} → ${refused.length === 0 ? "read" : "refused by name"}`, () => {
    const problems = problemsOf(published(name), name);
    assert.equal(problems.length, refused.length, JSON.stringify(problems, null, 1));
    for (const [index, { message, line }] of problems.entries()) {
      assert.ok(message.includes(refused[index] as string), message);
      assert.ok(line !== undefined && line > 1);
    }
  });
}

test("a refused Python function → the mapped modules are listed", () => {
  const [problem] = problemsOf(published("spring-chaos-monkey.json"), "x.json");
  for (const module of ["os.path", "time", "chaostoxi.proxy.actions", "chaostoxi.toxic.actions"])
    assert.ok(problem?.message.includes(module));
});

test("an experiment with everything → each part has its meaning", () => {
  const read = experimentOf(published("runtime-strategies.yaml"));
  assert.equal(read.rollbackStrategy, "always");
  assert.equal(read.hypothesisStrategy, "continuously");
  assert.equal(read.dry, "pause");
  assert.deepEqual(
    read.hypothesis?.probes.map(({ name, tolerance }) => [name, tolerance]),
    [
      ["look", 200],
      ["other", true],
    ],
  );
  assert.deepEqual(
    [...read.method, ...read.rollbacks].map(({ name }) => name),
    ["look", "other", "look"],
  );
  assert.equal(read.hypothesis?.probes[1]?.dry, "probes");
});

test("a smallest experiment → every default", () => {
  const { source, ...read } = experimentOf('{"title": "t", "description": "d", "method": []}', "x.json");
  assert.deepEqual(source, { title: "t", description: "d", method: [] });
  assert.deepEqual(read, {
    title: "t",
    description: "d",
    tags: [],
    contributions: {},
    configuration: {},
    secrets: {},
    controls: [],
    hypothesis: undefined,
    method: [],
    rollbacks: [],
    rollbackStrategy: "default",
    hypothesisStrategy: "default",
    dry: undefined,
    drill: undefined,
  });
});

test("YAML as PyYAML reads it → yes is true, y is a letter, a date is text", () => {
  const { source } = experimentOf(
    "title: t\ndescription: d\nmethod: []\nx: [yes, off, y, 2024-01-02, 0x10, ~, 1_000, '1']",
  );
  assert.deepEqual(source["x"], [true, false, "y", "2024-01-02", 16, null, 1000, "1"]);
});

test("merge keys and anchors of YAML → resolved", () => {
  const { method } = experimentOf(`
title: t
description: d
x-base: &base { type: probe, provider: { type: process, path: "true" } }
method:
  - { <<: *base, name: one }
  - { <<: *base, name: two, background: true }`);
  assert.deepEqual(
    method.map(({ name, background }) => [name, background]),
    [
      ["one", false],
      ["two", true],
    ],
  );
});

test("fields that nobody knows → allowed and kept in the source", () => {
  const { source } = experimentOf("title: t\ndescription: d\nmethod: []\nowner: me\nnode: x\nx-title: y");
  assert.equal(source["owner"], "me");
});

test("our own injectors → read with their arguments as written", () => {
  const { method } = experimentOf(`
title: t
description: d
method: [{ type: action, name: kill, provider: { type: signal, arguments: { pid: "\${pid}" } } }]`);
  assert.deepEqual(method[0]?.provider, { type: "signal", arguments: { pid: `\${pid}` } });
});

const HEAD = "title: t\ndescription: d\n";
const PROBE = "type: probe, name: p, provider: { type: process, path: 'true' }";

/** [what is wrong, the text, where the problems are]. */
const MISTAKES: readonly (readonly [string, string, readonly string[]])[] = [
  ["nothing at all", "", ["1:1"]],
  ["a list", "[1]", ["1:1"]],
  ["a text", "hello", ["1:1"]],
  ["no title, description and method", "{}", ["title", "description", "method"]],
  ["a method without value", `${HEAD}method:`, ["method"]],
  ["a misspelt field", `${HEAD}method: []\nrolbacks: []`, ["rolbacks"]],
  ["a misspelt field of an activity", `${HEAD}method: [{ ${PROBE}, backgroud: true }]`, ["method[0].backgroud"]],
  ["an activity that is none", `${HEAD}method: [3]`, ["method[0]"]],
  ["an activity of another type", `${HEAD}method: [{ ${PROBE.replace("probe", "prob")} }]`, ["method[0].type"]],
  [
    "a name that is a boolean in YAML",
    `${HEAD}method: [{ ${PROBE.replace("name: p", "name: off")} }]`,
    ["method[0].name"],
  ],
  ["no provider", `${HEAD}method: [{ type: probe, name: p }]`, ["method[0].provider"]],
  [
    "a provider of another type",
    `${HEAD}method: [{ type: probe, name: p, provider: { type: htpp } }]`,
    ["method[0].provider.type"],
  ],
  [
    "an http provider without a URL",
    `${HEAD}method: [{ type: probe, name: p, provider: { type: http } }]`,
    ["method[0].provider.url"],
  ],
  [
    "a URL that is none",
    `${HEAD}method: [{ type: probe, name: p, provider: { type: http, url: localhost } }]`,
    ["method[0].provider.url"],
  ],
  ["a pause in words", `${HEAD}method: [{ ${PROBE}, pauses: { after: "15" } }]`, ["method[0].pauses.after"]],
  ["a pause before the past", `${HEAD}method: [{ ${PROBE}, pauses: { before: -1 } }]`, ["method[0].pauses.before"]],
  ["a background in words", `${HEAD}method: [{ ${PROBE}, background: "yes" }]`, ["method[0].background"]],
  ["a dry run of another kind", `${HEAD}dry: all\nmethod: []`, ["dry"]],
  [
    "a strategy misspelt",
    `${HEAD}runtime: { rollbacks: { strategy: allways } }\nmethod: []`,
    ["runtime.rollbacks.strategy"],
  ],
  ["tags that are numbers", `${HEAD}tags: [a, 1]\nmethod: []`, ["tags"]],
  ["an extension without a name", `${HEAD}extensions: [{ id: 1 }]\nmethod: []`, ["extensions[0].name"]],
  ["secrets without groups", `${HEAD}secrets: { token: abc }\nmethod: []`, ["secrets"]],
  ["a variable without its key", `${HEAD}configuration: { a: { type: env } }\nmethod: []`, ["configuration.a.key"]],
  [
    "a variable of another type",
    `${HEAD}configuration: { a: { type: env, key: A, env_var_type: integr } }\nmethod: []`,
    ["configuration.a.env_var_type"],
  ],
  ["a hypothesis without a title", `${HEAD}steady-state-hypothesis: {}\nmethod: []`, ["steady-state-hypothesis.title"]],
  [
    "a probe without tolerance",
    `${HEAD}steady-state-hypothesis: { title: h, probes: [{ ${PROBE} }] }\nmethod: []`,
    ["steady-state-hypothesis.probes[0].tolerance"],
  ],
  ["a reference to nothing", `${HEAD}method: [{ ${PROBE} }, { ref: q }]`, ["method[1].ref"]],
  ["a reference that is no text", `${HEAD}method: [{ ref: 1 }]`, ["method[0].ref"]],
  ["a reference to a rollback", `${HEAD}method: [{ ref: p }]\nrollbacks: [{ ${PROBE} }]`, ["method[0].ref"]],
  [
    "references in a ring",
    `${HEAD}method: [{ name: a, ref: b }, { name: b, ref: a }]`,
    ["method[0].ref", "method[1].ref"],
  ],
  ["a reference to itself", `${HEAD}method: [{ name: a, ref: a }]`, ["method[0].ref"]],
  [
    "a reference in the hypothesis without tolerance",
    `${HEAD}steady-state-hypothesis: { title: h, probes: [{ ref: p }] }\nmethod: [{ ${PROBE} }]`,
    ["steady-state-hypothesis.probes[0].tolerance"],
  ],
  [
    "a control of a fault",
    `${HEAD}controls: [{ name: c, provider: { type: fault, arguments: {} } }]\nmethod: []`,
    ["controls[0].provider"],
  ],
  ["a control without a provider", `${HEAD}controls: [{ name: c }]\nmethod: []`, ["controls[0].provider"]],
  [
    "a control with another scope",
    `${HEAD}controls: [{ name: c, scope: post, provider: { type: process, path: a } }]\nmethod: []`,
    ["controls[0].scope"],
  ],
  [
    "Toxiproxy's functions without its address",
    `${HEAD}method: [{ type: action, name: r, provider: { type: python, module: chaostoxi.proxy.actions, func: reset } }]`,
    ["configuration.toxiproxy_host"],
  ],
];

for (const [what, text, where] of MISTAKES) {
  test(`${what} → refused at ${where.join(", ")}`, () => {
    assert.deepEqual(
      problemsOf(text).map((problem) => problem.where),
      where,
    );
  });
}

/** [the tolerance, where inside of it the problem is]. */
const TOLERANCES: readonly (readonly [string, string])[] = [
  ["1.5", ""],
  ["null", ""],
  ["{}", ".type"],
  ["{ type: regexp, pattern: a }", ".type"],
  ["{ type: regex }", ".pattern"],
  ["{ type: regex, pattern: '(' }", ".pattern"],
  ["{ type: regex, pattern: 3 }", ".pattern"],
  ["{ type: jsonpath }", ".path"],
  ["{ type: jsonpath, path: '$.a[' }", ".path"],
  ["{ type: jsonpath, path: '$.a.substring(1)' }", ".path"],
  ["{ type: jsonpath, path: '$.a', count: -1 }", ".count"],
  ["{ type: range, range: [1] }", ".range"],
  ["{ type: range, range: [2, 1] }", ".range"],
  ["{ type: range, range: ['1', '2'] }", ".range"],
  ["{ type: probe, name: p }", ".provider"],
  ["{ type: probe, name: p, provider: { type: process, path: a, arguments: [b] } }", ".provider.arguments"],
  ["{ type: probe, name: p, provider: { type: python, module: chaoshumio.tolerances, func: f } }", ".provider.module"],
  [
    "{ type: probe, name: p, provider: { type: python, module: os.path, func: exists, arguments: { path: a } } }",
    ".provider.func",
  ],
];

for (const [tolerance, where] of TOLERANCES) {
  test(`tolerance ${tolerance} → refused before the run`, () => {
    const probes = `[{ ${PROBE}, tolerance: ${tolerance} }]`;
    const problems = problemsOf(`${HEAD}steady-state-hypothesis: { title: h, probes: ${probes} }\nmethod: []`);
    assert.deepEqual(
      problems.map((problem) => problem.where),
      [`steady-state-hypothesis.probes[0].tolerance${where}`],
    );
  });
}

test("several mistakes → all at once, in the order of the file, with their lines", () => {
  const problems = problemsOf(`title: 3
description: d
method:
  - type: probe
    name: p
    provider: { type: http, url: "" }
  - { type: act, name: q, provider: { type: process, path: a } }
rollbacks: {}`);
  assert.deepEqual(
    problems.map(({ where, line }) => [where, line]),
    [
      ["title", 1],
      ["method[0].provider.url", 6],
      ["method[1].type", 7],
      ["rollbacks", 8],
    ],
  );
});

test("a misspelt function of a mapped module → the right one is named", () => {
  const problems = problemsOf(
    `${HEAD}method: [{ type: action, name: a, provider: { type: python, module: os, func: remov } }]`,
  );
  assert.ok(problems[0]?.message.includes("remove"));
});
