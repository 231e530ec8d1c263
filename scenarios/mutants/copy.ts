/**
 * A copy of everything that a world runs, in a folder of its own, in which a bug can be planted:
 * what is mutated is never the source itself, and nothing of it can be shipped by mistake. Packages
 * are linked, so a copy costs a few hundred small files.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutant.ts";
import { withBug } from "./mutant.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COPIED = [
  "package.json",
  "resilience/package.json",
  "resilience/src",
  "gateway/package.json",
  "gateway/src",
  "scenarios",
];
/** Packages of this repository, by name; they must lead to the copy. */
const OURS: ReadonlyMap<string, string> = new Map([
  ["ground-station-failover", "resilience"],
  ["@ground-station-failover", ""],
]);

/** How a command that was run in a copy ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class SourceCopy implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "gsf-mutant-"));
  readonly #planted: Map<string, string> = new Map();

  constructor() {
    for (const path of COPIED) {
      cpSync(join(ROOT, path), join(this.folder, path), {
        recursive: true,
        filter: (from) => !/\/(node_modules|dist)(\/|$)/.test(from.slice(ROOT.length)),
      });
    }
    link(join(ROOT, "node_modules"), join(this.folder, "node_modules"));
    link(join(ROOT, "gateway/node_modules"), join(this.folder, "gateway/node_modules"));
    symlinkSync(join(this.folder, "resilience"), join(this.folder, "node_modules/ground-station-failover"));
  }

  /** Plants a bug. Throws where the source is not as the catalogue has it. */
  plant(mutant: Mutant): void {
    const path = join(this.folder, mutant.file);
    const original = readFileSync(path, "utf8");
    writeFileSync(path, withBug(mutant, original));
    this.#planted.set(path, original);
  }

  /** Takes out all that was planted. */
  restore(): void {
    for (const [path, original] of this.#planted) writeFileSync(path, original);
    this.#planted.clear();
  }

  /** Runs the simulator of this copy. */
  simulate(...flags: string[]): Promise<Ended> {
    const child = spawn(process.execPath, ["--conditions=@gsf/source", "scenarios/run/cli.ts", ...flags], {
      cwd: this.folder,
      // Of one planted bug to the next, one file is another.
      env: { ...process.env, NODE_COMPILE_CACHE: join(this.folder, "compile-cache") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function link(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  let names: string[];
  try {
    names = readdirSync(from);
  } catch {
    return;
  }
  for (const name of names) if (!OURS.has(name)) symlinkSync(join(from, name), join(to, name));
}
