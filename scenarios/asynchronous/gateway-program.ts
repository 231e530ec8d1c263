/**
 * A gateway with a durable store as a process of the world: `compose` as it ships, with records on
 * the machine's disk. It serves live commands, asynchronous ones, and what became of these.
 */
import type { NodeEnv, Program } from "ground-station-failover/sim";
import { compose } from "../../gateway/src/compose.ts";
import { answerTo } from "../../gateway/src/fleet/answer.ts";
import type { AsyncCommands } from "../../gateway/src/fleet/async/async-commands.ts";
import type { Group } from "../../gateway/src/fleet/group.ts";
import type { CommandRequest, HeaderList } from "../../gateway/src/fleet/uplink.ts";
import { DiskRecords } from "../fleet/disk-records.ts";
import type { Fleet } from "../fleet/fleet.ts";
import { signalOf } from "../fleet/hang-up.ts";
import { groupPort } from "../fleet/plan.ts";
import { SimUplink } from "../fleet/sim-uplink.ts";
import type { WireReply, WireRequest } from "../fleet/wire.ts";
import { serveWire } from "../fleet/wire.ts";
import { type AsyncWireReply, type AsyncWireRequest, isAsync, OWN_PATH } from "./messages.ts";

/** A process supervisor starts a gateway that could not read its store again after this long. */
const REOPEN_MS = 200;

export function asyncGatewayProgram(fleet: Fleet): Program {
  return async (env) => {
    const { observers, settings, world } = fleet;
    const records = await opened(env);
    const ids = env.random.fork("ids");
    const gateway = compose({
      settings,
      clock: env.clock,
      random: env.random.fork("gateway"),
      uplink: (group, station) => new SimUplink(fleet, env, group, station),
      challengeOf: () => "unused",
      records,
      asyncParts: {
        wallNowMs: () => env.wallMs(),
        newId: () => `${ids.next().toString(36).slice(2)}${ids.next().toString(36).slice(2)}`,
        digestOf,
      },
    });
    const process = { incarnation: env.incarnation, gateway, startedAtMs: world.nowMs, nowMs: () => env.clock.nowMs() };
    if (fleet.gateway !== undefined) observers.tell("gatewayCrashed", fleet.gateway);
    fleet.gateway = process;
    observers.tell("gatewayStarted", process);
    gateway.onEvent((event) => observers.tell("gatewayEvent", event, env.incarnation));
    for (const [place, { name }] of settings.groups.entries()) {
      const group = gateway.groups.get(name) as Group;
      const commands = gateway.asyncCommands.get(name) as AsyncCommands;
      serveWire(env, groupPort(place), (request, gone) => {
        if (isAsync(request)) return accepted(commands, request);
        if (request.target.startsWith(OWN_PATH)) return told(commands, request);
        return answered(
          group,
          request,
          signalOf(gone, () => gone.reason),
        );
      });
    }
    await gateway.run(new AbortController().signal);
  };
}

async function opened(env: NodeEnv): Promise<DiskRecords> {
  for (;;) {
    try {
      return await DiskRecords.open(env.disk);
    } catch {
      await env.clock.sleepUntil(env.clock.nowMs() + REOPEN_MS);
    }
  }
}

async function accepted(commands: AsyncCommands, request: AsyncWireRequest): Promise<AsyncWireReply> {
  const { priority, expiresAfterMs } = request.prefers;
  const acceptance = await commands.accept(requestOf(request), { waitMs: 0, priority, expiresAfterMs });
  if (acceptance.type === "accepted") return { label: "202", status: 202, view: acceptance.view };
  const { status, code, outcomeUnknown = false } = acceptance.problem;
  return { label: `${status} ${code}`, status, code, outcomeUnknown };
}

async function told(commands: AsyncCommands, { method, target }: WireRequest): Promise<AsyncWireReply> {
  const id = target.slice(OWN_PATH.length);
  if (method === "DELETE") {
    const cancellation = await commands.cancel(id);
    if (cancellation === undefined) return { label: "404", status: 404 };
    const status = cancellation.type === "cancelled" ? 200 : 409;
    return { label: String(status), status, view: cancellation.view };
  }
  const view = await commands.view(id);
  return view === undefined ? { label: "404", status: 404 } : { label: "200", status: 200, view };
}

async function answered(group: Group, request: WireRequest, gone: AbortSignal): Promise<WireReply> {
  const answer = await answerTo(group, requestOf(request), gone);
  if (answer.type === "caller-gone") throw answer.error;
  if (answer.type === "reply") return { label: String(answer.reply.status), status: answer.reply.status };
  const { status, code } = answer.problem;
  return { label: `${status} ${code}`, status, code };
}

function requestOf({ method, target, caller, idempotencyKey }: WireRequest): CommandRequest {
  const headers: HeaderList = idempotencyKey === undefined ? [] : [["idempotency-key", idempotencyKey]];
  return { method, target, headers, body: { kind: "none" }, ...(caller === undefined ? {} : { caller }) };
}

function digestOf(parts: readonly (string | Uint8Array)[]): string {
  let hash = 0xcbf29ce484222325n;
  for (const part of parts) {
    for (const byte of typeof part === "string" ? Buffer.from(part) : part)
      hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(36);
}
