/**
 * `gsf check` and what it proves, with real processes: the minimum configuration's primary is
 * killed or stopped, and another station serves within the time that was printed before. A
 * configuration that may miss its objective is refused at every start.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

/** A service that answers everything with its name, and prints its port. */
const SERVICE = `
const { createServer } = require("node:http");
const server = createServer((_, reply) => reply.end(process.argv[1]));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;

class Service implements AsyncDisposable {
  readonly child: ChildProcess;

  constructor(name: string) {
    this.child = spawn(process.execPath, ["-e", SERVICE, name], { stdio: ["ignore", "pipe", "inherit"] });
  }

  async port(): Promise<number> {
    const [printed] = await once(this.child.stdout as NonNullable<ChildProcess["stdout"]>, "data");
    return Number(String(printed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "close");
  }
}

function minimum(ports: readonly number[]): string {
  const [primary, backup] = ports;
  return `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:${primary}" }
      - { name: backup, url: "http://127.0.0.1:${backup}" }
    heartbeat: { kind: http, path: /healthz }
control: { listen: "127.0.0.1:0" }
`;
}

interface Checked {
  readonly valid: boolean;
  readonly groups: readonly {
    readonly worstMs: number;
    readonly objectiveMs: number;
    readonly faults: readonly { readonly fault: string; readonly firstServedMs: number }[];
  }[];
  readonly problems?: readonly { readonly field: string; readonly line: number }[];
}

async function checked(file: string): Promise<{ readonly code: unknown; readonly told: Checked }> {
  const { code, stdout } = await gsf(["check", file, "--json"]);
  return { code, told: JSON.parse(stdout) as Checked };
}

/** The text of a good answer within a second; undefined if there is none. */
function answerOf(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: 1_000 }, (reply) => {
      let text = "";
      reply.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      reply.once("end", () => resolve(reply.statusCode === 200 ? text : undefined));
    });
    request.once("timeout", () => request.destroy());
    request.once("close", () => resolve(undefined));
    request.once("error", () => resolve(undefined));
  });
}

for (const [what, signal] of [
  ["killed", "SIGKILL"],
  ["stopped", "SIGSTOP"],
] as const) {
  test(`[F8] primary ${what} → the backup serves within the time that gsf check printed`, async () => {
    using folder = new Folder();
    await using primary = new Service("primary");
    await using backup = new Service("backup");
    const config = folder.file("fleet.yaml", minimum(await Promise.all([primary.port(), backup.port()])));
    const { code, told } = await checked(config);
    assert.deepEqual([code, told.valid], [0, true]);
    const [silence] = told.groups[0]?.faults ?? [];
    assert.ok(silence?.fault === "silence" && silence.firstServedMs < 30_000);
    await using gateway = new GsfProcess(["run", "--config", config, "--json"]);
    const [, url = ""] = await gateway.saying(/"address":"(http:[^"]+)"/);
    while ((await answerOf(url)) !== "primary") await wait(50);
    for (let calls = 0; calls < 40; calls++) await answerOf(url);
    primary.child.kill(signal);
    const struckAtMs = performance.now();
    while ((await answerOf(url)) !== "backup")
      assert.ok(performance.now() - struckAtMs <= silence.firstServedMs, `not within ${silence.firstServedMs} ms`);
    assert.ok(performance.now() - struckAtMs <= silence.firstServedMs);
  });
}

test("[F8] a takeover that may take too long → check and run refuse it alike, at the field and its line", async () => {
  using folder = new Folder();
  const slow = minimum([9_001, 9_002]).replace("control:", "    detector: { ceiling: 4m }\ncontrol:");
  const config = folder.file("fleet.yaml", slow);
  const { code, told } = await checked(config);
  assert.deepEqual([code, told.valid], [3, false]);
  assert.deepEqual(
    told.problems?.map(({ field, line }) => [field, line]),
    [["groups[0].detector.ceiling", 9]],
  );
  assert.ok((told.groups[0]?.worstMs ?? 0) > 240_000);
  const [run, check] = await Promise.all([gsf(["run", "--config", config]), gsf(["check", config])]);
  assert.equal(run.code, 3);
  assert.equal(run.stderr, check.stderr);
  assert.ok(check.stdout.includes("too long"));
});

test("[F8] no file, no YAML, no groups → said like every other mistake, and no budget is made up", async () => {
  using folder = new Folder();
  for (const config of [
    "/nowhere/fleet.yaml",
    folder.file("broken.yaml", "groups: ["),
    folder.file("empty.yaml", "{}"),
  ]) {
    const { code, stdout, stderr } = await gsf(["check", config]);
    assert.deepEqual([code, stdout], [3, ""], stderr);
    assert.ok(stderr.startsWith("gsf: "));
  }
  assert.equal((await gsf(["check"])).code, 2);
});
