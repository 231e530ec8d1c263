/**
 * Plays the inverse of a fault. Each kind can be played twice, or when the fault is gone already,
 * and then changes nothing: the runner, the watchdog and `gsf chaos recover` may all play the same
 * one. Each is bounded in time, so one that hangs holds the others up for seconds at most.
 */
import { spawn } from "node:child_process";
import { chownSync, lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, isAbsolute, resolve } from "node:path";
import { Agent, request } from "undici";
import { isLoopback } from "../../adapters/process/addresses.ts";
import type { Inverse } from "../injection.ts";
import { removeDurably, replaceFile } from "./durable-file.ts";
import { isPid, startTimeOf } from "./process-identity.ts";

/** Most ms for a request: an answer of a proxy's API takes a few. */
const REQUEST_WITHIN_MS = 3_000;
/** Most ms for a program: it may have to start an interpreter on a machine that is starved. */
const PROGRAM_WITHIN_MS = 10_000;

/**
 * Plays the inverse and says what it did. Throws an error with the reason if the fault may still be
 * in force.
 */
export async function playInverse(inverse: Inverse): Promise<string> {
  switch (inverse.kind) {
    case "http":
      return playRequest(inverse);
    case "signal":
      return playSignal(inverse);
    case "file":
      return playFile(inverse);
    case "process":
      return playProgram(inverse);
  }
}

/** One line that a person reads: what playing the inverse does. */
export function shownInverse(inverse: Inverse): string {
  switch (inverse.kind) {
    case "http":
      return `${inverse.method} ${withoutPassword(inverse.url)}`;
    case "signal":
      return `${inverse.signal} to process ${inverse.pid}`;
    case "file":
      return inverse.copy === undefined ? `delete ${inverse.path}` : `put ${inverse.path} back from ${inverse.copy}`;
    case "process":
      return [inverse.path, ...inverse.arguments].join(" ");
  }
}

/** Whether `value` is an inverse that can be played. */
export function isInverse(value: unknown): value is Inverse {
  if (typeof value !== "object" || value === null) return false;
  const it = value as Record<string, unknown>;
  switch (it["kind"]) {
    case "http":
      return isText(it["method"]) && isText(it["url"]) && URL.canParse(it["url"]);
    case "signal":
      return isPid(it["pid"]) && isText(it["startTime"]) && isText(it["signal"]) && it["signal"] in constants.signals;
    case "file":
      return isPlace(it["path"]) && (it["copy"] === undefined || isPlace(it["copy"]));
    case "process":
      return (
        isText(it["path"]) && Array.isArray(it["arguments"]) && it["arguments"].every((one) => typeof one === "string")
      );
    default:
      return false;
  }
}

/** Who plays the inverse may stand in another directory. */
function isPlace(value: unknown): value is string {
  return isText(value) && isAbsolute(value);
}

/** The inverse with all its paths counted from the root: `recover` runs somewhere else. */
export function fromRoot(inverse: Inverse): Inverse {
  if (inverse.kind === "file") {
    const { path, copy } = inverse;
    return { kind: "file", path: resolve(path), ...(copy === undefined ? {} : { copy: resolve(copy) }) };
  }
  // A name without a slash is looked up in PATH.
  if (inverse.kind === "process" && inverse.path.includes("/")) return { ...inverse, path: resolve(inverse.path) };
  return inverse;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

type Of<Kind extends Inverse["kind"]> = Extract<Inverse, { readonly kind: Kind }>;

async function playRequest({ method, url, body }: Of<"http">): Promise<string> {
  const shown = `${method} ${withoutPassword(url)}`;
  // A dispatcher of its own: a connection that is kept may be one that a fault holds up.
  const agent = new Agent({
    connect: { timeout: REQUEST_WITHIN_MS },
    headersTimeout: REQUEST_WITHIN_MS,
    bodyTimeout: REQUEST_WITHIN_MS,
  });
  const tooLate = new AbortController();
  const timer = setTimeout(() => tooLate.abort(new Error(`no answer in ${REQUEST_WITHIN_MS} ms`)), REQUEST_WITHIN_MS);
  try {
    const answer = await request(url, {
      method: method as "POST",
      dispatcher: agent,
      signal: tooLate.signal,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    await answer.body.dump({ limit: 65_536 });
    const { statusCode } = answer;
    if ((statusCode >= 200 && statusCode < 300) || statusCode === 404) return `${shown}: ${statusCode}`;
    throw new Error(`answered ${statusCode}; a success is 2xx or 404`);
  } catch (error) {
    // The fault was in the memory of the process that listened there, and that process is gone.
    if (wasRefused(error) && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, "")))
      return `${shown}: nothing listens there any more`;
    throw new Error(`${shown}: ${reasonOf(error)}`);
  } finally {
    clearTimeout(timer);
    await agent.destroy();
  }
}

function wasRefused(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return code === "ECONNREFUSED" || cause?.code === "ECONNREFUSED";
}

function playSignal({ pid, startTime, signal }: Of<"signal">): string {
  const shown = `${signal} to process ${pid}`;
  if (!isPid(pid) || !(signal in constants.signals)) throw new Error(`${shown}: not a process or not a signal`);
  const found = startTimeOf(pid);
  if (found === undefined) return `${shown}: it has ended`;
  if (found !== startTime) return `${shown}: not sent, because another process has this number now`;
  try {
    process.kill(pid, signal as NodeJS.Signals);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return `${shown}: it has ended`;
    throw new Error(`${shown}: ${reasonOf(error)}`);
  }
  return `${shown}: sent`;
}

function playFile({ path, copy }: Of<"file">): string {
  if (copy === undefined) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return `${path}: not there`;
    try {
      removeDurably(path);
    } catch (error) {
      throw new Error(`${path}: cannot be deleted: ${reasonOf(error)}`);
    }
    return `${path}: deleted`;
  }
  // The copy is on the disk before the file is changed, so without one nothing was changed.
  if (statSync(copy, { throwIfNoEntry: false }) === undefined) return `${path}: not changed; there is no copy ${copy}`;
  try {
    // A link stays one: the file that it leads to is replaced.
    const place = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? realpathSync(path) : path;
    const bytes = readFileSync(copy);
    const there = statSync(place, { throwIfNoEntry: false });
    if (there?.isFile() === true && there.size === bytes.length && readFileSync(place).equals(bytes))
      return `${path}: has its bytes`;
    const like = there ?? statSync(copy);
    replaceFile(place, bytes, Number(like.mode) & 0o7777);
    keepOwner(place, like);
    return `${path}: put back from ${copy}`;
  } catch (error) {
    throw new Error(`${path}: cannot be put back from ${copy} in ${dirname(path)}: ${reasonOf(error)}`);
  }
}

/** Only the superuser gives files away; for all others the file is theirs already. */
function keepOwner(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  if (process.getuid?.() === 0) chownSync(path, uid, gid);
}

/**
 * The program may start a service that goes on. So it has no pipes, whose end would end the service
 * with its next line, and a process group of its own, which no Ctrl-C at a terminal reaches.
 */
function playProgram({ path, arguments: args }: Of<"process">): Promise<string> {
  const shown = [path, ...args].join(" ");
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, {
      ...{ stdio: "ignore", detached: true, timeout: PROGRAM_WITHIN_MS, killSignal: "SIGKILL" },
    });
    child.once("error", (error) => reject(new Error(`${shown}: ${reasonOf(error)}`)));
    child.once("exit", (code, signal) => {
      if (code === 0) resolve(`${shown}: done`);
      else reject(new Error(`${shown}: ended with ${code ?? signal}`));
    });
  });
}

/** The message of whatever was thrown. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  return error.message === "" && code !== undefined ? code : error.message;
}

function withoutPassword(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.username + url.password === "") return text;
  url.username = "";
  url.password = "";
  return url.href;
}
