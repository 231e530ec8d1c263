/**
 * [G6] `gsf run` with TLS at every listener, as an operator sets it up: files named in the
 * configuration, curl and openssl as callers, a certificate that is renewed while the gateway runs,
 * and mistakes in the files.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { KeyPair } from "../../gateway/src/adapters/tls/certificates.ts";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";
import { rigStation } from "./proxy-rig.ts";
import { TestAuthority } from "./test-authority.ts";
import { TlsStation } from "./tls-station.ts";

const LIMIT = { timeout: 240_000 };
const run = promisify(execFile);
const authority = await TestAuthority.make();

function write(folder: Folder, name: string, { certificate, key }: KeyPair): void {
  folder.file(`${name}.crt`, certificate);
  folder.file(`${name}.key`, key);
}

/** As a tool that renews certificates does it: each file is replaced at once. */
function replace(folder: Folder, name: string, { certificate, key }: KeyPair): void {
  for (const [suffix, text] of [
    ["key", key],
    ["crt", certificate],
  ] as const)
    renameSync(folder.file(`${name}.tmp`, text), join(folder.path, `${name}.${suffix}`));
}

const HEAD = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, path: / }`;

test("callers, stations and control over TLS; a renewed certificate is shown without a restart", LIMIT, async () => {
  using folder = new Folder();
  folder.file("ca.crt", authority.certificate);
  write(folder, "gateway", await authority.issue({ days: 5 }));
  await using started = new AsyncDisposableStack();
  const north = await rigStation((_message, response) => response.end("north"));
  const south = await rigStation((_message, response) => response.end("south"));
  for (const station of [north, south]) started.defer(() => station.kill());
  const file = folder.file(
    "fleet.yaml",
    `${HEAD}
    tls: { certificate: gateway.crt, key: gateway.key }
    stations:
      - { name: north, url: "http://127.0.0.1:${north.port}" }
      - { name: south, url: "http://127.0.0.1:${south.port}" }
control: { listen: "127.0.0.1:0", tls: { certificate: gateway.crt, key: gateway.key } }
`,
  );
  await using gateway = new GsfProcess(["run", "--config", file, "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const ready = JSON.parse(line) as { control: string; groups: { atlantic: { address: string } } };
  const url = ready.groups.atlantic.address;
  assert.match(url, /^https:/);
  assert.match(ready.control, /^https:/);
  await gateway.saying(/expires in 4 days/);
  const ca = join(folder.path, "ca.crt");
  const curl = async (at: string): Promise<string> => (await run("curl", ["-sS", "--cacert", ca, at])).stdout;
  assert.equal(await curl(url), "north");
  const status = async (): Promise<{ certificates: { expiresInMs: number }[] }> =>
    (JSON.parse(await curl(`${ready.control}/v1/status`)) as { groups: Record<string, never> }).groups[
      "atlantic"
    ] as never;
  assert.ok(((await status()).certificates[0]?.expiresInMs ?? 0) < 5 * 86_400_000);
  assert.match(await curl(`${ready.control}/metrics`), /gsf_certificate_expiry_timestamp_seconds\{holder="atlantic"\}/);

  replace(folder, "gateway", await authority.issue({ days: 300 }));
  await gateway.saying(/certificates were read again/);
  assert.ok(((await status()).certificates[0]?.expiresInMs ?? 0) > 200 * 86_400_000);
  replace(folder, "gateway", { certificate: "nonsense", key: "nonsense" });
  await gateway.saying(/no certificate in PEM.*have changed and cannot be used/);
  assert.equal(await curl(url), "north");
});

test("stations with TLS: probes say why one is not believed", LIMIT, async () => {
  using folder = new Folder();
  folder.file("ca.crt", authority.certificate);
  await using good = await TlsStation.start(await authority.issue());
  await using expired = await TlsStation.start(await authority.issue({ days: -1 }));
  const file = folder.file(
    "fleet.yaml",
    `${HEAD}
    stations:
      - { name: north, url: "https://localhost:${expired.port}", tls: { ca: ca.crt } }
      - { name: south, url: "https://localhost:${good.port}", tls: { ca: ca.crt } }
control: { listen: "127.0.0.1:0" }
`,
  );
  await using gateway = new GsfProcess(["run", "--config", file, "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const { control, groups } = JSON.parse(line) as { control: string; groups: { atlantic: { address: string } } };
  await gateway.saying(/the health page of north is not well: its certificate has expired/);
  await gateway.saying(/south is active in place of north/);
  assert.equal((await run("curl", ["-sS", groups.atlantic.address])).stdout, "ok");
  const { stdout } = await run("curl", ["-sS", `${control}/v1/status`]);
  assert.match(stdout, /"text":"its certificate has expired"/);
});

test("mistakes in the files are told at their fields", LIMIT, async () => {
  using folder = new Folder();
  write(folder, "a", await authority.issue());
  write(folder, "b", await authority.issue());
  folder.file("ca.crt", authority.certificate);
  const file = folder.file(
    "fleet.yaml",
    `${HEAD}
    tls: { certificate: a.crt, key: b.key, subjectHeader: x-caller, sni: [{ certificate: none.crt, key: a.key }] }
    stations:
      - { name: north, url: "http://127.0.0.1:1", tls: { ca: ca.crt } }
      - { name: south, url: "https://127.0.0.1:2", tls: { ca: a.key, certificate: a.crt } }
control: { listen: "127.0.0.1:0", tls: { certificate: a.key, key: a.crt } }
`,
  );
  const { code, stdout } = await gsf(["check-config", file, "--json"]);
  assert.equal(code, 3);
  const { problems } = JSON.parse(stdout) as { problems: { field: string; sentence: string }[] };
  assert.deepEqual(
    problems.map(({ field }) => field),
    [
      "groups[0].tls.key",
      "groups[0].tls.subjectHeader",
      "groups[0].tls.sni[0].certificate",
      "groups[0].stations[0].tls",
      "groups[0].stations[1].tls.ca",
      "groups[0].stations[1].tls.certificate",
      "control.tls.certificate",
    ],
    JSON.stringify(problems),
  );
  for (const line of readFileSync(join(folder.path, "a.key"), "utf8").split("\n").slice(1, -2))
    assert.ok(!stdout.includes(line), "no text of a key is shown");
});
