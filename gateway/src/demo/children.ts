/**
 * The demo's processes. None of them outlives the demo. Each runs this program with another
 * subcommand. The demo kills them by their process ids when it ends: at its regular end, on a
 * signal, or on a crash (an exit hook). If the demo itself is killed (SIGKILL), each process ends
 * because it watches its channel to the demo. A stopped process cannot watch its channel, so
 * another process is told to wake it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Lines of output kept for each process, to be shown if it fails. */
const LINES_KEPT = 12;

/** A process of the demo ended, or did not start, although it should be running. */
export class ChildFailure extends Error {}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting: Array<{ readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }> = [];
  /** True if the demo ended it, so that its end is no failure. */
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
    // A message to a process that has just ended is lost; the end is reported separately.
    this.process.on("error", (error) => this.#heard(error.message));
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves with the first line of output that matches, including earlier output. */
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

  /** Kills the process at once, whatever its state. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.expectedToEnd = true;
    if (this.ended || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.signal("SIGKILL");
    await gone;
  }

  /** How it ended, with its last lines of output. */
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
   * Throws {@link ChildFailure} if a process has ended by itself, because waiting on would be in
   * vain.
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
 * For the processes of a demo: ends this process with its parent. A message with `wake` names a
 * process that the parent has stopped. This process wakes it before it ends, so that the other one
 * can notice the end, too.
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
      // The process is already gone.
    }
    process.exit(0);
  });
}
