/**
 * The files that the fronts write: ours are accepted by our gateway, and all follow the numbers of
 * the run.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DEFAULT_SETTING, type Setting } from "../setting.ts";
import type { Program } from "./front.ts";
import { FRONTS, frontNamed, isOurs } from "./fronts.ts";

const gateway = fileURLToPath(new URL("../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fronts-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string, changes: Partial<Setting> = {}): Program {
  return frontNamed(name)({
    listenPort: 27_100,
    controlPort: 27_107,
    primary: { host: "127.0.0.1", port: 27_101, healthPort: 27_102 },
    backup: { host: "127.0.0.1", port: 27_104, healthPort: 27_105 },
    folder,
    setting: { ...DEFAULT_SETTING, ...changes },
    gateway,
  });
}

const fileOf = (one: Program): string =>
  readFileSync(one.args.find((arg) => /\.(yaml|cfg|conf)$/.test(arg)) ?? "", "utf8");

test("our files are accepted, also with little patience and a short latency", () => {
  for (const [name, changes] of [
    ["gsf-minimum", {}],
    ["gsf-tuned", {}],
    ["gsf-tuned", { patienceMs: 500, latencyMs: 300 }],
    ["gsf-tuned", { rate: 20, latencyMs: 20, capacityRatio: 0.7 }],
  ] as const) {
    const file = program(name, changes).args.find((arg) => arg.endsWith(".yaml")) ?? "";
    const checked = spawnSync(process.execPath, [join(gateway, "gateway/bin/gsf.js"), "check-config", file]);
    assert.equal(checked.status, 0, `${name}: ${checked.stderr}${checked.stdout}`);
  }
});

test("minimum file → nothing but names, addresses and the health page; the contract adds two fields to it", () => {
  const minimum = fileOf(program("gsf-minimum"));
  assert.doesNotMatch(minimum, /commands|detector|breaker|interval|capacity|failback/);
  const contract = fileOf(program("gsf-minimum+contract"));
  assert.match(contract, /commands:\n\s+keyStatus: .*\n\s+deadlineHeader: .*X-Deadline/);
  assert.equal(contract.replace(/\n\s+commands:\n.*\n.*/, ""), minimum);
});

test("tuned files and peers follow capacity, patience and latency", () => {
  const tuned = fileOf(program("gsf-tuned", { rate: 100, patienceMs: 500, latencyMs: 60 }));
  assert.match(tuned, /capacityPerSecond: 120, burst: 23 /);
  assert.match(tuned, /timeout: 300ms, deadline: 500ms/);
  assert.match(fileOf(program("haproxy")), /timeout server 400ms/);
  assert.match(fileOf(program("haproxy-tuned", { latencyMs: 300 })), /timeout server 1500ms[\s\S]*rise 60/);
  assert.match(fileOf(program("nginx", { latencyMs: 300 })), /proxy_read_timeout 1500ms/);
});

test("fronts are ours or peers, and unknown ones are refused by name", () => {
  assert.deepEqual(Object.keys(FRONTS).filter(isOurs), ["gsf-minimum", "gsf-tuned", "gsf-minimum+contract"]);
  assert.throws(() => frontNamed("envoy"), /There is no front envoy; they are gsf-minimum/);
});
