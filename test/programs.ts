/**
 * Programs that stand in documentation, pages and docstrings alike: taken out of their fences,
 * checked for errors of types all at once, and run. They talk to services at 127.0.0.1:9001 and
 * 9002; when they run, these are two of our own, on ports that are free.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { root } from "./tracked.ts";

/** Where programs run: the peers that one page compares with are installed in bench. */
export const workplace: string = join(root, "bench");

/** A program, and where a reader finds it. */
export interface Program {
  readonly name: string;
  readonly code: string;
}

/** What stands between the fences for TypeScript in `text`. */
export function fencedPrograms(text: string): string[] {
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = ""]) => code);
}

/** Resolves with the exit code (null: killed) and all that was printed. */
export async function ended(child: ChildProcess): Promise<[number | null, string]> {
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = (await once(child, "close")) as [number | null];
  return [code, printed];
}

/** Gives `work` a folder from which packages are found, and removes it afterwards. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const cache = join(workplace, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "docs-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the compiler says of `programs`, under their names; empty where nothing. */
export function typeErrors(programs: readonly Program[]): Promise<string> {
  return inFolder(async (folder) => {
    const config = {
      extends: join(root, "tsconfig.base.json"),
      compilerOptions: {
        noEmit: true,
        composite: false,
        isolatedDeclarations: false,
        declarationMap: false,
        types: ["node"],
      },
      // A peer without types.
      files: [join(workplace, "opossum.d.ts")],
      include: ["*.mts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    // Each is a module of its own, also one without an import.
    for (const [place, { code }] of programs.entries())
      writeFileSync(join(folder, `${place}.mts`), `${code}export {};\n`);
    const tsc = [join(root, "node_modules/typescript/bin/tsc"), "-p", folder];
    const [status, printed] = await ended(spawn(process.execPath, tsc));
    if (status === 0) return "";
    return printed.replace(/\S*?\b(\d+)\.mts/g, (_, place) => programs[Number(place)]?.name ?? place);
  });
}

/** The two services that programs talk to. */
export class Services {
  readonly #servers: readonly Server[] = [0, 1].map(() =>
    createServer((request, reply) => reply.end(`served ${request.url}\n`)).listen(0, "127.0.0.1"),
  );

  /** `code`, talking to these. */
  aim(code: string): string {
    const [first, second] = this.#servers.map((server) => (server.address() as AddressInfo).port);
    return code.replaceAll("9001", `${first}`).replaceAll("9002", `${second}`);
  }

  close(): void {
    for (const server of this.#servers) server.close();
  }
}
