/**
 * The routes of the control listener as data: path, method, who may ask, the body that is read and
 * the answer that is given. The listener takes its schemas and its list of allowed methods from
 * here, and the OpenAPI description is generated from it (`open-api.ts`), so that the three cannot
 * differ. Bodies are read with zod; of the long answers only the main fields are described.
 */
import { z } from "zod";
import { ORDER_KINDS } from "../../fleet/group-events.ts";
import { RELOAD_PATH } from "./reload-order.ts";

export interface ControlRoute {
  readonly method: "GET" | "POST" | "DELETE";
  /** With parameters in braces, as OpenAPI writes them. */
  readonly path: string;
  readonly summary: string;
  /**
   * True: no token is needed, and hardly anything is revealed. Otherwise GET reads, and the rest
   * operates.
   */
  readonly isOpen?: boolean;
  /** GET routes that do not answer HEAD: a stream without a reader is of no use. */
  readonly isStream?: boolean;
  /** Parameters of the query, with their meaning. */
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: z.ZodType;
  readonly answer: { readonly type: string; readonly schema: z.ZodType; readonly description: string };
  /** Statuses of problems besides those that every route has (401, 403, 429, 500). */
  readonly problems: readonly number[];
}

const MAX_REASON = 500;
const MAX_NAME = 100;
/** An order ends by itself after at most 30 days. */
const MAX_ORDER_MS: number = 30 * 24 * 3_600_000;
/** A drain takes a whole group out of service if it is forgotten. */
const DRAIN_MS = 3_600_000;

const reason = z.string().trim().min(1).max(MAX_REASON).meta({ description: "Why; for the log, events and the trail" });
const by = z
  .string()
  .trim()
  .min(1)
  .max(MAX_NAME)
  .optional()
  .meta({ description: "Name of the operator, as given; the token is what is proven" });
const keepStreams = z
  .boolean()
  .default(false)
  .meta({ description: "True: the station that is left may stream its replies to their end, not only for `drain`" });
const forMs = z.number().positive().max(MAX_ORDER_MS);
const endingReason = reason.nullable().meta({ description: "Why; null ends what is in force" });

export const switchoverOrder: z.ZodType<Ordered & { to: string; reason: string }> = z.strictObject({
  to: z.string().meta({ description: "The station to make active" }),
  ...{ reason, by, keepStreams },
});
export const failbackOrder: z.ZodType<Ordered & { reason: string }> = z.strictObject({ reason, by, keepStreams });
export const maintenanceOrder: z.ZodType<Ordered & { station: string; reason: string | null; forMs: number }> =
  z.strictObject({
    station: z.string().meta({ description: "The station to take out of service, or to put back" }),
    reason: endingReason,
    forMs: forMs.default(MAX_ORDER_MS).meta({ description: "When it ends by itself, in ms from now" }),
    ...{ by, keepStreams },
  });
export const drainOrder: z.ZodType<Ordered & { station?: string | undefined; reason: string | null; forMs: number }> =
  z.strictObject({
    station: z.string().optional().meta({ description: "The station to drain. Default: the whole group" }),
    reason: endingReason,
    forMs: forMs.default(DRAIN_MS).meta({ description: "When it ends by itself, in ms from now" }),
    ...{ by, keepStreams },
  });

interface Ordered {
  by?: string | undefined;
  keepStreams: boolean;
}

const unixMs = z.number().meta({ description: "In ms since 1970" });
const giver = z.object({ token: z.string().optional(), address: z.string(), name: z.string().optional() });
const standing = z.object({
  kind: z.enum(["maintenance", "drain"]),
  group: z.string(),
  station: z.string().optional().meta({ description: "Missing: the whole group" }),
  ...{ reason: z.string(), by: giver, keepsStreams: z.boolean() },
  ...{ givenUnixMs: unixMs, untilUnixMs: unixMs, leftMs: z.number() },
});
const trailEntry = z.object({
  number: z.number().meta({ description: "Rises with each order" }),
  ...{ group: z.string(), unixMs, order: z.enum(ORDER_KINDS) },
  outcome: z.enum(["done", "begun", "refused", "ended", "expired", "restored"]),
  ...{ station: z.string().optional(), reason: z.string(), by: giver, refusal: z.string().optional() },
});
const activeAnswer = z.object({ group: z.string(), active: z.string(), epoch: z.number() });
const standingAnswer = activeAnswer.extend({
  station: z.string().nullable(),
  reason: z.string().nullable().meta({ description: "Null: nothing is in force any more" }),
  untilUnixMs: unixMs.nullable(),
  durable: z.boolean().meta({ description: "False: a restart of the gateway forgets it" }),
});

function json(schema: z.ZodType, description: string): ControlRoute["answer"] {
  return { type: "application/json", schema, description };
}

const status = json(
  z.object({
    ready: z.boolean(),
    nowMs: z.number().meta({ description: "Instant on the gateway's clock, that of all `atMs`" }),
    groups: z.record(
      z.string(),
      z.looseObject({ active: z.string(), epoch: z.number(), stations: z.array(z.looseObject({ name: z.string() })) }),
    ),
  }),
  "The state of every group",
);
const text = z.string();
const healthy = json(z.object({ status: z.string() }), "Yes");
const GROUP = "/v1/groups/{group}";
const ORDER_PROBLEMS = [400, 404, 409, 413, 415];

/** It has no fields yet. */
export const reloadOrder: z.ZodType<Record<string, never>> = z.strictObject({});

/** A change of the configuration, in the answer to `POST /v1/reload`. */
const reloaded = z.object({
  changes: z.array(z.string()).meta({ description: "Each value that changed; empty if nothing has" }),
  lost: z.array(z.string()).meta({ description: "What is not carried over" }),
  warnings: z.array(z.string()),
  configuration: z.looseObject({ file: z.string(), digest: z.string(), loadedAt: z.string() }),
});

export const CONTROL_ROUTES: readonly ControlRoute[] = [
  {
    ...{ method: "POST", path: RELOAD_PATH, body: reloadOrder },
    summary: "Read the configuration file again; a file that cannot be followed is refused whole",
    answer: json(reloaded, "What has changed"),
    problems: [400, 409, 413, 415, 422],
  },
  { method: "GET", path: "/healthz", isOpen: true, summary: "Does the process answer?", answer: healthy, problems: [] },
  {
    ...{ method: "GET", path: "/readyz", isOpen: true },
    summary: "Are commands taken? No while it starts or stops, and while every group is drained",
    ...{ answer: healthy, problems: [503] },
  },
  {
    ...{ method: "GET", path: "/metrics", summary: "Metrics for Prometheus" },
    ...{ answer: { type: "text/plain", schema: text, description: "Text format 0.0.4" }, problems: [503] },
  },
  {
    method: "GET",
    path: "/v1/status",
    summary: "Who serves, who is eligible, and why",
    answer: status,
    problems: [503],
  },
  {
    ...{ method: "GET", path: "/v1/events", isStream: true, summary: "Events as they happen" },
    query: {
      since: "Only events since this time, such as 2026-12-01T03:00:00Z, or 15m for so long ago",
      until: "Only events before this time",
      after: "Only events after the one with this id: `next` of the page before",
      limit: "Most events of a page, 1 to 1000",
      type: "Only events of this type; may be repeated",
      group: "Only events of this group",
    },
    answer: {
      ...{ type: "text/event-stream", schema: text },
      description:
        "Server-sent events; `Last-Event-ID` goes on. With a query, or for a client that accepts only JSON, a page of " +
        "the past as JSON: `events`, `next`, `complete`, `newest`, `history`",
    },
    problems: [400, 503],
  },
  {
    ...{ method: "GET", path: "/v1/openapi.json", summary: "This description" },
    ...{ answer: json(z.looseObject({ openapi: z.string() }), "OpenAPI 3.1"), problems: [] },
  },
  {
    ...{ method: "GET", path: "/v1/orders", summary: "Orders in force, and the trail of those given" },
    answer: json(
      z.object({
        inForce: z.array(standing),
        trail: z.array(trailEntry).meta({ description: "The newest 1,000, oldest first" }),
      }),
      "The orders",
    ),
    problems: [],
  },
  {
    ...{ method: "GET", path: `${GROUP}/beats`, isStream: true, summary: "Heartbeats as they arrive, to be recorded" },
    answer: { type: "application/x-ndjson", schema: text, description: "A line for each heartbeat" },
    problems: [404, 503],
  },
  {
    ...{ method: "GET", path: `${GROUP}/explain`, query: { request: "Id of the request to explain" } },
    summary: "The cause chain of the last switch, or of one request",
    ...{ answer: json(z.looseObject({}), "The explanation"), problems: [400, 404] },
  },
  {
    ...{ method: "GET", path: `${GROUP}/stations/{station}/active`, isOpen: true },
    summary: "Should a balancer send traffic to this station? HEAD and OPTIONS are answered alike",
    ...{ answer: json(z.object({ status: z.literal("active") }), "Yes: it serves"), problems: [404, 503] },
  },
  {
    ...{ method: "GET", path: `${GROUP}/commands`, summary: "Asynchronous commands" },
    query: { state: "Only commands in this state", limit: "Most commands" },
    ...{ answer: json(z.looseObject({}), "The commands"), problems: [400, 404, 409] },
  },
  {
    ...{ method: "DELETE", path: `${GROUP}/commands/{id}`, summary: "Cancel an asynchronous command" },
    ...{ answer: json(z.looseObject({}), "It is cancelled"), problems: [404, 409] },
  },
  {
    ...{ method: "POST", path: `${GROUP}/switchover`, body: switchoverOrder },
    summary: "Make another station active at once; commands that are out finish at the old one",
    ...{ answer: json(activeAnswer, "It is active"), problems: ORDER_PROBLEMS },
  },
  {
    ...{ method: "POST", path: `${GROUP}/failback`, body: failbackOrder },
    summary: "Return to the primary, in steps; answered when it is done",
    ...{ answer: json(activeAnswer, "The primary is active"), problems: ORDER_PROBLEMS },
  },
  {
    ...{ method: "POST", path: `${GROUP}/maintenance`, body: maintenanceOrder },
    summary: "Take a station out of service for a time, or put it back",
    ...{ answer: json(standingAnswer, "It is in force, or ended"), problems: ORDER_PROBLEMS },
  },
  {
    ...{ method: "POST", path: `${GROUP}/drain`, body: drainOrder },
    summary: "Let a station, or the whole group, run empty: what is running may end, nothing new begins",
    ...{ answer: json(standingAnswer, "It is in force, or ended"), problems: ORDER_PROBLEMS },
  },
];

/**
 * The allowed methods of each path, for the answer to other methods; the path as Hono writes it.
 */
export function allowedMethods(): ReadonlyMap<string, string> {
  const byPath = new Map<string, string[]>();
  for (const { method, path, isStream } of CONTROL_ROUTES) {
    const allowed = byPath.get(path) ?? [];
    allowed.push(method, ...(method === "GET" && isStream !== true ? ["HEAD"] : []));
    byPath.set(path, allowed);
  }
  return new Map([...byPath].map(([path, allowed]) => [path.replaceAll(/\{(\w+)\}/g, ":$1"), allowed.join(", ")]));
}
