/**
 * Settings of the wide world. Seven of ten operators write the minimum: names, addresses, stations
 * and the kind of heartbeat. A quarter add a deadline, a timeout or a declared capacity. The rest
 * change everything, and little can be promised for their groups.
 */
import type { Random } from "ground-station-failover";
import { chance, logUniform, pick } from "ground-station-failover/sim";
import type { GroupPlan } from "../fleet/plan.ts";
import type { DrawnSettings } from "./settings.ts";
import { drawSettings } from "./settings.ts";
import { PLAIN } from "./surroundings.ts";
import type { WrittenHeartbeat } from "./written.ts";

export function drawWideSettings(random: Random, group: GroupPlan): DrawnSettings {
  const heartbeat: WrittenHeartbeat = chance(random, 0.7) ? { kind: "http", path: "/healthz" } : { kind: "udp" };
  const which = random.next();
  const [deadlines, capacity] = [random.fork("deadline"), random.fork("capacity")];
  if (which < 0.7) return { heartbeat };
  if (which >= 0.95) return drawSettings(random.fork("all"), group, PLAIN);
  const deadline = Math.round(logUniform(deadlines, 1_200, 60_000));
  const timeout = pick(deadlines, [undefined, Math.round(logUniform(deadlines, 200, deadline))]);
  const commands = { deadline, ...(timeout === undefined ? {} : { timeout }) };
  const accepts = Object.values(group.breakingPoints ?? {}).map(({ acceptsPerSecond }) => acceptsPerSecond);
  const declared = Math.floor(Math.min(...accepts.map((one = Number.POSITIVE_INFINITY) => one)));
  const isDeclared = chance(capacity, 0.5) && Number.isFinite(declared) && declared > 0;
  return { heartbeat, commands, ...(isDeclared ? { capacityPerSecond: declared } : {}) };
}
