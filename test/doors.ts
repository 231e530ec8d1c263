/**
 * What the library and the gateway export, door by door, read off their sources: the names that
 * callers may import, and nothing else. Run as a program (`npm run doors`) it writes them to
 * `test/doors.json` and `test/gateway-doors.json`, where a change of them shows in review.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const SNAPSHOT: string = fileURLToPath(new URL("doors.json", import.meta.url));
export const GATEWAY_SNAPSHOT: string = fileURLToPath(new URL("gateway-doors.json", import.meta.url));

/** The names of a door, in alphabetical order. */
export interface Door {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

/**
 * The doors in `resilience/package.json`, by the name that is imported. Doors export by name and do
 * nothing else.
 */
export function doorsNow(): Record<string, Door> {
  return doorsIn("resilience");
}

/** The same of `gateway/package.json`. */
export function gatewayDoorsNow(): Record<string, Door> {
  return doorsIn("gateway");
}

function doorsIn(workspace: string): Record<string, Door> {
  const at = (path: string): string => fileURLToPath(new URL(`../${workspace}/${path}`, import.meta.url));
  const manifest = JSON.parse(readFileSync(at("package.json"), "utf8")) as Manifest;
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([door, paths]) =>
      typeof paths === "string" ? [] : [[door, doorOf(at(paths["@gsf/source"] as string))]],
    ),
  );
}

function doorOf(path: string): Door {
  const values: string[] = [];
  const types: string[] = [];
  for (const [, isType, names] of readFileSync(path, "utf8").matchAll(/^export (type )?\{([^}]*)\} from/gm)) {
    const into = isType === undefined ? values : types;
    into.push(...(names as string).split(",").flatMap((name) => name.trim() || []));
  }
  return { values: values.sort(), types: types.sort() };
}

if (import.meta.main) {
  writeFileSync(SNAPSHOT, `${JSON.stringify(doorsNow(), null, 2)}\n`);
  writeFileSync(GATEWAY_SNAPSHOT, `${JSON.stringify(gatewayDoorsNow(), null, 2)}\n`);
}
