/** Lines of fields, also of those that come through an alias or a merge. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfiguration } from "./config.ts";

const SOURCE = `groups:
  - &first
    name: a
    listen: :8001
    stations: [{ name: p, url: "http://h:1", capacityPerSecond: 5 }, { name: b, url: "http://h:2" }]
    heartbeat: { kind: http, interval: 50ms, path: /healthz }
    detector: &detector
      threshold: 9
    commands: { maxWait: 1s }
  - <<: *first
    name: b
    listen: :8002
    commands:
      deadline: 20s
callers: { maxMemory: 64MiB }
`;

test("[F9] a field → the line where it is written, and its default in words; one that is not written has no line", () => {
  const secrets = { environment: {}, readFile: () => Buffer.from("") };
  const { written } = parseConfiguration(SOURCE, "fleet.yaml", secrets);
  const lines = {
    "groups[0].detector.threshold": 8,
    "groups[0].heartbeat.interval": 6,
    "groups[0].commands.maxWait": 9,
    "groups[0].stations[0].capacityPerSecond": 5,
    "groups[1].detector.threshold": 8,
    "groups[1].commands.deadline": 14,
    "groups[1].commands.maxWait": undefined,
    "groups[0].detector.sustain": undefined,
    "callers.maxMemory": 15,
  };
  for (const [field, line] of Object.entries(lines)) assert.equal(written.lineOf(field), line, field);
  assert.equal(written.defaultOf("groups[7].breaker.minimumVolume"), "20");
  assert.equal(written.defaultOf("groups[0].heartbeat.interval"), "50ms");
  assert.equal(written.file, "fleet.yaml");
});
