/**
 * What a long average hides, told in short lives of many detectors: the first five beats and a
 * crash (bootstrap), a minute of outage and a crash soon after it, a step up and a step down, a
 * network that has become eight times slower for good. Each episode is drawn anew from the seed;
 * the level asked for is 8 throughout.
 */

import type { Random } from "ground-station-failover";
import type { DetectorMachine } from "ground-station-failover/core";
import { NormalDraws } from "./draws.ts";
import { quantile } from "./quality.ts";
import type { Regime, Sender } from "./regimes.ts";
import { record } from "./trace.ts";

const NODE = "a";
const LEVEL = 8;
/**
 * A base timeout is three intervals, as on the intra-region path of the incident (50 ms beats, 150
 * ms timeout).
 */
const BASE_TIMEOUT_INTERVALS = 3;

export interface Bootstrap {
  readonly detectionP50Ms: number;
  readonly detectionP99Ms: number;
  /** Three base timeouts. */
  readonly boundMs: number;
  /** Share of lives declared within that bound. */
  readonly withinBoundRate: number;
  /** Share of lives that were suspected before their fifth beat. */
  readonly falseStartRate: number;
}

/** Five beats, then a crash at a random phase of the next interval; `lives` times. */
export function bootstrap(
  regime: Regime,
  sender: Sender,
  machineOf: () => DetectorMachine,
  lives: number,
  random: Random,
): Bootstrap {
  const detections: number[] = [];
  let falseStarts = 0;
  const boundMs = 3 * BASE_TIMEOUT_INTERVALS * regime.intervalMs;
  for (let life = 0; life < lives; life++) {
    const beats = regime.beats(sender, random.fork(`life ${life}`));
    const machine = machineOf();
    const arrivals = Array.from({ length: 6 }, (_, sequence) => {
      const { sentMs, delayMs, lost } = beats();
      return { sentMs, arrivalMs: sentMs + delayMs, lost, sequence };
    });
    const [nextSentMs, lastSentMs] = [arrivals[5]?.sentMs ?? 0, arrivals[4]?.sentMs ?? 0];
    const heard = arrivals.slice(0, 5).filter(({ lost }) => !lost);
    heard.sort((one, other) => one.arrivalMs - other.arrivalMs);
    let wasSuspected = false;
    heard.forEach(({ arrivalMs, sequence }, place) => {
      if (place > 0 && machine.suspicionLevel(NODE, arrivalMs) >= LEVEL) wasSuspected = true;
      machine.noteHeartbeat(NODE, { sequence }, arrivalMs);
    });
    if (wasSuspected) falseStarts++;
    const crashMs = lastSentMs + random.next() * (nextSentMs - lastSentMs);
    detections.push(Math.max(0, (machine.whenLevel(NODE, LEVEL) ?? Number.POSITIVE_INFINITY) - crashMs));
  }
  const sorted = Float64Array.from(detections).sort();
  return {
    detectionP50Ms: quantile(sorted, 0.5),
    detectionP99Ms: quantile(sorted, 0.99),
    boundMs,
    withinBoundRate: detections.filter((detectionMs) => detectionMs <= boundMs).length / lives,
    falseStartRate: falseStarts / lives,
  };
}

export interface Starts {
  /** Share of starts that were suspected wrongly within the first hundred beats. */
  readonly suspectedRate: number;
  /** Mistakes at level 8 in the first hour, on average. */
  readonly mistakes: number;
  /**
   * Share of starts in whose first hour a living sender was declared as the gateway declares (level
   * 12, its floor and ceiling).
   */
  readonly declaredRate: number;
}

const FIRST_BEATS = 100;
const FIRST_HOUR_MS = 3_600_000;
const GATEWAY_LEVEL = 12;

/**
 * Fresh detectors in their first hour; `gatewayOf` makes one with the gateway's settings for an
 * interval.
 */
export function starts(
  regime: Regime,
  sender: Sender,
  machineOf: () => DetectorMachine,
  gatewayOf: (intervalMs: number) => DetectorMachine,
  lives: number,
  random: Random,
): Starts {
  let suspected = 0;
  let mistakes = 0;
  let declared = 0;
  for (let life = 0; life < lives; life++) {
    const trace = record(regime, sender, FIRST_HOUR_MS / 3_600_000, `${random.next()}`);
    const [machine, gateway] = [machineOf(), gatewayOf(regime.intervalMs)];
    let [early, promoted] = [false, false];
    trace.arrivalMs.forEach((nowMs, place) => {
      const beat = { sequence: trace.sequence[place] as number };
      const wasHeard = machine.lastHeartbeatMs(NODE) !== undefined;
      const [level, gatewayLevel] = [machine.suspicionLevel(NODE, nowMs), gateway.suspicionLevel(NODE, nowMs)];
      const counted = machine.noteHeartbeat(NODE, beat, nowMs) === "counted";
      gateway.noteHeartbeat(NODE, beat, nowMs);
      if (!(wasHeard && counted)) return;
      if (level >= LEVEL) mistakes++;
      early ||= level >= LEVEL && place < FIRST_BEATS;
      promoted ||= gatewayLevel >= GATEWAY_LEVEL;
    });
    if (early) suspected++;
    if (promoted) declared++;
  }
  return { suspectedRate: suspected / lives, mistakes: mistakes / lives, declaredRate: declared / lives };
}

/**
 * A numbered sender with normal gaps (renewal) or normal delays on a grid (periodic), whose
 * parameters may be changed.
 */
class Stage {
  readonly machine: DetectorMachine;
  readonly #draws: NormalDraws;
  readonly #sender: Sender;
  nowMs = 0;
  #gridMs = 0;
  #sequence = 0;
  mistakes = 0;

  constructor(machine: DetectorMachine, sender: Sender, random: Random) {
    this.machine = machine;
    this.#sender = sender;
    this.#draws = new NormalDraws(random);
  }

  /** Beats for so long with the given mean and deviation of gaps. */
  beat(forMs: number, meanMs: number, deviationMs: number): void {
    const untilMs = this.nowMs + forMs;
    while (this.nowMs < untilMs) {
      this.#gridMs += meanMs;
      const jitterMs = deviationMs * this.#draws.next();
      const plannedMs =
        this.#sender === "renewal"
          ? this.nowMs + meanMs + jitterMs
          : this.#gridMs + 3 * meanMs + jitterMs * Math.SQRT1_2;
      const arrivalMs = Math.max(this.nowMs + 0.01, plannedMs);
      if (this.machine.suspicionLevel(NODE, arrivalMs) >= LEVEL && this.#sequence > 0) this.mistakes++;
      this.machine.noteHeartbeat(NODE, { sequence: this.#sequence++ }, arrivalMs);
      this.nowMs = arrivalMs;
    }
  }

  /** Says nothing for so long; a periodic sender goes on along its grid. */
  pause(forMs: number, meanMs: number): void {
    this.nowMs += forMs;
    this.#gridMs += Math.round(forMs / meanMs) * meanMs;
  }

  /** From the last beat to the deadline. */
  get deadlineMs(): number {
    return (this.machine.whenLevel(NODE, LEVEL) ?? Number.NaN) - (this.machine.lastHeartbeatMs(NODE) ?? Number.NaN);
  }
}

export interface Outage {
  /**
   * Typical silence to the deadline before the outage, in the first second after it, and from then
   * to ten seconds.
   */
  readonly beforeMs: number;
  readonly firstSecondMs: number;
  readonly laterMs: number;
}

/**
 * N(50, 10) for ten minutes, nothing for a minute, then beats again: how soon would a crash be
 * noticed now?
 */
export function outage(sender: Sender, machineOf: () => DetectorMachine, lives: number, random: Random): Outage {
  const before: number[] = [];
  const first: number[] = [];
  const later: number[] = [];
  for (let life = 0; life < lives; life++) {
    const stage = new Stage(machineOf(), sender, random.fork(`outage ${life}`));
    stage.beat(590_000, 50, 10);
    for (let look = 0; look < 20; look++) {
      stage.beat(500, 50, 10);
      before.push(stage.deadlineMs);
    }
    stage.pause(60_000, 50);
    for (let look = 0; look < 100; look++) {
      stage.beat(100, 50, 10);
      (look < 10 ? first : later).push(stage.deadlineMs);
    }
  }
  return { beforeMs: median(before), firstSecondMs: median(first), laterMs: median(later) };
}

export interface Step {
  /** Mistakes in the minute after a step up: the mean, and the most in any life. */
  readonly meanMistakes: number;
  readonly mostMistakes: number;
  /** Deadline ten seconds after the step down, and a minute later. */
  readonly tenSecondsMs: number;
  readonly steadyMs: number;
}

export interface StepKind {
  readonly name: string;
  readonly low: readonly [meanMs: number, deviationMs: number];
  readonly high: readonly [meanMs: number, deviationMs: number];
}

export const STEPS: readonly StepKind[] = [
  { name: "N(50, 10) to N(100, 20)", low: [50, 10], high: [100, 20] },
  { name: "N(50, 5) to N(50, 50)", low: [50, 5], high: [50, 50] },
  { name: "N(100, 5) to N(100, 50)", low: [100, 5], high: [100, 50] },
  { name: "N(50, 10) to N(400, 80)", low: [50, 10], high: [400, 80] },
];

/** An hour low, ten minutes high, then low again. */
export function step(
  kind: StepKind,
  sender: Sender,
  machineOf: () => DetectorMachine,
  lives: number,
  random: Random,
): Step {
  const mistakes: number[] = [];
  const tenSeconds: number[] = [];
  const steady: number[] = [];
  for (let life = 0; life < lives; life++) {
    const stage = new Stage(machineOf(), sender, random.fork(`${kind.name} ${life}`));
    stage.beat(3_600_000, ...kind.low);
    stage.mistakes = 0;
    stage.beat(60_000, ...kind.high);
    mistakes.push(stage.mistakes);
    stage.beat(540_000, ...kind.high);
    stage.beat(10_000, ...kind.low);
    for (let look = 0; look < 5; look++) {
      tenSeconds.push(stage.deadlineMs);
      stage.beat(60, ...kind.low);
    }
    stage.beat(60_000, ...kind.low);
    for (let look = 0; look < 5; look++) {
      steady.push(stage.deadlineMs);
      stage.beat(60, ...kind.low);
    }
  }
  return {
    meanMistakes: mistakes.reduce((sum, count) => sum + count, 0) / lives,
    mostMistakes: Math.max(...mistakes),
    tenSecondsMs: median(tenSeconds),
    steadyMs: median(steady),
  };
}

function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).sort(), 0.5);
}
