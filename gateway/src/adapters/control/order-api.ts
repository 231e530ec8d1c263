/**
 * The orders of operators on the control listener: reads their bodies, hands them to the gateway's
 * standing orders with who gave them, and answers with what is in force then. An order that the
 * group refuses is a conflict (409) with the group's reason.
 */
import type { IncomingMessage } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { ResilienceError } from "ground-station-failover";
import type { Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { z } from "zod";
import type { Group } from "../../fleet/group.ts";
import type { OrderGiver } from "../../fleet/group-events.ts";
import { type OrderAnswer, OrderRefusedError, type StandingOrders } from "../../fleet/standing-orders.ts";
import { plainAddress } from "../http/caller-address.ts";
import { refusal } from "./control-problem.ts";
import { drainOrder, failbackOrder, maintenanceOrder, switchoverOrder } from "./control-routes.ts";

/** What handlers know of a request. */
export interface ControlEnv {
  Bindings: HttpBindings;
  Variables: {
    /** Name of the token that was presented; undefined if none is needed. */
    token: string | undefined;
  };
}

export interface OrderRoutes {
  readonly groups: ReadonlyMap<string, Group>;
  readonly orders: StandingOrders;
}

/** An order is short. */
const MAX_BODY_BYTES = 16 * 1024;

/** Adds the routes of orders to `app`. */
export function addOrderRoutes(app: Hono<ControlEnv>, { groups, orders }: OrderRoutes): void {
  app.get("/v1/orders", (context) => {
    const inForce = [...groups.keys()].flatMap((name) => orders.standing(name));
    return context.json({ inForce, trail: orders.trail });
  });
  app.post("/v1/groups/:group/switchover", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const { to, ...order } = await orderOf(context, switchoverOrder);
    refuseUnknown(group, "to", to);
    const epoch = await carriedOut(orders.switchover(group.name, to, termsOf(context, order)));
    return context.json({ group: group.name, active: group.activeStation, epoch });
  });
  app.post("/v1/groups/:group/failback", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const order = await orderOf(context, failbackOrder);
    const epoch = await carriedOut(orders.failback(group.name, termsOf(context, order)));
    return context.json({ group: group.name, active: group.activeStation, epoch });
  });
  app.post("/v1/groups/:group/maintenance", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const { station, forMs, reason, ...order } = await orderOf(context, maintenanceOrder);
    refuseUnknown(group, "station", station);
    const terms = termsOf(context, { ...order, reason: reason ?? ENDED });
    if (reason === null)
      return context.json(answerOf(group, station, await orders.end(group.name, station, terms), true));
    return context.json(answerOf(group, station, await orders.maintenance(group.name, station, forMs, terms)));
  });
  app.post("/v1/groups/:group/drain", async (context) => {
    const group = groupOf(groups, context.req.param("group"));
    const { station, forMs, reason, ...order } = await orderOf(context, drainOrder);
    if (station !== undefined) refuseUnknown(group, "station", station);
    const terms = termsOf(context, { ...order, reason: reason ?? ENDED });
    if (reason === null)
      return context.json(answerOf(group, station, await orders.end(group.name, station, terms), true));
    return context.json(answerOf(group, station, await carriedOut(orders.drain(group.name, station, forMs, terms))));
  });
}

/** The reason of an end, for the trail. */
const ENDED = "ended by an operator";

function termsOf(
  context: Context<ControlEnv>,
  {
    reason,
    by,
    keepStreams,
  }: { readonly reason: string; readonly by?: string | undefined; readonly keepStreams: boolean },
): { readonly reason: string; readonly by: OrderGiver; readonly keepsStreams: boolean } {
  const address = plainAddress(context.env.incoming.socket.remoteAddress);
  return { reason, by: { token: context.get("token"), address, name: by }, keepsStreams: keepStreams };
}

function answerOf(group: Group, station: string | undefined, answer: OrderAnswer, hasEnded = false): object {
  const order = hasEnded ? undefined : answer.order;
  return {
    ...{ group: group.name, station: station ?? null, active: group.activeStation, epoch: group.epoch },
    ...{ reason: order?.reason ?? null, untilUnixMs: order?.untilUnixMs ?? null, durable: answer.isDurable },
  };
}

/** The group called `name`. Throws a problem that says which groups there are. */
export function groupOf(groups: ReadonlyMap<string, Group>, name: string): Group {
  const group = groups.get(name);
  if (group === undefined)
    throw refusal(404, `there is no group "${name}"; there are ${[...groups.keys()].join(", ")}`);
  return group;
}

function refuseUnknown(group: Group, field: string, station: string): void {
  const names = group.settings.stations.map(({ name }) => name);
  if (!names.includes(station))
    throw refusal(400, `${field}: there is no station "${station}" in ${group.name}; there are ${names.join(", ")}`);
}

/** The body of an order. Throws a problem that names the faulty field. */
export async function orderOf<Order>(context: Context<ControlEnv>, schema: z.ZodType<Order>): Promise<Order> {
  const type = context.req.header("content-type") ?? "nothing";
  if (!/^application\/json\s*(;|$)/i.test(type)) throw refusal(415, `the body is ${type}; allowed is application/json`);
  let body: unknown;
  try {
    body = JSON.parse(await textOf(context.env.incoming));
  } catch (error) {
    if (error instanceof HTTPException) throw error;
    throw refusal(400, `the body is not JSON: ${(error as Error).message}`);
  }
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const sentences = read.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join(".")}: ${message}`,
  );
  throw refusal(400, sentences.join("; "));
}

/** Enforces the limit even if the length was not announced. */
async function textOf(incoming: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of incoming as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES) throw refusal(413, `the body is too large; allowed are ${MAX_BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

async function carriedOut<Result>(order: Promise<Result>): Promise<Result> {
  try {
    return await order;
  } catch (error) {
    if (error instanceof ResilienceError || error instanceof OrderRefusedError) throw refusal(409, error.message);
    throw error;
  }
}
