/**
 * The processes of a stage by name: started, killed, started again at the same address, and
 * restarted by themselves where a drill asks for a supervisor. A process that ends by itself while
 * the stage runs is no failure: drills kill. All end with the stage.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "ground-station-failover";
import { type Child, ChildFailure, type ChildOptions, type Children } from "../../adapters/process/children.ts";

export interface ProcessPlan {
  /** False: it is started by a drill only. Default true. */
  readonly isFirst?: boolean;
  /** Whether it is asked to end before it is killed. Default false. */
  readonly endsOnRequest?: boolean;
  /** Subcommand and options. */
  readonly arguments: readonly string[];
  readonly options?: ChildOptions;
  /** Resolves when the process does its work. */
  readonly ready: (child: Child) => Promise<unknown>;
  /** Called for each process that is started, before it is ready. */
  readonly onStarted?: (child: Child) => void;
  /** Restarted so long after it has ended, in ms; undefined: not. */
  readonly restartAfterMs?: number | undefined;
}

export interface ProcessView {
  readonly name: string;
  /** Null: it does not run. */
  readonly pid: number | null;
  /** How often it was started. */
  readonly starts: number;
}

interface Entry {
  readonly plan: ProcessPlan;
  child: Child | undefined;
  starts: number;
}

/** With no load, a process ends within a tenth of this, in ms. */
const END_LIMIT_MS = 500;
/** A process starts on a machine that may be busy. */
const START_LIMIT_MS = 20_000;

export class StageProcesses {
  readonly #children: Children;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #entries: Map<string, Entry> = new Map();
  #ending = false;

  /** `directory`: holds the process id of each process, in `<name>.pid`. */
  constructor(children: Children, clock: Clock, directory: string) {
    this.#children = children;
    this.#directory = directory;
    this.#clock = clock;
  }

  plan(name: string, plan: ProcessPlan): void {
    this.#entries.set(name, { plan, child: undefined, starts: 0 });
  }

  /** Starts it, unless it runs. Resolves with its process id when it is ready. */
  async start(name: string): Promise<number> {
    const entry = this.#entryOf(name);
    if (this.#ending) throw new ChildFailure("the stage is ending");
    if (entry.child !== undefined && !entry.child.ended) return entry.child.pid;
    const child = this.#children.start(name, entry.plan.arguments, entry.plan.options);
    entry.child = child;
    entry.starts++;
    child.process.once("exit", () => this.#ended(name, child));
    entry.plan.onStarted?.(child);
    await Promise.race([entry.plan.ready(child), this.#failure(child)]);
    if (!child.ended) writeFileSync(this.pidFileOf(name), String(child.pid));
    return child.pid;
  }

  /** Kills it, if it runs; it is not restarted by itself. Resolves when it is gone. */
  async kill(name: string): Promise<void> {
    await this.#entryOf(name).child?.kill();
  }

  /** Asks the processes of the product to end, so that they may keep what they have compiled. */
  async retire(): Promise<void> {
    this.#ending = true;
    await this.running("load")?.kill();
    const asked = [...this.#entries].filter(([, { plan }]) => plan.endsOnRequest === true);
    await Promise.all(asked.map(([name]) => this.running(name)?.end(END_LIMIT_MS)));
  }

  /** Its present process; undefined: it was never started, or has ended. */
  running(name: string): Child | undefined {
    const { child } = this.#entryOf(name);
    return child?.ended === false ? child : undefined;
  }

  startsOf(name: string): number {
    return this.#entries.get(name)?.starts ?? 0;
  }

  list(): ProcessView[] {
    return [...this.#entries].map(([name, { starts }]) => ({ name, pid: this.running(name)?.pid ?? null, starts }));
  }

  /** The file with its process id; there is none while it is not ready. */
  pidFileOf(name: string): string {
    return join(this.#directory, `${name}.pid`);
  }

  /** The processes that are started with the stage. */
  get first(): string[] {
    return [...this.#entries].filter(([, { plan }]) => plan.isFirst !== false).map(([name]) => name);
  }

  #ended(name: string, ended: Child): void {
    rmSync(this.pidFileOf(name), { force: true });
    const { restartAfterMs } = this.#entryOf(name).plan;
    if (restartAfterMs === undefined || ended.expectedToEnd || this.#ending) return;
    this.#clock.at(this.#clock.nowMs() + restartAfterMs, () => {
      // It may fail again, as under any supervisor; its end leads here again.
      this.start(name).catch(() => undefined);
    });
  }

  async #failure(child: Child): Promise<never> {
    const ended = Promise.withResolvers<string>();
    child.process.once("close", () => ended.resolve(child.obituary));
    child.process.once("error", (error) => ended.resolve(`${child.name} cannot be started: ${error.message}`));
    const timer = this.#clock.at(this.#clock.nowMs() + START_LIMIT_MS, () =>
      ended.resolve(`${child.name} (pid ${child.pid}) was not ready after ${START_LIMIT_MS / 1_000} s`),
    );
    const why = await ended.promise;
    timer[Symbol.dispose]();
    throw new ChildFailure(why);
  }

  #entryOf(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new RangeError(`there is no process ${name}`);
    return entry;
  }
}
