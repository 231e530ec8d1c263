/**
 * The network of a seed before any fault, from one rack to another continent, and what settings
 * must allow for on it: how long a message is under way at most, and how many heartbeats in a row
 * are missing. Every delay drawn here has an upper end, because in a world without faults nothing
 * may go wrong.
 */
import type { Random } from "ground-station-failover";
import type { LinkConditions, PlainDelay } from "ground-station-failover/sim";
import { between, chance, logUniform, naturalLog, pick } from "ground-station-failover/sim";

export interface Surroundings {
  readonly network: Partial<LinkConditions>;
  /** One way, the quickest and the slowest message. */
  readonly leastMs: number;
  readonly mostMs: number;
  /**
   * Share of heartbeats that never arrive. Streams lose nothing before faults: they have to serve
   * in time.
   */
  readonly beatLossRate: number;
  /** Heartbeats in a row that are lost or overtaken in less than one of 10^12 cases. */
  readonly missingBeats: number;
}

/** Upper bound for an exponential draw, in means (draws.ts). */
const MOST_MEANS = 22.2;
/** -ln 1e-12 */
const NEVER = 27.6;

/** One rack; without loss or reordering. */
export const PLAIN: Surroundings = { network: {}, leastMs: 0.2, mostMs: 7, beatLossRate: 0, missingBeats: 0 };

export function drawSurroundings(random: Random): Surroundings {
  const delay = drawDelay(random.fork("delay"));
  const disorder = random.fork("disorder");
  const disordered = chance(disorder, 0.4);
  const [reorderRate, duplicateRate] = [rate(disorder, 0.0001, 0.02), rate(disorder, 0.0001, 0.05)];
  const reorderMs = rounded(logUniform(disorder, 1, 100));
  const loss = random.fork("loss");
  const beatLossRate = chance(loss, 0.3) ? rate(loss, 0.0001, 0.02) : 0;
  const missingRate = beatLossRate + (disordered ? reorderRate : 0);
  return {
    network: { delay, ...(disordered ? { reorderRate, duplicateRate, reorderMs } : {}) },
    ...rangeOf(delay),
    beatLossRate,
    missingBeats: missingRate === 0 ? 0 : Math.ceil(NEVER / -naturalLog(missingRate)),
  };
}

function drawDelay(random: Random): LinkConditions["delay"] {
  const far = random.fork("distance").next();
  // Three of five in one region, one in the next, one on another continent.
  const [low, high] = far < 0.6 ? [0.05, 1] : far < 0.8 ? [1, 20] : [20, 140];
  const minMs = rounded(logUniform(random, low, high));
  const jitterMs = rounded(logUniform(random, 0.05, 0.3) * Math.min(minMs, 30));
  const exponential: PlainDelay = { kind: "exponential", minMs, meanMs: rounded(jitterMs / 4 + 0.05) };
  const shapes: readonly LinkConditions["delay"][] = [
    { kind: "fixed", ms: minMs },
    { kind: "uniform", minMs, maxMs: rounded(minMs + jitterMs) },
    exponential,
    { kind: "pareto", minMs, shape: rounded(between(random, 2, 3)), capMs: rounded(minMs + 3 * jitterMs + 1) },
    { kind: "bursts", calm: { kind: "fixed", ms: minMs }, burst: exponential, meanCalmMs: 2_000, meanBurstMs: 300 },
  ];
  return pick(random, shapes);
}

function rangeOf(delay: LinkConditions["delay"]): { readonly leastMs: number; readonly mostMs: number } {
  switch (delay.kind) {
    case "fixed":
      return { leastMs: delay.ms, mostMs: delay.ms };
    case "uniform":
      return { leastMs: delay.minMs, mostMs: delay.maxMs };
    case "exponential":
      return { leastMs: delay.minMs, mostMs: delay.minMs + MOST_MEANS * delay.meanMs };
    case "pareto":
      return { leastMs: delay.minMs, mostMs: delay.capMs };
    case "bursts":
      return { leastMs: rangeOf(delay.calm).leastMs, mostMs: rangeOf(delay.burst).mostMs };
  }
}

/**
 * Rates of machines' clocks: right in six of ten seeds, otherwise each wrong by up to `strength`,
 * 10 ppm to 5 %.
 */
export function drawClockRates(random: Random, nodes: readonly string[]): Record<string, number> {
  const off = chance(random, 0.6);
  const strength = logUniform(random, 1e-5, 0.05);
  if (off) return {};
  return Object.fromEntries(
    nodes.map((node) => [node, Math.round((1 + between(random.fork(node), -strength, strength)) * 1e6) / 1e6]),
  );
}

function rate(random: Random, low: number, high: number): number {
  return Number(logUniform(random, low, high).toPrecision(2));
}

function rounded(ms: number): number {
  return Number(ms.toPrecision(3));
}
