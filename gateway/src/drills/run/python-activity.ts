/**
 * The provider `python`: plays what stands in for a known Python function (`../experiment`): a
 * request to a fault proxy, a look at a file, a pause. Nothing here runs Python. What a function
 * leaves for the activities after it (the port of a proxy that was made) goes into the
 * configuration.
 */
import { stat, unlink } from "node:fs/promises";
import type { Clock } from "ground-station-failover";
import type { Json, JsonObject, PythonProvider, Values } from "../experiment/experiment.ts";
import { mappedPython } from "../experiment/python-map.ts";
import type { HttpAnswer, PythonOutcome, PythonPlan } from "../experiment/python-plan.ts";
import type { Inverse } from "../injection.ts";
import { ActivityFailed, ActivityInterrupted } from "./activity-failure.ts";
import { inverseOf, placeOf } from "./foreign-faults.ts";
import { runHttp } from "./http-activity.ts";

/** What a Python activity needs of the run. */
export interface PythonPlay {
  readonly values: Values;
  readonly clock: Clock;
  /** The environment for the experiment's processes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Adds names to the configuration, for the activities after this one. */
  assign(names: JsonObject): void;
  /** Sends a request that puts a fault in force; its inverse is in the undo journal before. */
  guarded<Answer>(inverse: Inverse, send: () => Promise<Answer>): Promise<Answer>;
}

/** How long the API of a fault proxy may take to answer, in seconds. */
const API_TIMEOUT_S = 30;

/** Plays the activity; `provider` with all values filled in. */
export async function runPython(provider: PythonProvider, play: PythonPlay, signal: AbortSignal): Promise<Json> {
  const mapping = mappedPython(provider.module, provider.func);
  if (mapping === undefined) throw new ActivityFailed(`${provider.module}.${provider.func} cannot be played`);
  const plan = mapping.plan(provider.arguments ?? {}, play.values.configuration, play.environment);
  if ("problem" in plan) throw new ActivityFailed(plan.problem);
  if (signal.aborted) throw new ActivityInterrupted();
  switch (plan.kind) {
    case "http":
      return outputOf(plan.outcome(await guardedAnswer(plan, play, signal)), play);
    case "path-exists":
      return await isThere(plan.path, plan.what);
    case "remove-file":
      await unlink(plan.path).catch((cause: Error) => {
        throw new ActivityFailed(`${plan.path} cannot be removed: ${cause.message}`, { cause });
      });
      return null;
    case "sleep":
      await play.clock.sleepUntil(play.clock.nowMs() + plan.seconds * 1_000, signal).catch(() => undefined);
      if (signal.aborted) throw new ActivityInterrupted();
      return null;
  }
}

function outputOf(outcome: PythonOutcome, play: PythonPlay): Json {
  if ("failure" in outcome) throw new ActivityFailed(outcome.failure);
  if (outcome.assigned !== undefined) play.assign(outcome.assigned);
  return outcome.output;
}

type HttpPlan = Extract<PythonPlan, { readonly kind: "http" }>;

/** The answer to a request that may put a fault in force. */
async function guardedAnswer(plan: HttpPlan, play: PythonPlay, signal: AbortSignal): Promise<HttpAnswer | undefined> {
  const place = placeOf(plan);
  if (place === undefined) return await answerTo(plan, signal);
  const inverse = inverseOf(plan, await answerTo({ method: "GET", url: place }, signal));
  const send = (): Promise<HttpAnswer | undefined> => answerTo(plan, signal);
  return inverse === undefined ? await send() : await play.guarded(inverse, send);
}

/** The answer of the fault proxy's API; undefined: there was none. */
async function answerTo(
  plan: Pick<HttpPlan, "method" | "url" | "body">,
  signal: AbortSignal,
): Promise<HttpAnswer | undefined> {
  const { method, url, body } = plan;
  try {
    const answer = await runHttp(
      {
        ...{ type: "http", method, url, timeout: API_TIMEOUT_S },
        ...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, arguments: body }),
      },
      signal,
    );
    return { status: Number(answer["status"]), body: parsed(answer["body"] ?? null) };
  } catch (error) {
    if (error instanceof ActivityInterrupted) throw error;
    return undefined;
  }
}

function parsed(body: Json): Json {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body) as Json;
  } catch {
    return null;
  }
}

async function isThere(path: string, what: "anything" | "file" | "directory"): Promise<boolean> {
  try {
    const found = await stat(path);
    return what === "anything" || (what === "file" ? found.isFile() : found.isDirectory());
  } catch {
    return false;
  }
}
