/**
 * Faults that a published experiment puts in force through a fault proxy (`chaostoxi`). They are
 * the experiment's own: in a run that goes to its end its rollbacks take them away, or leave them,
 * as its author wrote. If the run is stopped or dies before, nobody would; so their inverse is in
 * the undo journal, as for our own injections. What was there before is looked up first, so that
 * lifting never takes a proxy or a toxic of somebody else. A proxy that the experiment deletes or a
 * `reset` is not undone.
 */
import type { Json } from "../experiment/experiment.ts";
import { fieldOf, isObject } from "../experiment/problem.ts";
import type { HttpAnswer } from "../experiment/python-plan.ts";
import type { Inverse } from "../injection.ts";
import type { PlannedInjection } from "./hooks.ts";

/** A request that changes a fault proxy. */
export interface ProxyRequest {
  readonly method: string;
  readonly url: string;
  readonly body?: Json;
}

/** How long it may be in force, in milliseconds: the limit of the guardrails by default. */
const EXPIRES_AFTER_MS = 900_000;

/** What to look up before the request is sent; undefined: it puts nothing in force. */
export function placeOf({ method, url, body }: ProxyRequest): string | undefined {
  if (method !== "POST" || !isObject(body)) return undefined;
  const name = fieldOf(body, "name");
  const isNew = /\/(?:proxies|toxics)$/.test(url) && typeof name === "string";
  if (isNew) return `${url}/${encodeURIComponent(name)}`;
  return /\/proxies\/[^/]+$/.test(url) ? url : undefined;
}

/** The inverse of the request; undefined: there is nothing to undo. `before`: at its place. */
export function inverseOf(request: ProxyRequest, before: HttpAnswer | undefined): Inverse | undefined {
  const place = placeOf(request);
  if (place === undefined || before === undefined) return undefined;
  if (place !== request.url) return before.status === 404 ? { kind: "http", method: "DELETE", url: place } : undefined;
  if (before.status !== 200 || !isObject(before.body)) return undefined;
  const known = before.body;
  const changed = Object.keys(isObject(request.body) ? request.body : {}).filter((name) => Object.hasOwn(known, name));
  const body = Object.fromEntries(changed.map((name) => [name, known[name] as Json]));
  return changed.length === 0 ? undefined : { kind: "http", method: "POST", url: place, body };
}

/** The fault as the guardrails know it. */
export function foreignFault(activity: string, inverse: Inverse): PlannedInjection {
  return {
    activity,
    isOfExperiment: true,
    prepared: {
      ...{ targets: [], shown: activity, inverses: [inverse], expiresAfterMs: EXPIRES_AFTER_MS },
      inject: async () => null,
      felt: async () => undefined,
      remaining: async () => [],
    },
  };
}
