/**
 * Starting, awaiting and ending child processes, each by its own pid. Every child gets a session of
 * its own, so that the kernel shares CPU time between them as if each were a machine, and a pipe as
 * standard input, whose end tells stations that the bench is gone.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { connect } from "node:net";

const HOST = "127.0.0.1";

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Milliseconds since 1970 with a fraction, from the monotonic clock: comparable between processes
 * of one machine.
 */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** The children of one run: whatever is still alive at the end is ended. */
export class Children {
  readonly #alive = new Set<ChildProcess>();

  launch(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], detached: true, ...options });
    child.stdin?.on("error", () => {});
    this.#alive.add(child);
    child.once("exit", () => this.#alive.delete(child));
    child.once("error", () => this.#alive.delete(child));
    return child;
  }

  async endAll(): Promise<void> {
    await Promise.all(
      [...this.#alive].map((child) => {
        child.kill("SIGCONT");
        return endChild(child, "SIGTERM", 2_500);
      }),
    );
  }
}

export interface ReadyOptions {
  readonly timeoutMs?: number;
  /**
   * Whether what the child has written so far says that it is ready. Default: a line that begins
   * with READY.
   */
  readonly isReady?: (said: string) => boolean;
}

/** Resolves with what the child has written on standard output when that says that it is ready. */
export function untilReady(child: ChildProcess, options: ReadyOptions = {}): Promise<string> {
  const { timeoutMs = 8_000, isReady = (said) => /^READY.*\n/m.test(said) } = options;
  return new Promise((resolve, reject) => {
    let said = "";
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new Error(`${why}; it said: ${said.trim() || "nothing"}`));
    };
    const timer = setTimeout(() => fail(`A child was not ready after ${timeoutMs} ms`), timeoutMs);
    child.once("error", (error) => fail(String(error)));
    child.once("exit", (code) => fail(`A child ended with code ${code}`));
    child.stdout?.on("data", (data) => {
      said += data;
      if (!isReady(said)) return;
      clearTimeout(timer);
      resolve(said);
    });
  });
}

/** Resolves when the port accepts a connection; rejects when the child ends before. */
export async function untilListening(child: ChildProcess, port: number, timeoutMs = 8_000): Promise<void> {
  let failure: string | undefined;
  child.once("error", (error) => {
    failure = String(error);
  });
  child.once("exit", (code) => {
    failure = `ended with code ${code}`;
  });
  const untilMs = nowMs() + timeoutMs;
  while (!(await accepts(port))) {
    if (failure !== undefined) throw new Error(`The front did not start: ${failure}.`);
    if (nowMs() > untilMs) throw new Error(`Port ${port} did not open within ${timeoutMs} ms.`);
    await sleep(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Asks a child to end, and kills it if it has not after `timeoutMs`. */
export function endChild(child: ChildProcess, signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}
