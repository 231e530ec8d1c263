/**
 * Computes what the phi detector should make of a station's heartbeats, once more from the manual
 * (docs/guide/detection.md) and the heartbeats that counted. A window holds the last gaps; outages,
 * lost heartbeats and restarts give no gaps. A prior applies until enough gaps are known. Three
 * outages in a row mean a slower sender. The sums are plain, because a run is short, and the level
 * is the check's own (`suspicion.ts`). This file does not depend on how the detector keeps its
 * window.
 *
 * That is the normal model. For the other models the check runs the library's own code a second
 * time ({@link ShadowModel}): their own tests and `bench/detection` judge what they make of
 * heartbeats. This check shows that the gateway gives them the right heartbeats, and uses them with
 * the configured settings.
 */
import { type PhiAccrualMachine, phiAccrualMachine } from "ground-station-failover/core";
import type { StationBeat } from "../../../gateway/src/fleet/heartbeat-sessions.ts";
import type { DocumentedGroup } from "../documented.ts";
import { deviationsAt, levelAt, levelBelowMean } from "./suspicion.ts";

/** Not for an operator to set (`PhiAccrualOptions`). */
const ENOUGH = 50;
const SLOWER_FOR_GOOD = 3;
const OUTAGE_DEVIATIONS: number = deviationsAt(8);
/** A time this close to a limit, as a share of it, could fall on either side. */
const CLOSE = 1e-9;

/** What is known of one station's silence, computed beside its gateway. */
export interface Shadow {
  /** A heartbeat counted at `nowMs`; `beat` if it was pushed. */
  note(beat: StationBeat | undefined, nowMs: number): void;
  /** The suspicion level of its silence at `nowMs`; undefined if that is not known here. */
  levelAt(nowMs: number): number | undefined;
}

export function shadowOf(group: DocumentedGroup): Shadow {
  return group.detector.model === "normal" ? new ShadowFit(group) : new ShadowModel(group);
}

const STATION = "station";

class ShadowModel implements Shadow {
  readonly #machine: PhiAccrualMachine;
  #session = "";
  #incarnation = 0;

  constructor({ heartbeat, detector }: DocumentedGroup) {
    const { model, windowSize, minDeviationMs, ceilingMs } = detector;
    const expectedIntervalMs = heartbeat.intervalMs;
    this.#machine = phiAccrualMachine({ model, windowSize, minDeviationMs, ceilingMs, expectedIntervalMs });
  }

  note(beat: StationBeat | undefined, nowMs: number): void {
    if (beat !== undefined && beat.session !== this.#session) {
      this.#session = beat.session;
      this.#incarnation++;
    }
    const told = beat && { sequence: beat.sequence, incarnation: this.#incarnation };
    this.#machine.noteHeartbeat(STATION, told, nowMs);
  }

  levelAt(nowMs: number): number | undefined {
    const level = this.#machine.suspicionLevel(STATION, nowMs);
    return level === Number.POSITIVE_INFINITY ? undefined : level;
  }
}

class ShadowFit implements Shadow {
  readonly #intervalMs: number;
  readonly #leastDeviationMs: number;
  readonly #ceilingMs: number;
  readonly #window: number;
  readonly #gaps: number[] = [];
  #lastMs: number | undefined = undefined;
  #session = "";
  #sequence = 0;
  #outagesInRow = 0;
  #meanMs: number;
  #deviationMs: number;
  /** Gaps have been added since the last fit. */
  #stale = false;
  /** Rounding may have led the detector to another decision. */
  #unsure = false;

  constructor({ heartbeat, detector }: DocumentedGroup) {
    this.#intervalMs = heartbeat.intervalMs;
    this.#leastDeviationMs = detector.minDeviationMs;
    this.#ceilingMs = detector.ceilingMs;
    this.#window = detector.windowSize;
    this.#meanMs = this.#intervalMs;
    this.#deviationMs = Math.max(this.#intervalMs / 2, this.#leastDeviationMs);
  }

  note(beat: StationBeat | undefined, nowMs: number): void {
    const gapMs = nowMs - (this.#lastMs ?? Number.NaN);
    const inOrder = beat === undefined || (beat.session === this.#session && beat.sequence === this.#sequence + 1);
    this.#lastMs = nowMs;
    this.#session = beat?.session ?? "";
    this.#sequence = beat?.sequence ?? 0;
    if (!inOrder || !(gapMs >= 0 && gapMs < this.#ceilingMs)) return;
    this.#outagesInRow = this.#isOutage(gapMs) ? this.#outagesInRow + 1 : 0;
    if (this.#outagesInRow > 0 && this.#outagesInRow < SLOWER_FOR_GOOD) return;
    if (this.#outagesInRow === SLOWER_FOR_GOOD) this.#gaps.length = 0;
    this.#gaps.push(gapMs);
    if (this.#gaps.length > this.#window) this.#gaps.shift();
    this.#stale = true;
  }

  levelAt(nowMs: number): number | undefined {
    if (this.#lastMs === undefined || this.#unsure) return undefined;
    const silenceMs = Math.max(0, nowMs - this.#lastMs);
    if (Math.abs(silenceMs / this.#ceilingMs - 1) < CLOSE) return undefined;
    if (silenceMs > this.#ceilingMs) return Number.MAX_VALUE;
    this.#fit();
    const deviations = (silenceMs - this.#meanMs) / this.#deviationMs;
    return deviations < 0 ? levelBelowMean(-deviations) : levelAt(deviations);
  }

  #isOutage(gapMs: number): boolean {
    // Too short under any fit: for most gaps no fit has to be computed.
    if (gapMs < OUTAGE_DEVIATIONS * this.#leastDeviationMs) return false;
    this.#fit();
    const outageMs = Math.min(this.#meanMs + OUTAGE_DEVIATIONS * this.#deviationMs, this.#ceilingMs);
    if (Math.abs(gapMs / outageMs - 1) < CLOSE) this.#unsure = true;
    return gapMs >= outageMs;
  }

  #fit(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const gaps = this.#gaps;
    let sum = 0;
    for (const gap of gaps) sum += gap;
    const mean = sum / gaps.length;
    let squares = 0;
    for (const gap of gaps) squares += (gap - mean) ** 2;
    const deviation = Math.max(Math.sqrt(squares / gaps.length), this.#leastDeviationMs);
    const enough = gaps.length >= Math.min(ENOUGH, this.#window);
    this.#meanMs = enough ? mean : Math.max(mean, this.#intervalMs);
    this.#deviationMs = enough ? deviation : Math.max(deviation, this.#meanMs / 2);
  }
}
