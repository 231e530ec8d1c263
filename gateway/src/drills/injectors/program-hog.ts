/**
 * A program: takes what others need, until it is ended. `cpu COUNT NICE`: busy child processes;
 * `memory MEBIBYTES`: memory that is really written to; `ports COUNT LOW HIGH`: listeners on local
 * ports, in as many processes as their descriptors need. It prints `ready` and its process ids once
 * it holds what it was told to, and ends with its standard output's reader or its parent.
 */
import { fork } from "node:child_process";
import { createServer, type Server } from "node:net";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";

/** Ports that one process holds: its descriptors are limited, often to 1024. */
const PORTS_EACH = 500;
const MIB = 1_048_576;
const SELF = fileURLToPath(import.meta.url);

const [what = "", ...given] = process.argv.slice(2);
const [first = 0, second = 0, third = 0] = given.map(Number);

// A child holds a channel to its parent; without the parent it has no reason to be there.
process.on("disconnect", () => process.exit());

function ready(pids: readonly number[]): void {
  process.stdout.write(`ready ${pids.join(" ")}\n`);
}

function busyProcesses(count: number, nice: number): void {
  const children = Array.from({ length: count }, () => fork(SELF, ["spin", String(nice)]));
  let running = 0;
  for (const child of children) {
    child.once("message", () => {
      running++;
      if (running === count) ready(children.map(({ pid }) => pid as number));
    });
    child.once("exit", (code) => process.exit(code ?? 1));
  }
  // A busy process hears nothing: it is ended, not asked.
  const end = (): void => {
    for (const child of children) child.kill("SIGKILL");
    process.exit();
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
}

function spin(nice: number): void {
  if (nice > 0) setPriority(process.pid, Math.min(nice, constants.priority.PRIORITY_LOW));
  process.send?.("running");
  // In slices, so that it sees its parent go.
  const slice = (): void => {
    const endMs = performance.now() + 20;
    while (performance.now() < endMs);
    setImmediate(slice);
  };
  setImmediate(slice);
}

const held: Buffer[] = [];

function holdMemory(mebibytes: number): void {
  for (let one = 0; one < mebibytes; one++) held.push(Buffer.alloc(MIB, 1));
  // Touched now and then, so that it is not moved to the disk.
  setInterval(() => {
    for (const piece of held) for (let at = 0; at < piece.length; at += 4_096) piece[at] = 2;
  }, 1_000);
  ready([process.pid]);
}

async function takePorts(count: number, low: number, high: number): Promise<void> {
  const share = Math.ceil(count / PORTS_EACH);
  let taken = 0;
  let reported = 0;
  const spread = Math.floor((high - low + 1) / share);
  const pids: number[] = [];
  for (let one = 0; one < share; one++) {
    const most = Math.min(PORTS_EACH, count - one * PORTS_EACH);
    const child = fork(SELF, ["listen", String(most), String(low + one * spread), String(high)]);
    pids.push(child.pid as number);
    child.once("message", (held: unknown) => {
      taken += Number(held);
      reported++;
      if (reported < share) return;
      process.stdout.write(`taken ${taken}\n`);
      ready(pids);
    });
  }
  const end = (): void => process.exit();
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
}

const listeners: Server[] = [];

/** Listens on up to `count` free ports from `low` on, and says how many there were. */
async function listen(count: number, low: number, high: number): Promise<void> {
  for (let port = low; port <= high && listeners.length < count; port++) {
    const server = await new Promise<Server | undefined>((resolve) => {
      const one = createServer((socket) => socket.destroy());
      one.once("error", () => resolve(undefined));
      one.listen(port, "0.0.0.0", 1, () => resolve(one));
    });
    if (server !== undefined) listeners.push(server);
  }
  process.send?.(listeners.length);
}

if (what === "cpu") busyProcesses(first, second);
else if (what === "spin") spin(first);
else if (what === "memory") holdMemory(first);
else if (what === "ports") await takePorts(first, second, third);
else if (what === "listen") await listen(first, second, third);
else process.exitCode = 2;
