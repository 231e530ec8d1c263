import { createHash } from "node:crypto";
import type { Experiment, Json, JsonObject, Values } from "../experiment/experiment.ts";
export function redacted(json: Json, secrets: Values["secrets"]): Json {
  const words = Object.values(secrets).flatMap((group) => Object.values(group)).filter((v) => typeof v === "string" && v !== "") as string[];
  const go = (item: Json): Json => {
    if (typeof item === "string") return words.reduce((text, word) => text.replaceAll(word, "[secret]"), item);
    if (Array.isArray(item)) return item.map(go);
    if (typeof item === "object" && item !== null) return Object.fromEntries(Object.entries(item).map(([k, v]) => [k, go(v)]));
    return item;
  };
  return go(json);
}
export function specHash(source: JsonObject): string {
  return createHash("sha256").update(JSON.stringify(source)).digest("hex");
}
export interface Loaded { readonly values: Values; readonly problems: readonly string[]; readonly dynamic: readonly string[] }
export function loadConfiguration(experiment: Experiment, environment: NodeJS.ProcessEnv, _o: unknown): Loaded {
  const conf: Record<string, Json> = {};
  for (const [k, v] of Object.entries(experiment.configuration)) {
    const e = v as JsonObject;
    conf[k] = typeof v === "object" && v !== null && e["type"] === "env" ? (environment[String(e["key"])] ?? e["default"] ?? null) : v;
  }
  const secrets: Record<string, JsonObject> = {};
  for (const [g, names] of Object.entries(experiment.secrets)) secrets[g] = Object.fromEntries(Object.entries(names).map(([k, v]) => {
    const e = v as JsonObject;
    return [k, typeof v === "object" && v !== null && e["type"] === "env" ? (environment[String(e["key"])] ?? "") : v];
  }));
  return { values: { configuration: conf, secrets }, problems: [], dynamic: [] };
}
