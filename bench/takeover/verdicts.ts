/**
 * What our gateway promises in each case, as bounds computed from the setting and the floor, and
 * whether a row keeps them. Every bound is stated in README.md; where a figure is a count of
 * commands in flight at an instant, the bound has room for how exactly a bench can count that, and
 * says so here.
 */
import type { Figures } from "./figures.ts";
import type { Row } from "./rows.ts";
import { capacityPerSecond, isOverloaded } from "./setting.ts";

export interface Verdict {
  readonly front: string;
  readonly case: string;
  readonly promise: string;
  readonly found: string;
  readonly bound: string;
  readonly isKept: boolean;
}

interface Promised {
  readonly promise: string;
  readonly found: number;
  readonly bound: number;
  readonly isLeast?: boolean;
  readonly unit?: string;
}

/** Errors above the floor, as a share of the calls. */
const MAX_ERROR_RATE = 0.005;
/** Errors above a floor that is not 0, as a share of the floor, with the tuned file. */
const MAX_TUNED_EXCESS = 0.1;
/** Commands in flight at an instant are counted no more exactly than this. */
const COUNT_NOISE = 2;
/**
 * Time in which a front without the stations' contract may notice a fault; 20 commands with 80 ms
 * at 200/s.
 */
const NOTICE_MS = 20;
const MAX_GOODPUT_BACK_S = 5;
const MAX_REFUSAL_MS = 100;
/** Of the capacity, when the load is above it for good. */
const MIN_GOODPUT_RATIO = 0.8;
/**
 * A capacity that nobody declared has to be found out; such a share of what the backup got may be
 * refused meanwhile.
 */
const MAX_LEARNING_RATE = 0.05;
/** Latencies of two fronts in one run differ by this much by chance. */
const LATENCY_NOISE_MS = 10;
/** Cases in which p99 after the fault is bounded. */
const FAST_CASES = new Set(["1", "2", "3", "4", "5", "5b", "6", "7", "7b", "8", "11", "11b"]);
/**
 * Cases in which more is asked of the backup than it takes, even with a capacity above the rate.
 */
const SURGE_CASES = new Set(["9", "12"]);

/**
 * Largest p99 after the fault: a command that is lost halfway and sent again takes two latencies.
 */
export function maxP99Ms(latencyMs: number): number {
  return 2 * latencyMs + 2 * NOTICE_MS;
}

/** Commands that may be executed twice above the floor, without the stations' contract. */
export function maxDoubledExcess(rate: number, latencyMs: number): number {
  return Math.max(20, Math.round((rate * (latencyMs + NOTICE_MS)) / 1_000));
}

/**
 * Judges one row of ours; `peers` are the rows of the other programs in the same case at the same
 * setting.
 */
export function verdictsOf(row: Row, peers: readonly Row[]): readonly Verdict[] {
  const { front, case: name } = row;
  if (row.figures === null)
    return [{ front, case: name, promise: "the front starts", found: "it did not", bound: "it does", isKept: false }];
  const found = [...countPromises(row), ...timePromises(row), ...capacityPromises(row), ...peerPromises(row, peers)];
  return found.map(({ promise, found: value, bound, isLeast = false, unit = "" }) => ({
    front,
    case: name,
    promise,
    found: Number.isFinite(value) ? `${shown(value)}${unit}` : "never",
    bound: `${isLeast ? "≥" : "≤"} ${shown(bound)}${unit}`,
    isKept: isLeast ? value >= bound : value <= bound,
  }));
}

function median(row: Row, name: keyof Figures): number {
  return row.figures?.[name]?.median ?? 0;
}

function countPromises(row: Row): Promised[] {
  const { floor, setting, front } = row;
  const noise = Math.max(COUNT_NOISE, 0.1 * floor.doubled);
  const tunedBound = floor.errors * (1 + MAX_TUNED_EXCESS);
  const errorBound = front === "gsf-tuned" ? tunedBound : floor.errors + MAX_ERROR_RATE * median(row, "calls");
  const isContract = front.endsWith("+contract");
  const excess = isContract ? noise : maxDoubledExcess(setting.rate, setting.latencyMs);
  const errors: Promised = { promise: "errors", found: median(row, "errors"), bound: Math.floor(errorBound) };
  // Overloaded for good, the floor lets callers wait until the load ends, and what is promised is
  // to refuse them at once.
  return [
    ...(isOverloadedForGood(row) ? [] : [errors]),
    { promise: "doubled", found: median(row, "doubled"), bound: Math.floor(floor.doubled + excess) },
    { promise: "reported failed yet executed", found: median(row, "ghosts"), bound: ghostBound(floor.ghosts) },
    { promise: "lost", found: row.figures?.lost?.max ?? 0, bound: 0 },
  ];
}

/**
 * Exactly none where none is possible; else the count of commands in flight, as exactly as it can
 * be counted.
 */
function ghostBound(floor: number): number {
  return floor === 0 ? 0 : Math.floor(floor + Math.max(COUNT_NOISE, 0.1 * floor));
}

function timePromises(row: Row): Promised[] {
  const promised: Promised[] = [
    { promise: "goodput back", found: median(row, "goodputBackS"), bound: MAX_GOODPUT_BACK_S, unit: " s" },
  ];
  if (FAST_CASES.has(row.case) && !isOverloaded(row.setting)) {
    // No answer after the fault at all is no fast answer.
    const found = row.figures?.p99Ms?.median ?? Number.POSITIVE_INFINITY;
    promised.push({ promise: "p99 after the fault", found, bound: maxP99Ms(row.setting.latencyMs), unit: " ms" });
  }
  return promised;
}

function capacityPromises(row: Row): Promised[] {
  const { setting, front } = row;
  const offered = median(row, "backupRefusals");
  const isSurge = isOverloaded(setting) || SURGE_CASES.has(row.case);
  const isDeclared = front === "gsf-tuned";
  const bound = isSurge && !isDeclared ? Math.floor(MAX_LEARNING_RATE * median(row, "calls")) : COUNT_NOISE;
  const promised: Promised[] = [{ promise: "commands that the backup refused", found: offered, bound }];
  if (!isOverloadedForGood(row)) return promised;
  const least = MIN_GOODPUT_RATIO * capacityPerSecond(setting);
  promised.push({
    promise: "goodput 5 s after the fault",
    found: median(row, "lateGoodputPerSecond"),
    bound: least,
    isLeast: true,
    unit: "/s",
  });
  promised.push({
    promise: "refused within (p99)",
    found: median(row, "refusalP99Ms"),
    bound: MAX_REFUSAL_MS,
    unit: " ms",
  });
  return promised;
}

/** True where nobody but a backup that is too small can serve. */
function isOverloadedForGood({ setting, floor }: Row): boolean {
  return isOverloaded(setting) && floor.errors > 0;
}

/**
 * No figure worse than that of the best peer. How many were executed twice, and how slow the
 * slowest were, is compared only with peers that answered as many: who fails a command neither
 * doubles it nor is slow to answer it.
 */
function peerPromises(row: Row, peers: readonly Row[]): Promised[] {
  const started = peers.filter(({ figures }) => figures !== null);
  const answering = started.filter((peer) => median(peer, "errors") <= median(row, "errors") + COUNT_NOISE);
  const promised: Promised[] = [];
  for (const [figure, words, among] of [
    ["errors", "errors", started],
    ["ghosts", "reported failed yet executed", started],
    ["doubled", "doubled", answering],
  ] as const) {
    const best = bestOf(among, figure);
    if (best === undefined) continue;
    const bound = Math.floor(best.value + Math.max(COUNT_NOISE, 0.1 * best.value));
    promised.push({ promise: `${words}, beside ${best.front}`, found: median(row, figure), bound });
  }
  const best = bestOf(answering, "p99Ms");
  const ours = row.figures?.p99Ms?.median;
  if (best === undefined || ours === undefined) return promised;
  const bound = 1.1 * best.value + LATENCY_NOISE_MS;
  return [...promised, { promise: `p99, beside ${best.front}`, found: ours, bound, unit: " ms" }];
}

/** The peer with the least of a figure. */
function bestOf(peers: readonly Row[], figure: keyof Figures): { front: string; value: number } | undefined {
  const having = peers.flatMap(({ front, figures }) => {
    const value = figures?.[figure]?.median;
    return value === undefined ? [] : [{ front, value }];
  });
  return having.sort((one, other) => one.value - other.value)[0];
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value >= 10 ? value.toFixed(0) : value.toFixed(2);
}
