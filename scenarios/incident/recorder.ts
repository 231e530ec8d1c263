/**
 * Records how one system went through the incident, from what sources, stations and spacecraft saw.
 * Only facts that nothing else can know (declared, promoted, its circuit) come from the system
 * itself. Both systems are measured by the same definitions, which are written beside the numbers.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { Command, FleetObserver } from "../fleet/observer.ts";
import type { GroupPlan } from "../fleet/plan.ts";

/** The course of the incident. Instants count from the fault; undefined means never. */
export interface IncidentTimeline {
  readonly declaredMs: number | undefined;
  /** Why, in the system's own numbers. */
  readonly declaredBecause: string;
  readonly promotedMs: number | undefined;
  /** Requests that it had at that time, and sent or dropped from there. */
  readonly backlog: number;
  /** Failures counted by its breaker when it declared, and when its circuit first opened. */
  readonly failuresAtDeclaration: number;
  readonly circuitOpenedMs: number | undefined;
  /** When the first command sent after the fault was acknowledged to its source. */
  readonly firstServedMs: number | undefined;
  /**
   * From this instant every command is acknowledged within {@link STEADY_WITHIN_MS}; Infinity if
   * that never happened.
   */
  readonly steadyMs: number;
  /** What the backup can work on, and the most that it was offered, in commands a second. */
  readonly capacityPerSecond: number;
  readonly offeredPeakPerSecond: number;
  /**
   * Commands sent between the fault and `steadyMs`, those of them that their sources gave up, and
   * the longest time that one took.
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
  /** Commands that were acknowledged to their sources, and commands that their sources gave up. */
  acknowledged: number;
  givenUp: number;
}

/** Facts that only the system itself can report. */
export interface SystemEvents {
  /** The active station was declared down, for this reason. */
  declared(because: string): void;
  /** The backup is active, with this many requests in the gateway. */
  promoted(backlog: number): void;
  /** The breaker has counted this many failures. */
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

  /** The events of that system's world that have to be watched. */
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

  /** Everything that was recorded. Called at the end of a run. */
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

/** Until its source knew that it was done; Infinity if it never did. */
function tookMs({ told, toldAtMs, sentAtMs }: Command): number {
  return told === "acknowledged" && toldAtMs !== undefined ? toldAtMs - sentAtMs : Number.POSITIVE_INFINITY;
}

/** For a list with gaps, which count as 0. */
function sum(counts: readonly (number | undefined)[], add: (left: number, right: number) => number): number {
  let total = 0;
  for (const count of counts) total = add(total, count ?? 0);
  return total;
}
