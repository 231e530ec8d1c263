/**
 * What the models cost: beats and queries a second for many nodes, and bytes a node, held against
 * targets. Nodes are visited in random order, because with ten thousand of them it is the memory
 * that is waited for. Seconds are those of processor time, so that other work on the machine does
 * not count; that it takes away caches still does, so the fastest of several rounds counts. Beside
 * each figure stands the floor: nothing but the look-up of the node and one number written there.
 * Each model has a process of its own, as it has where it is used.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type PhiAccrualOptions, seededRandom } from "ground-station-failover";
import { phiAccrualMachine } from "ground-station-failover/core";
import type { Verdict } from "./report.ts";

export type Model = NonNullable<PhiAccrualOptions["model"]>;

export interface Throughput {
  readonly beatsPerSecond: number;
  readonly queriesPerSecond: number;
  readonly bytesPerNode: number;
  /** What a bare look-up in a Map of as many nodes allows. */
  readonly floorPerSecond: number;
}

interface Targets {
  readonly beatsPerSecond: number;
  readonly queriesPerSecond?: number;
  readonly bytesPerNode?: number;
}

const PLAIN: Targets = { beatsPerSecond: 5e6 };
const TARGETS: Readonly<Record<Model, Targets>> = {
  normal: PLAIN,
  lognormal: PLAIN,
  exponential: PLAIN,
  adaptive: { beatsPerSecond: 5e5, queriesPerSecond: 2e6, bytesPerNode: 8832 },
};

const NODES = 10_000;
const INTERVAL_MS = 50;
const WARM_UP_BEATS = 200;
/** Visits to every node in a round. */
const TIMES = 50;
const ROUNDS = 12;

/** Measures all models. */
export function throughputs(): ReadonlyMap<Model, Throughput> {
  const found = new Map<Model, Throughput>();
  for (const model of Object.keys(TARGETS) as Model[]) {
    const command = [...process.execArgv, fileURLToPath(import.meta.url), model];
    found.set(model, JSON.parse(execFileSync(process.execPath, command, { encoding: "utf8" })) as Throughput);
  }
  return found;
}

export function throughputVerdicts(found: ReadonlyMap<Model, Throughput>): readonly Verdict[] {
  return [...found].flatMap(([model, { beatsPerSecond, queriesPerSecond, bytesPerNode }]) => {
    const targets = TARGETS[model];
    const verdicts = [atLeast(`${model}: beats/s`, targets.beatsPerSecond, beatsPerSecond)];
    if (targets.queriesPerSecond !== undefined)
      verdicts.push(atLeast(`${model}: queries/s`, targets.queriesPerSecond, queriesPerSecond));
    if (targets.bytesPerNode !== undefined)
      verdicts.push({
        target: `${model}: at most ${digits(targets.bytesPerNode)} bytes a node`,
        found: digits(bytesPerNode),
        met: bytesPerNode <= targets.bytesPerNode,
      });
    return verdicts;
  });
}

export function throughputTable(found: ReadonlyMap<Model, Throughput>): string {
  const lines = [...found].map(
    ([model, { beatsPerSecond, queriesPerSecond, bytesPerNode, floorPerSecond }]) =>
      `${model}: ${digits(beatsPerSecond)} beats/s, ${digits(queriesPerSecond)} queries/s, ` +
      `${digits(bytesPerNode)} bytes a node (bare look-ups: ${digits(floorPerSecond)}/s)`,
  );
  return `${lines.join("\n")}\n`;
}

function atLeast(what: string, target: number, found: number): Verdict {
  return { target: `${what} at least ${digits(target)}`, found: digits(found), met: found >= target };
}

/** Needs `--expose-gc` for the bytes. */
function measure(model: Model): Throughput {
  const random = seededRandom("throughput");
  const names = shuffledNames(random);
  const jitterMs = Float64Array.from({ length: 4096 }, () => 20 * (random.next() - 0.5));
  const floorPerSecond = floor(names);
  const bytesBefore = bytesInUse();
  // Told the interval, as whoever watches real senders does.
  const machine = phiAccrualMachine({ model, expectedIntervalMs: INTERVAL_MS });
  let draws = 0;
  let sequence = 0;
  const beat = (): void => {
    const dueMs = INTERVAL_MS * sequence;
    for (const name of names) machine.noteHeartbeat(name, { sequence }, dueMs + (jitterMs[draws++ & 4095] as number));
    sequence++;
  };
  for (let round = 0; round < WARM_UP_BEATS; round++) beat();
  const bytesPerNode = (bytesInUse() - bytesBefore) / NODES;
  const beatsPerSecond = perSecond(beat);
  let highest = 0;
  let asked = 0;
  const nowMs = INTERVAL_MS * sequence;
  const query = (): void => {
    const atMs = nowMs + (asked++ & 31);
    for (const name of names) highest = Math.max(highest, machine.suspicionLevel(name, atMs));
  };
  const queriesPerSecond = perSecond(query);
  if (!(highest > 0)) throw new Error("No level above 0: nothing was measured.");
  return { beatsPerSecond, queriesPerSecond, bytesPerNode, floorPerSecond };
}

function shuffledNames(random: { next(): number }): readonly string[] {
  const names = Array.from({ length: NODES }, (_, place) => `node-${place}`);
  for (let place = names.length - 1; place > 0; place--) {
    const other = Math.floor(random.next() * (place + 1));
    [names[place], names[other]] = [names[other] as string, names[place] as string];
  }
  return names;
}

function floor(names: readonly string[]): number {
  const nodes = new Map(names.map((name) => [name, { lastMs: 0.5 }]));
  let nowMs = 0.5;
  return perSecond(() => {
    nowMs += 50;
    for (const name of names) (nodes.get(name) as { lastMs: number }).lastMs = nowMs;
  });
}

/** How many nodes a second `visitAll` visits, in the fastest of some rounds. */
function perSecond(visitAll: () => void): number {
  let fastest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const fromMs = processorMs();
    for (let time = 0; time < TIMES; time++) visitAll();
    fastest = Math.max(fastest, (NODES * TIMES * 1_000) / (processorMs() - fromMs));
  }
  return fastest;
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function bytesInUse(): number {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function digits(value: number): string {
  return Math.round(value).toLocaleString("en");
}

if (import.meta.main) console.log(JSON.stringify(measure(process.argv[2] as Model)));
