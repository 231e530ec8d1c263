/**
 * What passing a request on costs, in CPU and in time, beside a bare proxy of Node and undici,
 * HAProxy and nginx: `npm run bench:gateway`, with `--rounds N`, `--only CASE…`, `--write` (to
 * results/gateway.md). All fronts run at once before the same station and take turns in short
 * rounds, so that whatever else the machine does hits all of them; the median of the rounds' ratios
 * is reported. See README.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine, sentenceOf } from "../takeover/machine.ts";
import { Children, sleep, untilListening, untilReady } from "../takeover/processes.ts";
import { CASES, type Case, Load } from "./cases.ts";
import { cpuMs, residentMiB } from "./cpu-time.ts";
import { FRONTS } from "./fronts.ts";

const REFERENCE = "bare undici";
/** Before anything is measured: Node compiles what is used often. */
const WARM_UP_REQUESTS = 12_000;

interface Running {
  readonly name: string;
  readonly pid: number;
  readonly load: Load;
}

interface Round {
  readonly front: string;
  /** CPU of the front for 1,000 requests, in ms. */
  readonly cpuMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function measured({ name, pid, load }: Running, one: Case, requests: number): Promise<Round> {
  const before = cpuMs(pid);
  const times = await load.send(one, requests);
  const spent = cpuMs(pid) - before;
  times.sort((left, right) => left - right);
  const at = (share: number): number => times[Math.floor(share * times.length)] as number;
  return { front: name, cpuMs: (spent / requests) * 1_000, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] as number;
}

/** A line for each front: its CPU, the ratio to the reference, and the time that it adds. */
function tableOf(one: Case, rounds: readonly (readonly Round[])[], fronts: readonly string[]): string[] {
  const of = (front: string, figure: keyof Omit<Round, "front">): number[] =>
    rounds.map((round) => (round.find((each) => each.front === front) as Round)[figure]);
  const reference = of(REFERENCE, "cpuMs");
  return [
    `## ${one.title}`,
    "",
    "| front | CPU ms for 1,000 | × bare undici | worst and best round | p50 ms | p99 ms |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...fronts.map((front) => {
      const ratios = of(front, "cpuMs").map((cpu, round) => cpu / (reference[round] as number));
      const span = `${Math.max(...ratios).toFixed(2)} … ${Math.min(...ratios).toFixed(2)}`;
      const times = [median(of(front, "p50Ms")), median(of(front, "p99Ms"))].map((ms) => ms.toFixed(2));
      return `| ${front} | ${median(of(front, "cpuMs")).toFixed(1)} | ${median(ratios).toFixed(2)} | ${span} | ${times.join(" | ")} |`;
    }),
    "",
  ];
}

async function run(rounds: number, cases: readonly Case[]): Promise<string[]> {
  const children = new Children();
  const folders: string[] = [];
  try {
    const station = async (): Promise<number> => {
      const child = children.launch(process.execPath, [here("station.ts")]);
      return Number(/READY (\d+)/.exec(await untilReady(child))?.[1]);
    };
    const [stationPort, backupPort] = [await station(), await station()];
    const running: Running[] = [];
    for (const { name, missing, command } of FRONTS) {
      if (missing !== undefined) {
        console.error(`left out: ${missing}`);
        continue;
      }
      const folder = mkdtempSync(join(tmpdir(), "gsf-bench-"));
      folders.push(folder);
      const port = await freePort();
      const [program, ...args] = command({ port, stationPort, backupPort, sparePort: await freePort(), folder });
      const child = children.launch(program as string, args, { stdio: ["pipe", "ignore", "ignore"] });
      await untilListening(child, port);
      running.push({ name, pid: child.pid as number, load: new Load(port) });
    }
    await sleep(3_000);
    const names = running.map(({ name }) => name);
    const memory = running.map(({ name, pid }) => `${name} ${Math.round(residentMiB(pid))} MiB`);
    const lines = [`Resident memory before the first request: ${memory.join(", ")}.`, ""];
    for (const one of cases) {
      for (const front of running) await front.load.send(one, Math.ceil(WARM_UP_REQUESTS * one.share));
      const found: Round[][] = [];
      for (let round = 0; round < rounds; round++) {
        const turn: Round[] = [];
        const order = [...running.slice(round % running.length), ...running.slice(0, round % running.length)];
        for (const front of order) turn.push(await measured(front, one, Math.ceil(3_000 * one.share)));
        found.push(turn);
      }
      lines.push(...tableOf(one, found, names));
    }
    for (const { load } of running) await load.close();
    return lines;
  } finally {
    await children.endAll();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "9" },
    only: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const chosen = CASES.filter(({ name }) => values.only === undefined || values.only.includes(name));
if (!(Number.isInteger(rounds) && rounds >= 1) || chosen.length === 0) {
  console.error(`--rounds: a whole number from 1 on; --only: ${CASES.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const lines = await run(rounds, chosen);
console.log(lines.join("\n"));
if (values.write) {
  const head = [
    "# What passing a request on costs",
    "",
    "Written by `npm run bench:gateway -- --write`; how to read it: [README](../README.md).",
    "",
  ];
  const where = sentenceOf(machine(here("../..")));
  writeFileSync(here("results/gateway.md"), `${[...head, where, "", ...lines].join("\n").trimEnd()}\n`);
}
