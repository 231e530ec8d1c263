/**
 * The spacecraft: here commands take effect, and here is the end-to-end guard without which a
 * failover could not avoid lost or doubled commands (Saltzer, Reed and Clark, 1984: a property that
 * must hold end to end is checked at the end). It executes a key once and answers a repeated key
 * with the first result. It refuses every epoch older than the newest it has seen. It keeps a
 * ledger of the commands that reached it, counted by the command's own name and not by its key, so
 * that a key that is lost on the way would show as an additional execution.
 *
 * It uses no socket (`spacecraft-server.ts` does) and forgets its oldest commands above a limit.
 */
import type { Clock } from "ground-station-failover";

/** A command as it reaches the spacecraft. */
export interface CommandArrival {
  /** The command's own name, given by its source. */
  readonly command: string;
  /** Undefined if the command has none; it is then executed each time. */
  readonly idempotencyKey: string | undefined;
  /** Undefined if the command has none; it is then never refused as old. */
  readonly epoch: number | undefined;
}

export type CommandOutcome =
  | { readonly type: "executed" | "replayed"; readonly result: ExecutionResult }
  | { readonly type: "stale"; readonly epochSeen: number };

export interface ExecutionResult {
  readonly command: string;
  /** How many commands had been executed before this one. */
  readonly place: number;
}

/**
 * The commands that reached the spacecraft. `attempts` is the sum of `executions`, `replayed` and
 * `refusedStale`.
 */
export interface Ledger {
  readonly epochSeen: number;
  readonly attempts: number;
  readonly executions: number;
  /** Repeated keys that were answered with the first result. */
  readonly replayed: number;
  /** Commands that were refused because of an older epoch. */
  readonly refusedStale: number;
  /** Commands that are no longer listed in `commands`, because there were too many. */
  readonly forgotten: number;
  readonly commands: ReadonlyArray<readonly [command: string, attempts: number, executions: number]>;
}

export interface SpacecraftOptions {
  readonly clock: Clock;
  /** How long a command takes, in ms. Default 2. */
  readonly executionMs?: number;
  /**
   * How many keys, and how many commands of the ledger, are remembered. Default 200,000: over an
   * hour at 50 a second.
   */
  readonly remembered?: number;
}

export class Spacecraft {
  readonly #clock: Clock;
  readonly #executionMs: number;
  readonly #remembered: number;
  readonly #results: Map<string, Promise<ExecutionResult>> = new Map();
  readonly #counts: Map<string, { attempts: number; executions: number }> = new Map();
  #epochSeen = 0;
  #executions = 0;
  #replayed = 0;
  #refusedStale = 0;
  #forgotten = 0;

  constructor({ clock, executionMs = 2, remembered = 200_000 }: SpacecraftOptions) {
    this.#clock = clock;
    this.#executionMs = executionMs;
    this.#remembered = remembered;
  }

  async receive({ command, idempotencyKey, epoch }: CommandArrival): Promise<CommandOutcome> {
    const counts = this.#countsOf(command);
    counts.attempts++;
    if (epoch !== undefined && epoch < this.#epochSeen) {
      this.#refusedStale++;
      return { type: "stale", epochSeen: this.#epochSeen };
    }
    this.#epochSeen = Math.max(this.#epochSeen, epoch ?? 0);
    const first = idempotencyKey === undefined ? undefined : this.#results.get(idempotencyKey);
    if (first !== undefined) {
      this.#replayed++;
      return { type: "replayed", result: await first };
    }
    counts.executions++;
    const result = this.#execute(command);
    if (idempotencyKey !== undefined) {
      this.#results.set(idempotencyKey, result);
      forgetOldest(this.#results, this.#remembered);
    }
    return { type: "executed", result: await result };
  }

  get ledger(): Ledger {
    return {
      epochSeen: this.#epochSeen,
      attempts: this.#executions + this.#replayed + this.#refusedStale,
      executions: this.#executions,
      replayed: this.#replayed,
      refusedStale: this.#refusedStale,
      forgotten: this.#forgotten,
      commands: [...this.#counts].map(([command, { attempts, executions }]) => [command, attempts, executions]),
    };
  }

  async #execute(command: string): Promise<ExecutionResult> {
    const place = this.#executions++;
    await this.#clock.sleepUntil(this.#clock.nowMs() + this.#executionMs);
    return { command, place };
  }

  #countsOf(command: string): { attempts: number; executions: number } {
    let counts = this.#counts.get(command);
    if (counts === undefined) {
      counts = { attempts: 0, executions: 0 };
      this.#counts.set(command, counts);
      this.#forgotten += forgetOldest(this.#counts, this.#remembered);
    }
    return counts;
  }
}

/** Drops the oldest entries until at most `bound` are left. Returns how many were dropped. */
function forgetOldest(map: Map<string, unknown>, bound: number): number {
  let dropped = 0;
  for (const name of map.keys()) {
    if (map.size <= bound) break;
    map.delete(name);
    dropped++;
  }
  return dropped;
}
