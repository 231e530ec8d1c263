/**
 * Processor sharing: a machine runs up to `parallelism` jobs at full speed, and divides itself
 * evenly among more, so that service time grows with concurrency (Kleinrock, "Time-shared systems",
 * 1967). All jobs progress at the same speed, so one axis of work done is enough: each job ends at
 * a point of this axis, and one timer waits for the first.
 */
import type { Clock } from "ground-station-failover";
import type { HangUp } from "./hang-up.ts";

interface Job {
  /** Where it ends on the axis of work done. */
  readonly endsAt: number;
  readonly done: () => void;
}

/** Sums of small steps differ by rounding. */
const ROUNDING = 1e-6;

export class SharedProcessor {
  readonly #clock: Clock;
  readonly #parallelism: number;
  /** Ordered by when they end. */
  readonly #jobs: Job[] = [];
  /** Work done for each job so far, and when that was last computed. */
  #workedMs = 0;
  #atMs: number;
  #timer: Disposable | undefined = undefined;

  constructor(clock: Clock, parallelism: number) {
    this.#clock = clock;
    this.#parallelism = parallelism;
    this.#atMs = clock.nowMs();
  }

  /** How many jobs are under way. */
  get busy(): number {
    return this.#jobs.length;
  }

  /**
   * Resolves when the job is done; `workMs` is its time on an idle machine. If `gone` is given and
   * aborted before that, it rejects with that reason, and the job is dropped.
   */
  work(workMs: number, gone?: HangUp): Promise<void> {
    this.#advance();
    const endsAt = this.#workedMs + workMs;
    return new Promise((resolve, reject) => {
      if (gone?.aborted === true) return reject(gone.reason);
      const drop = (): void => {
        this.#drop(job);
        reject(gone?.reason);
      };
      const done = (): void => {
        gone?.removeEventListener("abort", drop);
        resolve();
      };
      const job: Job = { endsAt, done };
      gone?.addEventListener("abort", drop);
      const later = this.#jobs.findIndex((other) => other.endsAt > endsAt);
      this.#jobs.splice(later < 0 ? this.#jobs.length : later, 0, job);
      this.#plan();
    });
  }

  #drop(job: Job): void {
    this.#advance();
    this.#jobs.splice(this.#jobs.indexOf(job), 1);
    this.#plan();
  }

  /** Work done for each job in a millisecond. */
  get #speed(): number {
    return Math.min(1, this.#parallelism / this.#jobs.length);
  }

  #advance(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#jobs.length > 0) this.#workedMs += (nowMs - this.#atMs) * this.#speed;
    this.#atMs = nowMs;
  }

  #plan(): void {
    this.#timer?.[Symbol.dispose]();
    const [first] = this.#jobs;
    if (first === undefined) return;
    const inMs = Math.max(0, first.endsAt - this.#workedMs) / this.#speed;
    this.#timer = this.#clock.at(this.#atMs + inMs, () => this.#finish());
  }

  #finish(): void {
    this.#advance();
    for (let first = this.#jobs[0]; first !== undefined && first.endsAt <= this.#workedMs + ROUNDING; ) {
      this.#jobs.shift();
      first.done();
      first = this.#jobs[0];
    }
    this.#plan();
  }
}
