/**
 * A program: keeps one child process for an injection. Arguments: the permit's path, the longest
 * time in ms, then the child's program and arguments. It ends the child when the permit is gone,
 * when its own standard input ends (the drill's process is gone), or after that time; and it ends
 * with the child's exit code. What the child prints is passed on.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

/** How often the permit is looked at, in ms. */
const LOOK_MS = 50;
/** What a child gets to end in good order, in ms. */
const GRACE_MS = 2_000;

const [permit = "", longestMs = "0", program = "", ...args] = process.argv.slice(2);
// With a channel, by which a Node program sees that its keeper is gone, even if that was killed.
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
let isEnding = false;

function end(): void {
  if (isEnding) return;
  isEnding = true;
  child.kill("SIGINT");
  setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
}

child.once("error", (error) => {
  process.stderr.write(`${program} cannot be started: ${error.message}\n`);
  process.exit(127);
});
child.once("close", (code) => process.exit(code ?? 1));
setInterval(() => {
  if (!existsSync(permit)) end();
}, LOOK_MS);
setTimeout(end, Number(longestMs));
process.stdin.on("end", end).on("close", end).on("error", end).resume();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, end);
