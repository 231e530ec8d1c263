/**
 * Why a drill cannot be played on this machine: a program, a privilege or a platform that it
 * requires, an injector that has not what it needs, a stage that cannot be started. Such a drill is
 * skipped with the reason, and never counts as held.
 */
import { platform } from "node:os";
import type { DrillExtension, Experiment, JsonObject, Values } from "../experiment/experiment.ts";
import { substituted } from "../experiment/substitute.ts";
import type { DrillParts } from "./drill-parts.ts";
import { isOwn } from "./own-injections.ts";
import { programIn } from "./process-activity.ts";

const PLATFORMS: ReadonlySet<string> = new Set(["linux", "darwin", "win32", "freebsd"]);

/** The reason to skip the experiment; undefined: it can be played. */
export async function missingFor(
  experiment: Experiment,
  values: Values,
  parts: DrillParts,
): Promise<string | undefined> {
  const { drill } = experiment;
  const unmet = drill?.requires.map(unmetRequirement).find((reason) => reason !== undefined);
  if (unmet !== undefined) return unmet;
  for (const activity of [...experiment.method, ...experiment.rollbacks]) {
    if (!isOwn(activity)) continue;
    const args = substituted(activity.provider.arguments, values) as JsonObject;
    const reason = await parts.injectors.get(activity.provider.type)?.missing(args);
    if (reason !== undefined) return `${activity.name}: ${reason}`;
  }
  return drill?.stage === undefined ? undefined : await parts.stages.missing(stageSettings(drill, values));
}

/** The stage's settings with all values filled in; the drill has a stage. */
export function stageSettings(drill: DrillExtension, values: Values): JsonObject {
  return substituted(drill.stage ?? {}, values) as JsonObject;
}

/** "root", the name of a platform, "env:" and the name of a variable, or a program in PATH. */
function unmetRequirement(required: string): string | undefined {
  if (required === "root") return process.getuid?.() === 0 ? undefined : "it needs root";
  if (PLATFORMS.has(required))
    return platform() === required ? undefined : `it needs ${required}; this is ${platform()}`;
  const variable = /^env:(\w+)$/.exec(required)?.[1];
  if (variable !== undefined)
    return process.env[variable] ? undefined : `it is played only if the environment variable ${variable} is set`;
  return programIn(required) === undefined ? `it needs the program ${required}, which is not in PATH` : undefined;
}
