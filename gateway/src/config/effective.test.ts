/** The configuration in effect: each field with its value and its source, and no secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfiguration } from "./config.ts";
import { effectiveFields } from "./effective.ts";

const SOURCE = `groups:
  - name: atlantic
    listen: 127.0.0.1:8080
    heartbeat: { kind: http, path: /up?key=hunter2, headers: { authorization: Basic hunter2 } }
    stations:
      - { name: primary, url: "http://10.0.0.1:9001" }
      - { name: backup, url: "http://10.0.0.2:9001" }
`;

test("[G8] every value is shown with its line, its default, or the rule that it follows from; secrets are not", () => {
  const { settings } = parseConfiguration(SOURCE, "fleet.yaml", { environment: {}, readFile: () => "" });
  const fields = effectiveFields(SOURCE, "fleet.yaml", settings.groups);
  const at = (name: string) => fields.find(({ field }) => field === name);
  assert.deepEqual(at("groups[0].listen"), {
    field: "groups[0].listen",
    value: "127.0.0.1:8080",
    source: "file",
    line: 3,
  });
  assert.deepEqual(at("drain"), { field: "drain", value: "10s", source: "default" });
  const threshold = at("groups[0].detector.threshold");
  assert.deepEqual([threshold?.value, threshold?.source], [12, "derived"]);
  assert.equal(at("groups[0].commands.timeout")?.value, "30s");
  assert.equal(at("groups[0].probePath")?.source, "unset");
  assert.equal(at("groups[0].heartbeat.kind")?.value, "http");
  assert.ok(fields.length > 60, `${fields.length}`);
  assert.doesNotMatch(JSON.stringify(fields), /hunter2/);
});
