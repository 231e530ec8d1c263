/**
 * What was seen of a stage: what callers sent and got, what was executed, what the gateway said of
 * itself, and its events. Only facts with their instants are kept here; what they mean is decided
 * in `steady-timeline.ts` and `measure.ts`. All instants are milliseconds of the machine's
 * monotonic clock. Above its bounds it forgets the oldest facts and says how many.
 */
import { type DetectionKind, detectionIn, type FeedEvent } from "./detections.ts";

/** One command as its caller saw it. */
export interface CallRecord {
  /** The source's name. */
  readonly source: string;
  /** Names the command among all of the stage. */
  readonly command: string;
  readonly sentMs: number;
  readonly endedMs: number;
  /** Undefined: there was no answer. */
  readonly status?: number;
  /** The station that answered, if the answer names it. */
  readonly station?: string;
  /** Why this is no good answer, as a short code such as `status-503`, `gave-up`, `ECONNRESET`. */
  readonly error?: string;
}

/** A command that was sent and has not ended. */
export interface OpenCall {
  readonly source: string;
  readonly command: string;
  readonly sentMs: number;
}

/** What the gateway says of itself at one instant. */
export interface StatusSample {
  readonly atMs: number;
  readonly active: string;
  readonly epoch: number;
  /** Names of the stations that may serve. */
  readonly eligible: readonly string[];
  readonly waiting: number;
  /** Attempts since the gateway's start: the first of each command, and all others. */
  readonly first: number;
  readonly extra: number;
  /** Counts the gateway's processes of this stage, from 1. */
  readonly life: number;
}

export interface Detection {
  readonly kind: DetectionKind;
  readonly atMs: number;
  readonly station: string | undefined;
  readonly sentence: string;
}

/** An execution of a command, where it was not its first. */
export interface Doubling {
  readonly command: string;
  readonly atMs: number;
  readonly station: string;
}

/** How a source is judged. */
export interface SourceTerms {
  readonly isJudged: boolean;
  readonly answerWithinMs: number;
  readonly perSecond: number;
  /** Whether its commands are executed: reads are not. */
  readonly isExecuted: boolean;
}

/** An hour at 50 commands a second. */
const MAX_RECORDS = 200_000;
const MAX_OPEN = 50_000;
const MAX_EVENTS = 10_000;
/** An hour at five a second. */
const MAX_SAMPLES = 20_000;

export class Observations {
  readonly records: CallRecord[] = [];
  readonly open: Map<string, OpenCall> = new Map();
  readonly samples: StatusSample[] = [];
  readonly detections: Detection[] = [];
  readonly doublings: Doubling[] = [];
  readonly sources: Map<string, SourceTerms> = new Map();
  readonly promotions: number[] = [];
  /** When the load last reported; it does so also if it has nothing to report. */
  loadReportedMs: number | undefined;
  forgotten = 0;
  readonly #executions: Map<string, { count: number; readonly firstMs: number }> = new Map();

  noteSent(call: OpenCall): void {
    this.open.set(call.command, call);
    if (this.open.size > MAX_OPEN) this.#forgetOpen();
  }

  noteEnded(record: CallRecord): void {
    this.open.delete(record.command);
    this.records.push(record);
    this.#bound(this.records, MAX_RECORDS);
  }

  noteExecuted(command: string, station: string, atMs: number): void {
    const seen = this.#executions.get(command);
    if (seen === undefined) this.#executions.set(command, { count: 1, firstMs: atMs });
    else {
      seen.count++;
      this.doublings.push({ command, atMs, station });
      this.#bound(this.doublings, MAX_EVENTS);
    }
    if (this.#executions.size <= MAX_RECORDS) return;
    for (const oldest of this.#executions.keys()) {
      this.#executions.delete(oldest);
      break;
    }
  }

  noteEvent(event: FeedEvent, atMs: number): void {
    if (event.type === "promoted") {
      this.promotions.push(atMs);
      this.#bound(this.promotions, MAX_EVENTS);
    }
    const kind = detectionIn(event);
    if (kind === undefined) return;
    const { station = event.node, sentence = event.type } = event;
    this.detections.push({ kind, atMs, station, sentence });
    this.#bound(this.detections, MAX_EVENTS);
  }

  noteStatus(sample: StatusSample): void {
    this.samples.push(sample);
    this.#bound(this.samples, MAX_SAMPLES);
  }

  /** How often a command was executed. */
  executionsOf(command: string): number {
    return this.#executions.get(command)?.count ?? 0;
  }

  #forgetOpen(): void {
    for (const oldest of this.open.keys()) {
      this.open.delete(oldest);
      this.forgotten++;
      return;
    }
  }

  /** Drops a tenth at once, because to drop one at a time from the front is slow. */
  #bound(list: unknown[], max: number): void {
    if (list.length <= max) return;
    const dropped = Math.ceil(max / 10);
    list.splice(0, dropped);
    this.forgotten += dropped;
  }
}
