/**
 * A spacecraft as a process of the world: the spacecraft of the demo, which executes a key once and
 * refuses older epochs, on a machine that no fault of a plan touches. Each execution is recorded
 * here, where it happens.
 */
import type { Program } from "ground-station-failover/sim";
import { Spacecraft } from "../../gateway/src/demo/spacecraft.ts";
import type { Fleet } from "./fleet.ts";
import { commandIn } from "./plan.ts";
import { CRAFT_PORT } from "./station-node.ts";
import type { WireReply, WireRequest } from "./wire.ts";
import { serveWire } from "./wire.ts";

export function spacecraftProgram(fleet: Fleet, group: string): Program {
  return (env) => {
    const craft = new Spacecraft({ clock: env.clock });
    serveWire(env, CRAFT_PORT, (request) => executed(fleet, group, craft, request));
  };
}

async function executed(fleet: Fleet, group: string, craft: Spacecraft, request: WireRequest): Promise<WireReply> {
  const command = fleet.commands.get(commandIn(request.target));
  if (command === undefined) throw new Error(`nobody sent ${request.target}`);
  if (command.kind === "read") return { label: "200 read", status: 200, json: { reading: 1 } };
  const { idempotencyKey, epoch } = request;
  const station = request.label.slice(request.label.lastIndexOf(" ") + 1);
  const atMs = fleet.world.nowMs;
  const outcome = await craft.receive({ command: command.id, idempotencyKey, epoch });
  if (outcome.type === "stale") {
    fleet.world.sometimes("fenced");
    return { label: `412 seen ${outcome.epochSeen}`, status: 412, epochSeen: outcome.epochSeen };
  }
  if (outcome.type === "executed") {
    command.executions++;
    fleet.observers.tell("executed", { command, group, station, epoch, atMs });
  } else fleet.world.sometimes("deduplicated");
  return { label: `200 ${outcome.type}`, status: 200, json: { result: outcome.type } };
}
