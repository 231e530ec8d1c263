/**
 * [G6] Secrets of heartbeats at real processes: a station's secret is replaced while it beats, as
 * the guide says, and no beat is missed; a secret of one station signs for no other; files that
 * others can read are told of at the start.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

/**
 * A test that waits in vain ends. Starting processes alone can take a minute where the machine has
 * others to serve.
 */
const LIMIT = { timeout: 240_000 };
const OLD = "0123456789abcdef0123456789abcdef";
const NEW = "fedcba9876543210fedcba9876543210";

/**
 * The files, and the gateway's configuration: the primary has a secret of its own, and a place for
 * the next one.
 */
function written(folder: Folder): string {
  folder.file("shared.secret", "the secret of all the others");
  for (const name of ["primary.secret", "primary.next", "station.secret"]) folder.file(name, OLD);
  return folder.file(
    "fleet.yaml",
    `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9", secretFile: [primary.secret, primary.next] }
      - { name: backup, url: "http://127.0.0.2:9" }
heartbeats: { listen: "127.0.0.1:0", secretFile: shared.secret }
control: { listen: "127.0.0.1:0" }
`,
  );
}

/** Puts a new content in the place of the old at once, as `mv` does. */
function replace(folder: Folder, name: string, text: string): void {
  renameSync(folder.file(`${name}.tmp`, text), join(folder.path, name));
}

function station(name: string, gateway: string, secret: string): GsfProcess {
  return new GsfProcess([
    ...["station", "--group", "atlantic", "--name", name, "--listen", "127.0.0.1:0"],
    ...["--heartbeat-to", gateway, "--secret-file", secret],
  ]);
}

test("a station's secret is replaced at both ends, and no beat is missed", LIMIT, async () => {
  using folder = new Folder();
  await using gateway = new GsfProcess(["run", "--config", written(folder), "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const { control, heartbeats } = JSON.parse(line) as { control: string; heartbeats: string };
  const counts = async (): Promise<Record<string, number>> =>
    ((await (await fetch(`${control}/v1/status`)).json()) as { heartbeats: Record<string, number> }).heartbeats;
  await using primary = station("primary", heartbeats, join(folder.path, "station.secret"));
  await gateway.saying(/primary is alive/);
  const { challenged } = await counts();
  replace(folder, "primary.next", NEW);
  await gateway.saying(/secrets of heartbeats were read again/);
  replace(folder, "station.secret", NEW);
  await primary.saying(/secrets were read again: the first signs heartbeats from now on/);
  copyFileSync(join(folder.path, "primary.next"), join(folder.path, "primary.tmp"));
  renameSync(join(folder.path, "primary.tmp"), join(folder.path, "primary.secret"));
  await gateway.saying(/(secrets of heartbeats were read again[\s\S]*){2}/);
  const { accepted = 0 } = await counts();
  let now = await counts();
  while ((now["accepted"] ?? 0) < accepted + 20) now = await counts();
  // Every datagram that arrived was a heartbeat of the one session.
  assert.deepEqual([now["forged"], now["replayed"], now["challenged"]], [0, 0, challenged]);

  // Anything that cannot be a secret changes nothing.
  replace(folder, "primary.secret", "short");
  await gateway.saying(/it has 5 bytes.*have changed and cannot be used/);
  const before = (await counts())["accepted"] ?? 0;
  while (((await counts())["accepted"] ?? 0) < before + 5);

  // Whoever has the secret of all, or that of before, is not the primary.
  for (const secret of [folder.file("again", OLD), join(folder.path, "shared.secret")]) {
    const { forged = 0 } = await counts();
    await using _other = station("primary", heartbeats, secret);
    while (((await counts())["forged"] ?? 0) < forged + 5);
  }
  assert.doesNotMatch(gateway.stderr, /two processes/);
});

test("secrets that others can read are told of at the start, by gateway, check and station", LIMIT, async () => {
  using folder = new Folder();
  const config = written(folder);
  chmodSync(join(folder.path, "shared.secret"), 0o644);
  const warning = /users other than its owner can read .*shared\.secret \(mode 0644\): chmod 600 /;
  const checked = await gsf(["check-config", config]);
  assert.equal(checked.code, 0);
  assert.match(checked.stderr, warning);
  assert.match(
    (JSON.parse((await gsf(["check-config", "--json", config])).stdout) as { warnings: [string] }).warnings[0],
    warning,
  );
  await using gateway = new GsfProcess(["run", "--config", config]);
  await gateway.saying(warning);
  await using backup = station("backup", "127.0.0.1:9", join(folder.path, "shared.secret"));
  await backup.saying(warning);
});
