/** The version of the program, as its package says: the same from source and as built. */
import { readFileSync } from "node:fs";

export function programVersion(): string {
  const manifest = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
