/**
 * The injector `clock`: sets the wall clock of one process forward or back, or lets it run too fast
 * or too slow, by the file that libfaketime reads. The process must have been started with
 * libfaketime: LD_PRELOAD names the library, FAKETIME_TIMESTAMP_FILE the file, FAKETIME_NO_CACHE=1
 * makes it read the file each time, and FAKETIME_DONT_FAKE_MONOTONIC=1 leaves the monotonic clock
 * alone, which no step of a wall clock moves in reality. The machine's own clock is never touched.
 */
import { existsSync, readFileSync } from "node:fs";
import { systemClock } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { exchange, refuseOthers } from "./exchange.ts";
import { decimal, text, url, yesOrNo } from "./fields.ts";
import { FileSwap } from "./file-swap.ts";
import { chosenProcess, nameOf, type ProcessNow, WHICH_PROCESS, waysToProcess } from "./processes.ts";
import { runProgram } from "./run-program.ts";

/** Where Debian, Fedora, Alpine and a build from source put the library. */
const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib64/faketime/libfaketime.so.1",
  "/usr/lib/faketime/libfaketime.so.1",
  "/usr/local/lib/faketime/libfaketime.so.1",
] as const;

const DAY_SECONDS = 86_400;

const CLOCK = {
  ...COMMON,
  ...WHICH_PROCESS,
  /** FAKETIME_TIMESTAMP_FILE of the process. */
  file: text("the path of the file that libfaketime reads", 4_096),
  /** A page of the process, whose header Date shows its clock. */
  dateUrl: url().optional(),
  allowRemote: yesOrNo().default(false),
};

const stepSchema = z
  .strictObject({ ...CLOCK, offsetSeconds: decimal(-365 * DAY_SECONDS, 365 * DAY_SECONDS, "seconds") })
  .refine((args) => waysToProcess(args) <= 1, {
    path: ["pid"],
    message: "allowed is at most one of pid, pidFile, pidUrl",
  })
  .refine(({ offsetSeconds }) => offsetSeconds !== 0, { path: ["offsetSeconds"], message: "0 changes nothing" });

const driftSchema = z
  .strictObject({ ...CLOCK, rate: decimal(0.1, 10, "1 is a right clock, 1.05 is 5 % too fast") })
  .refine((args) => waysToProcess(args) <= 1, {
    path: ["pid"],
    message: "allowed is at most one of pid, pidFile, pidUrl",
  })
  .refine(({ rate }) => rate !== 1, { path: ["rate"], message: "1 changes nothing" });

export const clock: OwnInjector = injectorOf("clock", {
  step: action(stepSchema, {
    missing: lacksLibrary,
    prepare: (args, context) => prepareClock(args, context, signed(args.offsetSeconds), shiftMs, movedBy),
  }),
  drift: action(driftSchema, {
    missing: lacksLibrary,
    prepare: (args, context) => prepareClock(args, context, `+0 x${args.rate}`, rateNow, runsOtherwise),
  }),
});

/** The library, where it is installed. */
export function faketimeLibrary(): string | undefined {
  return LIBRARIES.find((path) => existsSync(path));
}

/**
 * The environment with which a process has to be started, so that this injector can set its clock
 * later by writing `file`, which has to exist and hold `+0`.
 */
export function faketimeEnvironment(library: string, file: string): Readonly<Record<string, string>> {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  };
}

/** The sentence that says how to install it; undefined: it is there. */
export async function lacksLibrary(): Promise<string | undefined> {
  if (faketimeLibrary() !== undefined) return undefined;
  return "libfaketime is not installed (Debian and Ubuntu: apt-get install faketime)";
}

function signed(seconds: number): string {
  return seconds < 0 ? String(seconds) : `+${seconds}`;
}

type ClockArguments = Omit<z.output<typeof stepSchema>, "offsetSeconds">;

async function prepareClock(
  args: ClockArguments,
  context: InjectionContext,
  written: string,
  measure: (args: ClockArguments, file: string, signal: AbortSignal) => Promise<number>,
  proofOf: (args: ClockArguments, file: string, before: number, signal: AbortSignal) => Promise<string | undefined>,
): Promise<PreparedInjection> {
  if (args.dateUrl !== undefined) refuseOthers("dateUrl", new URL(args.dateUrl).hostname, args.allowRemote);
  const swap = new FileSwap("file", args.file);
  const reader = waysToProcess(args) === 0 ? undefined : await chosenProcess(args);
  if (reader !== undefined) needFaketime(reader, swap.path);
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "clock", reader === undefined ? swap.path : nameOf(args, reader))],
    shown: `echo '${written}' > ${swap.path}`,
    inverses: [swap.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      context.signal.throwIfAborted();
      const before = await measure(args, swap.path, context.signal);
      swap.replace(Buffer.from(`${written}\n`));
      proof = await proofOf(args, swap.path, before, context.signal);
      return { file: swap.path, written, proof: proof ?? null };
    },
    felt: async () => proof,
    remaining: async () => swap.remaining(),
  };
}

/** Throws `UserError` if the process was not started with libfaketime and this file. */
function needFaketime({ pid }: ProcessNow, file: string): void {
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  const variable = (name: string): string | undefined =>
    environment.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
  if (variable("LD_PRELOAD")?.includes("libfaketime") !== true) {
    throw new UserError(
      "usage",
      `pid: process ${pid} runs without libfaketime; start it with LD_PRELOAD=<libfaketime.so.1>`,
    );
  }
  const read = variable("FAKETIME_TIMESTAMP_FILE");
  if (read !== file) throw new UserError("usage", `file: process ${pid} reads ${read ?? "no file"}, not ${file}`);
  if (variable("FAKETIME_DONT_FAKE_MONOTONIC") !== "1") {
    throw new UserError(
      "usage",
      `pid: process ${pid} runs without FAKETIME_DONT_FAKE_MONOTONIC=1; its monotonic clock would move, which never happens`,
    );
  }
}

/** How long a changed clock may take to show in a page, in ms. */
const SHOWS_WITHIN_MS = 4_000;
/** A page tells its time in whole seconds, and is kept for one. */
const DATE_ERROR_MS = 2_000;

/** Proof that the clock is another one; undefined if it does not show. */
async function movedBy(
  args: ClockArguments,
  file: string,
  beforeMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const endMs = systemClock.nowMs() + SHOWS_WITHIN_MS;
  for (;;) {
    const moved = (await shiftMs(args, file, signal)) - beforeMs;
    const least = args.dateUrl === undefined ? 1 : DATE_ERROR_MS;
    const shown = args.dateUrl === undefined ? "a program with the same file" : args.dateUrl;
    if (Math.abs(moved) >= least) return `${shown} shows a clock that moved by ${Math.round(moved / 1_000)} s`;
    if (systemClock.nowMs() >= endMs || signal.aborted) return undefined;
    await systemClock.sleepUntil(systemClock.nowMs() + 100, signal).catch(() => undefined);
  }
}

/** How far the clock that is shown is ahead of ours, in ms. */
async function shiftMs(args: ClockArguments, file: string, signal: AbortSignal): Promise<number> {
  if (args.dateUrl !== undefined) {
    const { headers } = await exchange("GET", args.dateUrl, undefined, signal);
    const shown = Date.parse(String(headers["date"]));
    if (Number.isNaN(shown)) throw new UserError("usage", `dateUrl: ${args.dateUrl} answers without a Date`);
    return shown - Date.now();
  }
  const environment = faketimeEnvironment(faketimeLibrary() ?? "", file);
  const { stdout } = await runProgram("date", ["+%s%3N"], { signal, environment });
  return Number(stdout.trim()) - Date.now();
}

/** Measures for 200 ms of the monotonic clock how fast the wall clock runs. */
const RATE_PROGRAM = `
  const wallMs = Date.now(), startMs = performance.now();
  while (performance.now() - startMs < 200);
  console.log((Date.now() - wallMs) / (performance.now() - startMs));`;
/** What a measurement over 200 ms may be wrong by. */
const RATE_ERROR = 0.02;

/** How fast the clock of a program with this file runs; 1 is right. */
async function rateNow(_args: ClockArguments, file: string, signal: AbortSignal): Promise<number> {
  const environment = faketimeEnvironment(faketimeLibrary() ?? "", file);
  const { stdout } = await runProgram(process.execPath, ["-e", RATE_PROGRAM], { signal, environment });
  return Number(stdout.trim());
}

async function runsOtherwise(
  args: ClockArguments,
  file: string,
  before: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const rate = await rateNow(args, file, signal);
  if (!(Math.abs(rate - before) > RATE_ERROR)) return undefined;
  return `the clock of a program with the same file runs at ${rate.toFixed(2)} of the right speed`;
}
