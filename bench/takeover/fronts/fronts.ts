/** The fronts that are measured, by name. Adding one means adding an entry to `FRONTS`. */
import type { Front } from "./front.ts";
import { gsfContract, gsfMinimum, gsfTuned } from "./gsf.ts";
import { haproxy, haproxyTuned } from "./haproxy.ts";
import { nginx } from "./nginx.ts";

export const FRONTS: Readonly<Record<string, Front>> = {
  "gsf-minimum": gsfMinimum,
  "gsf-tuned": gsfTuned,
  "gsf-minimum+contract": gsfContract,
  haproxy,
  "haproxy-tuned": haproxyTuned,
  nginx,
};

/** The front of that name, or an error that lists the names. */
export function frontNamed(name: string): Front {
  const found = FRONTS[name];
  if (found === undefined) throw new Error(`There is no front ${name}; they are ${Object.keys(FRONTS).join(", ")}.`);
  return found;
}

/** True for the fronts whose promises are judged; the others are compared with. */
export function isOurs(front: string): boolean {
  return front.startsWith("gsf-");
}
