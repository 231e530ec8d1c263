/**
 * How the benchmark measures. Candidates take turns in many short rounds, so that whatever else the
 * machine does hits all of them; each round gives one ratio per pair, and the median of those
 * ratios is judged, never a quotient of two separate averages. Allocation is the growth of the heap
 * over a run so short that no collection falls into it.
 */
import type { Candidate, Work } from "./candidates.ts";

/** Nanoseconds per call, one figure per round, by candidate. */
export type Rounds = ReadonlyMap<string, readonly number[]>;

/** Runs `times` calls one after another. */
export type Loop = (candidate: Candidate, times: number) => Promise<void>;

/**
 * The work everybody guards: a promise that is settled already, so that what is left is the guard's
 * own cost.
 */
export const settledWork: Work = async () => 42;

export const successLoop: Loop = async (candidate, times) => {
  for (let call = 0; call < times; call++) await candidate.call(settledWork);
};

export const refusalLoop: Loop = async (candidate, times) => {
  let refused = 0;
  for (let call = 0; call < times; call++) {
    try {
      await candidate.call(settledWork);
    } catch {
      refused++;
    }
  }
  if (refused !== times) throw new Error(`${candidate.name}: ${times - refused} of ${times} calls were not refused`);
};

/**
 * Work that takes a turn of the event loop, 64 callers at once: closer to a service, further from
 * the guard's own cost.
 */
export const concurrentLoop: Loop = async (candidate, times) => {
  const later: Work = () => new Promise((resolve) => setImmediate(resolve, 42));
  for (let call = 0; call < times; call += 64) {
    await Promise.all(Array.from({ length: 64 }, () => candidate.call(later)));
  }
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Interleaved rounds of about `roundMs` for each candidate, after a warm-up. */
export async function measure(
  candidates: readonly Candidate[],
  loop: Loop,
  rounds: number,
  roundMs: number,
): Promise<Rounds> {
  const times = new Map<Candidate, number>();
  for (const candidate of candidates) {
    const untilMs = performance.now() + 150;
    let callsMade = 0;
    while (performance.now() < untilMs) {
      await loop(candidate, 256);
      callsMade += 256;
      await turn();
    }
    times.set(candidate, Math.max(64, Math.round((callsMade / 150) * roundMs)));
  }
  const results = new Map<string, number[]>(candidates.map((candidate) => [candidate.name, []]));
  for (let round = 0; round < rounds; round++) {
    // Another order each round, so that nobody always runs behind the one that leaves most garbage.
    for (let place = 0; place < candidates.length; place++) {
      const candidate = candidates[(place * (round % 2 === 0 ? 1 : candidates.length - 1) + round) % candidates.length];
      if (candidate === undefined) continue;
      const calls = times.get(candidate) ?? 1;
      await turn();
      const startedMs = performance.now();
      await loop(candidate, calls);
      results.get(candidate.name)?.push(((performance.now() - startedMs) * 1e6) / calls);
    }
  }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** `over` divided by `under`, round by round. */
export function ratios(rounds: Rounds, over: string, under: string): readonly number[] {
  const below = rounds.get(under) ?? [];
  return (rounds.get(over) ?? []).map((ns, round) => ns / (below[round] ?? Number.NaN));
}

/**
 * Bytes that one call of `loop` allocates, the loop itself and the work included; needs
 * `--expose-gc`.
 */
export async function bytesPerCall(candidate: Candidate, loop: Loop): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error("run with --expose-gc (npm run bench)");
  await loop(candidate, 5_000);
  const samples: number[] = [];
  for (let sample = 0; sample < 15; sample++) {
    await turn();
    collect();
    const before = process.memoryUsage().heapUsed;
    await loop(candidate, ALLOCATION_CALLS);
    samples.push((process.memoryUsage().heapUsed - before) / ALLOCATION_CALLS);
  }
  return median(samples);
}

/**
 * 1,000 calls at a few hundred bytes to a few kilobytes stay below the young generation's size:
 * nothing is collected between.
 */
const ALLOCATION_CALLS = 1_000;

/**
 * How many system timers `calls` calls in flight hold, and what they take in memory and time to
 * start.
 */
export async function inFlight(candidate: Candidate, calls: number): Promise<{ timers: number; startMs: number }> {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  await turn();
  const before = timers();
  const gate = Promise.withResolvers<number>();
  const pending: Promise<number>[] = [];
  let running = 0;
  const startedMs = performance.now();
  for (let call = 0; call < calls; call++) {
    pending.push(
      candidate.call(() => {
        running++;
        return gate.promise;
      }),
    );
  }
  // Some start their work a few microtasks later.
  for (let microtask = 0; microtask < 50 && running < calls; microtask++) await undefined;
  const startMs = performance.now() - startedMs;
  const held = timers() - before;
  gate.resolve(42);
  await Promise.allSettled(pending);
  await turn();
  await turn();
  if (running !== calls) throw new Error(`${candidate.name}: ${running} of ${calls} calls were in flight`);
  return { timers: held, startMs };
}
