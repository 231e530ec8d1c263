/**
 * Is somebody on call who can help if a drill goes wrong? A program, a page or a file of the
 * operators says so, and by whom. No answer, or one without a name, is no.
 */
import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { readUpTo } from "./durable-file.ts";
import { textAt } from "./incident.ts";
import { reasonOf } from "./inverse.ts";
import type { OnCall } from "./settings.ts";

const ANSWER_WITHIN_MS = 5_000;
const MAX_BYTES = 65_536;
const MAX_NAME = 200;
/** A file from the future is one whose clock is wrong; so much may two clocks differ. */
const MAX_AHEAD_MS = 60_000;

export type Staffing =
  | { readonly isStaffed: true; readonly who: string }
  | { readonly isStaffed: false; readonly observed: string };

/** Asks. `wallMs`: ms since 1970. Never rejects. */
export async function staffing(asked: OnCall, wallMs: number): Promise<Staffing> {
  try {
    const said =
      "command" in asked
        ? await saidBy(asked.command)
        : "url" in asked
          ? whoIn(await textAt(asked.url, ANSWER_WITHIN_MS, MAX_BYTES))
          : saidIn(asked.file, asked.maxAgeMs, wallMs);
    const who = (said.split("\n")[0] as string).trim().slice(0, MAX_NAME);
    return who === "" ? { isStaffed: false, observed: "nobody is named" } : { isStaffed: true, who };
  } catch (error) {
    return { isStaffed: false, observed: reasonOf(error) };
  }
}

function whoIn(text: string): string {
  try {
    const said = JSON.parse(text) as unknown;
    if (typeof said === "object" && said !== null) return String((said as { who?: unknown }).who ?? "");
  } catch {
    // Plain text: its first line.
  }
  return text;
}

function saidIn(path: string, maxAgeMs: number, wallMs: number): string {
  const ageMs = wallMs - statSync(path).mtimeMs;
  if (ageMs > maxAgeMs) throw new Error(`${path} was written ${Math.round(ageMs / 60_000)} min ago`);
  if (ageMs < -MAX_AHEAD_MS) throw new Error(`${path} was written in the future`);
  const bytes = readUpTo(path, MAX_BYTES);
  if (typeof bytes === "string") throw new Error(`${path} is ${bytes}`);
  return bytes.toString("utf8");
}

function saidBy([program, ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const child = spawn(program as string, args, {
      ...{ stdio: ["ignore", "pipe", "ignore"], timeout: ANSWER_WITHIN_MS, killSignal: "SIGKILL" },
    });
    child.stdout?.on("data", (bytes: Buffer) => {
      if (said.length < MAX_BYTES) said += bytes.toString("utf8");
    });
    child.once("error", (error) => reject(new Error(`${program}: ${reasonOf(error)}`)));
    child.once("exit", (code, signal) => {
      if (code === 0) setImmediate(() => resolve(said));
      else reject(new Error(`${program} ended with ${code ?? signal}`));
    });
  });
}
