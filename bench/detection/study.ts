/**
 * One regime and one sender, every detector: the numbers of the table and the points of the curves.
 * References are tuned in hindsight on the very trace, so each shows the best it could have done;
 * the library's detectors run with their defaults, at levels that were fixed beforehand.
 */

import { type Random, seededRandom } from "ground-station-failover";
import { levelForMistakes, phiAccrualMachine } from "ground-station-failover/core";
import { runMachine } from "./machine-run.ts";
import { crashInstants, type Quality, ReferenceRun } from "./quality.ts";
import { REFERENCES } from "./references.ts";
import type { Regime, Sender } from "./regimes.ts";
import { record } from "./trace.ts";

const HOURLY = 1;
const DAILY: number = 1 / 24;
/** Mistakes an hour at which reference curves are drawn. */
const CURVE_RATES = [60, 30, 10, 5, 2, HOURLY, 0.5, 0.25, 0.1, DAILY] as const;
const HOURLY_LEVEL: number = levelForMistakes(HOURLY);
const DAILY_LEVEL: number = levelForMistakes(DAILY);
const LEVELS: readonly number[] = [4, 5, 6, 6.5, 7, 7.5, HOURLY_LEVEL, 8.5, 9, DAILY_LEVEL, 10, 11].sort(
  (a, b) => a - b,
);

export const ADAPTIVE = "adaptive";
const NORMAL = "phi normal, ours";

export interface Row {
  readonly detector: string;
  /**
   * `hindsight`: the knob is the best for this trace; `untuned`: the defaults, at the level for
   * that rate.
   */
  readonly tuned: "hindsight" | "untuned";
  readonly hourly: Quality;
  readonly daily: Quality;
  /** Detection time p50 at exactly one mistake an hour, read off the curve. */
  readonly atHourlyP50Ms: number;
  readonly curve: readonly Quality[];
}

export interface Study {
  readonly regime: string;
  readonly sender: Sender;
  readonly hours: number;
  readonly beats: number;
  readonly lost: number;
  readonly crashes: number;
  readonly rows: readonly Row[];
  /** Published detectors that were not asked for. */
  readonly leftOut?: readonly string[];
}

export interface StudyOptions {
  readonly seed: string;
  readonly crashes: number;
  /** Share of the regime's hours. */
  readonly share: number;
  /** Only detectors whose name contains this. */
  readonly detector?: string | undefined;
}

export function study(regime: Regime, sender: Sender, options: StudyOptions): Study {
  const hours = regime.hours * options.share;
  const trace = record(regime, sender, hours, options.seed);
  const random: Random = seededRandom(options.seed).fork(`crashes ${regime.name} ${sender}`);
  const crashesMs = crashInstants(trace, options.crashes, random);
  const wanted = (name: string): boolean => name.includes(options.detector ?? "");
  const rows: Row[] = [];
  const leftOut: string[] = [];
  for (const [detector, make] of REFERENCES) {
    const reference = make(trace);
    if (reference === undefined) continue;
    if (!wanted(detector) && !isOracle(detector)) {
      leftOut.push(detector);
      continue;
    }
    const run = new ReferenceRun(trace, crashesMs, reference);
    const at = (rate: number): Quality => run.quality(run.knobFor(rate));
    const [hourly, daily] = [at(HOURLY), at(DAILY)];
    const curve = CURVE_RATES.map(at);
    rows.push({ detector, tuned: "hindsight", hourly, daily, atHourlyP50Ms: hourly.detectionP50Ms, curve });
  }
  for (const model of ["normal", "adaptive"] as const) {
    const detector = model === "adaptive" ? ADAPTIVE : NORMAL;
    if (!wanted(detector)) continue;
    const curve = runMachine(trace, crashesMs, phiAccrualMachine({ model }), LEVELS);
    const hourly = curve[LEVELS.indexOf(HOURLY_LEVEL)] as Quality;
    const daily = curve[LEVELS.indexOf(DAILY_LEVEL)] as Quality;
    rows.push({ detector, tuned: "untuned", hourly, daily, atHourlyP50Ms: p50AtRate(curve, HOURLY), curve });
  }
  const { arrivalMs, lost } = trace;
  return {
    regime: regime.name,
    sender,
    hours,
    beats: arrivalMs.length,
    lost,
    crashes: options.crashes,
    rows,
    ...(leftOut.length > 0 ? { leftOut } : {}),
  };
}

/** Every detector that a study knows; `--detector` picks from them. */
export const DETECTORS: readonly string[] = [...REFERENCES.keys(), NORMAL, ADAPTIVE];

export function isOracle(detector: string): boolean {
  return detector.startsWith("oracle") || detector === "fixed timeout";
}

/**
 * The best timeout with the traffic in hand, since the last arrival or against the schedule,
 * whichever is shorter.
 */
export function oracleP50Ms({ rows }: Study): number {
  const oracles = rows.filter(({ detector }) => detector === "fixed timeout" || detector === "oracle: schedule");
  return Math.min(...oracles.map(({ hourly }) => hourly.detectionP50Ms));
}

/** Log-linear between the two settings whose mistake rates lie on either side. */
function p50AtRate(curve: readonly Quality[], rate: number): number {
  for (let place = 0; place + 1 < curve.length; place++) {
    const [often, seldom] = [curve[place] as Quality, curve[place + 1] as Quality];
    if (often.mistakesPerHour < rate || seldom.mistakesPerHour > rate || seldom.mistakesPerHour === 0) continue;
    const span = Math.log(often.mistakesPerHour / seldom.mistakesPerHour);
    const share = span === 0 ? 0 : Math.log(often.mistakesPerHour / rate) / span;
    return often.detectionP50Ms + share * (seldom.detectionP50Ms - often.detectionP50Ms);
  }
  return Number.NaN;
}
