/**
 * An own child process that hurts: a busy loop, a memory eater, a second gateway. A keeper process
 * stands between, which holds the permit of the injection: it ends the child as soon as the permit
 * is deleted, when the time is over, and when the process of the drill is gone, however it went.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { systemClock } from "ground-station-failover";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Inverse } from "../injection.ts";
import { Episode, type EpisodeOptions } from "./episode.ts";
import { ownProgram } from "./run-program.ts";

const MAX_OUTPUT = 64 * 1_024;

export interface KeptProcessOptions extends EpisodeOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
}

export interface Beginning {
  /** True if the output matched in time. */
  readonly isReady: boolean;
  /** Null while it runs, or if a signal ended it. */
  readonly exitCode: number | null;
  readonly output: string;
}

export class KeptProcess {
  readonly inverse: Inverse;
  readonly #options: KeptProcessOptions;
  readonly #episode: Episode;
  #keeper: ChildProcess | undefined;
  #output = "";

  constructor(options: KeptProcessOptions) {
    this.#options = options;
    this.#episode = new Episode(options);
    this.inverse = this.#episode.inverse;
  }

  /** All that it has printed, up to a bound. */
  get output(): string {
    return this.#output;
  }

  /**
   * Starts it; resolves when its output matches `ready`, when it ends, or after `withinMs`, which
   * is an error.
   */
  async start(ready: RegExp, withinMs: number): Promise<Beginning> {
    const begun = Promise.withResolvers<Beginning>();
    const work = this.#episode.begin(() => this.#keep(ready, begun.resolve));
    const late = systemClock.at(systemClock.nowMs() + withinMs, () =>
      begun.reject(new UserError("promiseBroken", `${this.#options.label}: not ready within ${withinMs} ms`)),
    );
    try {
      return await Promise.race([begun.promise, work.then(() => begun.promise)]);
    } catch (error) {
      this.#keeper?.stdin?.end();
      await this.#episode.over();
      throw error;
    } finally {
      late[Symbol.dispose]();
    }
  }

  remaining(): Promise<readonly string[]> {
    return this.#episode.remaining();
  }

  #keep(ready: RegExp, onBegun: (beginning: Beginning) => void): Promise<void> {
    const { command, expiresAfterMs } = this.#options;
    const keeper = spawn(
      process.execPath,
      [ownProgram("program-keeper"), this.#episode.permit, String(expiresAfterMs), ...command],
      { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, NODE_NO_WARNINGS: "1" } },
    );
    this.#keeper = keeper;
    for (const stream of [keeper.stdout, keeper.stderr]) {
      stream.setEncoding("utf8").on("data", (piece: string) => {
        this.#output = (this.#output + piece).slice(0, MAX_OUTPUT);
        if (ready.test(this.#output)) onBegun({ isReady: true, exitCode: null, output: this.#output });
      });
    }
    // The keeper sees the end of its input; an error of the pipe says the same.
    keeper.stdin.on("error", () => undefined);
    const stop = (): void => void keeper.stdin.end();
    this.#episode.signal.addEventListener("abort", stop, { once: true });
    return new Promise((resolve, reject) => {
      keeper.once("error", reject);
      keeper.once("close", (exitCode) => {
        onBegun({ isReady: false, exitCode, output: this.#output });
        resolve();
      });
    });
  }
}
