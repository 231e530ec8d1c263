/**
 * Orders from a shell to a real gateway in front of real services: they are obeyed or refused with
 * the reason, end by themselves, survive a kill, and streams at a station that is left end in time.
 * The status tells what an operator needs, and `--watch` goes on until it is stopped.
 */
import assert from "node:assert/strict";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Folder, GsfProcess, gsf } from "./gsf-process.ts";

/** A service that says who it is; /stream never ends, /slow ends when the test says so. */
class Service implements AsyncDisposable {
  readonly server: Server;
  readonly held: ServerResponse[] = [];

  private constructor(name: string) {
    this.server = createServer((request, response) => {
      if (request.url === "/stream") {
        response.writeHead(200, { "content-type": "text/event-stream" });
        return void response.write("data: first\n\n");
      }
      if (request.url !== "/slow") return void response.end(name);
      this.held.push(response);
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

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.server.listening) return;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

interface Fixture extends AsyncDisposable {
  readonly primary: Service;
  readonly gateway: GsfProcess;
  readonly control: readonly string[];
  readonly address: string;
  /** Kills the gateway and starts it again. */
  restart(): Promise<Fixture>;
}

async function started(primary: Service, backup: Service, folder: Folder): Promise<Fixture> {
  const config = `
drain: 300ms
drainDelay: 0s
control: { listen: "127.0.0.1:0" }
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, interval: 50ms, path: /healthz }
    commands: { timeout: 20s }
    stations:
      - { name: primary, url: "${primary.url}" }
      - { name: backup, url: "${backup.url}" }
`;
  const gateway = new GsfProcess(["run", "--config", folder.file("fleet.yaml", config), "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const ready = JSON.parse(line) as { control: string; groups: Record<string, { address: string }> };
  await gateway.saying(/backup is alive/);
  return {
    ...{
      primary,
      gateway,
      control: ["--control", ready.control],
      address: ready.groups["atlantic"]?.address as string,
    },
    async restart() {
      gateway.child.kill("SIGKILL");
      await gateway.ended;
      return await started(primary, backup, folder);
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  };
}

/** The reader of an open stream, and how it ends. */
async function reading(url: string): Promise<{ readonly end: Promise<"whole" | "cut">; close(): void }> {
  const stop = new AbortController();
  const { body } = await fetch(url, { signal: stop.signal });
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const onwards = async (): Promise<"whole" | "cut"> => {
    try {
      while (!(await reader.read()).done);
      return "whole";
    } catch {
      return "cut";
    }
  };
  return { end: onwards(), close: () => stop.abort() };
}

test("[F7] gsf switchover, failback and maintenance → obeyed, refused with the reason, and in the trail", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using at = await started(primary, backup, folder);
  const ask = (...words: string[]) => gsf([...words, ...at.control]);
  assert.equal((await ask("switchover", "atlantic", "--to", "backup", "--reason", "antenna work")).code, 0);
  const back = await ask("failback", "atlantic", "--reason", "it is done", "--by", "Sara");
  assert.equal(back.stdout, "primary is active in atlantic, epoch 3\n", back.stderr);
  const again = await ask("failback", "atlantic", "--reason", "again");
  assert.deepEqual([again.code, again.stderr], [1, "gsf: the gateway refused (409): primary is active already\n"]);
  const rest = await ask("maintenance", "atlantic", "primary", "--for", "2h", "--reason", "new disk");
  assert.equal(rest.stdout, "primary of atlantic is in maintenance for 2 h 0 min\n", rest.stderr);
  const { stdout } = await ask("status");
  assert.match(stdout, /^atlantic: backup serves/);
  assert.match(stdout, /\n {4}STATION {2,}ROLE {2,}LIVENESS {2,}PHI {2,}IN FLIGHT/);
  assert.match(stdout, /\n {4}order: maintenance of primary, (2 h 0|1 h 59) min left, by \S+: new disk\n/);
  const trail = JSON.parse((await ask("orders", "--json")).stdout).trail as {
    order: string;
    outcome: string;
    by: { name: string };
  }[];
  assert.deepEqual(
    trail.map(({ order, outcome }) => `${order} ${outcome}`),
    ["switchover done", "failback done", "failback refused", "maintenance begun"],
  );
  assert.equal(trail[1]?.by.name, "Sara");
  assert.equal((await ask("maintenance", "atlantic", "primary", "--end")).stdout, "primary is back in atlantic\n");
  for (const words of [
    ["--for", "2h"],
    ["--reason", "x"],
    ["--end", "--for", "1h"],
    ["--for", "2", "--reason", "x"],
  ])
    assert.equal((await ask("maintenance", "atlantic", "primary", ...words)).code, 2, words.join(" "));
});

test("[F7] gsf drain of a station → waits until what is running has ended; streams end within `drain`", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using at = await started(primary, backup, folder);
  const stream = await reading(`${at.address}/stream`);
  const slow = fetch(`${at.address}/slow`);
  while (primary.held.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await using draining = new GsfProcess([
    ...["drain", "atlantic", "primary", "--for", "1h", "--reason", "kernel", ...at.control],
  ]);
  assert.equal(await stream.end, "cut");
  await draining.saying(/gsf: 1 running/);
  assert.equal(await (await fetch(`${at.address}/`)).text(), "backup");
  primary.held[0]?.end("finished");
  assert.equal(await (await slow).text(), "finished");
  const { code, stdout } = await draining.ended;
  assert.deepEqual([code, stdout], [0, "primary of atlantic is empty\n"]);
});

test("[F7] a switchover that keeps streams → they go on; their station dies → they are cut", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using at = await started(primary, backup, folder);
  const stream = await reading(`${at.address}/stream`);
  const order = ["--to", "backup", "--reason", "antenna work", "--keep-streams"];
  assert.equal((await gsf(["switchover", "atlantic", ...order, ...at.control])).code, 0);
  const stations = async (): Promise<{ streams: number; streamsCut: Record<string, number> }[]> =>
    JSON.parse((await gsf(["status", "--json", ...at.control])).stdout).groups.atlantic.stations;
  // Two more round trips of a process take longer than `drain`.
  await stations();
  assert.deepEqual(
    (await stations()).map(({ streams }) => streams),
    [1, 0],
  );
  at.primary.server.close();
  at.primary.server.closeIdleConnections();
  assert.equal(await stream.end, "cut");
  assert.deepEqual((await stations())[0]?.streamsCut, { down: 1, replaced: 0 });
});

test("[F7] gsf drain of a group → commands are refused with Retry-After, /readyz says so, and it can be ended", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using at = await started(primary, backup, folder);
  const drained = await gsf(["drain", "atlantic", "--for", "30m", "--reason", "move", ...at.control]);
  assert.equal(drained.stdout, "atlantic is empty\n", drained.stderr);
  const refused = await fetch(`${at.address}/`);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "10"]);
  assert.equal(((await refused.json()) as { code: string }).code, "DRAINING");
  assert.equal((await fetch(`${at.control[1]}/readyz`)).status, 503);
  assert.equal((await gsf(["drain", "atlantic", "--end", ...at.control])).code, 0);
  assert.equal(await (await fetch(`${at.address}/`)).text(), "primary");
  assert.equal((await fetch(`${at.control[1]}/readyz`)).status, 200);
});

test("[F7] the gateway is killed → after its start maintenance goes on, and the station of the switchover serves", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using before = await started(primary, backup, folder);
  const order = ["--reason", "it corrupts data"];
  assert.equal((await gsf(["switchover", "atlantic", "--to", "backup", ...order, ...before.control])).code, 0);
  const rest = await gsf(["maintenance", "atlantic", "primary", "--for", "2h", ...order, ...before.control]);
  assert.deepEqual([rest.code, rest.stderr], [0, ""], "it is durable");
  await using at = await before.restart();
  assert.equal(await (await fetch(`${at.address}/`)).text(), "backup");
  const { inForce, trail } = JSON.parse((await gsf(["orders", "--json", ...at.control])).stdout);
  assert.deepEqual([inForce.length, inForce[0].station, inForce[0].reason], [1, "primary", "it corrupts data"]);
  assert.equal(trail.at(-1).outcome, "restored");
});

test("[G8] gsf status --watch → an answer a second, on without a gateway, ended by SIGINT with 0", async () => {
  await using primary = await Service.open("primary");
  await using backup = await Service.open("backup");
  using folder = new Folder();
  await using at = await started(primary, backup, folder);
  await using watching = new GsfProcess(["status", "--watch", "0.1", ...at.control]);
  await watching.saying(/primary serves[\s\S]*primary serves/);
  at.gateway.child.kill("SIGKILL");
  await watching.saying(/no answer from/);
  watching.child.kill("SIGINT");
  const { code, stdout } = await watching.ended;
  assert.equal(code, 0);
  assert.ok(!stdout.includes("\u001b"), "no control sequences without a terminal");
});
