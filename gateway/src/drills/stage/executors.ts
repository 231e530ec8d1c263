/**
 * Where the commands of a stage take effect: one executor behind all stations, or one for each. An
 * executor is the demo's spacecraft (a key is executed once, an older epoch is refused) with what a
 * gateway may ask a station: what became of a key, and that it shall never be executed. It lives
 * with the stage and not with a station, so that it knows what a killed station has done, as a
 * database does.
 */
import type { Clock } from "ground-station-failover";
import { type CommandOutcome, type ExecutionResult, Spacecraft } from "../../demo/spacecraft.ts";

/** A command at a station. */
export interface StageCommand {
  readonly command: string;
  readonly station: string;
  readonly idempotencyKey?: string | undefined;
  readonly epoch?: number | undefined;
}

export type StageOutcome = CommandOutcome | { readonly type: "cancelled" };

/** The answer to the question about a key, in the form that `commands.keyStatus` reads. */
export interface KeyAnswer {
  readonly executed: boolean;
  readonly inflight: boolean;
  readonly cancelled?: boolean;
  readonly answer?: ExecutionResult;
}

export interface ExecutorsOptions {
  readonly clock: Clock;
  readonly kind: "shared" | "own";
  /** Called at each execution, before the command is answered. */
  readonly onExecuted: (command: string, station: string) => void;
}

/** Keys that are remembered at one executor. */
const MAX_KEYS = 200_000;

export class Executors {
  readonly #options: ExecutorsOptions;
  readonly #executors: Map<string, Executor> = new Map();

  constructor(options: ExecutorsOptions) {
    this.#options = options;
  }

  execute(command: StageCommand): Promise<StageOutcome> {
    return this.#of(command.station).execute(command, this.#options.onExecuted);
  }

  /** What became of `key` at `station`. `cancel`: it is not executed from now on. */
  ask(station: string, key: string, cancel: boolean): KeyAnswer {
    return this.#of(station).ask(key, cancel);
  }

  #of(station: string): Executor {
    const name = this.#options.kind === "shared" ? "" : station;
    const known = this.#executors.get(name) ?? new Executor(this.#options.clock);
    this.#executors.set(name, known);
    return known;
  }
}

class Executor {
  readonly #spacecraft: Spacecraft;
  readonly #answers: Map<string, ExecutionResult> = new Map();
  readonly #inFlight: Set<string> = new Set();
  readonly #cancelled: Set<string> = new Set();

  constructor(clock: Clock) {
    this.#spacecraft = new Spacecraft({ clock, remembered: MAX_KEYS });
  }

  async execute(asked: StageCommand, onExecuted: ExecutorsOptions["onExecuted"]): Promise<StageOutcome> {
    const { command, station, idempotencyKey: key, epoch } = asked;
    if (key !== undefined && this.#cancelled.has(key)) return { type: "cancelled" };
    if (key !== undefined) this.#inFlight.add(key);
    try {
      const outcome = await this.#spacecraft.receive({ command, idempotencyKey: key, epoch });
      if (outcome.type === "executed") onExecuted(command, station);
      if (key !== undefined && outcome.type !== "stale") remember(this.#answers, key, outcome.result);
      return outcome;
    } finally {
      if (key !== undefined) this.#inFlight.delete(key);
    }
  }

  ask(key: string, cancel: boolean): KeyAnswer {
    const answer = this.#answers.get(key);
    if (answer !== undefined) return { executed: true, inflight: false, answer };
    if (this.#inFlight.has(key)) return { executed: false, inflight: true };
    if (!cancel) return { executed: false, inflight: false };
    this.#cancelled.add(key);
    if (this.#cancelled.size > MAX_KEYS) dropFirst(this.#cancelled);
    return { executed: false, inflight: false, cancelled: true };
  }
}

function remember(answers: Map<string, ExecutionResult>, key: string, result: ExecutionResult): void {
  answers.set(key, result);
  if (answers.size > MAX_KEYS) dropFirst(answers);
}

function dropFirst(collection: Map<string, unknown> | Set<string>): void {
  for (const first of collection.keys()) {
    collection.delete(first);
    return;
  }
}
