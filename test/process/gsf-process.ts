/**
 * The `gsf` program as a user meets it: a process with arguments, output and an exit code. Each one
 * that a test starts is ended with the test, by its own handle.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../gateway/bin/gsf.js", import.meta.url));
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const SAYS_WITHIN_MS = 60_000;

export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class GsfProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  readonly #waiting = new Set<() => void>();

  /** `maxDescriptors`: how many files and sockets it may have open at once. */
  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}, maxDescriptors?: number) {
    const command = [process.execPath, PROGRAM, ...args];
    const limited = ["sh", "-c", `ulimit -n ${maxDescriptors} && exec "$0" "$@"`, ...command];
    const [program, ...rest] = maxDescriptors === undefined ? command : limited;
    this.child = spawn(program as string, rest, {
      cwd: REPOSITORY,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (piece: Buffer) => {
      this.stdout += piece;
      for (const look of this.#waiting) look();
    });
    this.child.stderr?.on("data", (piece: Buffer) => {
      this.stderr += piece;
      for (const look of this.#waiting) look();
    });
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code: code ?? signal, stdout: this.stdout, stderr: this.stderr });
        for (const look of this.#waiting) look();
      });
    });
  }

  /**
   * Resolves with the match once standard output or error has it; rejects where the process ends
   * without, and after a minute.
   */
  saying(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const fail = (how: string): void =>
        reject(new Error(`gsf ${how} without saying ${pattern}:\n${this.stdout}\n${this.stderr}`));
      const late = setTimeout(() => {
        this.#waiting.delete(look);
        fail("ran for a minute");
      }, SAYS_WITHIN_MS);
      const look = (): void => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match !== null) resolve(match);
        else if (this.child.exitCode !== null || this.child.signalCode !== null) fail("ended");
        else return;
        this.#waiting.delete(look);
        clearTimeout(late);
      };
      this.#waiting.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}

/** Runs `gsf` with `args` to its end. */
export async function gsf(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  await using run = new GsfProcess(args, environment);
  return await run.ended;
}

/** A directory that is gone when the test is over. */
export class Folder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "gsf-test-"));

  /** Writes a file, and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
