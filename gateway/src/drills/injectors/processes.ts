/**
 * Processes of this machine as /proc shows them: state, start time, owner. A process is meant by
 * its id and its start time together, because the system gives ids again. Refused as a target: what
 * is not ours (0, 1, the kernel's, other users') and what would take the drill down with it (its
 * own process and all above it).
 */
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { systemClock } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import { exchange, memberOf, refuseOthers } from "./exchange.ts";
import { text, url, whole } from "./fields.ts";

export interface ProcessNow {
  readonly pid: number;
  /** Ticks between the start of the machine and of the process: field 22 of /proc/PID/stat. */
  readonly startTime: string;
  /** R running, S sleeping, T stopped, Z gone but not yet collected by its parent. */
  readonly state: string;
  readonly parent: number;
  readonly user: number;
  readonly name: string;
  /** Time on a processor so far, in ms. */
  readonly busyMs: number;
}

const MAX_PID = 4_194_304;
/** Linux counts processor time in hundredths of a second for programs. */
const TICK_MS = 10;
/** The parent of all threads of the kernel. */
const KERNEL_PARENT = 2;

/** The fields that name a process: exactly one of them. */
export const WHICH_PROCESS: {
  readonly pid: z.ZodOptional<z.ZodType<number>>;
  readonly pidFile: z.ZodOptional<z.ZodString>;
  readonly pidUrl: z.ZodOptional<z.ZodString>;
} = {
  pid: z
    .preprocess(
      (given) => (typeof given === "string" && /^\d{1,7}$/.test(given) ? Number(given) : given),
      whole(0, MAX_PID),
    )
    .optional(),
  pidFile: text("the path of a file that holds a process id").optional(),
  /** A page of this machine whose JSON has a member `pid`, such as a stage's. */
  pidUrl: url().optional(),
};

export interface WhichProcess {
  readonly pid?: number | undefined;
  readonly pidFile?: string | undefined;
  readonly pidUrl?: string | undefined;
}

/** How many fields name the process. */
export function waysToProcess({ pid, pidFile, pidUrl }: WhichProcess): number {
  return [pid, pidFile, pidUrl].filter((one) => one !== undefined).length;
}

/** True if exactly one field names the process. */
export function namesOneProcess(which: WhichProcess): boolean {
  return waysToProcess(which) === 1;
}

export const ONE_PROCESS: { readonly path: string[]; readonly message: string } = {
  path: ["pid"],
  message: "which process is not said, or twice; allowed is exactly one of pid, pidFile and pidUrl",
};

/** The process with this id; undefined if there is none, or if it is only not yet collected. */
export function processNow(pid: number): ProcessNow | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name is in parentheses and may hold any character, parentheses too.
    const end = stat.lastIndexOf(")");
    const fields = stat.slice(end + 2).split(" ");
    const state = fields[0] as string;
    if (state === "Z" || state === "X") return undefined;
    return {
      pid,
      state,
      name: stat.slice(stat.indexOf("(") + 1, end),
      parent: Number(fields[1]),
      busyMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
      startTime: fields[19] as string,
      user: statSync(`/proc/${pid}`).uid,
    };
  } catch {
    return undefined;
  }
}

/** The same process as before; undefined if it is gone, even if another one has its id now. */
export function sameProcess({ pid, startTime }: Pick<ProcessNow, "pid" | "startTime">): ProcessNow | undefined {
  const now = processNow(pid);
  return now?.startTime === startTime ? now : undefined;
}

/**
 * The name of a process as a target: that of its file (`backup.pid`) or page (`/processes/backup`),
 * else its id. Its own name says nothing: every Node program has the same.
 */
export function nameOf({ pidFile, pidUrl }: WhichProcess, { pid }: ProcessNow): string {
  if (pidFile !== undefined) return basename(pidFile, ".pid");
  const last = pidUrl === undefined ? "" : basename(new URL(pidUrl).pathname);
  return last === "" ? `pid ${pid}` : last;
}

/** The process that the arguments name. Throws `UserError` if it is gone or may not be hurt. */
export async function chosenProcess(which: WhichProcess): Promise<ProcessNow> {
  const pid = await pidOf(which);
  const field = which.pid !== undefined ? "pid" : which.pidFile !== undefined ? "pidFile" : "pidUrl";
  const above = ancestors();
  if (pid === 0 || pid === 1) throw refused(field, pid, "it stands for the whole machine");
  if (pid === process.pid) throw refused(field, pid, "it is the process of the drill itself");
  if (above.has(pid)) throw refused(field, pid, "the process of the drill runs under it");
  const found = processNow(pid);
  if (found === undefined) throw new UserError("usage", `${field}: there is no process ${pid}; nothing can be hit`);
  if (found.parent === KERNEL_PARENT || pid === KERNEL_PARENT) throw refused(field, pid, "it belongs to the kernel");
  const own = process.getuid?.();
  if (found.user !== own) throw refused(field, pid, `it belongs to user ${found.user}, and this drill to user ${own}`);
  return found;
}

function refused(field: string, pid: number, why: string): UserError {
  return new UserError("usage", `${field}: process ${pid} is never hurt: ${why}; name a process that you started`);
}

/** Every process above this one. */
function ancestors(): ReadonlySet<number> {
  const above = new Set<number>();
  for (let pid = process.ppid; pid > 1 && !above.has(pid); pid = processNow(pid)?.parent ?? 0) above.add(pid);
  return above;
}

/** The id that the arguments lead to; throws `UserError` if there is none. */
export async function pidOf({ pid, pidFile, pidUrl }: WhichProcess): Promise<number> {
  if (pid !== undefined) return pid;
  if (pidFile !== undefined) return pidIn(pidFile);
  const address = pidUrl as string;
  refuseOthers("pidUrl", new URL(address).hostname, false);
  const { json } = await exchange("GET", address);
  const found = memberOf(json, "pid");
  if (typeof found === "number" && Number.isInteger(found) && found >= 0 && found <= MAX_PID) return found;
  throw new UserError("usage", `pidUrl: ${address} has no member pid with a process id`);
}

/**
 * The process that the arguments lead to, if it lives; nothing is refused and nothing is thrown.
 */
export async function livingProcess(which: WhichProcess): Promise<ProcessNow | undefined> {
  const pid = await pidOf(which).catch(() => undefined);
  return pid === undefined ? undefined : processNow(pid);
}

function pidIn(path: string): number {
  let written: string;
  try {
    const { size } = statSync(path);
    if (size > 64) throw new Error(`it has ${size} bytes; allowed are at most 64`);
    written = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new UserError("usage", `pidFile ${path}: it cannot be read: ${(error as Error).message}`);
  }
  const pid = Number(written);
  if (/^\d{1,7}$/.test(written) && pid <= MAX_PID) return pid;
  throw new UserError("usage", `pidFile ${path}: it holds ${JSON.stringify(written)}; allowed is one process id`);
}

/**
 * Resolves with true as soon as `holds` does; with false after `withinMs`, or when `signal` is
 * aborted.
 */
export async function becomes(holds: () => boolean, withinMs: number, signal: AbortSignal): Promise<boolean> {
  const endMs = systemClock.nowMs() + withinMs;
  while (!holds()) {
    const nowMs = systemClock.nowMs();
    if (signal.aborted || nowMs >= endMs) return false;
    await systemClock.sleepUntil(nowMs + 2, signal).catch(() => undefined);
  }
  return true;
}

/** Why processes cannot be watched on this machine; undefined: they can. */
export function lacksProc(): string | undefined {
  return processNow(process.pid) === undefined ? "processes are watched through /proc, which needs Linux" : undefined;
}
