/**
 * [G7] A gateway under systemd: sockets that somebody else has opened, messages to the service
 * manager, and a stop that callers do not notice. Real processes share a real socket.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync } from "node:fs";
import { Agent, createServer, request, type Server } from "node:http";
import * as net from "node:net";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Folder, GsfProcess } from "./gsf-process.ts";

const LIMIT = { timeout: 240_000 };
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(REPOSITORY, "gateway/bin/gsf.js");

/** A socket that listens, and from which nobody here accepts; its heirs do. */
interface BoundSocket {
  readonly fd: number;
  getsockname(name: { port?: number }): number;
  close(): void;
}

/** Node has no public way to bind without accepting; its own `cluster` uses this one. */
function boundSocket(): BoundSocket & { readonly port: number } {
  const { _createServerHandle } = net as unknown as {
    _createServerHandle(address: string, port: number, family: 4): BoundSocket;
  };
  const handle = _createServerHandle("127.0.0.1", 0, 4);
  const name: { port?: number } = {};
  handle.getsockname(name);
  // The socket stays in the state of listening when the process is gone that made it listen.
  const listen = 'require("node:net").createServer().listen({ fd: 3 }, () => process.exit(0))';
  const { status } = spawnSync(process.execPath, ["-e", listen], { stdio: ["ignore", "ignore", "inherit", handle.fd] });
  assert.equal(status, 0);
  return Object.assign(handle, { port: name.port as number });
}

async function service(): Promise<Server & AsyncDisposable> {
  const server = createServer((_message, response) => setTimeout(() => response.end("served"), 20));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server as Server & AsyncDisposable;
}

function fleet(stations: readonly Server[], port: number): string {
  const written = stations.map((server, place) => ({
    name: `station-${place}`,
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
  }));
  return `
control: { listen: "127.0.0.1:0" }
drainDelay: 700ms
drain: 5s
groups:
  - name: atlantic
    listen: 127.0.0.1:${port}
    heartbeat: { kind: http, path: /healthz, interval: 100ms }
    stations: ${JSON.stringify(written)}
`;
}

/** A gateway that gets the socket as descriptor 3, as systemd passes it. */
class Heir implements AsyncDisposable {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly ended: Promise<number | null>;

  constructor(config: string, fd: number) {
    // The process id is known only to the process itself.
    const script = 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=gsf.socket; exec "$0" "$@"';
    this.child = spawn("sh", ["-c", script, process.execPath, PROGRAM, "run", "--config", config, "--json"], {
      cwd: REPOSITORY,
      stdio: ["ignore", "pipe", "pipe", fd],
    });
    this.child.stdout?.on("data", (piece) => (this.stdout += piece));
    this.child.stderr?.on("data", (piece) => (this.stderr += piece));
    this.ended = new Promise((resolve) => this.child.once("close", (code) => resolve(code)));
  }

  async isReady(): Promise<{
    readonly control: string;
    readonly groups: { readonly atlantic: { readonly address: string } };
  }> {
    for (let look = 0; look < 1_200; look++) {
      if (this.stdout.includes("\n")) return JSON.parse(this.stdout.split("\n")[0] as string);
      if (this.child.exitCode !== null) break;
      await sleep(50);
    }
    throw new Error(`not ready:\n${this.stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/**
 * One request; `agent` false: on a connection of its own. Resolves with the status or the error.
 */
function ask(port: number, agent: Agent | false): Promise<string> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: "/", agent }, (answer) => {
      answer.resume().once("end", () => resolve(String(answer.statusCode)));
      answer.once("error", (error) => resolve(error.message));
    });
    asked.once("error", (error) => resolve(error.message));
    asked.end();
  });
}

test("[G7] another gateway takes over the socket of one that stops under load → no request fails", LIMIT, async () => {
  using folder = new Folder();
  const stations = [await service(), await service()];
  const socket = boundSocket();
  const config = folder.file("fleet.yaml", fleet(stations, socket.port));
  await using first = new Heir(config, socket.fd);
  const { groups } = await first.isReady();
  assert.equal(groups.atlantic.address, `http://127.0.0.1:${socket.port}`);
  const ends = new Map<string, number>();
  let isOver = false;
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 4 });
  const caller = async (agent: Agent | false): Promise<void> => {
    while (!isOver) {
      const end = await ask(socket.port, agent);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
  };
  const load = Promise.all([
    ...Array.from({ length: 4 }, () => caller(keepAlive)),
    ...Array.from({ length: 4 }, () => caller(false)),
  ]);
  // Two gateways never share one state: the other one has its own.
  using other = new Folder();
  await using second = new Heir(other.file("fleet.yaml", fleet(stations, socket.port)), socket.fd);
  await second.isReady();
  first.child.kill("SIGTERM");
  assert.equal(await first.ended, 0);
  await sleep(500);
  isOver = true;
  await load;
  assert.deepEqual([...ends.keys()], ["200"]);
  assert.ok((ends.get("200") ?? 0) > 100, `${ends.get("200")} requests`);
  keepAlive.destroy();
  socket.close();
  for (const server of stations) server.close();
});

test(
  "[G7] nobody serves the socket for a while → requests wait in the kernel's queue, none is refused",
  LIMIT,
  async () => {
    using folder = new Folder();
    const stations = [await service(), await service()];
    const socket = boundSocket();
    const config = folder.file("fleet.yaml", fleet(stations, socket.port));
    const first = new Heir(config, socket.fd);
    await first.isReady();
    first.child.kill("SIGINT");
    assert.equal(await first.ended, 0);
    const waiting = Promise.all(Array.from({ length: 20 }, () => ask(socket.port, false)));
    await using second = new Heir(config, socket.fd);
    await second.isReady();
    assert.deepEqual(new Set(await waiting), new Set(["200"]));
    socket.close();
    for (const server of stations) server.close();
  },
);

test("[G7] a socket of an address that nothing listens on → said at the start, and not used", LIMIT, async () => {
  using folder = new Folder();
  const stations = [await service(), await service()];
  const socket = boundSocket();
  await using gateway = new Heir(folder.file("fleet.yaml", fleet(stations, 0)), socket.fd);
  const { groups } = await gateway.isReady();
  assert.notEqual(groups.atlantic.address, `http://127.0.0.1:${socket.port}`);
  assert.ok(gateway.stderr.includes(`127.0.0.1:${socket.port}`), gateway.stderr);
  socket.close();
  for (const server of stations) server.close();
});

test(
  "[G7] systemd asks for readiness and a watchdog → it is told of start, reload, life and stop in order",
  LIMIT,
  async () => {
    using folder = new Folder();
    const stations = [await service(), await service()];
    const config = folder.file("fleet.yaml", fleet(stations, 0));
    const notes = folder.file("notes", "");
    const stub = folder.file("systemd-notify", `#!/bin/sh\nshift\necho "$1" >> ${notes}\n`);
    chmodSync(stub, 0o755);
    await using gateway = new GsfProcess(["run", "--config", config, "--json"], {
      NOTIFY_SOCKET: "/run/nobody",
      WATCHDOG_USEC: "600000",
      PATH: `${folder.path}${delimiter}${process.env["PATH"]}`,
    });
    await gateway.saying(/^\{"ready":true.*\}$/m);
    const told = (): string[] => readFileSync(notes, "utf8").trim().split("\n");
    const until = async (message: string, times: number): Promise<void> => {
      for (let look = 0; look < 600 && told().filter((one) => one === message).length < times; look++) await sleep(50);
    };
    await until("WATCHDOG=1", 2);
    gateway.child.kill("SIGHUP");
    await until("READY=1", 2);
    gateway.child.kill("SIGTERM");
    assert.equal((await gateway.ended).code, 0);
    const order = told().filter((message) => message !== "WATCHDOG=1");
    assert.deepEqual(order, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
    for (const server of stations) server.close();
  },
);

test("[G7] the units under ops/systemd → systemd finds nothing wrong with them", (t) => {
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) return t.skip("there is no systemd here");
  using folder = new Folder();
  for (const name of ["gsf.service", "gsf.socket"]) {
    const unit = readFileSync(join(REPOSITORY, "ops/systemd", name), "utf8");
    // The program is not installed here.
    folder.file(name, unit.replace("/usr/bin/gsf", "/bin/true"));
  }
  const { status, stderr } = spawnSync(
    "systemd-analyze",
    ["verify", join(folder.path, "gsf.service"), join(folder.path, "gsf.socket")],
    { encoding: "utf8" },
  );
  assert.deepEqual([status, stderr.split("\n").filter((line) => line.includes("gsf."))], [0, []]);
  const unit = readFileSync(join(REPOSITORY, "ops/systemd/gsf.service"), "utf8");
  const [, command = ""] = /^ExecStart=\/usr\/bin\/gsf (.*)$/m.exec(unit) ?? [];
  // Its options exist.
  const help = execFileSync(process.execPath, [PROGRAM, "run", "--help"], { encoding: "utf8" });
  for (const option of command.match(/--[a-z-]+/g) ?? []) assert.ok(help.includes(option), option);
});
