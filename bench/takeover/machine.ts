/**
 * Where and with what a bench ran: cores, memory, kernel, versions of the programs compared, commit
 * and date.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpus, release, totalmem } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly haproxy: string;
  readonly nginx: string;
  readonly commit: string;
  readonly date: string;
}

/** Outside a checkout git complains, and "unknown" says enough. */
const QUIET: ("ignore" | "pipe")[] = ["ignore", "pipe", "ignore"];

/**
 * `gateway` is the folder of the checkout whose gateway was measured: its commit is what counts.
 */
export function machine(gateway: string): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    haproxy: versionOf("haproxy", ["-v"]),
    nginx: versionOf("nginx", ["-v"]),
    commit: commitOf(gateway),
    date: new Date().toISOString().slice(0, 10),
  };
}

export function sentenceOf(one: Machine): string {
  const hardware = `${one.cpu}, ${one.cores} cores, ${one.memoryGiB} GiB, Linux ${one.kernel}`;
  return `${hardware}, Node ${one.node}, HAProxy ${one.haproxy}, nginx ${one.nginx}; commit ${one.commit}, ${one.date}.`;
}

/** True where the shell would find the program. */
export function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}

/**
 * Names the very code of gateway and library in that checkout, uncommitted changes included, so
 * that runs of one code are never taken for those of another. Undefined outside a checkout.
 */
export function productOf(folder: string): string | undefined {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: QUIET });
    const trees = git("rev-parse", "HEAD:gateway", "HEAD:resilience");
    const changes = git("diff", "HEAD", "--", "gateway", "resilience");
    return createHash("sha256").update(trees).update(changes).digest("hex").slice(0, 16);
  } catch {
    return undefined;
  }
}

function versionOf(program: string, args: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  return error === undefined ? (/\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? "unknown") : "not installed";
}

function commitOf(folder: string): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: folder,
      encoding: "utf8",
      stdio: QUIET,
    }).trim();
  } catch {
    return "unknown";
  }
}
