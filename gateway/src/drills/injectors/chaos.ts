/**
 * The injector `chaos`: faults inside a process that has a page for them, such as the services of a
 * stage: errors, 200 with an error in the body, half answers, silence, slowness, too little
 * capacity. The page holds the mode as JSON: GET shows it, PUT sets it, DELETE brings back the one
 * of the start. The process forgets the mode by itself after `expiresAfterMs`. The action `switch`
 * is for a program that one request hurts and another one heals.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { answerIfThere, exchange, memberOf, refuseOthers } from "./exchange.ts";
import { decimal, oneOf, text, url, whole, yesOrNo } from "./fields.ts";

const modeSchema = z.strictObject({
  ...COMMON,
  url: url(),
  answer: oneOf(["ok", "error", "error-body", "refuse", "half", "silent", "unreadable"]).optional(),
  share: decimal(0, 1).optional(),
  status: whole(400, 599).optional(),
  executes: yesOrNo().optional(),
  delayMs: whole(0, 60_000, "ms").optional(),
  jitterMs: whole(0, 60_000, "ms").optional(),
  retryAfterSeconds: whole(0, 3_600, "seconds").optional(),
  health: oneOf(["ok", "error", "silent"]).optional(),
  capacity: whole(0, 10_000).optional(),
  aboveCapacity: oneOf(["wait", "refuse"]).optional(),
  allowRemote: yesOrNo().default(false),
});

const requestSchema = z.strictObject({
  method: oneOf(["GET", "POST", "PUT", "PATCH", "DELETE"]).default("POST"),
  url: url(),
  body: z.json().optional(),
});

const switchSchema = z.strictObject({
  ...COMMON,
  send: requestSchema,
  undo: requestSchema,
  felt: z.strictObject({ url: url(), member: text("the name of a member of the JSON") }).optional(),
  allowRemote: yesOrNo().default(false),
});

export const chaos: OwnInjector = injectorOf("chaos", {
  mode: action(modeSchema, { prepare: prepareMode }),
  switch: action(switchSchema, { prepare: prepareSwitch }),
});

/**
 * A fault that one request switches on and another one off. It was felt if the program obeyed, or,
 * with `felt`, if the member of that page has changed.
 */
async function prepareSwitch(
  args: z.output<typeof switchSchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const { send, undo, felt: proof, expiresAfterMs, allowRemote } = args;
  for (const [field, { url: page }] of Object.entries({ send, undo, ...(proof === undefined ? {} : { felt: proof }) }))
    refuseOthers(field, new URL(page).hostname, allowRemote);
  const proofNow = async (): Promise<string> =>
    proof === undefined ? "" : JSON.stringify(memberOf((await exchange("GET", proof.url)).json, proof.member) ?? null);
  const before = await proofNow();
  let status = 0;
  return {
    targets: [targetOf(args, "service", new URL(send.url).host)],
    shown: `${send.method} ${send.url}${send.body === undefined ? "" : ` ${JSON.stringify(send.body)}`}`,
    inverses: [
      { kind: "http", method: undo.method, url: undo.url, ...(undo.body === undefined ? {} : { body: undo.body }) },
    ],
    expiresAfterMs,
    async inject() {
      status = await obeyed(send, context.signal);
      return { status };
    },
    async felt() {
      if (status === 0) return undefined;
      if (proof === undefined) return `${send.method} ${send.url} answered ${status}`;
      const now = await proofNow();
      return now === before ? undefined : `${proof.member} went from ${before} to ${now}`;
    },
    // The program does not say what is in place. The lift fails if the request `undo` does.
    remaining: async () => [],
  };
}

async function prepareMode(args: z.output<typeof modeSchema>, context: InjectionContext): Promise<PreparedInjection> {
  const { do: _do, url: page, expiresAfterMs, target: _target, isStation: _isStation, allowRemote, ...written } = args;
  refuseOthers("url", new URL(page).hostname, allowRemote);
  const mode = JSON.parse(JSON.stringify(written)) as JsonObject;
  if (Object.keys(mode).length === 0) throw new UserError("usage", "answer: nothing would change; name a fault");
  const before = await modeOf(page, context.signal);
  const counters = countersOf(mode);
  let countedBefore = 0;
  let isInForce = false;
  return {
    targets: [targetOf(args, "service", new URL(page).host, Math.min(1, args.share ?? 1))],
    shown: `PUT ${page} ${JSON.stringify({ ...mode, expiresAfterMs })}`,
    inverses: [{ kind: "http", method: "DELETE", url: page }],
    expiresAfterMs,
    async inject() {
      countedBefore = countIn((await exchange("GET", page, undefined, context.signal)).json, counters);
      await obeyed({ method: "PUT", url: page, body: { ...mode, expiresAfterMs } }, context.signal);
      isInForce = true;
      return { mode };
    },
    async felt() {
      if (!isInForce) return undefined;
      const { json } = await exchange("GET", page);
      const hit = countIn(json, counters) - countedBefore;
      return hit > 0 ? `${hit} commands or health checks met the fault` : undefined;
    },
    async remaining() {
      if (!isInForce) return [];
      const now = memberOf((await answerIfThere("GET", page))?.json, "mode");
      return now !== undefined && !isDeepStrictEqual(now, before)
        ? [`${page} has the mode ${JSON.stringify(now)}`]
        : [];
    },
  };
}

/** Sends a request and returns the status of its answer; throws `UserError` if that is not 2xx. */
async function obeyed(
  { method, url: page, body }: z.output<typeof requestSchema>,
  signal: AbortSignal,
): Promise<number> {
  const { status, text: said } = await exchange(method, page, body, signal);
  if (status < 200 || status > 299)
    throw new UserError("promiseBroken", `${method} ${page}: ${status} ${said.slice(0, 200)}`);
  return status;
}

/** The mode that the page shows; throws `UserError` if it shows none. */
async function modeOf(page: string, signal?: AbortSignal): Promise<Json> {
  const answer = await exchange("GET", page, undefined, signal);
  const mode = memberOf(answer.json, "mode");
  if (answer.status === 200 && mode !== undefined) return mode;
  throw new UserError(
    "usage",
    `url: ${page} shows no mode (${answer.status}); name the page of an instrumented service`,
  );
}

/** The counts that rise when the mode is felt: of spoiled answers, commands, health checks. */
function countersOf({ answer, health, ...others }: JsonObject): readonly string[] {
  const acts = ["delayMs", "jitterMs", "capacity"].some((name) => others[name] !== undefined);
  return [
    ...(answer === undefined || answer === "ok" ? [] : ["spoiled"]),
    ...(health === undefined ? [] : ["health"]),
    ...(acts ? ["commands"] : []),
  ];
}

function countIn(json: Json | undefined, names: readonly string[]): number {
  const counts = memberOf(json, "counts");
  return names.reduce((sum, name) => sum + Number(memberOf(counts, name) ?? 0), 0);
}
