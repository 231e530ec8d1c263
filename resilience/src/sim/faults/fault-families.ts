/**
 * The families of faults that a swarm draws from, each a few lines: what it draws once for a seed
 * (how severe it is there) and what one fault of it looks like. Strengths go from faults that no
 * sound system notices to faults that none can survive, because defects are found at both ends: a
 * drift of 5 % has found what 1 % in 250 seeds had not. To add a family, add a name and a function;
 * it has a stream of its own, so that the faults of the others do not change.
 */
import type { Random } from "../../core/random.ts";
import type { Delay, LinkConditions } from "../network/link.ts";
import { between, chance, logUniform, pick, shuffled } from "./draws.ts";
import type { DiskFault, Fault, LinkFault } from "./fault.ts";

/** A kind of fault that can be drawn. */
export type FaultFamily =
  /** Processes end and start again; with `power`, their machines lose it. */
  | "kill"
  | "power"
  /** Processes stand still, or run slowly. */
  | "pause"
  | "slow"
  /** Clocks run at a wrong rate; calendars are set. */
  | "drift"
  | "wall-step"
  /**
   * One direction is slow, loses, doubles, reorders, corrupts, is narrow, clogged, cut, or holds
   * messages.
   */
  | "delay"
  | "loss"
  | "disorder"
  | "corruption"
  | "bandwidth"
  | "clog"
  | "cut"
  | "hold"
  /**
   * One node has no network; two groups cannot reach each other; nodes lose their network one by
   * one and get it back in another order.
   */
  | "isolate"
  | "partition"
  | "swizzle"
  /** Connections are refused, or accepted and never answered. */
  | "door"
  /** Disks are slow, stand still, fail, or are full. */
  | "disk-slow"
  | "disk-stall"
  | "disk-errors"
  | "disk-full";

/** One direction of the link between two nodes. */
export interface Link {
  readonly from: string;
  readonly to: string;
}

interface Times {
  readonly atMs: number;
  readonly forMs: number | null;
}

/** The nodes and links that a family may strike, and when. */
interface Targets {
  readonly nodes: readonly string[];
  /** Undefined: all between the nodes. Empty: none. */
  readonly links: readonly Link[] | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly foreverRate: number;
}

/** The values from which one family draws, in one seed. */
export class Stage {
  readonly random: Random;
  readonly nodes: readonly string[];
  /** All directions that may suffer. */
  readonly links: readonly Link[];
  readonly untilMs: number;
  readonly #targets: Targets;

  constructor(random: Random, targets: Targets) {
    this.random = random;
    this.nodes = targets.nodes;
    this.links = targets.links ?? linksBetween(targets.nodes);
    this.untilMs = targets.untilMs;
    this.#targets = targets;
  }

  /**
   * As many faults as this seed draws, up to the longest duration that it draws; `make` creates the
   * fault for such a time.
   */
  repeat(make: (times: Times) => Fault | readonly Fault[]): Fault[] {
    const { fromMs, untilMs, foreverRate } = this.#targets;
    const count = Math.round(logUniform(this.random, 1, MOST_FAULTS));
    const longestMs = logUniform(this.random, SHORTEST_MS, Math.max(SHORTEST_MS, untilMs - fromMs));
    const faults: Fault[] = [];
    for (let made = 0; made < count; made++) {
      const atMs = rounded(between(this.random, fromMs, untilMs));
      const forMs = rounded(Math.min(logUniform(this.random, SHORTEST_MS, longestMs), untilMs - atMs));
      const forever = chance(this.random, foreverRate);
      faults.push(...[make({ atMs, forMs: forever ? null : forMs })].flat());
    }
    return faults;
  }

  node(): string {
    return pick(this.random, this.nodes);
  }

  /** As `repeat`, each on one direction. */
  repeatOnLinks(conditions: Partial<LinkConditions>): Fault[] {
    if (this.links.length === 0) return [];
    return this.repeat((times) => linkFault(pick(this.random, this.links), conditions, times));
  }

  /** All directions from and to `node`. */
  around(node: string): readonly Link[] {
    if (this.#targets.links === undefined) return everythingAround(node);
    return this.links.filter(({ from, to }) => from === node || to === node);
  }

  /** From harmless to absurd, with three digits: more digits add nothing. */
  strength(harmless: number, absurd: number): number {
    return Number(logUniform(this.random, harmless, absurd).toPrecision(3));
  }
}

function linksBetween(nodes: readonly string[]): readonly Link[] {
  const [only, ...others] = nodes;
  if (only !== undefined && others.length === 0) return everythingAround(only);
  return nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => ({ from, to })));
}

function everythingAround(node: string): readonly Link[] {
  return [
    { from: node, to: "*" },
    { from: "*", to: node },
  ];
}

/** The most faults of one family in one seed; a partition or a swizzle counts as one. */
const MOST_FAULTS = 20;
const SHORTEST_MS = 1;

/**
 * The order of the families in a list of faults, so that leaving out a stretch of it leaves out a
 * family.
 */
export const FAMILIES: Readonly<Record<FaultFamily, (stage: Stage) => Fault[]>> = {
  kill: (stage) => stage.repeat((times) => ({ kind: "crash", node: stage.node(), how: "kill", ...times })),
  power: (stage) => stage.repeat((times) => ({ kind: "crash", node: stage.node(), how: "power", ...times })),
  pause: (stage) => stage.repeat((times) => ({ kind: "pause", node: stage.node(), ...times })),
  slow: (stage) => {
    const costMs = stage.strength(0.01, 100);
    return stage.repeat((times) => ({ kind: "slow", node: stage.node(), costMs, ...times }));
  },
  drift: (stage) => {
    const by = stage.strength(1e-5, 0.05);
    return stage.repeat((times) => ({
      kind: "drift",
      node: stage.node(),
      rate: Number((1 + signed(stage, by)).toFixed(8)),
      ...times,
    }));
  },
  "wall-step": (stage) => {
    const byMs = stage.strength(1, 1e8);
    return stage.repeat(({ atMs }) => ({ kind: "wall-step", node: stage.node(), byMs: signed(stage, byMs), atMs }));
  },
  delay: (stage) => {
    const delay = someDelay(stage, stage.strength(0.1, 10_000));
    return stage.repeatOnLinks({ delay });
  },
  loss: (stage) => {
    const lossRate = stage.strength(0.001, 1);
    return stage.repeatOnLinks({ lossRate });
  },
  disorder: (stage) => {
    const [duplicateRate, reorderRate] = [stage.strength(0.001, 1), stage.strength(0.001, 1)];
    const reorderMs = stage.strength(0.1, 10_000);
    return stage.repeatOnLinks({ duplicateRate, reorderRate, reorderMs });
  },
  corruption: (stage) => {
    const corruptRate = stage.strength(0.001, 1);
    return stage.repeatOnLinks({ corruptRate });
  },
  bandwidth: (stage) => {
    const [bytesPerSecond, queueBytes] = [stage.strength(10, 1e7), stage.strength(10, 1e6)];
    return stage.repeatOnLinks({ bytesPerSecond, queueBytes });
  },
  clog: (stage) => {
    const clogMs = stage.strength(1, 60_000);
    return stage.repeatOnLinks({ clogMs });
  },
  cut: (stage) => stage.repeatOnLinks({ cut: true }),
  hold: (stage) => stage.repeatOnLinks({ held: true }),
  isolate: (stage) => stage.repeat((times) => linkFaults(stage.around(stage.node()), { cut: true }, times)),
  partition: (stage) => stage.repeat((times) => partition(stage, times)),
  swizzle: (stage) => stage.repeat((times) => swizzle(stage, times)),
  door: (stage) =>
    stage.repeat((times) => {
      const mode = chance(stage.random, 0.5) ? "refuses" : "silent";
      return { kind: "door", node: stage.node(), mode, ...times };
    }),
  "disk-slow": (stage) => {
    const latency = someDelay(stage, stage.strength(0.1, 10_000));
    return stage.repeat((times) => diskFault(stage, { latency }, times));
  },
  "disk-stall": (stage) => stage.repeat((times) => diskFault(stage, { stalled: true }, times)),
  "disk-errors": (stage) => {
    const what = pick(stage.random, ["readErrorRate", "writeErrorRate", "syncErrorRate"] as const);
    const conditions = { [what]: stage.strength(0.001, 1) };
    return stage.repeat((times) => diskFault(stage, conditions, times));
  },
  "disk-full": (stage) => {
    const freeBytes = Math.round(stage.strength(1, 1e6));
    return stage.repeat((times) => diskFault(stage, { freeBytes }, times));
  },
};

function linkFault(link: Link, conditions: Partial<LinkConditions>, times: Times): LinkFault {
  return { kind: "link", ...link, conditions, ...times };
}

function linkFaults(links: readonly Link[], conditions: Partial<LinkConditions>, times: Times): LinkFault[] {
  return links.map((link) => linkFault(link, conditions, times));
}

function diskFault(stage: Stage, conditions: DiskFault["conditions"], times: Times): DiskFault {
  return { kind: "disk", node: stage.node(), conditions, ...times };
}

/** Two groups of any sizes; neither reaches the other, or only one is deaf. */
function partition(stage: Stage, times: Times): LinkFault[] {
  const order = shuffled(stage.random, stage.nodes);
  const one = new Set(order.slice(0, Math.ceil(between(stage.random, 0, order.length - 1))));
  const oneWay = chance(stage.random, 0.5);
  const crossing = ({ from, to }: Link): boolean =>
    (one.has(from) && !one.has(to)) || (!oneWay && one.has(to) && !one.has(from));
  return linkFaults(stage.links.filter(crossing), { cut: true }, times);
}

/**
 * Some nodes lose their network one by one, in the first third of the time, and get it back in
 * another order in the last third.
 */
function swizzle(stage: Stage, { atMs, forMs }: Times): LinkFault[] {
  const lastsMs = forMs ?? stage.untilMs - atMs;
  const struck = shuffled(stage.random, stage.nodes).slice(0, Math.ceil(between(stage.random, 0, stage.nodes.length)));
  const returning = shuffled(stage.random, struck);
  const conditions = chance(stage.random, 0.5) ? { held: true } : { cut: true };
  const third = lastsMs / (3 * Math.max(1, struck.length));
  return struck.flatMap((node, place) => {
    const beginsMs = rounded(atMs + place * third);
    const endsMs = atMs + (2 * lastsMs) / 3 + (returning.indexOf(node) + 1) * third;
    return linkFaults(stage.around(node), conditions, { atMs: beginsMs, forMs: rounded(endsMs - beginsMs) });
  });
}

/** One of the shapes of delay, all of about the same mean. */
function someDelay(stage: Stage, meanMs: number): Delay {
  const exponential: Delay = { kind: "exponential", minMs: 0, meanMs };
  return pick<Delay>(stage.random, [
    { kind: "fixed", ms: meanMs },
    { kind: "uniform", minMs: 0, maxMs: 2 * meanMs },
    exponential,
    { kind: "pareto", minMs: Number((meanMs / 3).toPrecision(3)), shape: 1.5, capMs: 100 * meanMs },
    { kind: "bursts", calm: { kind: "fixed", ms: 0 }, burst: exponential, meanCalmMs: 1_000, meanBurstMs: 500 },
  ]);
}

function signed(stage: Stage, value: number): number {
  return chance(stage.random, 0.5) ? value : -value;
}

/** To a microsecond. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
