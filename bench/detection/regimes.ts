/**
 * The traffic that every detector is judged on: kinds of path and sender (bootstrap and outage are
 * in episodes.ts), each as a stream of beats drawn from a seed. A `renewal` sender waits a gap
 * after its last beat; a `periodic` one keeps to a grid and the path adds the jitter. What differs
 * between regimes is the gap, the delay, what is lost and when the sender stands still.
 *
 * WAN: the figures of N. Hayashibara et al., "The phi accrual failure detector", 2004, section 5:
 * 103.5 ms between beats (deviation 0.19), round trip 283 ms (27, at least 270), 0.4 % lost, in 814
 * bursts a week of up to 1093 beats. The published mean of 28 beats a burst with that longest one
 * is met by Pareto lengths of shape 1.08, cut at 1093.
 */
import type { Random } from "ground-station-failover";
import { exponential, NormalDraws, pareto } from "./draws.ts";

export type Sender = "renewal" | "periodic";

/**
 * One beat: when it was sent, whether it got lost, and how long it travelled if not. The object is
 * used again.
 */
interface SentBeat {
  /** When the sender meant to send it. */
  dueMs: number;
  sentMs: number;
  delayMs: number;
  lost: boolean;
}

export interface Regime {
  readonly name: string;
  /** What it stands for. */
  readonly about: string;
  /** Nominal time between beats. */
  readonly intervalMs: number;
  /** Share of beats that arrive twice. */
  readonly duplicateRate: number;
  /**
   * Hours in a full run: enough mistakes at one an hour to judge by, about four million beats at
   * most.
   */
  readonly hours: number;
  /** How traffic is distributed at an instant, where that changes: for the oracle that knows it. */
  readonly truth?: (nowMs: number) => { readonly meanMs: number; readonly deviationMs: number };
  beats(sender: Sender, random: Random): () => SentBeat;
}

/** What a regime says of its traffic; the rest of the machinery is the same for all. */
interface Traffic {
  readonly intervalMs: number;
  /** Interval of a periodic sender at an instant, where that changes. */
  intervalAt?(nowMs: number): number;
  /** Time from one beat to the next of a renewal sender. */
  gapMs(nowMs: number, draws: NormalDraws): number;
  /**
   * Travel time: for renewal senders what the path adds, for periodic ones all the jitter there is.
   */
  delayMs(nowMs: number, draws: NormalDraws, random: Random, sender: Sender): number;
  /** Chance that a burst of loss begins at a beat, and how many beats it takes. */
  lossRate?(nowMs: number): number;
  lossLength?(random: Random): number;
  /** Stalls of the sender: mean time between them and how long one lasts. */
  readonly stallEveryMs?: number;
  stallMs?(draws: NormalDraws): number;
  /**
   * Stalls that do not come evenly: a stream of them, in order, for one sender. Takes the place of
   * the two above.
   */
  stalls?(draws: NormalDraws, random: Random): () => Stall;
  /** Holes in the path: what is sent before the hole ends arrives at its end or never. */
  readonly holeEveryMs?: number;
  holeMs?(random: Random): number;
}

/** The sender does nothing from one instant to the other. */
interface Stall {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Stalls at random instants, as `stallEveryMs` and `stallMs` say. */
function evenStalls(traffic: Traffic, draws: NormalDraws, chance: Random): () => Stall {
  let toMs = 0;
  return () => {
    const { stallEveryMs } = traffic;
    if (stallEveryMs === undefined) return { fromMs: Number.POSITIVE_INFINITY, toMs: Number.POSITIVE_INFINITY };
    const fromMs = toMs + exponential(chance, stallEveryMs);
    toMs = fromMs + (traffic.stallMs?.(draws) ?? 0);
    return { fromMs, toMs };
  };
}

function senderOf(traffic: Traffic, sender: Sender, random: Random): () => SentBeat {
  const draws = new NormalDraws(random.fork("normal"));
  const chance = random.fork("chance");
  const beat: SentBeat = { dueMs: 0, sentMs: 0, delayMs: 0, lost: false };
  let dueMs = 0;
  let losing = 0;
  const nextStall = traffic.stalls?.(draws, chance) ?? evenStalls(traffic, draws, chance);
  let stall = nextStall();
  let holeFromMs = traffic.holeEveryMs ?? Number.POSITIVE_INFINITY;
  let holeToMs = holeFromMs + (traffic.holeMs?.(chance) ?? 0);
  return () => {
    while (dueMs > stall.toMs) stall = nextStall();
    beat.dueMs = dueMs;
    beat.sentMs = dueMs >= stall.fromMs ? stall.toMs : dueMs;
    // A timer that comes late fires once; a periodic sender then goes on at the next point of its
    // grid.
    if (sender === "renewal") dueMs = beat.sentMs + Math.max(1, traffic.gapMs(beat.sentMs, draws));
    else {
      const intervalMs = traffic.intervalAt?.(dueMs) ?? traffic.intervalMs;
      dueMs += intervalMs * Math.max(1, Math.ceil((beat.sentMs - dueMs) / intervalMs));
    }
    while (beat.sentMs > holeToMs) {
      holeFromMs += traffic.holeEveryMs ?? 1;
      holeToMs = holeFromMs + (traffic.holeMs?.(chance) ?? 0);
    }
    beat.delayMs = Math.max(0.1, traffic.delayMs(beat.sentMs, draws, chance, sender));
    const inHole = beat.sentMs >= holeFromMs;
    if (inHole) beat.delayMs += holeToMs - beat.sentMs;
    if (losing > 0) losing--;
    else if (chance.next() < (traffic.lossRate?.(beat.sentMs) ?? 0)) losing = traffic.lossLength?.(chance) ?? 1;
    beat.lost = losing > 0 || (inHole && chance.next() < 0.5);
    return beat;
  };
}

function regime(
  name: string,
  about: string,
  hours: number,
  traffic: Traffic,
  more: Partial<Pick<Regime, "truth" | "duplicateRate">> = {},
): Regime {
  return {
    name,
    about,
    hours,
    intervalMs: traffic.intervalMs,
    duplicateRate: 0.001,
    beats: (sender, random) => senderOf(traffic, sender, random),
    ...more,
  };
}

/**
 * Delays of deviation d make gaps of deviation 1.41 d, so a periodic sender gets jitter / 1.41 for
 * the same gaps.
 */
const PERIODIC_SHARE = Math.SQRT1_2;

/** Gaps N(mean, deviation) where both may change with time. */
function normalTraffic(
  intervalMs: number,
  at: (nowMs: number) => { readonly meanMs: number; readonly deviationMs: number },
  more: Partial<Traffic> = {},
): Traffic {
  return {
    intervalMs,
    gapMs: (nowMs, draws) => {
      const { meanMs, deviationMs } = at(nowMs);
      return meanMs + deviationMs * draws.next();
    },
    delayMs: (nowMs, draws, _random, sender) =>
      sender === "renewal" ? 2 : 30 + at(nowMs).deviationMs * (PERIODIC_SHARE * draws.next() + 3),
    lossRate: () => 1e-6,
    ...more,
  };
}

const FIFTY_TEN = { meanMs: 50, deviationMs: 10 } as const;
const HUNDRED_TWENTY = { meanMs: 100, deviationMs: 20 } as const;
const HUNDRED_FIVE = { meanMs: 100, deviationMs: 5 } as const;
const HUNDRED_FIFTY = { meanMs: 100, deviationMs: 50 } as const;
const PHASE_MS = 1_800_000;
const DAY_MS = 86_400_000;

const secondHalf = (nowMs: number): boolean => Math.floor(nowMs / PHASE_MS) % 2 === 1;
const levelStep = (nowMs: number): typeof FIFTY_TEN | typeof HUNDRED_TWENTY =>
  secondHalf(nowMs) ? HUNDRED_TWENTY : FIFTY_TEN;
const jitterStep = (nowMs: number): typeof HUNDRED_FIVE | typeof HUNDRED_FIFTY =>
  secondHalf(nowMs) ? HUNDRED_FIFTY : HUNDRED_FIVE;

/** 0 in the small hours, 1 at the day's peak. */
const busy = (nowMs: number): number => 0.5 - 0.5 * Math.cos((2 * Math.PI * nowMs) / DAY_MS);
const diurnal = (nowMs: number): { meanMs: number; deviationMs: number } => ({
  meanMs: 50,
  deviationMs: 5 + 20 * busy(nowMs),
});

const FIFTY_TWO = { meanMs: 50, deviationMs: 2 } as const;
const FIFTY_THREE = { meanMs: 50, deviationMs: 3 } as const;
const FIFTY_THIRTY = { meanMs: 50, deviationMs: 30 } as const;
/** Rough for the last two minutes of ten. */
const jitterFlip = (nowMs: number): typeof FIFTY_THREE | typeof FIFTY_THIRTY =>
  nowMs % 600_000 >= 480_000 ? FIFTY_THIRTY : FIFTY_THREE;

/**
 * A container whose share of the processor is used up (Linux CFS bandwidth control, periods of 100
 * ms): spells of 5 s and more, every ten minutes or so, in which it often stands still to the end
 * of the period, and seldom for some periods more.
 */
function throttling(_draws: NormalDraws, random: Random): () => Stall {
  const PERIOD_MS = 100;
  let atMs = 0;
  let spellEndsMs = 0;
  return () => {
    do {
      if (atMs >= spellEndsMs) {
        atMs += exponential(random, 600_000);
        spellEndsMs = atMs + 5_000 + exponential(random, 40_000);
      }
      atMs += PERIOD_MS;
    } while (random.next() < 0.4);
    const fromMs = atMs - PERIOD_MS * (0.2 + 0.6 * random.next());
    if (random.next() < 0.03) atMs += PERIOD_MS * Math.ceil(exponential(random, 2.5));
    return { fromMs, toMs: atMs };
  };
}

/** A collector of generations: short pauses every few seconds, long ones every few minutes. */
function generations(draws: NormalDraws, random: Random): () => Stall {
  let atMs = 0;
  return () => {
    const fromMs = atMs + exponential(random, 3_000);
    const medianMs = random.next() < 1 / 80 ? 400 : 25;
    atMs = fromMs + medianMs * Math.exp(0.5 * draws.next());
    return { fromMs, toMs: atMs };
  };
}

/** Slant range over a ten-minute pass: 5 ms overhead, 15 ms at the horizon. */
function slantDelayMs(nowMs: number): number {
  const place = ((nowMs / 600_000) % 1) * 2 - 1;
  return 5 + 10 * place * place;
}

export const REGIMES: readonly Regime[] = [
  regime(
    "intra-region",
    "gaps N(50, 10) ms",
    60,
    normalTraffic(50, () => FIFTY_TEN),
  ),
  regime("cross-region", "500 ms on average, lognormal, sigma 0.6; 20 losses a day", 400, {
    intervalMs: 500,
    gapMs: (_nowMs, draws) => 500 * Math.exp(0.6 * draws.next() - 0.18),
    delayMs: (_nowMs, draws, _random, sender) => (sender === "renewal" ? 40 : 150 * Math.exp(0.6 * draws.next())),
    lossRate: () => 1e-4,
  }),
  regime("wan", "103.5 ms beats, round trip 283 ± 27 ms, 0.4 % lost in bursts of up to 1093", 120, {
    intervalMs: 103.5,
    gapMs: (_nowMs, draws) => 103.5 + 0.19 * draws.next(),
    delayMs: (_nowMs, _draws, random) =>
      135 + exponential(random, 9) + (random.next() < 0.01 ? exponential(random, 60) : 0),
    lossRate: () => 1.4e-4,
    lossLength: (random) => Math.min(1093, Math.ceil(pareto(random, 5, 1.08))),
  }),
  regime("leo", "100 ms beats, ten-minute passes, 50 to 200 ms handover every 15 s, loss bursts", 80, {
    intervalMs: 100,
    gapMs: (_nowMs, draws) => 100 + 5 * draws.next(),
    delayMs: (nowMs, draws) => slantDelayMs(nowMs) + Math.abs(4 * draws.next()),
    lossRate: () => 3e-4,
    lossLength: (random) => 1 + Math.floor(exponential(random, 1)),
    holeEveryMs: 15_000,
    holeMs: (random) => 50 + 150 * random.next(),
  }),
  regime(
    "gc",
    "gaps N(50, 10) ms, the sender stalls for 200 ms about every 20 s",
    60,
    normalTraffic(50, () => FIFTY_TEN, { stallEveryMs: 20_000, stallMs: (draws) => 200 + 20 * draws.next() }),
  ),
  regime(
    "step-level",
    "N(50, 10) for half an hour, N(100, 20) for the next",
    60,
    normalTraffic(50, levelStep, { intervalAt: (nowMs) => levelStep(nowMs).meanMs }),
    { truth: levelStep },
  ),
  regime("step-jitter", "N(100, 5) for half an hour, N(100, 50) for the next", 100, normalTraffic(100, jitterStep), {
    truth: jitterStep,
  }),
  regime(
    "diurnal",
    "mean 50 ms, deviation 5 at night and 25 at noon, loss in short bursts from 0.001 % to 0.2 %",
    72,
    normalTraffic(50, diurnal, {
      lossRate: (nowMs) => 1e-5 + 2e-3 * busy(nowMs) ** 4,
      lossLength: (random) => 1 + Math.floor(exponential(random, 0.7)),
    }),
    { truth: diurnal },
  ),
  regime(
    "cfs",
    "gaps N(50, 2) ms; every ten minutes a container is throttled for some seconds, to the end of periods of 100 ms",
    80,
    normalTraffic(50, () => FIFTY_TWO, { stalls: throttling }),
  ),
  regime("jitter-flips", "N(50, 3) for eight minutes, N(50, 30) for the next two", 60, normalTraffic(50, jitterFlip), {
    truth: jitterFlip,
  }),
  regime(
    "generations",
    "gaps N(50, 3) ms; the sender stalls for some 25 ms every 3 s, for some 400 ms every four minutes",
    80,
    normalTraffic(50, () => FIFTY_THREE, { stalls: generations }),
  ),
  regime("two-paths", "100 ms beats over two paths by turns of chance, 20 and 120 ms long", 100, {
    intervalMs: 100,
    gapMs: (_nowMs, draws) => 100 + 2 * draws.next(),
    delayMs: (_nowMs, draws, random) => (random.next() < 0.5 ? 20 : 120) + Math.abs(2 * draws.next()),
    lossRate: () => 1e-6,
  }),
  regime("half-minute", "gaps N(30, 1) s, longer than the least ceiling", 4_000, {
    intervalMs: 30_000,
    gapMs: (_nowMs, draws) => 30_000 + 1_000 * draws.next(),
    delayMs: (_nowMs, draws, _random, sender) => (sender === "renewal" ? 40 : 3_000 + 700 * draws.next()),
    lossRate: () => 1e-4,
  }),
];
