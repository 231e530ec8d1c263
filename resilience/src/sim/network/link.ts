/**
 * The conditions of one direction between two machines: how long it takes, what it loses, doubles,
 * reorders or corrupts, how much fits through it, and whether it is cut or held. Conditions are
 * plain data, so that a fault plan can be written to a file. Several faults on one direction
 * combine by a simple rule: any cut cuts, rates take the worst, delays add up, the narrowest
 * bandwidth counts. Removing one leaves exactly the others.
 *
 * The terms are those of `tc netem`, FoundationDB (clog) and turmoil (hold and release). This file
 * only describes conditions; `direction.ts` applies them to messages.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { checked, type Range } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { exponentialAt, paretoAt } from "../faults/draws.ts";

/** A delay in milliseconds that is drawn anew for each message. */
export type PlainDelay =
  | { readonly kind: "fixed"; readonly ms: number }
  | { readonly kind: "uniform"; readonly minMs: number; readonly maxMs: number }
  /** `minMs` plus an exponential wait of mean `meanMs`: a queue that is mostly empty. */
  | { readonly kind: "exponential"; readonly minMs: number; readonly meanMs: number }
  /**
   * Heavy-tailed: rare delays are huge. `shape` 1 to 3 (smaller is heavier), never above `capMs`.
   */
  | { readonly kind: "pareto"; readonly minMs: number; readonly shape: number; readonly capMs: number };

/**
 * A path that is good for a while and bad for a while. The two states alternate; their durations
 * are exponential.
 */
export interface BurstDelay {
  readonly kind: "bursts";
  readonly calm: PlainDelay;
  readonly burst: PlainDelay;
  readonly meanCalmMs: number;
  readonly meanBurstMs: number;
}

/** How long a message takes from one node to another. */
export type Delay = PlainDelay | BurstDelay;

/** What one direction of a link does to messages. */
export interface LinkConditions {
  /**
   * How long each message is under way. Drawn for each, so that datagrams may overtake each other.
   * Default: 0.2 ms plus an exponential 0.3 ms.
   */
  readonly delay: Delay;
  /**
   * Share of datagrams that never arrive, 0 to 1; a stream is delayed by retransmission instead.
   * Default 0.
   */
  readonly lossRate: number;
  /** Share of datagrams that arrive twice, 0 to 1. Default 0. */
  readonly duplicateRate: number;
  /**
   * Share of datagrams that are delayed by up to `reorderMs`, so that later ones overtake them, 0
   * to 1. Default 0.
   */
  readonly reorderRate: number;
  /**
   * The longest extra delay of a reordered datagram, or of the second copy of a duplicated one.
   * Default 100.
   */
  readonly reorderMs: number;
  /**
   * Share of datagrams that arrive changed, 0 to 1; a stream's checksum detects the change and the
   * segment is sent again. Default 0.
   */
  readonly corruptRate: number;
  /** Bandwidth. Default Infinity. */
  readonly bytesPerSecond: number;
  /**
   * How many bytes may wait for bandwidth; further datagrams are lost, streams wait (in their
   * senders' buffers). Default Infinity.
   */
  readonly queueBytes: number;
  /**
   * A clog: everything takes this much longer and keeps its order, and messages sent after its end
   * wait behind it. Default 0.
   */
  readonly clogMs: number;
  /**
   * Nothing gets through, and no side is notified. Streams try again for a minute. Default false.
   */
  readonly cut: boolean;
  /**
   * Messages that are sent are kept, in order, until they are released; messages already under way
   * arrive. Default false.
   */
  readonly held: boolean;
}

/** A healthy network inside one region. */
export const HEALTHY_LINK: LinkConditions = {
  delay: { kind: "exponential", minMs: 0.2, meanMs: 0.3 },
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  reorderMs: 100,
  corruptRate: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  queueBytes: Number.POSITIVE_INFINITY,
  clogMs: 0,
  cut: false,
  held: false,
};

/** Conditions that have been in force since an instant. */
export interface Layer {
  readonly conditions: Partial<LinkConditions>;
  readonly sinceMs: number;
}

/** All layers of a direction as one: the same rates, and a list of delays to add up. */
export interface CombinedConditions extends Omit<LinkConditions, "delay"> {
  readonly delays: readonly DelaySource[];
}

/** `base` with the faults in `layers` on top. `random` is the direction's own stream. */
export function combined(base: LinkConditions, layers: readonly Layer[], random: Random): CombinedConditions {
  const { delay, ...rest } = base;
  const all = { ...rest, delays: [delaySource(delay, 0, random)] };
  for (const { conditions, sinceMs } of layers) {
    if (conditions.delay !== undefined) all.delays.push(delaySource(conditions.delay, sinceMs, random));
    for (const name of ["lossRate", "duplicateRate", "reorderRate", "reorderMs", "corruptRate"] as const) {
      all[name] = Math.max(all[name], conditions[name] ?? 0);
    }
    for (const name of ["bytesPerSecond", "queueBytes"] as const) {
      all[name] = Math.min(all[name], conditions[name] ?? Number.POSITIVE_INFINITY);
    }
    all.clogMs += conditions.clogMs ?? 0;
    all.cut ||= conditions.cut ?? false;
    all.held ||= conditions.held ?? false;
  }
  return all;
}

/** Returns, for a share and an instant, the delay below which that share of all delays lie. */
export type DelaySource = (share: number, nowMs: number) => number;

/**
 * A source for `delay`. Its bursts follow only from `random`'s seed and the instant they began:
 * other draws do not change them.
 */
export function delaySource(delay: Delay, sinceMs: number, random: Random): DelaySource {
  if (delay.kind !== "bursts") return (share) => delayAt(delay, share);
  const turns = random.fork(`bursts since ${sinceMs}`);
  let bursting = false;
  let untilMs = sinceMs + exponentialAt(turns.next(), delay.meanCalmMs);
  return (share, nowMs) => {
    while (untilMs <= nowMs) {
      bursting = !bursting;
      untilMs += exponentialAt(turns.next(), bursting ? delay.meanBurstMs : delay.meanCalmMs);
    }
    return delayAt(bursting ? delay.burst : delay.calm, share);
  };
}

function delayAt(delay: PlainDelay, share: number): number {
  switch (delay.kind) {
    case "fixed":
      return delay.ms;
    case "uniform":
      return delay.minMs + share * (delay.maxMs - delay.minMs);
    case "exponential":
      return delay.minMs + exponentialAt(share, delay.meanMs);
    case "pareto":
      return paretoAt(share, delay.minMs, delay.shape, delay.capMs);
  }
}

const SHARE: Range = { min: 0, max: 1 };
/** Up to 11 days: longer than any run. */
const SPAN_MS: Range = { min: 0, max: 1e9 };
const SOME_MS: Range = { min: 0, max: 1e9, aboveMin: true };
/** Shorter turns would cost more than they are worth. */
const TURN_MS: Range = { min: 0.1, max: 1e9 };
const NUMBERS: Readonly<Record<string, Range>> = {
  lossRate: SHARE,
  duplicateRate: SHARE,
  reorderRate: SHARE,
  reorderMs: SPAN_MS,
  corruptRate: SHARE,
  bytesPerSecond: { min: 0, max: Number.POSITIVE_INFINITY, aboveMin: true },
  queueBytes: { min: 0, max: Number.POSITIVE_INFINITY },
  clogMs: SPAN_MS,
};
const SWITCHES: readonly string[] = ["cut", "held"];
const DELAYS: Readonly<Record<string, Readonly<Record<string, Range>>>> = {
  fixed: { ms: SPAN_MS },
  uniform: { minMs: SPAN_MS, maxMs: SPAN_MS },
  exponential: { minMs: SPAN_MS, meanMs: SPAN_MS },
  pareto: { minMs: SOME_MS, shape: { min: 0.1, max: 100 }, capMs: SOME_MS },
};

/**
 * Returns `conditions` if each has a known name and an allowed value; otherwise throws an error
 * that names it, its value and what is allowed.
 */
export function checkedConditions(part: string, conditions: Partial<LinkConditions>): Partial<LinkConditions> {
  for (const [name, value] of Object.entries(conditions)) {
    const range = NUMBERS[name];
    if (name === "delay") checkDelay(part, name, value);
    else if (range !== undefined) checked(part, name, value as number, range);
    else if (!SWITCHES.includes(name)) {
      refuse(`${part}: there is no condition "${name}"; there are ${Object.keys(HEALTHY_LINK).join(", ")}.`);
    } else if (typeof value !== "boolean") refuse(`${part}: ${name} is ${String(value)}; it must be true or false.`);
  }
  return conditions;
}

/** Throws unless `delay` is one of the known kinds, with allowed numbers. */
export function checkDelay(part: string, name: string, delay: unknown): void {
  const given = (typeof delay === "object" && delay !== null ? delay : {}) as Record<string, unknown>;
  if (given["kind"] === "bursts") {
    for (const state of ["calm", "burst"]) checkDelay(part, `${name}.${state}`, given[state]);
    for (const mean of ["meanCalmMs", "meanBurstMs"]) checked(part, `${name}.${mean}`, given[mean] as number, TURN_MS);
    if ((given["calm"] as Delay).kind === "bursts" || (given["burst"] as Delay).kind === "bursts") {
      refuse(`${part}: ${name} has bursts of bursts; calm and burst must be plain delays.`);
    }
    return;
  }
  const fields = DELAYS[String(given["kind"])];
  if (fields === undefined) {
    refuse(
      `${part}: ${name}.kind is ${String(given["kind"])}; it must be one of ${Object.keys(DELAYS).join(", ")}, bursts.`,
    );
  }
  for (const [field, range] of Object.entries(fields)) checked(part, `${name}.${field}`, given[field] as number, range);
  if (given["kind"] === "uniform" && (given["minMs"] as number) > (given["maxMs"] as number)) {
    refuse(
      `${part}: ${name}.minMs is ${String(given["minMs"])}; it must not be above maxMs, ${String(given["maxMs"])}.`,
    );
  }
}

function refuse(message: string): never {
  throw new ConfigurationError("out-of-range", message);
}
