/**
 * The injector `load`: too many callers, impatient ones, slow uploads, callers that hang up, one
 * bad route asked again and again. A load ends by itself, when its time is over or with the drill;
 * nothing stays behind. Its output is what the callers saw: counts, and quantiles of the latency.
 */
import { seededRandom } from "ground-station-failover";
import { z } from "zod";
import { UserError } from "../../adapters/process/exit-codes.ts";
import type { Json, JsonObject } from "../experiment/experiment.ts";
import type { InjectionContext, PreparedInjection } from "../injection.ts";
import { action, COMMON, injectorOf, type OwnInjector, targetOf } from "./action.ts";
import { type ArrivalPlan, CallCounts, type CallPlan, makeCalls } from "./calls.ts";
import { Episode } from "./episode.ts";
import { answerIfThere, exchange, memberOf, refuseOthers } from "./exchange.ts";
import { content, decimal, oneOf, text, url, whole, yesOrNo } from "./fields.ts";

/** How long a caller may wait where nothing is said, in ms. */
const PATIENCE_MS = 30_000;

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] as const;

const CALLERS = {
  ...COMMON,
  url: url(),
  headers: z.record(text("the name of a header", 100), content("the value of a header", 4_096)).default({}),
  keyed: yesOrNo().default(false),
  /** "ended": the activity lasts as long as the load. "started": the load goes on behind it. */
  until: oneOf(["ended", "started"]).default("ended"),
  forMs: whole(10, 600_000, "ms").optional(),
  maxInFlight: whole(1, 5_000).default(500),
  allowRemote: yesOrNo().default(false),
};

const callsSchema = z.strictObject({
  ...CALLERS,
  method: oneOf(METHODS).default("GET"),
  count: whole(1, 1_000_000).optional(),
  ratePerSecond: decimal(0.01, 5_000, "calls a second").default(20),
  burst: whole(1, 5_000).default(1),
  arrivals: oneOf(["even", "poisson"]).default("even"),
  bodyBytes: whole(0, 16_777_216, "bytes").default(0),
  patienceMs: whole(1, 600_000, "ms").default(PATIENCE_MS),
});

const uploadsSchema = z.strictObject({
  ...CALLERS,
  method: oneOf(["POST", "PUT", "PATCH"]).default("POST"),
  count: whole(1, 1_000).default(6),
  bodyBytes: whole(1, 16_777_216, "bytes").default(1_000_000),
  bodyBytesPerSecond: whole(1, 100_000_000, "bytes a second").default(10_000),
});

const hangUpsSchema = z.strictObject({
  ...CALLERS,
  method: oneOf(METHODS).default("GET"),
  count: whole(1, 1_000_000).optional(),
  ratePerSecond: decimal(0.01, 5_000, "calls a second").default(20),
  bodyBytes: whole(0, 16_777_216, "bytes").default(0),
  afterMs: whole(0, 600_000, "ms").default(50),
});

/** A source of the load that a stage has already; the stage judges what its callers see. */
const sourceSchema = z.strictObject({
  ...COMMON,
  stageUrl: url(),
  name: text("the name of a source: a letter, then a-z, 0-9 and -", 31).default("drill"),
  kind: oneOf(["commands", "reads", "uploads"]).default("commands"),
  perSecond: decimal(0.01, 5_000, "calls a second").default(20),
  keyed: yesOrNo().optional(),
  patienceMs: whole(10, 600_000, "ms").optional(),
  saysPatience: yesOrNo().optional(),
  callers: whole(1, 100).optional(),
  bytes: whole(1, 100_000_000, "bytes").optional(),
  bytesPerSecond: whole(0, 1_000_000_000, "bytes a second").optional(),
  answerWithinMs: whole(10, 600_000, "ms").optional(),
  isJudged: yesOrNo().optional(),
  burst: z.strictObject({ everyMs: whole(100, 600_000, "ms"), commands: whole(1, 5_000) }).optional(),
});

export const load: OwnInjector = injectorOf("load", {
  source: action(sourceSchema, { prepare: prepareSource }),
  calls: action(callsSchema, {
    prepare: (args, context) => prepareLoad(args, context, { ...args, patienceMs: args.patienceMs }, args),
  }),
  uploads: action(uploadsSchema, {
    // All at once: slow uploads hurt by being there together.
    prepare: (args, context) =>
      prepareLoad(args, context, args, { count: args.count, burst: args.count, ratePerSecond: args.count }),
  }),
  "hang-ups": action(hangUpsSchema, {
    prepare: (args, context) => prepareLoad(args, context, { ...args, hangUpAfterMs: args.afterMs }, args),
  }),
});

type CallerArguments = Pick<
  z.output<typeof callsSchema>,
  "expiresAfterMs" | "target" | "isStation" | "url" | "headers" | "keyed" | "until" | "maxInFlight" | "allowRemote"
> & { readonly forMs?: number | undefined; readonly method: string; readonly bodyBytes: number };

type CallFields = Partial<Pick<CallPlan, "patienceMs" | "hangUpAfterMs" | "bodyBytesPerSecond">>;
type ArrivalFields = Partial<Pick<ArrivalPlan, "burst" | "arrivals">> & {
  readonly ratePerSecond: number;
  readonly count?: number | undefined;
};

async function prepareLoad(
  args: CallerArguments,
  context: InjectionContext,
  fields: CallFields,
  arrival: ArrivalFields,
): Promise<PreparedInjection> {
  const { host, hostname } = new URL(args.url);
  refuseOthers("url", hostname, args.allowRemote);
  const forMs = Math.min(args.forMs ?? args.expiresAfterMs, args.expiresAfterMs);
  const { ratePerSecond, burst = 1, arrivals = "even" } = arrival;
  const count = arrival.count ?? Math.max(1, Math.ceil((ratePerSecond * forMs) / 1_000));
  const plan: CallPlan = {
    url: args.url,
    method: args.method,
    headers: args.headers,
    keyed: args.keyed,
    bodyBytes: args.bodyBytes,
    patienceMs: fields.patienceMs,
    hangUpAfterMs: fields.hangUpAfterMs,
    bodyBytesPerSecond: fields.bodyBytesPerSecond,
  };
  const { maxInFlight } = args;
  const arriving: ArrivalPlan = { count, ratePerSecond, burst, arrivals, forMs, maxInFlight };
  const episode = new Episode({ label: `load on ${args.url}`, expiresAfterMs: forMs + 1_000, signal: context.signal });
  const counts = new CallCounts();
  return {
    targets: [targetOf(args, "service", host)],
    shown: `${count} × ${args.method} ${args.url}, ${ratePerSecond} a second in bursts of ${burst}, for at most ${forMs} ms`,
    inverses: [episode.inverse],
    expiresAfterMs: args.expiresAfterMs,
    async inject() {
      const random = seededRandom(context.seed).fork("load");
      const work = episode.begin(() => makeCalls(plan, arriving, counts, random, episode.signal));
      if (args.until === "started") return { started: true };
      await work;
      return counts.toJson();
    },
    felt: async () => proof(counts),
    remaining: () => episode.remaining(),
  };
}

async function prepareSource(
  args: z.output<typeof sourceSchema>,
  context: InjectionContext,
): Promise<PreparedInjection> {
  const { do: _do, target: _target, isStation: _isStation, expiresAfterMs, stageUrl, name, ...source } = args;
  refuseOthers("stageUrl", new URL(stageUrl).hostname, false);
  const list = `${stageUrl.replace(/\/+$/, "")}/load`;
  const address = `${list}/${encodeURIComponent(name)}`;
  const sources = async (): Promise<readonly string[]> => {
    const json = (await answerIfThere("GET", list))?.json;
    return Array.isArray(json) ? json.map((one: Json) => String(memberOf(one, "name"))) : [];
  };
  // Throws if nothing answers there.
  await exchange("GET", list, undefined, context.signal);
  if ((await sources()).includes(name)) {
    throw new UserError("usage", `name: the stage has a source ${name} already; lifting the fault would take it away`);
  }
  const body = JSON.parse(JSON.stringify(source)) as JsonObject;
  let proof: string | undefined;
  return {
    targets: [targetOf(args, "service", new URL(stageUrl).host)],
    shown: `PUT ${address} ${JSON.stringify(body)}`,
    inverses: [{ kind: "http", method: "DELETE", url: address }],
    expiresAfterMs,
    async inject() {
      const answer = await exchange("PUT", address, body, context.signal);
      if (answer.status < 200 || answer.status > 299) {
        throw new UserError("promiseBroken", `PUT ${address}: ${answer.status} ${answer.text.slice(0, 300)}`);
      }
      proof = `the stage sends ${args.perSecond} ${args.kind} a second more, as ${name}`;
      return answer.json ?? null;
    },
    felt: async () => proof,
    remaining: async () => ((await sources()).includes(name) ? [`the source ${name} of ${list}`] : []),
  };
}

/** A load is felt if the service took calls: answered them, or let callers wait. */
function proof(counts: CallCounts): string | undefined {
  const { answered, gaveUp, hungUp, cut, sent, inFlight } = counts;
  const taken = answered + gaveUp + hungUp + cut + inFlight;
  if (taken === 0) return undefined;
  const { latencyMs, statuses } = counts.toJson() as { latencyMs: JsonObject; statuses: JsonObject };
  return `${sent} calls: ${answered} answered ${JSON.stringify(statuses)}, ${gaveUp} gave up, ${hungUp} hung up; p99 ${latencyMs["p99"]} ms`;
}
