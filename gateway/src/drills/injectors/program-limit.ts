/**
 * A program: puts a soft limit of a process back. Arguments: process id, start time, the limit's
 * name and its value. If the process is another one by now, or gone, it does nothing and succeeds.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const [pid = "", startTime = "", name = "", value = ""] = process.argv.slice(2);

function startTimeNow(): string | undefined {
  try {
    const stat = readFileSync(`/proc/${Number(pid)}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

if (startTimeNow() === startTime) {
  const { status, stderr } = spawnSync("prlimit", ["--pid", pid, `--${name}=${value}:`], { encoding: "utf8" });
  process.stderr.write(stderr ?? "");
  // It may have ended in between.
  process.exitCode = status === 0 || startTimeNow() !== startTime ? 0 : 1;
}
