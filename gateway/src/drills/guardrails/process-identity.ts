/**
 * Which process a number means. The operating system gives the number of a dead process to a new
 * one, so a process is known by its number and the time at which it started. Linux tells that time
 * in /proc (proc_pid_stat(5), field 22, in clock ticks since boot); elsewhere `ps` tells it. After
 * a restart of the machine no process of before is alive, which the machine's boot id shows.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** A process of this machine, told apart from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** As {@link startTimeOf} gives it. */
  readonly startTime: string;
  /** The machine's boot; "" where it is not known. */
  readonly boot: string;
  /** The namespace in which `pid` counts (a container has its own); "" where there are none. */
  readonly namespace: string;
}

/** Field 22 of the line, counted from the field behind the program's name. */
const START_TIME_FIELD = 19;
const PS_WITHIN_MS = 2_000;

/**
 * When the process started: a text to compare, in the operating system's own notation. Undefined if
 * there is no such process, or if it is dead and its parent has not yet asked for its exit code.
 */
export function startTimeOf(pid: number): string | undefined {
  if (!isPid(pid)) return undefined;
  if (process.platform !== "linux") return startTimeFromPs(pid);
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The program's name stands in parentheses and may itself hold any character.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return "ZXx".includes(fields[0] as string) ? undefined : fields[START_TIME_FIELD];
  } catch {
    return undefined;
  }
}

function startTimeFromPs(pid: number): string | undefined {
  const { status, stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C", TZ: "UTC" },
    timeout: PS_WITHIN_MS,
  });
  const text = stdout?.trim() ?? "";
  return status === 0 && text !== "" ? text : undefined;
}

/** Whether `pid` may be a process that somebody signals: never 0, 1 or a group. */
export function isPid(pid: unknown): pid is number {
  return Number.isSafeInteger(pid) && (pid as number) > 1;
}

/** Who this process is. */
export function ownIdentity(): ProcessIdentity {
  const startTime = startTimeOf(process.pid);
  if (startTime === undefined) throw new Error(`the start time of this process (${process.pid}) cannot be read`);
  return { pid: process.pid, startTime, boot: bootId(), namespace: pidNamespace() };
}

/**
 * Whether the process still runs. A process of another namespace cannot be looked up from here and
 * counts as running, because the opposite would let two drills hurt the same target.
 */
export function isRunning(identity: ProcessIdentity): boolean {
  if (!isThisBoot(identity)) return false;
  const { pid, startTime, namespace } = identity;
  return namespace !== pidNamespace() || startTimeOf(pid) === startTime;
}

/** Whether the process belongs to the time since the machine was started. */
export function isThisBoot({ boot }: ProcessIdentity): boolean {
  return boot === bootId();
}

/** Whether `value` has the members of an identity. */
export function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTime, boot, namespace } = value as Record<string, unknown>;
  return isPid(pid) && [startTime, boot, namespace].every((text) => typeof text === "string");
}

/** The machine's boot; "" where the operating system has no name for it. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
