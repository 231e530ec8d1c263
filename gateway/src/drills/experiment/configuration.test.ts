// biome-ignore-all lint/suspicious/noTemplateCurlyInString: patterns of experiments.
/** Where the values of a run come from, and what is said when one is missing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LoadedConfiguration, loadConfiguration } from "./configuration.ts";
import type { Experiment, Json } from "./experiment.ts";
import { readExperiment } from "./read.ts";
import { substituted } from "./substitute.ts";
import { overridesOf, type VariableFile } from "./variables.ts";

function experimentOf(configuration: Json, secrets: Json = {}): Experiment {
  const read = readExperiment(
    JSON.stringify({ title: "t", description: "d", method: [], configuration, secrets }),
    "x.json",
  );
  assert.ok("experiment" in read, JSON.stringify(read));
  return read.experiment;
}

function loaded(
  experiment: Experiment,
  environment: Readonly<Record<string, string>> = {},
  variables: readonly string[] = [],
  files: readonly VariableFile[] = [],
): LoadedConfiguration {
  const { overrides, problems } = overridesOf(variables, files);
  assert.deepEqual(problems, []);
  return loadConfiguration(experiment, environment, overrides);
}

/** [the entry, the variable V, the value; undefined: a problem]. */
const ENTRIES: readonly (readonly [Json, string | undefined, Json | undefined])[] = [
  ["text", undefined, "text"],
  [8080, undefined, 8080],
  [{ a: [1] }, undefined, { a: [1] }],
  [{ type: "environment", key: "V" }, "x", { type: "environment", key: "V" }],
  [{ type: "env", key: "V" }, "x", "x"],
  [{ type: "env", key: "V" }, "", ""],
  [{ type: "env", key: "V" }, undefined, undefined],
  [{ type: "env", key: "V", default: "d" }, undefined, "d"],
  [{ type: "env", key: "V", default: "d" }, "x", "x"],
  [{ type: "env", key: "V", default: 5 }, undefined, 5],
  [{ type: "env", key: "V", default: null }, undefined, null],
  [{ type: "env", key: "V", env_var_type: "int" }, " 42 ", 42],
  [{ type: "env", key: "V", env_var_type: "int" }, "1_000", 1000],
  [{ type: "env", key: "V", env_var_type: "int" }, "4.2", undefined],
  [{ type: "env", key: "V", env_var_type: "int" }, "", undefined],
  [{ type: "env", key: "V", env_var_type: "int" }, "12345678901234567890", undefined],
  [{ type: "env", key: "V", env_var_type: "int", default: 7 }, undefined, 7],
  [{ type: "env", key: "V", env_var_type: "int", default: "7" }, undefined, 7],
  [{ type: "env", key: "V", env_var_type: "float" }, "1.5e3", 1500],
  [{ type: "env", key: "V", env_var_type: "float" }, "nan", undefined],
  [{ type: "env", key: "V", env_var_type: "bool" }, "False", false],
  [{ type: "env", key: "V", env_var_type: "bool" }, "no", false],
  [{ type: "env", key: "V", env_var_type: "bool" }, "0", false],
  [{ type: "env", key: "V", env_var_type: "bool" }, "off", true],
  [{ type: "env", key: "V", env_var_type: "bool", default: false }, undefined, false],
  [{ type: "env", key: "V", env_var_type: "json" }, '{"a": [1, null]}', { a: [1, null] }],
  [{ type: "env", key: "V", env_var_type: "json" }, "{", undefined],
  [{ type: "env", key: "V", env_var_type: "json" }, "", ""],
  [{ type: "env", key: "V", env_var_type: "bytes" }, "é", "é"],
];

for (const [entry, variable, expected] of ENTRIES)
  test(`${JSON.stringify(entry)} with V=${variable ?? "(none)"} → ${JSON.stringify(expected) ?? "a problem"}`, () => {
    const { values, problems } = loaded(experimentOf({ name: entry }), variable === undefined ? {} : { V: variable });
    assert.deepEqual(values.configuration, expected === undefined ? {} : { name: expected });
    assert.deepEqual(
      problems.map(({ where }) => where),
      expected === undefined ? ["configuration.name"] : [],
    );
  });

/** [the argument, its value; undefined: a problem]. */
const VARIABLES: readonly (readonly [string, Json | undefined])[] = [
  ["name=x", "x"],
  ["name=a=b", "a=b"],
  ["name=", ""],
  ["name:str=1", "1"],
  ["name:int=1", 1],
  ["name:float=0.5", 0.5],
  ["name:bool=false", false],
  ['name:json={"a":1}', { a: 1 }],
  ["name:bytes=x", "x"],
  ["name", undefined],
  ["=x", undefined],
  [":int=1", undefined],
  ["name:int=x", undefined],
  ["name:integr=1", undefined],
];

for (const [argument, expected] of VARIABLES)
  test(`--var ${argument} → ${JSON.stringify(expected) ?? "a problem"}`, () => {
    const { overrides, problems } = overridesOf([argument], []);
    assert.equal(problems.length, expected === undefined ? 1 : 0);
    assert.deepEqual(overrides.variables, expected === undefined ? {} : { name: expected });
  });

test("--var over files over the environment over the experiment", () => {
  const experiment = experimentOf({
    one: "own",
    two: "own",
    three: { type: "env", key: "THREE" },
    four: { type: "env", key: "FOUR", default: "own" },
    five: "own",
  });
  const files = [
    { name: "a.yaml", text: "configuration: { one: file, two: file, other: ignored, five: { type: env, key: FIVE } }" },
    { name: "b.json", text: '{"configuration": {"two": "later"}}' },
    { name: ".env", text: "# a comment\nTHREE=from a file\nFIVE='five'\n" },
  ];
  const { values, problems, environment } = loaded(experiment, { THREE: "outside", PATH: "/bin" }, ["one=var"], files);
  assert.deepEqual(problems, []);
  assert.deepEqual(values.configuration, { one: "var", two: "later", three: "from a file", four: "own", five: "five" });
  assert.equal(environment["THREE"], "from a file");
  assert.equal(environment["PATH"], "/bin");
});

test("--var for a name that the experiment does not have → refused", () => {
  const { problems } = loaded(experimentOf({ port: 1 }), {}, ["prot=2"]);
  assert.deepEqual(
    problems.map(({ where }) => where),
    ["configuration.prot"],
  );
  assert.ok(problems[0]?.message.includes("port"));
});

test("--var for a dynamic entry or a missing variable → it is not asked for", () => {
  const dynamic = { type: "probe", name: "p", provider: { type: "process", path: "hostname" } };
  const experiment = experimentOf({ host: dynamic, user: { type: "env", key: "NONE" } });
  const { values, problems, dynamic: asked } = loaded(experiment, {}, ["host=h", "user=u"]);
  assert.deepEqual([values.configuration, problems, asked], [{ host: "h", user: "u" }, [], []]);
});

test("dynamic entries → listed in order, and not in the values", () => {
  const probe = { type: "probe", name: "p", provider: { type: "process", path: "hostname" } };
  const { values, dynamic } = loaded(experimentOf({ a: probe, b: 1, c: { ...probe, name: "q" } }));
  assert.deepEqual(values.configuration, { b: 1 });
  assert.deepEqual(
    dynamic.map(({ name, probe: { name: probeName } }) => [name, probeName]),
    [
      ["a", "p"],
      ["c", "q"],
    ],
  );
});

test("secrets → literal, from the environment, nested, and from a file", () => {
  const secrets = {
    api: { token: { type: "env", key: "TOKEN" }, user: "me", deep: { key: { type: "env", key: "TOKEN" } } },
    other: { password: "p" },
  };
  const files = [
    { name: "s.json", text: '{"secrets": {"other": {"password": "from a file"}, "unknown": {"a": "b"}}}' },
  ];
  const { values, problems } = loaded(experimentOf({}, secrets), { TOKEN: "t-123" }, [], files);
  assert.deepEqual(problems, []);
  assert.deepEqual(values.secrets, {
    api: { token: "t-123", user: "me", deep: { key: "t-123" } },
    other: { password: "from a file" },
  });
  assert.equal(substituted("${user}:${password}", values), "me:from a file");
});

test("a secret in a vault, or one that is missing → refused, by its name", () => {
  const secrets = { db: { password: { type: "vault", path: "shop/db" }, user: { type: "env", key: "NONE" } } };
  const { problems, values } = loaded(experimentOf({}, secrets));
  assert.deepEqual(
    problems.map(({ where }) => where),
    ["secrets.db.password", "secrets.db.user"],
  );
  assert.ok(problems[0]?.message.includes("shop/db"));
  assert.deepEqual(values.secrets, { db: {} });
  const given = loaded(
    experimentOf({}, { db: { password: secrets.db.password } }),
    {},
    [],
    [{ name: "s.yaml", text: "secrets: { db: { password: p } }" }],
  );
  assert.deepEqual([given.problems, given.values.secrets], [[], { db: { password: "p" } }]);
});

test("a problem of a value → the value is not in it", () => {
  const { problems } = overridesOf(["token:int=hunter2"], []);
  assert.ok(!JSON.stringify(problems).includes("hunter2"));
  const experiment = experimentOf({ a: { type: "env", key: "A", env_var_type: "int" } });
  assert.ok(!JSON.stringify(loaded(experiment, { A: "hunter2" }).problems).includes("hunter2"));
});

/** [the name, the text]. */
const FILES: readonly (readonly [string, string])[] = [
  ["a.json", "{"],
  ["a.json", "[]"],
  ["a.yaml", "configuration: [1]"],
  ["a.yaml", "secrets: { token: abc }"],
  ["a.yaml", "configurations: { a: 1 }"],
  ["a.yml", "a: 1\na: 2"],
  [".env", "A=1\n".repeat(100_000)],
];

for (const [name, text] of FILES)
  test(`a file ${name} with ${JSON.stringify(text.slice(0, 30))} → a problem with its name`, () => {
    const { problems } = overridesOf([], [{ name, text }]);
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.where.startsWith(name));
  });

test("names of every object's own → no values", () => {
  const experiment = experimentOf({ constructor: { type: "env", key: "constructor", default: "x" } });
  const { values, problems } = loaded(experiment);
  assert.deepEqual([problems, Object.entries(values.configuration)], [[], [["constructor", "x"]]]);
  const proto = experimentOf(JSON.parse('{"__proto__": "kept"}') as Json);
  assert.deepEqual(Object.entries(loaded(proto).values.configuration), [["__proto__", "kept"]]);
});
