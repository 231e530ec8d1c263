/**
 * What the models cost: beats and queries a second for many nodes, and bytes a node. Nodes are visited in random order,
 * because with ten thousand of them it is the memory that is waited for. Seconds are those of processor time, so that
 * other work on the machine does not count; that it takes away caches still does.
 */
import { PhiAccrualMachine, seededRandom } from "ground-station-failover/core";

const NODES = 10_000;
const WARM_UP_BEATS = 100;
const BEATS = 200;
const QUERY_ROUNDS = 100;

export interface Throughput {
  readonly model: string;
  readonly beatsPerSecond: number;
  readonly queriesPerSecond: number;
  readonly bytesPerNode: number;
}

/** Needs `--expose-gc` for the bytes. */
export function throughput(model: "normal" | "adaptive"): Throughput {
  const random = seededRandom("throughput");
  const names = Array.from({ length: NODES }, (_, place) => `node-${place}`);
  for (let place = names.length - 1; place > 0; place--) {
    const other = Math.floor(random.next() * (place + 1));
    [names[place], names[other]] = [names[other] as string, names[place] as string];
  }
  const jitterMs = Float64Array.from({ length: 4096 }, () => 20 * (random.next() - 0.5));
  const machine = new PhiAccrualMachine({ model });
  const bytesBefore = bytesInUse();
  let draws = 0;
  const beat = (sequence: number): void => {
    const dueMs = 50 * sequence;
    for (const name of names) machine.noteHeartbeat(name, { sequence }, dueMs + (jitterMs[draws++ & 4095] as number));
  };
  for (let sequence = 0; sequence < WARM_UP_BEATS; sequence++) beat(sequence);
  const bytesPerNode = (bytesInUse() - bytesBefore) / NODES;
  const beatsFromMs = processorMs();
  for (let sequence = WARM_UP_BEATS; sequence < WARM_UP_BEATS + BEATS; sequence++) beat(sequence);
  const queriesFromMs = processorMs();
  let highest = 0;
  const nowMs = 50 * (WARM_UP_BEATS + BEATS);
  for (let round = 0; round < QUERY_ROUNDS; round++) {
    for (const name of names) highest = Math.max(highest, machine.suspicionLevel(name, nowMs + (round & 31)));
  }
  const untilMs = processorMs();
  if (!(highest > 0)) throw new Error("No level above 0: nothing was measured.");
  return {
    model,
    beatsPerSecond: (NODES * BEATS * 1_000) / (queriesFromMs - beatsFromMs),
    queriesPerSecond: (NODES * QUERY_ROUNDS * 1_000) / (untilMs - queriesFromMs),
    bytesPerNode,
  };
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
