/**
 * What the documentation says of the command line, generated from the program: the manual page that
 * is published with the package, and the command reference of the guide. `npm run cli:docs` writes
 * both; a test holds them against the program.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { programVersion } from "../gateway/src/adapters/process/program-version.ts";
import { commandLine } from "../gateway/src/cli.ts";
import { commandTree } from "../gateway/src/command-tree.ts";
import { commandReference, manPage } from "../gateway/src/man-page.ts";
import { root } from "./tracked.ts";

/** The generated files, by path. */
export async function generatedCliDocs(): Promise<ReadonlyMap<string, string>> {
  const tree = commandTree(await commandLine());
  return new Map([
    ["gateway/man/gsf.1", manPage(tree, programVersion())],
    ["docs/guide/commands.md", commandReference(tree)],
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of await generatedCliDocs()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
