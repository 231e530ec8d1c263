/**
 * A gateway that knows the plan. It sends each command to the first station that no fault strikes
 * at this moment and whose true capacity has room. It waits for room for a third of the caller's
 * patience, and asks a second station if the first one fails a command that may be repeated. It
 * shows that a gateway can satisfy the checks of the wide world: a violation in its runs is a false
 * alarm. It has no epochs, no heartbeats and no promotions.
 */
import type { NodeEnv, Program } from "ground-station-failover/sim";
import type { CommandRequest, RequestBody } from "../../gateway/src/fleet/uplink.ts";
import { faultTimelineOf, nodesOf, overlaps } from "../checks/fault-timeline.ts";
import { capacityOf, meanWorkMs } from "../checks/load/true-capacity.ts";
import type { Fleet } from "./fleet.ts";
import type { HangUp } from "./hang-up.ts";
import { signalOf } from "./hang-up.ts";
import type { GroupPlan } from "./plan.ts";
import { groupPort, stationNode } from "./plan.ts";
import { SimUplink } from "./sim-uplink.ts";
import type { WireReply, WireRequest } from "./wire.ts";
import { lies, serveWire } from "./wire.ts";

/** A little below the true capacity, because work also varies. */
const CAPACITY_RATIO = 0.97;
const PAUSE_MS = 5;
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const NO_ROOM: WireReply = { label: "503 NO_ELIGIBLE_STATION", status: 503, code: "NO_ELIGIBLE_STATION" };
const LOST: WireReply = { label: "502 LOST unknown", status: 502, code: "LOST", outcomeUnknown: true };
const DEFAULT_PATIENCE_MS = 15_000;

export function oracleProgram(fleet: Fleet): Program {
  return (env) => {
    for (const [place, settings] of fleet.settings.groups.entries()) {
      const { plan } = fleet.group(settings.name);
      const stations = settings.stations.map(
        (station) => new OracleStation(fleet, plan, station.name, new SimUplink(fleet, env, settings, station)),
      );
      const group = new OracleGroup(env, plan, stations);
      serveWire(env, groupPort(place), (request, gone, body) => group.answer(request, gone, body));
    }
  };
}

class OracleStation {
  readonly uplink: SimUplink;
  readonly #fleet: Fleet;
  readonly #group: string;
  readonly #node: string;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxOut: number;
  #tokens = 2;
  #atMs = 0;
  #out = 0;

  constructor(fleet: Fleet, plan: GroupPlan, name: string, uplink: SimUplink) {
    this.uplink = uplink;
    this.#fleet = fleet;
    this.#group = plan.name;
    this.#node = stationNode(plan.name, name);
    this.#perSecond = CAPACITY_RATIO * capacityOf(plan, name);
    this.#burst = Math.max(2, 0.1 * this.#perSecond);
    const patienceMs = plan.callers?.patienceMs ?? DEFAULT_PATIENCE_MS;
    const parallelism = plan.breakingPoints?.[name]?.parallelism ?? plan.lanes;
    this.#maxOut = Math.max(2, parallelism * Math.min(2, patienceMs / meanWorkMs(plan) / 2));
  }

  get isWell(): boolean {
    const { nowMs } = this.#fleet.world;
    return faultTimelineOf(this.#fleet)
      .of(this.#group)
      .every((span) => !overlaps([span], nowMs - PAUSE_MS, nowMs) || !nodesOf(span.fault).includes(this.#node));
  }

  /** Takes room for one command; false if there is none. */
  take(): boolean {
    const { nowMs } = this.#fleet.world;
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#atMs) / 1_000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1 || this.#out >= this.#maxOut) return false;
    this.#tokens--;
    this.#out++;
    return true;
  }

  done(): void {
    this.#out--;
  }
}

class OracleGroup {
  readonly #env: NodeEnv;
  readonly #plan: GroupPlan;
  readonly #stations: readonly OracleStation[];

  constructor(env: NodeEnv, plan: GroupPlan, stations: readonly OracleStation[]) {
    this.#env = env;
    this.#plan = plan;
    this.#stations = stations;
  }

  async answer(request: WireRequest, gone: HangUp, uploading: Promise<void> | undefined): Promise<WireReply> {
    // A station does no work for a command whose body is still under way, so it needs no room
    // before that.
    if (uploading !== undefined) await uploading;
    const signal = signalOf(gone);
    const isRepeatable = request.idempotencyKey !== undefined || SAFE.has(request.method);
    let reply = NO_ROOM;
    for (const station of this.#stations) {
      if (!station.isWell || !(await this.#room(station))) continue;
      reply = await this.#send(station, request, signal).finally(() => station.done());
      if ((reply.status < 300 && !lies(reply)) || !isRepeatable) return reply;
    }
    return reply;
  }

  /** Waits for room, for as long as an answer can still be in time. */
  async #room(station: OracleStation): Promise<boolean> {
    const { clock } = this.#env;
    const untilMs = clock.nowMs() + (this.#plan.callers?.patienceMs ?? DEFAULT_PATIENCE_MS) / 3;
    while (!station.take()) {
      if (clock.nowMs() >= untilMs) return false;
      await clock.sleepUntil(clock.nowMs() + PAUSE_MS);
    }
    return true;
  }

  async #send(station: OracleStation, request: WireRequest, signal: AbortSignal): Promise<WireReply> {
    const { method, target, idempotencyKey, timeLeftMs = Number.POSITIVE_INFINITY } = request;
    const body: RequestBody = { kind: "none" };
    const command: CommandRequest = { method, target, headers: [], body };
    try {
      const { status, json } = await station.uplink.send(command, { epoch: 1, idempotencyKey, timeLeftMs, signal });
      return { label: String(status), status, json };
    } catch (error) {
      if (signal.aborted) throw error;
      return LOST;
    }
  }
}
