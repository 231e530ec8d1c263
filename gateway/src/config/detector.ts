/**
 * Configuration of how a group's silence is judged: `detector`. Detector and supervisor share this
 * section, because for an operator they are one thing. Defaults that depend on the heartbeats are
 * in `group.ts`.
 */
import type { Complete } from "ground-station-failover/core";
import type { z } from "zod";
import type { GroupSettings } from "../fleet/settings.ts";
import { decimal, duration, oneOf, section, wholeNumber } from "./values.ts";

export interface WrittenDetector extends Complete<Omit<GroupSettings["supervisor"], "gracePeriodMs">> {
  readonly model: GroupSettings["detector"]["model"];
  readonly windowSize: number | undefined;
  readonly threshold: number;
  readonly logThreshold: number;
  readonly minDeviationMs: number | undefined;
  readonly ceilingMs: number | undefined;
  readonly gracePeriodMs: number | undefined;
}

const HOUR_MS = 3_600_000;

/**
 * Default levels. Those of the adaptive model are rates of mistakes: level 12 is one mistake in
 * 10,000 hours of a station (somewhat more than a year), level 8 is one an hour, level 7 is ten an
 * hour. Only a declaration promotes another station; suspicion stops nothing. Those of the other
 * models are improbabilities: at level 8, one silence in 10^8 would be a false alarm.
 */
const ADAPTIVE_LEVELS = { declare: 12, suspect: 8, log: 7 };
const PHI_LEVELS = { declare: 8, suspect: 5, log: 3 };

const fields = section({
  model: oneOf("adaptive", "normal", "lognormal", "exponential")
    .prefault("adaptive")
    .meta({
      description:
        "How the spacing of heartbeats is learned. `adaptive` needs no tuning: it counts how long silences have " +
        "been, and its levels are rates of mistakes on any network. The others fit a distribution: `lognormal` for a " +
        "long tail, `exponential` for heartbeats without a rhythm. [Calibration](calibration.md) tells which one fits",
    }),
  windowSize: wholeNumber(10, 10_000)
    .optional()
    .meta({
      unit: "gaps",
      byDefault: "200",
      description:
        "How many gaps of a station are remembered. Not for `adaptive`, which keeps no window. 200 are ten seconds " +
        "of heartbeats at 50 ms, enough for a deviation that is good to 5 %. A larger window is steadier, a smaller " +
        "one follows a change sooner; 10000 gaps take 80 KB a station",
    }),
  threshold: decimal(1, 100)
    .optional()
    .meta({
      byDefault: "`adaptive` 12, else 8",
      description:
        "Suspicion level at which a station is declared down; a declaration promotes another one. `adaptive`: at " +
        "level 8 one mistake an hour is to be expected, with each further level ten times fewer, so at 12 one in " +
        "10,000 hours of a station, as far as its silences so far can tell. The other models: at 8 a silence comes " +
        "by chance once in 10⁸ heartbeats",
    }),
  suspectThreshold: decimal(0.1, 100)
    .optional()
    .meta({
      range: "0.1 … `threshold`",
      byDefault: "`adaptive` 8, else 5, at most `threshold`",
      description:
        "From this level on a station is suspected: it is neither promoted nor gone back to. The active station " +
        "keeps its commands until it is declared down, because to hold them back on a suspicion would be an outage " +
        "too",
    }),
  logThreshold: decimal(0.1, 100)
    .optional()
    .meta({
      byDefault: "`adaptive` 7, else 3, at most `threshold`",
      description:
        "From this level on an event and a log line say that heartbeats are missing; nothing else follows, so it may " +
        "be wrong more often than suspicion",
    }),
  clearThreshold: decimal(0.01, 100)
    .prefault(2)
    .meta({
      range: "0.01 … below `suspectThreshold`",
      description:
        "Below this level a station that was suspected or down is alive again. Far enough below suspicion that a " +
        "level which wavers does not flap",
    }),
  minDeviation: duration(1, HOUR_MS)
    .optional()
    .meta({
      byDefault:
        "`adaptive` a tenth of the interval and 150ms together, at least 20ms; else the larger of 50ms and a quarter " +
        "of the interval",
      description:
        "Least irregularity of heartbeats that is assumed, because a busy machine stalls for 0.1 s now and then. " +
        "`adaptive`: no silence below ten of these reaches level 8, other levels in proportion. So level 8 is not " +
        "reached before an interval and 150 ms are over, and nothing is declared before half as much again: 300 ms " +
        "at 50 ms heartbeats, 0.53 s at five probes a second, 1.7 s at one. On machines with nothing else to do 5ms " +
        "gives 75 ms at 50 ms heartbeats. `normal`: level 8 is 5.6 deviations; 50 ms bear a stall of 280 ms, and at " +
        "50 ms heartbeats a silence of 330 ms is declared. `lognormal` and `exponential` need about 1 s for that",
    }),
  ceiling: duration(10, HOUR_MS)
    .optional()
    .meta({
      range: "10ms … 1h, at least 2 intervals; bounded by `objective`",
      byDefault: "the larger of 1s and 20 intervals (http: 5)",
      description:
        "Silence that is always declared, whatever was learned, and that is never learned: a station that misses so " +
        "many heartbeats serves nobody meanwhile. A lost probe is sent again by TCP, a lost datagram is not: so " +
        "fewer missed probes are proof. Raise it where bursts of loss last longer and the backup would lose the same",
    }),
  sustain: duration(0, HOUR_MS).prefault(0).meta({
    description:
      "How long the level must hold before it counts. 0, because a declaration needs an improbable silence already",
  }),
  minDwell: duration(0, HOUR_MS)
    .prefault("1s")
    .meta({
      description:
        "A station that was declared down stays down at least this long: one that comes and goes within a second serves " +
        "nobody",
    }),
  gracePeriod: duration(0, HOUR_MS)
    .optional()
    .meta({
      byDefault: "udp `5s`; http two ceilings, from 2s to 5s",
      description:
        "How long a station may be never heard from: time for a station that starts together with the gateway. A " +
        "probed station is declared as soon right after the start as later, within two ceilings; give a service that " +
        "takes longer to start more",
    }),
});

/** `detector` of a group. */
export const detector: z.ZodType<WrittenDetector> = fields
  .transform((written): WrittenDetector => {
    const levels = written.model === "adaptive" ? ADAPTIVE_LEVELS : PHI_LEVELS;
    const threshold = written.threshold ?? levels.declare;
    return {
      model: written.model,
      windowSize: written.windowSize,
      threshold,
      suspectThreshold: written.suspectThreshold ?? Math.min(levels.suspect, threshold),
      logThreshold: written.logThreshold ?? Math.min(levels.log, threshold),
      clearThreshold: written.clearThreshold,
      minDeviationMs: written.minDeviation,
      ceilingMs: written.ceiling,
      sustainMs: written.sustain,
      minDwellMs: written.minDwell,
      gracePeriodMs: written.gracePeriod,
    };
  })
  .prefault({})
  .meta({ description: "When a silence becomes a declaration" });
