/**
 * Runs a program to its end, without a shell, and keeps the beginning of what it prints. Bounded in
 * time and bytes; ended with the drill.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const MAX_OUTPUT = 64 * 1_024;
const ENDS_WITHIN_MS = 30_000;

export interface ProgramEnd {
  /** The exit code; null if a signal ended it or it could not be started. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runProgram(
  path: string,
  args: readonly string[],
  { signal, environment }: { readonly signal?: AbortSignal; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const child = spawn(path, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: ENDS_WITHIN_MS,
      killSignal: "SIGKILL",
      ...(signal === undefined ? {} : { signal }),
      ...(environment === undefined ? {} : { env: { ...process.env, ...environment } }),
    });
    const printed = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (piece: string) => {
        printed[name] = (printed[name] + piece).slice(0, MAX_OUTPUT);
      });
    }
    child.once("error", (error) => {
      if (child.pid === undefined) resolve({ status: null, stdout: "", stderr: error.message });
    });
    child.once("close", (status) => resolve({ status, ...printed }));
  });
}

/** Where `program` is found through PATH; undefined if nowhere. */
export function foundProgram(program: string): string | undefined {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/**
 * A program of this room beside this file, as it is installed: TypeScript in the repository,
 * JavaScript in the package.
 */
export function ownProgram(name: string): string {
  const ending = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`./${name}${ending}`, import.meta.url));
}
