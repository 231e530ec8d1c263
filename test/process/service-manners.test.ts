/**
 * `gsf run` and `gsf station` beside readers that stall or are gone, under signals that people send
 * by habit, and started by `npx`: what serves goes on serving, and what was told to stop leaves
 * nothing behind.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Folder, GsfProcess } from "./gsf-process.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = join(REPOSITORY, "gateway/bin/gsf.js");

/** Nobody listens on its stations; each switchover is some lines of log. */
const FLEET = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    stations:
      - { name: primary, url: "http://127.0.0.1:9" }
      - { name: backup, url: "http://127.0.0.1:10" }
    heartbeat: { kind: http, path: /healthz }
control: { listen: "127.0.0.1:0" }
drainDelay: 0s
`;

function controlOf(readyLine: string): string {
  return (JSON.parse(readyLine) as { control: string }).control;
}

/** Orders so many switchovers: each is refused or carried out, and logged. */
async function makeLines(control: string, orders: number): Promise<void> {
  for (let order = 0; order < orders; order++) {
    const answer = await fetch(`${control}/v1/groups/atlantic/maintenance`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ station: "backup", reason: "x".repeat(450), forMs: 60_000 }),
    });
    assert.equal(answer.status, 200);
    await answer.text();
  }
}

/** Runs `gsf run` with standard error on `fd`. */
async function runWithLogOn(fd: number, folder: Folder): Promise<{ child: ChildProcess; control: string }> {
  const child = spawn(process.execPath, [PROGRAM, "run", "--config", folder.file("fleet.yaml", FLEET), "--json"], {
    cwd: REPOSITORY,
    stdio: ["ignore", "pipe", fd],
  });
  return { child, control: controlOf(await firstLine(child)) };
}

async function firstLine(child: ChildProcess): Promise<string> {
  let said = "";
  for await (const piece of child.stdout as NodeJS.ReadableStream) {
    said += piece;
    if (said.includes("\n")) break;
  }
  return said;
}

function ended(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? child.signalCode);
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
}

test("[G6] nobody reads its log → it serves, counts the lines that are lost, and stops when asked", async () => {
  using folder = new Folder();
  const path = join(folder.path, "log");
  execFileSync("mkfifo", [path]);
  // Both ends stay open, and nobody reads.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const { child, control } = await runWithLogOn(fd, folder);
  try {
    for (let rounds = 0; rounds < 20; rounds++) {
      await makeLines(control, 200);
      const { lostLogLines } = (await (await fetch(`${control}/v1/status`)).json()) as { lostLogLines: number };
      if (lostLogLines > 0) break;
    }
    assert.equal((await fetch(`${control}/healthz`)).status, 200);
    const metrics = await (await fetch(`${control}/metrics`)).text();
    assert.match(metrics, /^gsf_log_lines_lost_total [1-9]/m);
  } finally {
    child.kill("SIGTERM");
  }
  assert.equal(await ended(child), 0);
});

test("[G6] the disk of its log is full → it serves, and stops when asked", async () => {
  using folder = new Folder();
  const { child, control } = await runWithLogOn(openSync("/dev/full", "w"), folder);
  try {
    await makeLines(control, 5);
    assert.equal((await fetch(`${control}/healthz`)).status, 200);
  } finally {
    child.kill("SIGTERM");
  }
  assert.equal(await ended(child), 0);
});

/**
 * Starts its arguments with standard error on a datagram socket that nobody reads, and passes
 * SIGTERM on; who does not obey is killed.
 */
const UNREAD_DATAGRAMS = `
import signal, socket, subprocess, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
child = subprocess.Popen(sys.argv[1:], stderr=theirs)
def stop(*_):
    child.terminate()
    signal.signal(signal.SIGALRM, lambda *_: child.kill())
    signal.alarm(20)
signal.signal(signal.SIGTERM, stop)
sys.exit(child.wait())
`;

test("[G6] standard error is a datagram socket that nobody reads → it serves, counts lost lines, and ends when told to", async (t) => {
  if (spawnSync("python3", ["-c", "pass"]).status !== 0) return t.skip("needs python3: Node has no such sockets");
  using folder = new Folder();
  const args = [PROGRAM, "run", "--config", folder.file("fleet.yaml", FLEET), "--json"];
  const child = spawn("python3", ["-c", UNREAD_DATAGRAMS, process.execPath, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const control = controlOf(await firstLine(child));
    const standsStill = sleep(60_000, undefined, { ref: false }).then(() => assert.fail("it stands still"));
    await Promise.race([makeLines(control, 400), standsStill]);
    const { lostLogLines } = (await (await fetch(`${control}/v1/status`)).json()) as { lostLogLines: number };
    assert.ok(lostLogLines >= 400, `${lostLogLines} lines lost`);
  } finally {
    child.kill("SIGTERM");
  }
  assert.equal(await ended(child), 0);
});

test("[G7] signals that are sent by habit → it goes on, says so, and opens no inspector; SIGHUP is no habit", async () => {
  using folder = new Folder();
  await using gateway = new GsfProcess(["run", "--config", folder.file("fleet.yaml", FLEET), "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
    gateway.child.kill(signal);
    await gateway.saying(new RegExp(`${signal} is ignored`));
  }
  gateway.child.kill("SIGHUP");
  await gateway.saying(/the configuration was read again/);
  assert.equal((await fetch(`${controlOf(line)}/healthz`)).status, 200);
  assert.doesNotMatch(gateway.stderr, /[Dd]ebugger/);
  gateway.child.kill("SIGTERM");
  assert.equal((await gateway.ended).code, 0);
});

/**
 * A pipe at `path` from which a starting process reads: sends it all `signals` while it waits, then
 * what it waits for.
 */
async function signalWhileReading(path: string, child: ChildProcess, signals: readonly NodeJS.Signals[], text: string) {
  let pipe: number | undefined;
  while (pipe === undefined) {
    assert.ok(child.exitCode === null && child.signalCode === null, "it ended before it read the file");
    try {
      pipe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      // Nobody reads yet.
      await sleep(10);
    }
  }
  for (const signal of signals) child.kill(signal);
  writeSync(pipe, text);
  closeSync(pipe);
}

test("[G7] signals that are sent by habit during the start → it starts all the same, says so, and opens no inspector", async () => {
  using folder = new Folder();
  const fifo = (name: string): string => {
    const path = join(folder.path, name);
    execFileSync("mkfifo", ["-m", "600", path]);
    return path;
  };
  const signals = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
  const station = [
    "station",
    "--group",
    "a",
    "--name",
    "b",
    "--listen",
    "127.0.0.1:0",
    "--heartbeat-to",
    "127.0.0.1:9",
  ];
  const refused = /refused, and nothing has changed/;
  for (const [args, path, text, ready, atHangUp] of [
    // From a pipe nothing can be read again: to try it would stop the gateway for ever.
    [["run", "--json", "--config"], fifo("fleet.yaml"), FLEET, /^\{"ready":true/m, refused],
    [
      [...station, "--secret-file"],
      fifo("secret"),
      "a secret of many bytes",
      /^gsf station b listening/m,
      /SIGHUP is ignored/,
    ],
  ] as const) {
    await using started = new GsfProcess([...args, path]);
    await signalWhileReading(path, started.child, signals, text);
    await started.saying(ready);
    await started.saying(atHangUp);
    for (const signal of ["SIGUSR1", "SIGUSR2"]) await started.saying(new RegExp(`${signal} is ignored`));
    assert.doesNotMatch(started.stderr, /[Dd]ebugger/);
    started.child.kill("SIGTERM");
    assert.equal((await started.ended).code, 0);
  }
});

test("[G7] npx is ended by a signal → what it started stops, too, and leaves its ports", async () => {
  using folder = new Folder();
  const npx = spawn("npx", ["gsf", "run", "--config", folder.file("fleet.yaml", FLEET), "--json"], {
    cwd: REPOSITORY,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let said = "";
  for await (const piece of npx.stdout) {
    said += piece;
    if (said.includes("\n")) break;
  }
  const { pid } = JSON.parse(said) as { pid: number };
  npx.kill("SIGTERM");
  for (let tries = 0; tries < 600 && isAlive(pid); tries++) await sleep(50);
  assert.equal(isAlive(pid), false);
});

/** Answers everything, and refuses `/refuse` as one that has seen an epoch of fifteen digits. */
async function absurdService(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    if (request.url === "/refuse") response.writeHead(412, { "gsf-epoch-seen": "999999999999999" });
    response.end("done");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("[F3] a service refuses a command with an epoch that cannot be → it is told, not believed, and commands go on", async () => {
  using folder = new Folder();
  await using primary = await absurdService();
  await using backup = await absurdService();
  const fleet = FLEET.replace("http://127.0.0.1:9", primary.url).replace("http://127.0.0.1:10", backup.url);
  await using gateway = new GsfProcess(["run", "--config", folder.file("fleet.yaml", fleet), "--json"]);
  const [line] = await gateway.saying(/^\{"ready":true.*\}$/m);
  const { groups } = JSON.parse(line) as { groups: { atlantic: { address: string } } };
  const at = groups.atlantic.address;
  assert.ok((await fetch(`${at}/refuse`)).status >= 400);
  await gateway.saying(/999999999999999, which cannot be/);
  for (let command = 0; command < 5; command++) assert.equal(await (await fetch(`${at}/go`)).text(), "done");
  const metrics = await (await fetch(`${controlOf(line)}/metrics`)).text();
  assert.match(metrics, /^gsf_epochs_refused_total\{group="atlantic"\} 1$/m);
});

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
