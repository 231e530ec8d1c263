/**
 * The map of injectors, and the guide: its examples are valid, and no action or field is left out.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import type { z } from "zod";
import { INJECTORS, type JsonObject } from "../experiment/experiment.ts";
import { injectors } from "./index.ts";

const guide = readFileSync(new URL("../../../../docs/guide/injectors.md", import.meta.url), "utf8");

interface Example {
  readonly name: string;
  readonly provider: { readonly type: (typeof INJECTORS)[number]; readonly arguments: JsonObject };
}

const examples = [...guide.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, text]) => parse(text as string) as Example);

/** The part of the guide about one injector. */
function section(name: string): string {
  const start = guide.indexOf(`\n## ${name}\n`);
  const end = guide.indexOf("\n## ", start + 1);
  return guide.slice(start, end < 0 ? undefined : end);
}

test("each name of a provider → an injector of that name", () => {
  assert.deepEqual([...injectors.keys()].sort(), [...INJECTORS].sort());
  for (const [name, injector] of injectors) assert.equal(injector.name, name);
});

for (const { name, provider } of examples) {
  test(`the guide's example "${name}" → no problem`, () => {
    assert.deepEqual(injectors.get(provider.type)?.problems(provider.arguments), []);
  });
}

test("each action → an example in the guide", () => {
  const shown = new Set(examples.map(({ provider }) => `${provider.type} ${provider.arguments["do"]}`));
  const all = [...injectors].flatMap(([name, { actions }]) => [...actions.keys()].map((one) => `${name} ${one}`));
  assert.deepEqual(
    all.filter((one) => !shown.has(one)),
    [],
  );
});

test("each field of an action → named in the guide's section", () => {
  const everywhere = guide.slice(0, guide.indexOf("\n## "));
  const missing = [...injectors].flatMap(([name, { actions }]) =>
    [...actions].flatMap(([action, { schema }]) =>
      Object.keys((schema as z.ZodObject).shape)
        .filter((field) => !`${everywhere}${section(name)}`.includes(`\`${field}\``))
        .map((field) => `${name} ${action}: ${field}`),
    ),
  );
  assert.deepEqual(missing, []);
});

test("a wrong name of a field → the nearest right one is told, with all that are allowed", () => {
  const [problem = ""] =
    injectors.get("load")?.problems({ do: "calls", url: "http://127.0.0.1/", ratePerSecnd: 5 }) ?? [];
  assert.ok(problem.startsWith("ratePerSecnd:") && problem.includes("ratePerSecond?"), problem);
});
