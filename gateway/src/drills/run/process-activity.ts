/**
 * The provider `process`: runs a program and returns its status and output, as Chaos Toolkit does.
 * A status other than 0 is a result and no failure; a timeout is a failure. The program runs in a
 * process group of its own, so that everything it started is ended with it at a timeout or an
 * interruption: SIGTERM first, because it may have to clean up, SIGKILL after a grace. A program
 * that ended by itself may leave a daemon behind, which is what the experiment asked for.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { homedir, constants as osConstants } from "node:os";
import { delimiter, join } from "node:path";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";

/** What is kept of each of the two outputs, in bytes. The rest is read and dropped. */
export const MAX_OUTPUT_BYTES = 1_048_576;
/** Time that a program has to end after SIGTERM, in milliseconds. */
const GRACE_MS = 2_000;
/** How often it is checked whether a process group is gone, in milliseconds. */
const GROUP_CHECK_MS = 20;

export interface ProcessCall {
  /** A path, or a name that is looked up in PATH. `~` is the home directory. */
  readonly path: string;
  /** A text goes through a shell; a list is passed as it is; a map is flattened to key, value. */
  readonly arguments?: Json;
  /** Seconds. Absent: no limit. */
  readonly timeout?: Json;
}

/** Runs the program and resolves when it has ended and its output is closed. */
export async function runProcess(
  call: ProcessCall,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<JsonObject> {
  if (signal.aborted) throw new ActivityInterrupted();
  const path = programIn(call.path, environment["PATH"]);
  if (path === undefined) throw new ActivityFailed(`${call.path} is not a program in PATH`);
  const timeoutMs = timeoutOf(call.timeout);
  const options = { ...SPAWN_OPTIONS, env: environment as NodeJS.ProcessEnv };
  const child =
    typeof call.arguments === "string"
      ? spawn(`${path} ${call.arguments}`, { ...options, shell: true })
      : spawn(path, argumentList(call.arguments), options);
  return await ended(child, timeoutMs, signal);
}

const SPAWN_OPTIONS = { detached: true, stdio: ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"] };

/** Where the program `name` is; undefined if it is nowhere or may not be run. */
export function programIn(name: string, searched: string = process.env["PATH"] ?? ""): string | undefined {
  const asked = name.startsWith("~/") ? join(homedir(), name.slice(2)) : name;
  const places = asked.includes("/") ? [asked] : searched.split(delimiter).map((place) => join(place || ".", asked));
  return places.find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The arguments as Chaos Toolkit passes them: empty texts and nulls are left out. */
export function argumentList(given: Json | undefined): string[] {
  if (given === undefined || given === null) return [];
  if (typeof given !== "object") return [shownArgument(given)];
  const items: readonly Json[] = Array.isArray(given) ? given : Object.entries(given as JsonObject).flat();
  return items.filter((item) => item !== null && item !== "").map(shownArgument);
}

/** Truth values are written as Python writes them, since existing files rely on it. */
export function shownArgument(item: Json): string {
  if (typeof item === "boolean") return item ? "True" : "False";
  return typeof item === "object" ? JSON.stringify(item) : String(item);
}

function timeoutOf(seconds: Json | undefined): number | undefined {
  if (seconds === undefined || seconds === null) return undefined;
  const asked = typeof seconds === "string" ? Number(seconds) : seconds;
  if (typeof asked !== "number" || !(asked > 0))
    throw new ActivityFailed(`timeout is ${JSON.stringify(seconds)}; it must be a number of seconds above 0`);
  return asked * 1_000;
}

function ended(child: ChildProcess, timeoutMs: number | undefined, signal: AbortSignal): Promise<JsonObject> {
  const stdout = new BoundedText();
  const stderr = new BoundedText();
  child.stdout?.on("data", (bytes: Buffer) => stdout.add(bytes));
  child.stderr?.on("data", (bytes: Buffer) => stderr.add(bytes));
  return new Promise((resolve, reject) => {
    let failure: ActivityFailed | undefined;
    const give = (why: ActivityFailed): void => {
      if (failure !== undefined) return;
      failure = why;
      void endGroup(child.pid).then(() => {
        // Something that left the group may still hold the output open.
        child.stdout?.destroy();
        child.stderr?.destroy();
        settle(() => reject(why));
      });
    };
    const interrupt = (): void => give(new ActivityInterrupted());
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => give(new ActivityFailed(`it took more than ${timeoutMs / 1_000} s`)), timeoutMs);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", interrupt);
      end();
    };
    signal.addEventListener("abort", interrupt, { once: true });
    child.once("error", (cause) =>
      settle(() => reject(new ActivityFailed(`it cannot run: ${cause.message}`, { cause }))),
    );
    child.once("close", (code, endedBy) => {
      if (failure !== undefined) return;
      const status = code ?? -(osConstants.signals[endedBy as NodeJS.Signals] ?? 0);
      settle(() => resolve({ status, stdout: stdout.text(), stderr: stderr.text() }));
    });
  });
}

/** Ends all processes of the group that `leader` leads. Resolves when they are gone. */
async function endGroup(leader: number | undefined): Promise<void> {
  if (leader === undefined || !signalGroup(leader, "SIGTERM")) return;
  const checks = Math.ceil(GRACE_MS / GROUP_CHECK_MS);
  for (let check = 0; check < checks; check += 1) {
    await new Promise((resolve) => setTimeout(resolve, GROUP_CHECK_MS));
    if (!signalGroup(leader, 0)) return;
  }
  signalGroup(leader, "SIGKILL");
}

/** False if no process of the group is left. */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** The beginning of an output, within {@link MAX_OUTPUT_BYTES}. */
class BoundedText {
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #dropped = 0;

  add(bytes: Buffer): void {
    const fits = bytes.subarray(0, MAX_OUTPUT_BYTES - this.#kept);
    if (fits.length > 0) this.#chunks.push(fits);
    this.#kept += fits.length;
    this.#dropped += bytes.length - fits.length;
  }

  text(): string {
    const kept = Buffer.concat(this.#chunks).toString("utf8");
    return this.#dropped === 0 ? kept : `${kept}\n[${this.#dropped} more bytes were dropped]\n`;
  }
}
