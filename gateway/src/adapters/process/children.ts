/**
 * Processes of this program that another one starts and that do not outlive it: those of the demo
 * and of a drill's stage. Each runs this program with another subcommand. Their starter kills them
 * by their process ids when it ends: at its regular end, on a signal, or on a crash (an exit hook).
 * If it is killed itself (SIGKILL), each process ends because it watches its channel to it. A
 * stopped process cannot watch its channel, so another process is told to wake it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Lines of output kept for each process, to be shown if it fails. */
const LINES_KEPT = 12;

/** The command line of this program, beside the sources and beside what was built of them. */
export const PROGRAM: string = fileURLToPath(new URL("../../../bin/gsf.js", import.meta.url));

/** A process ended, or did not start, although it should be running. */
export class ChildFailure extends Error {}

export interface ChildOptions {
  /** Options of Node itself, such as `--max-old-space-size=64`. Default: none. */
  readonly nodeArguments?: readonly string[];
  /** Environment variables beside those of this process. Default: none. */
  readonly environment?: Readonly<Record<string, string>>;
}

export class Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly #outputs: Interface[] = [];
  readonly #lines: string[] = [];
  readonly #waiting: Array<{ readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }> = [];
  /** True if its starter ended it, so that its end is no failure. */
  expectedToEnd = false;

  constructor(name: string, args: readonly string[], options: ChildOptions = {}) {
    const { nodeArguments = [], environment = {} } = options;
    this.name = name;
    this.process = spawn(process.execPath, [...nodeArguments, PROGRAM, ...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      env: { ...process.env, ...environment },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream === null) continue;
      this.#outputs.push(createInterface({ input: stream }).on("line", (line) => this.#heard(line)));
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

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGINT"): void {
    if (!this.ended && this.process.pid !== undefined) process.kill(this.process.pid, signal);
  }

  /** Reads its output, as is the default, or lets it lie in the pipe, as a stalled reader does. */
  readOutput(isReading: boolean): void {
    for (const output of this.#outputs) {
      if (isReading) output.resume();
      else output.pause();
    }
  }

  /** Kills the process at once, whatever its state. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.expectedToEnd = true;
    if (this.ended || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.signal("SIGKILL");
    await gone;
  }

  /** Asks the process to end, and kills it after `limitMs`. Resolves when it is gone. */
  async end(limitMs: number): Promise<void> {
    this.expectedToEnd = true;
    if (this.ended || this.process.pid === undefined) return;
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    this.signal("SIGINT");
    const late = setTimeout(() => this.signal("SIGKILL"), limitMs);
    await gone;
    clearTimeout(late);
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

  start(name: string, args: readonly string[], options: ChildOptions = {}): Child {
    const child = new Child(name, args, options);
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
 * For such a process: ends it with its parent, also if the parent is gone already. A message with
 * `wake` names a
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
  const end = (): void => {
    try {
      if (stopped !== undefined) process.kill(stopped, "SIGCONT");
    } catch {
      // The process is already gone.
    }
    process.exit(0);
  };
  process.once("disconnect", end);
  // The parent ended while this process was loading: that event was before the line above.
  if (!process.connected) end();
}
