/**
 * The demo's processes, and the promise that none of them outlives it. Each is this very program
 * with another subcommand. They are killed by their own ids when the demo ends, however it ends: at
 * its end, on a signal, on a crash (an exit hook), and where even that cannot run (SIGKILL),
 * because each watches its channel to the demo and ends when it closes; a process that is stopped
 * cannot watch, so another one is told to wake it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Lines of output that are kept of each process, to be shown should it fail. */
const LINES_KEPT = 12;

/** A process of ours that ended, or did not begin, although it should be running. */
export class ChildFailure extends Error {}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting: Array<{ readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }> = [];
  /** We ended it ourselves, so its end is no failure. */
  expectedToEnd = false;

  constructor(name: string, args: readonly string[]) {
    const program = process.argv[1] as string;
    this.name = name;
    this.process = spawn(process.execPath, [...process.execArgv, program, ...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#heard(line));
    }
    // A message to one that has just ended is lost, and its end is told by itself.
    this.process.on("error", (error) => this.#heard(error.message));
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves with the first line of output that matches, also one that was there before. */
  line(pattern: RegExp): Promise<RegExpExecArray> {
    for (const line of this.#lines) {
      const match = pattern.exec(line);
      if (match !== null) return Promise.resolve(match);
    }
    return new Promise((found) => this.#waiting.push({ pattern, found }));
  }

  send(message: object): void {
    if (this.process.connected) this.process.send(message, () => undefined);
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    if (!this.ended && this.process.pid !== undefined) process.kill(this.process.pid, signal);
  }

  /** Kills it, for good and at once, whatever state it is in. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.expectedToEnd = true;
    if (this.ended || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.signal("SIGKILL");
    await gone;
  }

  /** How it ended and what it said last, in a few lines. */
  get obituary(): string {
    const { exitCode, signalCode } = this.process;
    const how = exitCode === null ? `was ended by ${signalCode}` : `ended with code ${exitCode}`;
    const last = this.#lines.length === 0 ? " and said nothing" : `; its last words:\n${this.#lines.join("\n")}`;
    return `${this.name} (pid ${this.pid}) ${how}${last}`;
  }

  #heard(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > LINES_KEPT) this.#lines.shift();
    for (const [place, { pattern, found }] of [...this.#waiting.entries()].reverse()) {
      const match = pattern.exec(line);
      if (match === null) continue;
      this.#waiting.splice(place, 1);
      found(match);
    }
  }
}

export class Children {
  readonly #children: Set<Child> = new Set();
  readonly #lastResort = (): void => {
    for (const child of this.#children) child.signal("SIGKILL");
  };
  #failure: ChildFailure | undefined;

  constructor() {
    process.on("exit", this.#lastResort);
  }

  start(name: string, args: readonly string[]): Child {
    const child = new Child(name, args);
    this.#children.add(child);
    child.process.once("close", () => {
      this.#children.delete(child);
      if (!child.expectedToEnd) this.#failure ??= new ChildFailure(child.obituary);
    });
    return child;
  }

  /**
   * Throws {@link ChildFailure} where a process has ended by itself: nothing that is waited for
   * will come.
   */
  refuseDeath(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.kill()));
    process.off("exit", this.#lastResort);
  }
}

/**
 * For the processes of a demo: end with the parent that started us. `wake` in a message from it
 * names a process that it has stopped, which is to be woken before we go, so that it can find out
 * for itself.
 */
export function endWithParent(): void {
  if (process.send === undefined) return;
  let stopped: number | undefined;
  process.on("message", (message: unknown) => {
    if (typeof message === "object" && message !== null && "wake" in message) {
      stopped = typeof message.wake === "number" ? message.wake : undefined;
    }
  });
  process.once("disconnect", () => {
    try {
      if (stopped !== undefined) process.kill(stopped, "SIGCONT");
    } catch {
      // It is gone already.
    }
    process.exit(0);
  });
}
