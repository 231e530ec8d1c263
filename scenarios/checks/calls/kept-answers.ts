/**
 * What a gateway with a store promises of idempotency keys, across its crashes and promotions, as
 * seen from outside. Only in plans whose sources ask again (`keepsAnswers`), and only where nothing
 * touches the gateway's disk or calendar, because then every answer is durable before it is given.
 * - `answered-key-is-not-sent-again`: a command whose answer was given to a caller goes to no
 *   station any more.
 * - `answered-key-is-answered-alike`: whoever sends it again gets the same answer, marked as one
 *   that was given before.
 * - `other-request-is-refused`: another request under the key is refused with 422.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Command, FleetObserver } from "../../fleet/observer.ts";
import { GATEWAY } from "../../fleet/plan.ts";
import type { WireReply } from "../../fleet/wire.ts";
import { lies } from "../../fleet/wire.ts";

export function keptAnswers(fleet: Fleet): FleetObserver {
  const { plan, world } = fleet;
  if (plan.keepsAnswers !== true || disturbsStore(fleet)) return {};
  const given: Map<Command, WireReply> = new Map();
  return {
    replyGiven({ command }, reply) {
      if (command.kind !== "keyed" || reply.code !== undefined || reply.status >= 300 || lies(reply)) return;
      const before = given.get(command);
      if (before === undefined) given.set(command, reply);
      else if (!isAlike(before, reply))
        world.violate("answered-key-is-answered-alike", `${command.id}: ${shown(before)}, and then ${shown(reply)}`);
    },
    attemptBegan({ command, station }) {
      if (given.has(command))
        world.violate("answered-key-is-not-sent-again", `${command.id} goes to ${station} after it was answered`);
    },
    askedAgain(command, isSame, reply) {
      const before = given.get(command);
      if (before === undefined) return;
      world.sometimes(isSame ? "asked again" : "another request under a key");
      if (isSame && !(isAlike(before, reply) && reply.replayed === true))
        world.violate("answered-key-is-answered-alike", `${command.id}: ${shown(before)}, and again ${shown(reply)}`);
      if (!isSame && reply.code !== "KEY_REUSED")
        world.violate("other-request-is-refused", `another request under the key of ${command.id}: ${shown(reply)}`);
    },
  };
}

function isAlike(one: WireReply, other: WireReply): boolean {
  return one.status === other.status && JSON.stringify(one.json) === JSON.stringify(other.json);
}

function shown({ label, json, replayed }: WireReply): string {
  return `${label} ${JSON.stringify(json)}${replayed === true ? " replayed" : ""}`;
}

function disturbsStore({ plan }: Fleet): boolean {
  if (Object.keys(plan.disks ?? {}).some((fault) => fault !== "latency")) return true;
  return plan.faults.some((fault) => (fault.kind === "disk" || fault.kind === "wall-step") && fault.node === GATEWAY);
}
