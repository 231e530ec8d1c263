/**
 * A recording of heartbeats, condensed while it is read: for each node the arrivals that proved
 * life, how many beats were missing before each, and counts of the rest (duplicates, late beats,
 * restarts). Ten million beats take 100 MB, 140 MB with send times. Arrivals are judged by the same
 * {@link BeatOrder} that the detectors use.
 *
 * A *break* is a place where the time since the previous arrival says nothing: the sender
 * restarted, or the clock went back. A replay of the trace (`trial.ts`) shows a detector exactly
 * this.
 */
import { BeatOrder } from "../core/detection/beat-order.ts";
import type { Heartbeat, HeartbeatVerdict } from "../core/detection/detector.ts";

/**
 * Maximum number of nodes in a trace. More are refused, so that a trace with random ids does not
 * fill the memory.
 */
export const MAX_TRACE_NODES = 20_000;
/** Maximum number of heartbeats in a trace: 800 MB hold that many. */
export const MAX_TRACE_HEARTBEATS = 40_000_000;

/** Marks a break in the column of missing beats; a longer jump of the numbers is a break too. */
const BREAK = 0xffff;
const FIRST_CHUNK = 64;
const LARGEST_CHUNK = 65_536;
/**
 * A silence of this many mean gaps counts as an outage; a lower number after it may come from a
 * restarted sender.
 */
const OUTAGE_GAPS = 10;

/** The verdict on an arrival: the verdict of a detector, or that the trace is full. */
export type TraceVerdict = HeartbeatVerdict | "too-many-nodes" | "too-many-beats";

interface Chunk {
  readonly arrivals: Float64Array;
  readonly missing: Uint16Array;
  /**
   * The delay of each beat minus that of the chunk's first beat, in ms; NaN without a send time.
   * Seven digits are enough for such a difference. Undefined while no beat of the chunk carries a
   * send time.
   */
  delays: Float32Array | undefined;
  firstDelayMs: number;
  used: number;
}

/** One arrival of a replay. The same object is used for all of them. */
export interface TraceStep {
  arrivalMs: number;
  /** Time since the previous arrival; NaN at the first arrival and at a break. */
  gapMs: number;
  /** Beats lost before this one, as far as sequence numbers show. */
  missing: number;
  /** Undefined if the trace has none. */
  sentAtMs: number | undefined;
}

/** The recorded heartbeats of one node. */
export class NodeTrace {
  /** Arrivals that proved life. */
  beats = 0;
  duplicates = 0;
  reordered = 0;
  restarts = 0;
  /** Arrivals before the previous one: the clock went back, or the trace is not in order. */
  clockWentBack = 0;
  /**
   * True if any beat carries a sequence number: only then can loss be distinguished from lateness.
   */
  numbered = false;
  firstMs: number = Number.NaN;
  lastMs: number = Number.NaN;
  readonly #order: BeatOrder = new BeatOrder();
  readonly #chunks: Chunk[] = [];
  #sequence = -1;
  #meanGapMs = Number.NaN;

  /** Takes an arrival; arrivals must come in order. */
  add(beat: Heartbeat, arrivalMs: number): HeartbeatVerdict {
    const gapMs = arrivalMs - this.lastMs;
    const succession = this.#order.note(beat, gapMs >= OUTAGE_GAPS * this.#meanGapMs);
    if (succession === "refused") return succession;
    // Also counted for a beat with an old number: the lines of the trace are then out of order, and
    // its gap is missing.
    if (gapMs < 0) this.clockWentBack++;
    if (succession === "duplicate") this.duplicates++;
    if (succession === "reordered" || succession === "old-incarnation") this.reordered++;
    if (succession !== "next" && succession !== "skip" && succession !== "restart") return succession;
    const first = this.beats === 0;
    const missing = succession === "skip" ? (beat.sequence as number) - this.#sequence - 1 : 0;
    if (succession === "restart" && !first) this.restarts++;
    const broken = first || succession === "restart" || gapMs < 0 || missing >= BREAK;
    this.#append(arrivalMs, broken ? BREAK : missing, beat.sentAtMs);
    if (!broken)
      this.#meanGapMs = Number.isNaN(this.#meanGapMs) ? gapMs : this.#meanGapMs + (gapMs - this.#meanGapMs) / 64;
    if (first) this.firstMs = arrivalMs;
    this.firstMs = Math.min(this.firstMs, arrivalMs);
    this.lastMs = arrivalMs;
    this.#sequence = beat.sequence ?? (succession === "restart" ? -1 : this.#sequence);
    this.numbered ||= beat.sequence !== undefined;
    return "counted";
  }

  /**
   * Calls `see` for every arrival that proved life, in order; `step` is only valid during the call.
   */
  forEach(see: (step: TraceStep) => void): void {
    const step: TraceStep = { arrivalMs: 0, gapMs: Number.NaN, missing: 0, sentAtMs: undefined };
    let lastMs = Number.NaN;
    for (const chunk of this.#chunks) {
      for (let place = 0; place < chunk.used; place++) {
        const arrivalMs = chunk.arrivals[place] as number;
        const missing = chunk.missing[place] as number;
        const delayMs = chunk.delays?.[place];
        step.arrivalMs = arrivalMs;
        step.gapMs = missing === BREAK ? Number.NaN : arrivalMs - lastMs;
        step.missing = missing === BREAK ? 0 : missing;
        step.sentAtMs =
          delayMs === undefined || Number.isNaN(delayMs) ? undefined : arrivalMs - chunk.firstDelayMs - delayMs;
        lastMs = arrivalMs;
        see(step);
      }
    }
  }

  #append(arrivalMs: number, missing: number, sentAtMs: number | undefined): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.used === chunk.arrivals.length) {
      const size = chunk === undefined ? FIRST_CHUNK : Math.min(2 * chunk.arrivals.length, LARGEST_CHUNK);
      chunk = {
        arrivals: new Float64Array(size),
        missing: new Uint16Array(size),
        delays: undefined,
        firstDelayMs: 0,
        used: 0,
      };
      this.#chunks.push(chunk);
    }
    if (sentAtMs !== undefined) {
      const delayMs = arrivalMs - sentAtMs;
      if (chunk.delays === undefined) {
        chunk.delays = new Float32Array(chunk.arrivals.length).fill(Number.NaN);
        chunk.firstDelayMs = delayMs;
      }
      chunk.delays[chunk.used] = delayMs - chunk.firstDelayMs;
    }
    chunk.arrivals[chunk.used] = arrivalMs;
    chunk.missing[chunk.used++] = missing;
    this.beats++;
  }
}

/**
 * A recording of the heartbeats of any number of nodes, for {@link calibrate}.
 *
 * @example
 * ```ts
 * import { HeartbeatTrace } from "ground-station-failover/calibration";
 *
 * const trace = new HeartbeatTrace();
 * trace.add("north", { sequence: 1 }, 1_000);
 * trace.add("north", { sequence: 2 }, 1_050);
 * console.log(trace.add("north", { sequence: 2 }, 1_051)); // duplicate
 * console.log(trace.beats, [...trace.nodes.keys()].join()); // 2 north
 * ```
 */
export class HeartbeatTrace {
  readonly #nodes: Map<string, NodeTrace> = new Map();
  #beats = 0;

  get nodes(): ReadonlyMap<string, NodeTrace> {
    return this.#nodes;
  }

  /** Arrivals that proved life, of all nodes. */
  get beats(): number {
    return this.#beats;
  }

  /** Takes an arrival; the arrivals of one node must come in the order in which they arrived. */
  add(node: string, beat: Heartbeat, arrivalMs: number): TraceVerdict {
    if (!Number.isFinite(arrivalMs)) return "refused";
    if (this.#beats >= MAX_TRACE_HEARTBEATS) return "too-many-beats";
    let at = this.#nodes.get(node);
    if (at === undefined) {
      if (this.#nodes.size >= MAX_TRACE_NODES) return "too-many-nodes";
      at = new NodeTrace();
      if (at.add(beat, arrivalMs) === "refused") return "refused";
      this.#nodes.set(node, at);
      this.#beats++;
      return "counted";
    }
    const verdict = at.add(beat, arrivalMs);
    if (verdict === "counted") this.#beats++;
    return verdict;
  }
}
