/**
 * When a drill is due next: a cron pattern in a time zone, and a random offset, so that nobody can
 * prepare for it to the minute. The offset is drawn from a seed that is shown, so it can be drawn
 * again. The next run is forbidden while one is still under way (Chaos Mesh calls this Forbid): it
 * is left out, not queued.
 */
import { Cron } from "croner";
import { seededRandom } from "ground-station-failover";
import { type BusinessHours, isInHours } from "./hours.ts";

/** Most cron instants that are looked at for one that lies in the hours: a year of days. */
const MAX_LOOKED_AT = 400;

export interface Schedule {
  /** Five or six fields, or a nickname such as "@weekly". */
  readonly cron: string;
  /** A name of the time zone database. Default "UTC". */
  readonly timezone: string;
  /** Range of the random offset behind the cron instant, in ms, from 0 to 1 day. Default 0. */
  readonly offsetMs: number;
}

export interface NextRunOptions {
  /** The next run lies behind this instant. */
  readonly after: Date;
  readonly seed: number;
  /** Runs outside of these hours are left out. */
  readonly hours: BusinessHours | undefined;
}

export interface NextRun {
  readonly at: Date;
  /** The instant of the cron pattern. */
  readonly scheduledAt: Date;
  readonly offsetMs: number;
  /** What the offset was drawn from. */
  readonly seed: number;
}

/**
 * The next run; undefined if there is none within the instants that are looked at. The offset
 * depends on the seed and on the cron instant alone, so asking again later changes nothing.
 */
export function nextRun({ cron, timezone, offsetMs }: Schedule, options: NextRunOptions): NextRun | undefined {
  const { after, seed, hours } = options;
  const pattern = new Cron(cron, { timezone, paused: true });
  // A run whose cron instant has passed may still be ahead, because of its offset.
  let from = new Date(after.getTime() - offsetMs - 1);
  for (let looked = 0; looked < MAX_LOOKED_AT; looked++) {
    const scheduledAt = pattern.nextRun(from);
    if (scheduledAt === null) return undefined;
    const drawn = seededRandom(seed).fork(scheduledAt.toISOString()).next();
    const offset = Math.floor(drawn * offsetMs);
    const at = new Date(scheduledAt.getTime() + offset);
    if (at > after && (hours === undefined || isInHours(hours, at))) return { at, scheduledAt, offsetMs: offset, seed };
    from = scheduledAt;
  }
  return undefined;
}

/** The problem of a cron pattern; undefined: it can be read. */
export function cronProblem(cron: string): string | undefined {
  try {
    new Cron(cron, { paused: true });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
