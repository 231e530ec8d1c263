/**
 * The state of `gsf run` as an operator meets it: where it is, who may use it, what outlives the
 * process, and that nothing is made where nothing is to be kept.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

const fleet = (more = ""): string => `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:1" }
      - { name: backup, url: "http://127.0.0.1:2" }
    heartbeat: { kind: http, path: /healthz }
control: { listen: "127.0.0.1:0" }
drainDelay: 0
${more}`;

interface Status {
  readonly state: { readonly state: string; readonly directory: string } | null;
  readonly groups: Record<string, { readonly epoch: number }>;
}

async function started(config: string, environment: Readonly<Record<string, string>> = {}) {
  const gateway = new GsfProcess(["run", "--config", config, "--json"], environment);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const { control } = JSON.parse(line) as { control: string };
  const status = async (): Promise<Status> => (await (await fetch(`${control}/v1/status`)).json()) as Status;
  return Object.assign(gateway, { status });
}

test("[G1] [F3] gateway starts again → state beside its file, a new epoch, one more skipped after a kill", async () => {
  using folder = new Folder();
  const config = folder.file("fleet.yaml", fleet());
  const epochs: number[] = [];
  for (const signal of ["SIGTERM", "SIGKILL", "SIGTERM"] as const) {
    await using gateway = await started(config);
    const { state, groups } = await gateway.status();
    assert.equal(state?.state, "open");
    assert.equal(state?.directory, join(folder.path, "fleet.state"));
    epochs.push(groups["atlantic"]?.epoch as number);
    gateway.child.kill(signal);
    await gateway.ended;
  }
  assert.deepEqual(epochs, [1, 2, 4]);
});

test("[G1] second gateway with the same state → refused with exit code 3; the first serves on", async () => {
  using folder = new Folder();
  const config = folder.file("fleet.yaml", fleet());
  await using first = await started(config);
  const { code, stderr } = await gsf(["run", "--config", config]);
  assert.equal(code, 3, stderr);
  assert.equal((await first.status()).state?.state, "open");
});

test("[G1] STATE_DIRECTORY of systemd → state is there", async () => {
  using folder = new Folder();
  const directory = join(folder.path, "var");
  await using gateway = await started(folder.file("fleet.yaml", fleet()), { STATE_DIRECTORY: `${directory}:/other` });
  assert.equal((await gateway.status()).state?.directory, directory);
  assert.ok(existsSync(directory));
});

test("[G1] state: none, or check-config → nothing is made", async () => {
  using folder = new Folder();
  const config = folder.file("fleet.yaml", fleet("state: none"));
  {
    await using gateway = await started(config);
    assert.equal((await gateway.status()).state, null);
  }
  assert.equal((await gsf(["check-config", folder.file("kept.yaml", fleet())])).code, 0);
  assert.deepEqual(readdirSync(folder.path).sort(), ["fleet.yaml", "kept.yaml"]);
});

test("[G1] [G6] state cannot be kept at its place → refused with exit code 3 before anything listens", async () => {
  using folder = new Folder();
  const file = folder.file("occupied", "");
  for (const directory of [file, join(file, "below"), "/proc/nowhere/state"]) {
    const { code, stdout, stderr } = await gsf([
      ...["run", "--config", folder.file("fleet.yaml", fleet(`state: { directory: "${directory}" }`))],
    ]);
    assert.equal(code, 3, stderr);
    assert.equal(stdout, "");
  }
});
