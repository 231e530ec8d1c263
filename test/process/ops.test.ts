/**
 * The files that an operator loads into Prometheus and Grafana: every metric, label and runbook
 * that they name is there, at a real gateway and in this repository, and promtool accepts the
 * rules.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root, text } from "../tracked.ts";
import { ServedPair } from "./served-pair.ts";

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}
interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const rules = (parse(text("ops/alerts.yaml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const { panels } = JSON.parse(text("ops/grafana-dashboard.json")) as { readonly panels: readonly Panel[] };
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
];

test("[G8] every alert → a severity and a runbook that is there; no two of one name", () => {
  for (const { alert, labels, annotations } of rules) {
    assert.ok(["page", "ticket"].includes(labels.severity), alert);
    assert.ok(existsSync(join(root, annotations.runbook)), `${alert}: ${annotations.runbook}`);
  }
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
});

test("[G8] every metric and label of alerts and dashboard → at a real gateway", async () => {
  await using pair = await ServedPair.open((_, response) => response.end("ok"));
  await fetch(pair.group);
  const metrics = await (await fetch(`${pair.control}/metrics`)).text();
  const labels = new Map<string, Set<string>>();
  for (const [, name = "", inside = ""] of metrics.matchAll(/^(\w+)(?:\{([^}]*)\})? /gm)) {
    const known = labels.get(name) ?? new Set();
    for (const [, label = ""] of inside.matchAll(/(\w+)="/g)) known.add(label);
    labels.set(name, known);
  }
  // Some have no values here: this gateway has no certificates.
  for (const [, name = ""] of metrics.matchAll(/^# HELP (\w+)/gm)) if (!labels.has(name)) labels.set(name, new Set());
  for (const expr of expressions)
    for (const [, name = "", inside = ""] of expr.matchAll(/\b((?:gsf|process|nodejs)_\w+)(?:\{([^}]*)\})?/g)) {
      const known = labels.get(name);
      assert.ok(known !== undefined, `${name} in ${expr}`);
      // Prometheus itself adds `job` and `instance`.
      for (const [, label = ""] of inside.matchAll(/(\w+)\s*(?:=~?|!~?)/g))
        assert.ok(label === "job" || known.has(label), `${name}{${label}} in ${expr}`);
    }
  for (const expr of expressions)
    for (const [, by = ""] of expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g))
      for (const label of by.split(/,\s*/)) {
        const named = [...expr.matchAll(/\b(?:gsf|process)_\w+/g)].map(([name]) => labels.get(name));
        assert.ok(label === "instance" || named.every((known) => known?.has(label) === true), `${label} in ${expr}`);
      }
});

// `npm run test:balancers` installs promtool; `npm test` needs no root, so it leaves this out.
if (process.env["GSF_BALANCERS"] !== undefined)
  test("[G8] promtool check rules → every alert rule is accepted", () => {
    const said = execFileSync("promtool", ["check", "rules", join(root, "ops/alerts.yaml")], { encoding: "utf8" });
    assert.ok(said.includes(`${rules.length} rules found`), said);
  });
