/**
 * Starts this program once more, as a process of its own: a drill that crashes must not take the
 * game day's record with it, and a halt has to work while a drill runs. The child is in a group of
 * its own, so that a Ctrl-C in the terminal reaches it once, from here.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../../bin/gsf.js", import.meta.url));
/** Output of a quiet child that is kept, in characters. */
const MAX_KEPT = 10_000;

export interface ChildEnd {
  /** The exit code; 128 and the signal's number if a signal ended it. */
  readonly code: number;
  readonly stderr: string;
}

/** How this program is started again. */
export const GSF: readonly string[] = [process.execPath, PROGRAM];

/**
 * Runs `gsf` with `args` to its end. `isShown`: its output goes to this terminal; otherwise it is
 * kept. Interrupting signals are passed on, and this process lives until the child has ended.
 */
export async function runGsf(
  args: readonly string[],
  { isShown = false, program = GSF }: { readonly isShown?: boolean; readonly program?: readonly string[] } = {},
): Promise<ChildEnd> {
  const [command = process.execPath, ...before] = program;
  const child = spawn(command, [...before, ...args], {
    detached: true,
    stdio: isShown ? ["ignore", "inherit", "inherit"] : ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr?.on("data", (piece: Buffer) => {
    if (stderr.length < MAX_KEPT) stderr += piece.toString("utf8");
  });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const passOn = (signal: NodeJS.Signals): void => {
    // A terminal that is gone is an order to stop.
    child.kill(signal === "SIGHUP" ? "SIGTERM" : signal);
  };
  for (const signal of signals) process.on(signal, passOn);
  try {
    return await new Promise<ChildEnd>((resolve) => {
      child.once("error", (error) => resolve({ code: 70, stderr: `${stderr}${error.message}` }));
      child.once("close", (code, signal) =>
        resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), stderr }),
      );
    });
  } finally {
    for (const signal of signals) process.off(signal, passOn);
  }
}
