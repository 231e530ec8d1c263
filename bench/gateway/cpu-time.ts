/** CPU time of a process, all its threads together, from the scheduler's own count. */
import { readdirSync, readFileSync } from "node:fs";

/** In ms, in steps of nanoseconds; a thread that has ended meanwhile is not counted. */
export function cpuMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    ns += Number(running);
  }
  return ns / 1e6;
}

/** Resident memory, in MiB. */
export function residentMiB(pid: number): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1_024;
}
