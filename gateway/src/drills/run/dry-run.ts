/**
 * `gsf drill run --dry-run`: everything that a run would do, and none of it. The stage is started
 * and stopped again, because the targets of a drill exist only on it, and the probes of a dynamic
 * configuration are played; no fault is put in force and no other activity is played. Each command
 * is shown beside its inverse, with what it would hit, and the guardrails say whether they would
 * let the run begin.
 */
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Activity, HttpProvider, Json, Provider, Values } from "../experiment/experiment.ts";
import { redactor } from "../experiment/redact.ts";
import { specHash } from "../experiment/spec-hash.ts";
import { substituted } from "../experiment/substitute.ts";
import { shownInverse } from "../guardrails/inverse.ts";
import { ActivityFailed } from "./activity-failure.ts";
import type { DrillRunOptions } from "./drill-run.ts";
import type { PlannedInjection, Stage } from "./hooks.ts";
import { requestOf } from "./http-activity.ts";
import { newRunId } from "./journal.ts";
import { isOwn } from "./own-injections.ts";
import { allValues, type PrepareOptions, prepareRun, startStage } from "./prepared-run.ts";
import { argumentList, programIn } from "./process-activity.ts";
import { missingFor } from "./requirements.ts";

export type DryOutcome =
  | { readonly kind: "possible" }
  | { readonly kind: "skipped" | "refused" | "invalid" | "interrupted"; readonly reasons: readonly string[] };

/** Tells what a run would do, and resolves with whether it could begin. */
export async function dryRun(options: DrillRunOptions): Promise<DryOutcome> {
  const { experiment, loaded, parts, stop } = options;
  const redact = redactor(loaded.values.secrets);
  const tell = (line: string): void => options.tell(String(redact(line)));
  const missing = await missingFor(experiment, loaded.values, parts);
  if (missing !== undefined) return { kind: "skipped", reasons: [missing] };
  const prepare: PrepareOptions = {
    ...{ experiment, loaded, parts, stop, clock: options.clock, seed: options.seed, tell },
    runId: newRunId(options.wallMs()),
    now: () => new Date(options.wallMs()).toISOString(),
    onInForce: () => undefined,
  };
  let stage: Stage | undefined;
  try {
    stage = await startStage(prepare, experiment.drill);
    const values = await allValues(prepare, stage);
    const { planned } = await prepareRun(prepare, values);
    if (stop.reason !== undefined) return { kind: "interrupted", reasons: ["stopped by a signal"] };
    showAll(options, values, planned, tell);
    return await askGuardrails(options, prepare.runId, values, planned, stage, tell);
  } catch (error) {
    if (stop.reason !== undefined) return { kind: "interrupted", reasons: ["stopped by a signal"] };
    if (error instanceof UserError || error instanceof ActivityFailed)
      return { kind: "invalid", reasons: [String(redact(error.message))] };
    throw error;
  } finally {
    await stage?.stop();
  }
}

function showAll(
  { experiment }: DrillRunOptions,
  values: Values,
  planned: readonly PlannedInjection[],
  tell: (line: string) => void,
): void {
  const show = (part: string, activities: readonly Activity[]): void => {
    const injections = part === "method" ? [...planned] : [];
    for (const activity of activities) {
      const injection = isOwn(activity) ? injections.shift() : undefined;
      tell(`${part}: ${activity.type} ${activity.name}${activity.background ? " (in the background)" : ""}`);
      for (const line of injection === undefined ? [commandLine(activity, values)] : injectionLines(injection))
        tell(`  ${line}`);
    }
  };
  show("hypothesis", experiment.hypothesis?.probes ?? []);
  show("method", experiment.method);
  show("rollback", experiment.rollbacks);
}

function injectionLines({ prepared }: PlannedInjection): string[] {
  const { shown, inverses, targets, expiresAfterMs } = prepared;
  return [
    shown,
    ...targets.map(({ kind, name, isStation, share }) => {
      const part = share < 1 ? `, ${(share * 100).toFixed(0)} % of its connections` : "";
      return `hits: ${kind} ${name}${isStation ? " (a station)" : ""}${part}`;
    }),
    ...(inverses.length === 0 ? ["inverse: none is needed"] : inverses.map((one) => `inverse: ${shownInverse(one)}`)),
    `lifted by itself after ${expiresAfterMs / 1_000} s at the latest`,
  ];
}

/** What a foreign activity would send or run. */
function commandLine(activity: Activity, values: Values): string {
  const provider = substituted(activity.provider as unknown as Json, values) as unknown as Provider;
  switch (provider.type) {
    case "http":
      return requestLine(provider);
    case "process": {
      const path = programIn(provider.path) ?? `${provider.path} (not in PATH)`;
      const { arguments: given } = provider;
      return [path, ...(typeof given === "string" ? [given] : argumentList(given))].join(" ");
    }
    case "python":
      return `${provider.module}.${provider.func}(${JSON.stringify(provider.arguments ?? {})})`;
    default:
      return `${provider.type} ${JSON.stringify(provider.arguments)}`;
  }
}

function requestLine(provider: HttpProvider): string {
  try {
    const { method, url, body } = requestOf(provider);
    return `${method} ${url}${body === undefined ? "" : ` ${body}`}`;
  } catch (error) {
    return `${provider.method ?? "GET"} ${provider.url}: ${(error as Error).message}`;
  }
}

async function askGuardrails(
  options: DrillRunOptions,
  runId: string,
  values: Values,
  injections: readonly PlannedInjection[],
  stage: Stage | undefined,
  tell: (line: string) => void,
): Promise<DryOutcome> {
  const { experiment, parts, environment, store, seed, stop } = options;
  const begun = await parts.guardrails.begin({
    ...{ runId, experiment, values, seed, environment, store, injections, tell },
    specHash: specHash(experiment.source),
    signals: stage === undefined ? undefined : () => stage.signals(),
    signalsUrl: stage?.signalsUrl,
    steadyStateHolds: async () => true,
    ...{ isDry: true, signal: stop.signal },
  });
  if (begun.kind === "refused")
    return { kind: "refused", reasons: begun.reasons.map(({ rule, observed }) => `${rule}: ${observed}`) };
  await begun.end();
  return { kind: "possible" };
}
