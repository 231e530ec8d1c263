/**
 * The least that any front could have done in a run: errors, commands executed twice, and commands
 * reported failed that were executed, for a front that knows everything at once and needs no time.
 * It follows from the steps of the case at the instants at which they really happened, from rate,
 * latency and patience, and from the backup's token bucket. How it is computed is explained in
 * README.md; nothing here is written down for a case.
 */
import { FAULT_AT_S, type FaultCase, type StationMode, type Step } from "./cases.ts";
import { dueSeconds } from "./load.ts";
import { burstOf, capacityPerSecond, EXECUTED_AT_RATIO, type Setting } from "./setting.ts";

export interface Floor {
  readonly errors: number;
  readonly doubled: number;
  /** Reported failed, yet executed. */
  readonly ghosts: number;
}

interface Pending {
  readonly dueMs: number;
  /** It was executed by a station that then vanished without an answer. */
  readonly isExecuted: boolean;
}

const STEP_MS = 0.5;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * Latency that a station offers at an instant; infinite where it cannot serve. What it fails in
 * part counts as served: a front may try again at once.
 */
export function latencyAt(steps: readonly Step[], station: Step["station"], atS: number, baseMs: number): number {
  let isUp = true;
  let latencyMs = baseMs;
  let coldUntilS = 0;
  for (const { atS: sinceS, station: whose, action } of steps) {
    if (whose !== station || sinceS > atS) continue;
    switch (action.kind) {
      case "kill":
      case "stop":
        isUp = false;
        break;
      case "continue":
        isUp = true;
        break;
      case "start":
        isUp = true;
        latencyMs = baseMs;
        coldUntilS = sinceS + (action.warmingMs ?? 0) / 1_000;
        break;
      case "mode":
        latencyMs = latencyIn(action.mode, baseMs);
    }
  }
  return isUp && atS >= coldUntilS ? latencyMs : NEVER;
}

/** Time after which a command sent at `atMs` is answered; infinite where it never is. */
function offered(steps: readonly Step[], station: Step["station"], atMs: number, baseMs: number): number {
  const answerMs = latencyAt(steps, station, atMs / 1_000, baseMs);
  return vanishesBetween(steps, station, atMs / 1_000, (atMs + answerMs) / 1_000) ? NEVER : answerMs;
}

function latencyIn(mode: StationMode, baseMs: number): number {
  if (mode.name === "slow") return mode.latencyMs;
  return mode.name === "ok" || mode.name === "failsome" ? baseMs : NEVER;
}

/**
 * True where the station vanishes at an instant after `fromS` and not later than `toS`, so that
 * what it has in hand is lost.
 */
function vanishesBetween(steps: readonly Step[], station: Step["station"], fromS: number, toS: number): boolean {
  return steps.some(
    (step) =>
      step.station === station &&
      (step.action.kind === "kill" || step.action.kind === "stop") &&
      step.atS > fromS &&
      step.atS <= toS,
  );
}

/**
 * The backup's token bucket, full at the fault; it stands still while the backup is down and is
 * full after a start.
 */
class Bucket {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;

  constructor(setting: Setting) {
    this.#burst = burstOf(setting);
    this.#perMs = capacityPerSecond(setting) / 1_000;
    this.#tokens = this.#burst;
  }

  pass(ms: number, isUp: boolean): void {
    this.#tokens = isUp ? Math.min(this.#burst, this.#tokens + ms * this.#perMs) : this.#burst;
  }

  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/**
 * Earliest deadline first (all callers are equally patient, so oldest first) through the stations
 * that can serve, from the fault to the end of the load. `steps` are those of the case at their
 * real instants; the bench passes for a start the instant at which the station was ready.
 */
export function floorOf(faultCase: FaultCase, setting: Setting, steps: readonly Step[] = faultCase.steps): Floor {
  const { latencyMs, patienceMs } = setting;
  const faultMs = 1_000 * (steps[0]?.atS ?? FAULT_AT_S);
  const vanishes = steps[0]?.action.kind === "kill" || steps[0]?.action.kind === "stop";
  const waiting: Pending[] = [];
  const due = dueSeconds(setting, faultCase);
  let next = due.next();
  // Before the fault every command is answered, except those that are out at a station which
  // vanishes.
  for (; !next.done && 1_000 * next.value < faultMs; next = due.next()) {
    const ageMs = faultMs - 1_000 * next.value;
    if (vanishes && ageMs < latencyMs)
      waiting.push({ dueMs: 1_000 * next.value, isExecuted: ageMs >= latencyMs * EXECUTED_AT_RATIO });
  }
  const floor = { errors: 0, doubled: 0, ghosts: 0 };
  const bucket = new Bucket(setting);
  let first = 0;
  for (let atMs = faultMs; first < waiting.length || !next.done; atMs += STEP_MS) {
    for (; !next.done && 1_000 * next.value <= atMs; next = due.next())
      waiting.push({ dueMs: 1_000 * next.value, isExecuted: false });
    const primaryMs = offered(steps, "primary", atMs, latencyMs);
    const backupMs = offered(steps, "backup", atMs, latencyMs);
    bucket.pass(STEP_MS, latencyAt(steps, "backup", atMs / 1_000, latencyMs) < NEVER);
    for (; first < waiting.length; first++) {
      const { dueMs, isExecuted } = waiting[first] as Pending;
      const leftMs = dueMs + patienceMs - atMs;
      const isServed = (leftMs >= backupMs && bucket.take()) || leftMs >= primaryMs;
      if (isServed) floor.doubled += isExecuted ? 1 : 0;
      else if (leftMs < latencyMs) {
        floor.errors++;
        floor.ghosts += isExecuted ? 1 : 0;
      } else break;
    }
  }
  return floor;
}
