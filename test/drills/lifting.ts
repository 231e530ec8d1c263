/**
 * What tests of injectors share: a context, processes that can be hurt, and playing an inverse as
 * the contract in `injection.ts` says it, from the data alone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { JsonObject } from "../../gateway/src/drills/experiment/experiment.ts";
import type { InjectionContext, Inverse } from "../../gateway/src/drills/injection.ts";

/** A context without an abort, unless the test gives a signal. */
export function contextOf(
  signal: AbortSignal = new AbortController().signal,
  seed = 7,
  configuration: JsonObject = {},
): InjectionContext {
  return { seed, signal, values: { configuration, secrets: {} } };
}

/** Plays the inverses in their order, as data: what another process would do. */
export async function lift(inverses: readonly Inverse[]): Promise<void> {
  for (const inverse of JSON.parse(JSON.stringify(inverses)) as Inverse[]) await play(inverse);
}

async function play(inverse: Inverse): Promise<void> {
  if (inverse.kind === "file") {
    if (inverse.copy === undefined) rmSync(inverse.path, { force: true });
    else if (existsSync(inverse.copy)) writeFileSync(inverse.path, readFileSync(inverse.copy));
    return;
  }
  if (inverse.kind === "signal") {
    if (startTimeOf(inverse.pid) === inverse.startTime) process.kill(inverse.pid, inverse.signal);
    return;
  }
  if (inverse.kind === "http") {
    const { method, url, body } = inverse;
    const answer = await fetch(url, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    await answer.arrayBuffer();
    if (!answer.ok && answer.status !== 404) throw new Error(`${method} ${url}: ${answer.status}`);
    return;
  }
  const child = spawn(inverse.path, inverse.arguments, { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${inverse.path} ended with ${code}`);
}

function startTimeOf(pid: number): string | undefined {
  const fields = statOf(pid);
  return fields === undefined || fields[0] === "Z" ? undefined : fields[19];
}

/** R, S, T, Z … of a process; undefined if there is none. */
export function stateOf(pid: number): string | undefined {
  return statOf(pid)?.[0];
}

function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** A Node process that runs `program` until the test ends. */
export class Victim implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(program: string, environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, ["-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    this.pid = this.child.pid as number;
    this.child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
      this.#lines.push(...piece.split("\n").filter((line) => line !== ""));
      for (const look of this.#waiting) look();
    });
  }

  /** Resolves with the number `place` of the lines that it prints. */
  line(place = 0): Promise<string> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.#lines[place];
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
  }
}

/** Prints the line `ready` and lives. */
export const IDLE = `setInterval(() => {}, 1000); console.log("ready");`;

/** Resolves once `holds`; rejects after `withinMs`. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The written form of a value that is filled in later. */
export function placeholder(name: string): string {
  return ["$", "{", name, "}"].join("");
}
