/** The files of the repository, for tests that read the tree: what git knows or would take. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** Paths from the root, in alphabetical order; a file that was just removed is none. */
export function trackedFiles(): string[] {
  return execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
    encoding: "utf8",
  })
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .sort();
}

/** The text of a file, by its path from the root. */
export function text(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
