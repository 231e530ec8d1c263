/**
 * A recorded stretch of one sender's heartbeats, as the receiver's clock saw it: every arrival in
 * order of arrival, duplicates and stragglers included, beside what only the sender knows (when
 * each beat was sent, whether it was lost). `fresh` is the usual reading of it: arrivals whose
 * number is higher than any before. They alone prove life, for every detector alike, and a mistake
 * is a silence between two of them that outlasts a deadline.
 */
import { type Random, seededRandom } from "ground-station-failover";
import type { Regime, Sender } from "./regimes.ts";

export interface Trace {
  readonly regime: Regime;
  readonly sender: Sender;
  readonly durationMs: number;
  /** Every arrival in order: when, and which number. */
  readonly arrivalMs: Float64Array;
  readonly sequence: Int32Array;
  /** When each beat was sent, by number, on the receiver's axis. */
  readonly sentMs: Float64Array;
  /** When its sender meant to send it: earlier than `sentMs` where the sender stalled. */
  readonly dueMs: Float64Array;
  readonly lost: number;
}

/** One trace of `regime`: about `hours` of traffic, fixed by the seed. */
export function record(regime: Regime, sender: Sender, hours: number, seed: string): Trace {
  const random = seededRandom(seed).fork(regime.name).fork(sender);
  const beats = regime.beats(sender, random.fork("beats"));
  const noise = random.fork("duplicates");
  const durationMs = hours * 3_600_000;
  const room = Math.ceil((durationMs / regime.intervalMs) * 1.1) + 1_000;
  const sentMs = new Float64Array(room);
  const dueMs = new Float64Array(room);
  const arrivals = new Arrivals(Math.ceil(room * 1.01));
  let count = 0;
  let lost = 0;
  for (; count < room; count++) {
    const beat = beats();
    if (beat.sentMs >= durationMs) break;
    sentMs[count] = beat.sentMs;
    dueMs[count] = beat.dueMs;
    if (beat.lost) {
      lost++;
      continue;
    }
    arrivals.add(beat.sentMs + beat.delayMs, count);
    if (noise.next() < regime.duplicateRate) arrivals.add(duplicateMs(beat.sentMs + beat.delayMs, noise), count);
  }
  const bySender = { sentMs: sentMs.slice(0, count), dueMs: dueMs.slice(0, count), lost };
  return { regime, sender, durationMs, ...arrivals.sorted(), ...bySender };
}

function duplicateMs(arrivalMs: number, noise: Random): number {
  return arrivalMs + 20 * noise.next();
}

/** Arrivals that come nearly in order: each is moved back past the few that are later than it. */
class Arrivals {
  readonly #arrivalMs: Float64Array;
  readonly #sequence: Int32Array;
  #count = 0;

  constructor(room: number) {
    this.#arrivalMs = new Float64Array(room);
    this.#sequence = new Int32Array(room);
  }

  add(arrivalMs: number, sequence: number): void {
    let place = this.#count++;
    for (; place > 0 && (this.#arrivalMs[place - 1] as number) > arrivalMs; place--) {
      this.#arrivalMs[place] = this.#arrivalMs[place - 1] as number;
      this.#sequence[place] = this.#sequence[place - 1] as number;
    }
    this.#arrivalMs[place] = arrivalMs;
    this.#sequence[place] = sequence;
  }

  sorted(): { arrivalMs: Float64Array; sequence: Int32Array } {
    return { arrivalMs: this.#arrivalMs.slice(0, this.#count), sequence: this.#sequence.slice(0, this.#count) };
  }
}

/** Places in `arrivalMs` of the arrivals that prove life. */
export function freshArrivals(trace: Trace): Int32Array {
  const places = new Int32Array(trace.arrivalMs.length);
  let count = 0;
  let highest = -1;
  for (let place = 0; place < trace.sequence.length; place++) {
    const sequence = trace.sequence[place] as number;
    if (sequence <= highest) continue;
    highest = sequence;
    places[count++] = place;
  }
  return places.slice(0, count);
}
