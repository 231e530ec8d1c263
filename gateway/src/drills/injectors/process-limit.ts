/**
 * The soft limit of one resource of a live process, lowered with util-linux's `prlimit` and put
 * back. Only the soft limit moves, because the hard one could not be raised again without
 * privileges. The inverse is a program of this room that looks at the process' start time first: a
 * limit is never put on a stranger that has the id by then.
 */
import { readFileSync } from "node:fs";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Inverse } from "../injection.ts";
import { type ProcessNow, sameProcess } from "./processes.ts";
import { foundProgram, ownProgram, runProgram } from "./run-program.ts";

/** Names as `prlimit` takes them, with those of /proc/PID/limits. */
const LIMITS = { nofile: "Max open files", fsize: "Max file size", as: "Max address space" } as const;
export type LimitName = keyof typeof LIMITS;

export function lacksPrlimit(): string | undefined {
  return foundProgram("prlimit") === undefined
    ? "the program prlimit is not installed (Debian and Ubuntu: apt-get install util-linux)"
    : undefined;
}

/** The soft limit as /proc shows it: a number or "unlimited"; undefined if the process is gone. */
export function limitNow(target: ProcessNow, name: LimitName): string | undefined {
  if (sameProcess(target) === undefined) return undefined;
  try {
    const limits = readFileSync(`/proc/${target.pid}/limits`, "utf8");
    const line = limits.split("\n").find((one) => one.startsWith(LIMITS[name]));
    return line?.slice(LIMITS[name].length).trim().split(/\s+/)[0];
  } catch {
    return undefined;
  }
}

export class LimitSetting {
  readonly before: string;
  readonly shown: string;
  readonly inverse: Inverse;
  readonly #target: ProcessNow;
  readonly #name: LimitName;
  readonly #wanted: number;

  /** Throws `UserError` if that would not lower the limit. */
  constructor(target: ProcessNow, name: LimitName, wanted: number) {
    const before = limitNow(target, name);
    if (before === undefined) throw new UserError("usage", `pid: the limits of process ${target.pid} cannot be read`);
    if (before !== "unlimited" && wanted >= Number(before)) {
      throw new UserError(
        "usage",
        `limit: ${wanted} would not lower the limit of process ${target.pid}, which is ${before}`,
      );
    }
    this.#target = target;
    this.#name = name;
    this.#wanted = wanted;
    this.before = before;
    this.shown = `prlimit --pid ${target.pid} --${name}=${wanted}:`;
    this.inverse = {
      kind: "process",
      path: process.execPath,
      arguments: [ownProgram("program-limit"), String(target.pid), target.startTime, name, before],
    };
  }

  async apply(): Promise<void> {
    const { pid } = this.#target;
    if (sameProcess(this.#target) === undefined) {
      throw new UserError("promiseBroken", `pid: process ${pid} has ended before its limit was lowered`);
    }
    const end = await runProgram("prlimit", ["--pid", String(pid), `--${this.#name}=${this.#wanted}:`]);
    if (end.status !== 0) throw new UserError("promiseBroken", `${this.shown}: ${end.stderr.trim()}`);
  }

  remaining(): readonly string[] {
    const now = limitNow(this.#target, this.#name);
    if (now === undefined || now === this.before) return [];
    return [`the limit ${this.#name} of process ${this.#target.pid} is ${now} instead of ${this.before}`];
  }
}
