/**
 * A fault that somebody has to keep doing: a duty cycle, a load, an own busy process. It goes on
 * only while its permit, an empty file, exists. So the inverse is data that another process can
 * play: delete the file. It also ends when the drill is aborted, after `expiresAfterMs`, and with
 * its process. It does not undo what the fault has done: its work does that before it returns.
 */
import { existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { systemClock } from "ground-station-failover";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Inverse } from "../injection.ts";
import { freshName } from "./fields.ts";

/** How often the permit is looked at, in ms. */
const LOOK_MS = 50;

export interface EpisodeOptions {
  /** What goes on, for the proof of clean-up: for example "the duty cycle of 4711". */
  readonly label: string;
  readonly expiresAfterMs: number;
  /** Aborted with the drill. */
  readonly signal: AbortSignal;
}

/** Where permits are: one directory for each user, because they may not delete each other's. */
function permitDirectory(): string {
  return join(tmpdir(), `gsf-injections-${userInfo().uid}`);
}

/** Throws `UserError` if the place belongs to somebody else, who could end or prolong the fault. */
function makePermitDirectory(): void {
  const path = permitDirectory();
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  if (found.isDirectory() && found.uid === userInfo().uid) return;
  throw new UserError("promiseBroken", `${path} is no directory of this user; delete it, and run the drill again`);
}

export class Episode {
  /** Its existence allows the fault to go on. */
  readonly permit: string = join(permitDirectory(), `${freshName()}.permit`);
  readonly inverse: Inverse = { kind: "file", path: this.permit };
  readonly #options: EpisodeOptions;
  readonly #ending: AbortController = new AbortController();
  #work: Promise<unknown> | undefined;
  #isOver = false;
  #timer: Disposable | undefined;

  constructor(options: EpisodeOptions) {
    this.#options = options;
  }

  /** Aborted as soon as the fault has to end. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Looks at the permit itself: after this, the fault may go on for another moment. */
  get isAllowed(): boolean {
    return !this.#ending.signal.aborted && existsSync(this.permit);
  }

  /**
   * Writes the permit and starts `work`, which has to end soon after {@link signal} is aborted, and
   * to undo what it does. `work` may end by itself.
   */
  begin<T>(work: () => Promise<T>): Promise<T> {
    const { signal, expiresAfterMs } = this.#options;
    signal.throwIfAborted();
    makePermitDirectory();
    writeFileSync(this.permit, "", { flag: "wx", mode: 0o600 });
    const end = (): void => this.#end();
    signal.addEventListener("abort", end, { once: true });
    const expiry = systemClock.at(systemClock.nowMs() + expiresAfterMs, end);
    this.#look();
    const running = work().finally(() => {
      expiry[Symbol.dispose]();
      signal.removeEventListener("abort", end);
      this.#end();
      this.#isOver = true;
    });
    // A failure after the fault was in force has no reader; `felt` tells how far it came.
    this.#work = running.catch(() => undefined);
    return running;
  }

  /** Resolves when the work has ended; at once if it never began. */
  async over(): Promise<void> {
    await this.#work;
  }

  /**
   * What still goes on. If it was told to end, it waits for that, but not longer than `patienceMs`.
   */
  async remaining(patienceMs = 5_000): Promise<readonly string[]> {
    if (this.#work === undefined || this.#isOver) return existsSync(this.permit) ? [`the file ${this.permit}`] : [];
    if (!this.isAllowed) {
      this.#end();
      const late = new AbortController();
      const waited = systemClock.sleepUntil(systemClock.nowMs() + patienceMs, late.signal).catch(() => undefined);
      await Promise.race([this.#work, waited]);
      late.abort();
      if (this.#isOver) return [];
    }
    return [`${this.#options.label} goes on`];
  }

  #look(): void {
    this.#timer = systemClock.at(systemClock.nowMs() + LOOK_MS, () => {
      if (this.isAllowed) this.#look();
      else this.#end();
    });
  }

  #end(): void {
    this.#timer?.[Symbol.dispose]();
    rmSync(this.permit, { force: true });
    this.#ending.abort();
  }
}
