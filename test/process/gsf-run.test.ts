/**
 * `gsf run` as a process in front of two real HTTP services: it says when it is ready, passes
 * commands on, takes over when the primary is gone, obeys a switchover, and stops as service
 * supervisors expect.
 */
import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

/** A service that says who it is; requests to /slow are answered when the test says so. */
class Service implements AsyncDisposable {
  readonly name: string;
  readonly server: Server;
  readonly held: ServerResponse[] = [];
  #arrived: (() => void) | undefined;

  private constructor(name: string) {
    this.name = name;
    this.server = createServer((request, response) => {
      if (request.url !== "/slow") return void response.end(name);
      this.held.push(response);
      this.#arrived?.();
    });
  }

  static async open(name: string): Promise<Service> {
    const service = new Service(name);
    await new Promise<void>((resolve) => service.server.listen(0, "127.0.0.1", resolve));
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Resolves when a request to /slow is held. */
  holding(): Promise<void> {
    return this.held.length > 0 ? Promise.resolve() : new Promise((resolve) => (this.#arrived = resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

interface Ready {
  readonly control: string;
  readonly groups: Record<string, { readonly address: string }>;
  readonly heartbeats: string | null;
}

function configuration(primary: Service, backup: Service, more = ""): string {
  return `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "${primary.url}" }
      - { name: backup, url: "${backup.url}" }
    heartbeat: { kind: http, interval: 50ms, path: /healthz }
    commands: { timeout: 10s }
control: { listen: "127.0.0.1:0" }
${more}`;
}

async function startGateway(config: string, args: readonly string[] = []): Promise<GsfProcess & { ready: Ready }> {
  const gateway = new GsfProcess(["run", "--config", config, "--json", ...args]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  return Object.assign(gateway, { ready: JSON.parse(line) as Ready });
}

test("it says where it listens, serves, takes over when the primary is gone, and tells why", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using gateway = await startGateway(folder.file("fleet.yaml", configuration(primary, backup)));
  const { control, groups, heartbeats } = gateway.ready;
  const address = groups["atlantic"]?.address as string;
  assert.equal(heartbeats, null);
  assert.equal((await fetch(`${control}/readyz`)).status, 200);
  assert.equal(await (await fetch(`${address}/command`, { method: "POST", body: "x" })).text(), "primary");
  await gateway.saying(/backup is alive/);

  const events = await fetch(`${control}/v1/events`);
  await primary[Symbol.asyncDispose]();
  const answer = await fetch(`${address}/command`, { method: "POST", headers: { "idempotency-key": "k1" }, body: "x" });
  assert.equal(await answer.text(), "backup");
  let told = "";
  for await (const piece of events.body as unknown as AsyncIterable<Uint8Array>) {
    told += new TextDecoder().decode(piece);
    if (/event: promoted/.test(told)) break;
  }
  assert.match(told, /backup is active in place of primary \(failure\), epoch 2: /);

  const status = await gsf(["status", "--control", control]);
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /^atlantic: backup serves, epoch 2/);
  assert.match(status.stdout, /\* backup /);
  const metrics = await (await fetch(`${control}/metrics`)).text();
  assert.match(metrics, /gsf_promotions_total\{group="atlantic",station="backup",cause="failure"\} 1/);
  assert.match(metrics, /gsf_commands_total\{group="atlantic",outcome="2xx"\} 2/);
});

test("[F7] gsf switchover moves a group on request, and says why where it cannot", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using gateway = await startGateway(folder.file("fleet.yaml", configuration(primary, backup)));
  const { control, groups } = gateway.ready;
  await gateway.saying(/backup is alive/);
  const order = ["--reason", "antenna work", "--control", control];
  const moved = await gsf(["switchover", "atlantic", "--to", "backup", ...order]);
  assert.equal(moved.code, 0, moved.stderr);
  assert.equal(moved.stdout, "backup is active in atlantic, epoch 2\n");
  assert.equal(await (await fetch(`${groups["atlantic"]?.address}/`)).text(), "backup");
  const again = await gsf(["switchover", "atlantic", "--to", "backup", ...order]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^gsf: the gateway refused \(409\): backup is active already\n$/);
});

test("[G7] the first SIGTERM lets a command in flight finish, refuses new ones, and ends with 0", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  const config = folder.file("fleet.yaml", configuration(primary, backup, "drainDelay: 0s\ndrain: 60s"));
  await using gateway = await startGateway(config);
  const address = gateway.ready.groups["atlantic"]?.address as string;
  const inFlight = fetch(`${address}/slow`);
  await primary.holding();
  gateway.child.kill("SIGTERM");
  await gateway.saying(/stopping: commands in flight may finish/);
  assert.equal((await fetch(`${gateway.ready.control}/readyz`)).status, 503);
  await assert.rejects(fetch(`${address}/`), "nothing new is accepted");
  primary.held[0]?.end("finished");
  assert.equal(await (await inFlight).text(), "finished");
  const { code, stderr } = await gateway.ended;
  assert.equal(code, 0, stderr);
});

/** One look of a balancer, and what it then sends on a connection of its own. */
async function balancerRound(control: string, address: string): Promise<[ready: number, answer: string]> {
  const ready = (await fetch(`${control}/readyz`)).status;
  const answer = await fetch(`${address}/`, { headers: { connection: "close" } });
  return [ready, await answer.text()];
}

test("[G7] SIGTERM → /readyz says so at once, commands are accepted for `drainDelay`, and then no more", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  const config = folder.file("fleet.yaml", configuration(primary, backup, "drainDelay: 3s"));
  await using gateway = await startGateway(config);
  const { control, groups } = gateway.ready;
  const address = groups["atlantic"]?.address as string;
  assert.deepEqual(await balancerRound(control, address), [200, "primary"]);
  gateway.child.kill("SIGTERM");
  await gateway.saying(/commands are still accepted for a while/);
  const saidMs = performance.now();
  assert.deepEqual(await balancerRound(control, address), [503, "primary"]);
  assert.equal((await fetch(`${control}/healthz`)).status, 200);
  const kept = await fetch(`${address}/`);
  assert.equal(kept.headers.get("connection"), "close");
  await kept.text();
  await gateway.saying(/commands in flight may finish/);
  assert.ok(performance.now() - saidMs > 2_500, "it did wait");
  await assert.rejects(fetch(`${address}/`), "nothing new is accepted");
  assert.equal((await gateway.ended).code, 0);
});

test("[G7] SIGINT → no delay", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  const config = folder.file("fleet.yaml", configuration(primary, backup, "drainDelay: 1h"));
  await using gateway = await startGateway(config);
  gateway.child.kill("SIGINT");
  assert.equal((await gateway.ended).code, 0);
});

test("[G7] a second signal stops at once, whatever is in flight", async () => {
  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    await using primary = await Service.open("primary");
    await using backup = await Service.open("backup");
    using folder = new Folder();
    const config = folder.file("fleet.yaml", configuration(primary, backup, "drainDelay: 60s\ndrain: 60s"));
    await using gateway = await startGateway(config);
    const cut = assert.rejects(fetch(`${gateway.ready.groups["atlantic"]?.address}/slow`));
    await primary.holding();
    gateway.child.kill(signal);
    await gateway.saying(/stopping: /);
    gateway.child.kill(signal);
    assert.equal((await gateway.ended).code, code);
    await cut;
  }
});

test("[G7] draining ends after `drain`, although a command is still in flight", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  const config = folder.file("fleet.yaml", configuration(primary, backup, "drain: 100ms"));
  await using gateway = await startGateway(config);
  const cut = assert.rejects(fetch(`${gateway.ready.groups["atlantic"]?.address}/slow`));
  await primary.holding();
  gateway.child.kill("SIGINT");
  assert.equal((await gateway.ended).code, 0);
  await cut;
});

test("for a person, one line says that it is ready, and the log names no secret", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  folder.file("beat.secret", "hunter2hunter2hunter2");
  const config = configuration(primary, backup, "heartbeats: { listen: '127.0.0.1:0', secretFile: beat.secret }");
  await using gateway = new GsfProcess(["run", "-c", folder.file("fleet.yaml", config), "--log-level", "debug"]);
  await gateway.saying(
    /^gsf ready {2}atlantic listening on http:\/\/127\.0\.0\.1:\d+ {2}control on http:\/\/127\.0\.0\.1:\d+ {2}heartbeats on 127\.0\.0\.1:\d+$/m,
  );
  gateway.child.kill("SIGTERM");
  const { code, stdout, stderr } = await gateway.ended;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, /hunter2/);
});

test("[G6] a reason of several lines forges no line of `gsf status`, of events or of the log", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using gateway = await startGateway(folder.file("fleet.yaml", configuration(primary, backup)));
  const { control } = gateway.ready;
  const plain = await gsf(["status", "--control", control]);
  const forged = "done\n\natlantic: backup serves, epoch 9, 0 commands waiting\n  * primary\u200b \u{e0041}";
  const answer = await fetch(`${control}/v1/groups/atlantic/maintenance`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ station: "backup", reason: forged, forMs: 60_000 }),
  });
  assert.equal(answer.status, 200);
  const status = await gsf(["status", "--control", control]);
  const lines = (text: string): number => text.split("\n").length;
  // One line says why it is not eligible, and one tells the order.
  assert.equal(lines(status.stdout), lines(plain.stdout) + 2, status.stdout);
  assert.match(status.stdout, /ineligible: .*done\\n\\natlantic: backup serves.*\\u200b \\udb40\\udc41/);
  await gateway.saying(/backup is in maintenance: done/);
  for (const line of gateway.stderr.trim().split("\n")) assert.doesNotThrow(() => JSON.parse(line), line);
  assert.doesNotMatch(gateway.stderr, /\u200b|\u{e0041}/u);
});
