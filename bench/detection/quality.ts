/**
 * How good is a detector on a trace, in the words of W. Chen, S. Toueg, M. Aguilera, "On the
 * quality of service of failure detectors", 2002: detection time T_D (from crash to lasting
 * suspicion), mistake rate (suspicions of a living node per time), mistake duration (until it is
 * believed again) and query accuracy (share of time without a mistake).
 *
 * A crash is an instant drawn evenly over the trace: beats sent before it arrive, later ones do
 * not, so the deadline that holds is that of the last fresh beat sent before it. A crash that falls
 * into a mistake is detected in no time.
 */
import type { Random } from "ground-station-failover";
import { criticalKnob, deadlineMs, type Reference } from "./references.ts";
import { freshArrivals, type Trace } from "./trace.ts";

const HOUR_MS = 3_600_000;
/** What comes before is not judged: every detector may look around first. */
export const WARM_UP_MS: number = HOUR_MS / 6;
/** As many of the latest beats as are kept for judging: no curve goes beyond this many mistakes. */
const WORST = 20_000;

/** A detector at one setting. */
export interface Quality {
  readonly knob: number;
  readonly mistakesPerHour: number;
  readonly meanMistakeMs: number;
  readonly queryAccuracy: number;
  readonly detectionP50Ms: number;
  readonly detectionP99Ms: number;
}

/** Instants of crashes in rising order. */
export function crashInstants(trace: Trace, count: number, random: Random): Float64Array {
  const instants = new Float64Array(count);
  for (let crash = 0; crash < count; crash++)
    instants[crash] = WARM_UP_MS + random.next() * (trace.durationMs - WARM_UP_MS - 1_000);
  return instants.sort();
}

/**
 * Walks the fresh arrivals; `visit` is told each arrival, the one after it, and which crashes lie
 * between their sending.
 */
function walk(
  trace: Trace,
  crashesMs: Float64Array,
  visit: (place: number, nextPlace: number, firstCrash: number, afterCrash: number) => void,
): void {
  const fresh = freshArrivals(trace);
  let crash = 0;
  for (let index = 0; index + 1 < fresh.length; index++) {
    const place = fresh[index] as number;
    const next = fresh[index + 1] as number;
    const nextSentMs = trace.sentMs[trace.sequence[next] as number] as number;
    const first = crash;
    while (crash < crashesMs.length && (crashesMs[crash] as number) < nextSentMs) crash++;
    visit(place, next, first, crash);
  }
}

/** One pass of a reference over a trace: what every setting of its knob would have done. */
export class ReferenceRun {
  readonly #trace: Trace;
  readonly #crashesMs: Float64Array;
  /** For each crash: base, scale and location of the deadline that held. */
  readonly #held: Reference[] = [];
  readonly #worst: WorstBeats = new WorstBeats();

  constructor(trace: Trace, crashesMs: Float64Array, reference: Reference) {
    this.#trace = trace;
    this.#crashesMs = crashesMs;
    walk(trace, crashesMs, (place, next, firstCrash, afterCrash) => {
      reference.note(trace.arrivalMs[place] as number, trace.sequence[place] as number);
      for (let crash = firstCrash; crash < afterCrash; crash++) this.#held.push(copyOf(reference));
      const nextMs = trace.arrivalMs[next] as number;
      if (nextMs < WARM_UP_MS) return;
      this.#worst.offer(criticalKnob(reference, nextMs), nextMs, reference);
    });
  }

  /** The smallest knob that makes at most `mistakesPerHour`. */
  knobFor(mistakesPerHour: number): number {
    const allowed = Math.floor((mistakesPerHour * (this.#trace.durationMs - WARM_UP_MS)) / HOUR_MS + 1e-9);
    return this.#worst.knobAt(allowed);
  }

  quality(knob: number): Quality {
    const detections = new Float64Array(this.#held.length);
    this.#held.forEach((held, crash) => {
      detections[crash] = Math.max(0, deadlineMs(held, knob) - (this.#crashesMs[crash] as number));
    });
    const { count, totalMs } = this.#worst.mistakes(knob);
    return summary(knob, this.#trace, count, totalMs, detections);
  }
}

export function summary(
  knob: number,
  trace: Trace,
  mistakes: number,
  mistakenMs: number,
  detectionsMs: Float64Array,
): Quality {
  const judgedMs = trace.durationMs - WARM_UP_MS;
  detectionsMs.sort();
  return {
    knob,
    mistakesPerHour: (mistakes * HOUR_MS) / judgedMs,
    meanMistakeMs: mistakes === 0 ? 0 : mistakenMs / mistakes,
    queryAccuracy: 1 - mistakenMs / judgedMs,
    detectionP50Ms: quantile(detectionsMs, 0.5),
    detectionP99Ms: quantile(detectionsMs, 0.99),
  };
}

/** Of sorted values. */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function copyOf({ baseMs, scale, location }: Reference): Reference {
  const none = (): void => undefined;
  return location === undefined ? { note: none, baseMs, scale } : { note: none, baseMs, scale, location };
}

interface LateBeat {
  readonly critical: number;
  readonly arrivalMs: number;
  readonly held: Reference;
}

/** The beats that a mistake is most easily made about, in bounded room. */
class WorstBeats {
  #beats: LateBeat[] = [];
  #least = Number.NEGATIVE_INFINITY;
  #sorted = false;

  offer(critical: number, arrivalMs: number, held: Reference): void {
    if (!(critical > this.#least)) return;
    this.#beats.push({ critical, arrivalMs, held: copyOf(held) });
    if (this.#beats.length < 2 * WORST) return;
    this.#sort();
    this.#beats.length = WORST;
    this.#least = (this.#beats[WORST - 1] as LateBeat).critical;
    this.#sorted = false;
  }

  /** The knob at which `allowed` beats are still too late. */
  knobAt(allowed: number): number {
    this.#sort();
    return this.#beats[Math.min(allowed, this.#beats.length - 1)]?.critical ?? 0;
  }

  mistakes(knob: number): { count: number; totalMs: number } {
    this.#sort();
    let totalMs = 0;
    let count = 0;
    for (; count < this.#beats.length; count++) {
      const beat = this.#beats[count] as LateBeat;
      if (beat.critical <= knob) break;
      totalMs += beat.arrivalMs - deadlineMs(beat.held, knob);
    }
    return { count, totalMs };
  }

  #sort(): void {
    if (this.#sorted) return;
    this.#beats.sort((one, other) => other.critical - one.critical);
    this.#sorted = true;
  }
}
