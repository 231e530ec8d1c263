/**
 * Writes down how one system went through the incident, from what sources, stations and spacecraft
 * saw; only what no one else can know (declared, promoted, its circuit) is taken from the system
 * itself. Both systems are measured by the same definitions, which stand beside the numbers.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Command, FleetObserver } from "../fleet/observer.ts";
import type { GroupPlan } from "../fleet/plan.ts";

/** How it went. Instants count from the fault; undefined is never. */
export interface IncidentTimeline {
  readonly declaredMs: number | undefined;
  /** Why, in the system's own numbers. */
  readonly declaredBecause: string;
  readonly promotedMs: number | undefined;
  /** Requests that it had in hand then, and sent or let go from there. */
  readonly backlog: number;
  /** Failures on its breaker's books when it declared, and when its circuit first opened. */
  readonly failuresAtDeclaration: number;
  readonly circuitOpenedMs: number | undefined;
  /** The first command sent after the fault whose source was told that it is done. */
  readonly firstServedMs: number | undefined;
  /**
   * From here on every command is acknowledged within {@link STEADY_WITHIN_MS}; Infinity where that
   * never came.
   */
  readonly steadyMs: number;
  /** What the backup can work on, and the most that it was offered, in commands a second. */
  readonly capacityPerSecond: number;
  readonly offeredPeakPerSecond: number;
  /**
   * Commands sent between the fault and `steadyMs`, those of them that their sources gave up, and
   * the longest that one took.
   */
  readonly commands: number;
  readonly givenUp: number;
  readonly slowestMs: number;
  /** Attempts at the backup until `steadyMs`. */
  readonly attempts: number;
  /** What happened in each half minute since the fault. */
  readonly halfMinutes: readonly HalfMinute[];
}

export interface HalfMinute {
  /** Attempts at the backup. */
  offered: number;
  /** Commands whose sources were told that they are done, and that gave up. */
  acknowledged: number;
  givenUp: number;
}

/** What only a system itself can tell. */
export interface SystemEvents {
  /** The active station is down, for this reason. */
  declared(because: string): void;
  /** The backup is active, with so many requests in hand. */
  promoted(backlog: number): void;
  /** So many failures are on the breaker's books. */
  counted(failures: number): void;
  circuitOpened(): void;
}

/**
 * A command that takes longer is not well served: its work is one second, and on an ordinary day
 * few wait for three.
 */
export const STEADY_WITHIN_MS = 15_000;

const SECOND_MS = 1_000;
const HALF_MINUTE_MS = 30_000;

export class Recorder implements SystemEvents {
  readonly #fleet: Fleet;
  readonly #faultAtMs: number;
  readonly #backup: string;
  #declaredMs: number | undefined = undefined;
  #declaredBecause = "";
  #promotedMs: number | undefined = undefined;
  #backlog = 0;
  #failures = 0;
  #failuresAtDeclaration = 0;
  #circuitOpenedMs: number | undefined = undefined;
  #firstServedMs: number | undefined = undefined;
  /** Attempts at the backup, by second since the fault. */
  readonly #offered: number[] = [];
  readonly #halfMinutes: HalfMinute[] = [];

  constructor(fleet: Fleet, faultAtMs: number, backup: string) {
    this.#fleet = fleet;
    this.#faultAtMs = faultAtMs;
    this.#backup = backup;
  }

  declared(because: string): void {
    if (this.#declaredMs !== undefined) return;
    this.#declaredMs = this.#sinceFaultMs();
    this.#declaredBecause = because;
    this.#failuresAtDeclaration = this.#failures;
  }

  promoted(backlog: number): void {
    this.#promotedMs ??= this.#sinceFaultMs();
    this.#backlog = backlog;
  }

  counted(failures: number): void {
    this.#failures = failures;
  }

  circuitOpened(): void {
    this.#circuitOpenedMs ??= this.#sinceFaultMs();
  }

  /** What has to be watched in the world of that system. */
  get observer(): FleetObserver {
    return {
      commandTold: ({ told, sentAtMs }) => {
        const half = this.#halfMinute();
        if (half === undefined || sentAtMs <= this.#faultAtMs) return;
        if (told === "acknowledged") half.acknowledged++;
        else half.givenUp++;
        if (told === "acknowledged") this.#firstServedMs ??= this.#sinceFaultMs();
      },
      attemptBegan: ({ station }) => {
        const half = this.#halfMinute();
        if (half === undefined || station !== this.#backup) return;
        half.offered++;
        const second = Math.floor(this.#sinceFaultMs() / SECOND_MS);
        this.#offered[second] = (this.#offered[second] ?? 0) + 1;
      },
    };
  }

  /** All that was seen. Asked at the end of a run. */
  timeline(): IncidentTimeline {
    const { plan } = this.#fleet;
    const { lanes, serviceMs } = plan.groups[0] as GroupPlan;
    const after = [...this.#fleet.commands.values()].filter(({ sentAtMs }) => sentAtMs > this.#faultAtMs);
    const lastBad = after.findLast((command) => tookMs(command) > STEADY_WITHIN_MS);
    const steady = after.find(({ sentAtMs }) => sentAtMs > (lastBad?.sentAtMs ?? this.#faultAtMs));
    const steadyMs = (steady?.toldAtMs ?? Number.POSITIVE_INFINITY) - this.#faultAtMs;
    const until = after.filter(({ sentAtMs }) => sentAtMs - this.#faultAtMs <= steadyMs);
    const served = until.filter(({ told }) => told === "acknowledged");
    return {
      declaredMs: this.#declaredMs,
      declaredBecause: this.#declaredBecause,
      promotedMs: this.#promotedMs,
      backlog: this.#backlog,
      failuresAtDeclaration: this.#failuresAtDeclaration,
      circuitOpenedMs: this.#circuitOpenedMs,
      firstServedMs: this.#firstServedMs,
      steadyMs,
      capacityPerSecond: (lanes * SECOND_MS) / serviceMs,
      offeredPeakPerSecond: sum(this.#offered, Math.max),
      commands: until.length,
      givenUp: until.length - served.length,
      slowestMs: served.reduce((most, command) => Math.max(most, tookMs(command)), 0),
      attempts: sum(this.#offered.slice(0, Math.ceil(steadyMs / SECOND_MS)), (all, count) => all + count),
      halfMinutes: this.#halfMinutes,
    };
  }

  #halfMinute(): HalfMinute | undefined {
    const place = Math.floor(this.#sinceFaultMs() / HALF_MINUTE_MS);
    if (place < 0) return undefined;
    for (let next = this.#halfMinutes.length; next <= place; next++) {
      this.#halfMinutes.push({ offered: 0, acknowledged: 0, givenUp: 0 });
    }
    return this.#halfMinutes[place];
  }

  #sinceFaultMs(): number {
    return this.#fleet.world.nowMs - this.#faultAtMs;
  }
}

/** Until its source knew that it is done; Infinity where it never did. */
function tookMs({ told, toldAtMs, sentAtMs }: Command): number {
  return told === "acknowledged" && toldAtMs !== undefined ? toldAtMs - sentAtMs : Number.POSITIVE_INFINITY;
}

/** Of a list with gaps, which stand for 0. */
function sum(counts: readonly (number | undefined)[], add: (left: number, right: number) => number): number {
  let total = 0;
  for (const count of counts) total = add(total, count ?? 0);
  return total;
}
