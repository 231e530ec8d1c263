/** The log: what a line looks like to machines and to people, and what never gets into one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type Log, type LogLevel } from "./log.ts";

function logTo(options: { level?: LogLevel; json: boolean }): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  return { log: createLog({ level: options.level ?? "info", json: options.json, to }), lines };
}

test("JSON lines carry level, time, message and fields", () => {
  const { log, lines } = logTo({ json: true });
  log.warn({ group: "atlantic" }, "primary is down");
  const line = JSON.parse(lines[0] as string);
  assert.equal(line.level, "warn");
  assert.equal(line.group, "atlantic");
  assert.equal(line.msg, "primary is down");
  assert.match(line.time, /^\d{4}-\d\d-\d\dT/);
});

test("a person gets one line, with the time of day first", () => {
  const { log, lines } = logTo({ json: false });
  log.info({ group: "atlantic", epoch: 2 }, "backup is active");
  assert.match(lines[0] as string, /^\d\d:\d\d:\d\d\.\d{3} INFO {3}backup is active {2}group=atlantic {2}epoch=2\n$/);
});

test("[G6] what came over the network cannot rewrite a terminal or forge a line", () => {
  const { log, lines } = logTo({ json: false });
  log.info({ path: "/x\n00:00:00 ERROR forged" }, "said \u001b[2J\nand more");
  assert.equal(lines.length, 1);
  assert.equal((lines[0] as string).trimEnd().includes("\n"), false);
  assert.equal((lines[0] as string).includes("\u001b"), false);
});

test("[G6] neither do control characters beyond ASCII, and marks of direction, also in fields and in JSON", () => {
  for (const json of [true, false]) {
    const { log, lines } = logTo({ json });
    log.info({ reason: "\u009b2J and \u202eback" }, "said \u009b2J and \u202eback");
    assert.doesNotMatch(lines.join(), /[\u009b\u202e]/);
    if (json) assert.equal(JSON.parse(lines[0] as string).reason, "\u009b2J and \u202eback", "it says the same");
  }
});

test("[G6] secrets are struck out", () => {
  for (const json of [true, false]) {
    const { log, lines } = logTo({ json });
    log.info({ secret: "hunter2", headers: { authorization: "Bearer hunter2" }, at: { token: "hunter2" } }, "oops");
    assert.doesNotMatch(lines.join(), /hunter2/);
  }
});

test("below the level nothing is written", () => {
  const { log, lines } = logTo({ json: true, level: "error" });
  log.warn("not worth it");
  assert.deepEqual(lines, []);
});
