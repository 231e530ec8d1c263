/**
 * A station as a process of the world. It sends heartbeats, and sends commands on to the spacecraft
 * behind it, a few at a time and each for a while, so that it can be overloaded. The code of
 * `gsf station` makes its decisions (epochs, deadlines, heartbeats); its faults come from the plan.
 */
import type { NodeEnv, Program } from "ground-station-failover/sim";
import type { GroupSettings, StationSettings } from "../../gateway/src/fleet/settings.ts";
import { StationGuard } from "../../gateway/src/fleet/station-guard.ts";
import { StationHeartbeats } from "../../gateway/src/fleet/station-heartbeats.ts";
import { StationAdmission } from "./admission.ts";
import type { Fleet } from "./fleet.ts";
import type { HangUp } from "./hang-up.ts";
import type { HeartbeatMessage } from "./heartbeat-messages.ts";
import { beatMessage, HEARTBEAT_PORT } from "./heartbeat-messages.ts";
import type { Relay } from "./observer.ts";
import type { BreakingPoint, GroupPlan, OwnError, ServiceFault } from "./plan.ts";
import { commandIn, GATEWAY, spacecraftNode, stationNode } from "./plan.ts";
import { SharedProcessor } from "./shared-processor.ts";
import { STATION_PORT } from "./sim-uplink.ts";
import type { WireReply, WireRequest } from "./wire.ts";
import { serveWire, WirePool } from "./wire.ts";
import { workFactor } from "./work.ts";

/** The port on which spacecraft take commands. */
export const CRAFT_PORT = 9_900;
/** How long a station waits for a connection to its spacecraft. */
const CONNECT_TIMEOUT_MS = 1_000;

export function stationProgram(
  fleet: Fleet,
  group: GroupSettings,
  { name }: StationSettings,
  plan: GroupPlan,
): Program {
  return (env) => {
    const guard = new StationGuard();
    const station = new StationProcess(fleet, env, group, name, plan, guard);
    if (group.heartbeat.kind === "udp") beat(fleet, env, group, name, guard, plan.beatLossRate ?? 0);
    serveWire(env, STATION_PORT, (request, gone, body) => station.answer(request, gone, body));
  };
}

/** A twin of the station: it only sends heartbeats. */
export function twinProgram(fleet: Fleet, group: GroupSettings, { name }: StationSettings): Program {
  return (env) => beat(fleet, env, group, name, new StationGuard(), 0);
}

function beat(
  fleet: Fleet,
  env: NodeEnv,
  group: GroupSettings,
  station: string,
  guard: StationGuard,
  lossRate: number,
): void {
  const { clock, network } = env;
  const losses = env.random.fork("losses");
  const session = `${env.name}#${env.incarnation}`;
  const heartbeats = new StationHeartbeats({
    group: group.name,
    station,
    session,
    intervalMs: group.heartbeat.intervalMs,
  });
  let sentSequence = 0;
  const send = (): void => {
    const next = heartbeats.next(guard.epochSeen, clock.nowMs());
    sentSequence = next.sequence;
    const message = beatMessage(next);
    fleet.faults.record(env.name, message);
    if (losses.next() < lossRate) return;
    network.send({ node: GATEWAY, port: HEARTBEAT_PORT }, message, HEARTBEAT_PORT);
  };
  const tick = (dueMs: number): void => {
    const nextMs = heartbeats.nextTickMs(dueMs, clock.nowMs());
    clock.at(nextMs, tick, nextMs);
    send();
  };
  network.onDatagram(HEARTBEAT_PORT, (payload) => {
    const message = payload as HeartbeatMessage;
    if (message.type !== "challenge") return;
    const { group: of, station: to, session: begun, sequence } = message.beat;
    const taken = { group: of, station: to, session: begun, sequence, challenge: message.challenge };
    if (!heartbeats.noteChallenge(taken)) return;
    fleet.observers.tell("challengeTaken", group.name, station, message.beat, sentSequence);
    send();
  });
  // Stations do not send heartbeats in step.
  clock.at(clock.nowMs() + env.random.fork("phase").next() * group.heartbeat.intervalMs, () => tick(clock.nowMs()));
}

const NO_SUCH: WireReply = { label: "502", status: 502 };
/** In this world only gateways send commands. */
const isProven = (): boolean => true;
const OUT_OF_TIME: WireReply = { label: "504 late", status: 504 };

class StationProcess {
  readonly #fleet: Fleet;
  readonly #env: NodeEnv;
  readonly #node: string;
  readonly #group: string;
  readonly #name: string;
  readonly #plan: GroupPlan;
  readonly #guard: StationGuard;
  readonly #pool: WirePool;
  readonly #strikes: { next(): number };
  readonly #chances: { next(): number };
  readonly #breaking: BreakingPoint | undefined;
  readonly #admission: StationAdmission | undefined;
  readonly #processor: SharedProcessor | undefined;
  #busy = 0;
  readonly #queue: (() => void)[] = [];

  constructor(fleet: Fleet, env: NodeEnv, group: GroupSettings, name: string, plan: GroupPlan, guard: StationGuard) {
    this.#fleet = fleet;
    this.#env = env;
    this.#group = group.name;
    this.#name = name;
    this.#node = stationNode(group.name, name);
    this.#plan = plan;
    this.#guard = guard;
    this.#pool = new WirePool(env, { node: spacecraftNode(group.name), port: CRAFT_PORT }, CONNECT_TIMEOUT_MS);
    this.#strikes = env.random.fork("service");
    this.#chances = env.random.fork("work");
    const breaking = plan.breakingPoints?.[name];
    this.#breaking = breaking;
    this.#admission = breaking && new StationAdmission(breaking, env.clock.nowMs());
    this.#processor = breaking && new SharedProcessor(env.clock, breaking.parallelism);
  }

  async answer(request: WireRequest, gone: HangUp, body: Promise<void> | undefined): Promise<WireReply> {
    const { clock } = this.#env;
    const fault = this.#fleet.faults.serviceFault(this.#node, this.#strikes.next());
    if (fault?.mode === "hang") await gone_(gone);
    if (!request.target.startsWith("/commands/")) return this.#health(fault);
    if (body !== undefined) await body;
    const arrivedMs = clock.nowMs();
    const admission = this.#guard.admit(request.epoch, request.timeLeftMs, arrivedMs, isProven);
    if (admission.type === "stale") return stale(admission.epochSeen);
    if (admission.type === "unproven") return { label: "403 epoch", status: 403 };
    if (this.#admission?.accepts(arrivedMs) === false) return this.#refusal();
    const relay = this.#admitted(request, arrivedMs);
    const { route } = relay.command;
    const workMs = relay.command.workMs * workFactor(this.#plan.spread, "attempts", () => this.#chances.next());
    await this.#work(workMs, this.#dawdlesMs(fault), gone);
    const slowness = this.#fleet.faults.slowness(this.#node);
    if (slowness > 1) await clock.sleepUntil(clock.nowMs() + (slowness - 1) * workMs);
    if (route?.answers !== undefined) return ownError(route.answers);
    if (fault?.mode === "errors") return { label: "500", status: 500 };
    if (fault?.mode === "busy") return { label: "429", status: 429 };
    if (fault?.mode === "lying-200") return LIE;
    const departure = this.#guard.beforeSending(admission, clock.nowMs());
    if (departure.type === "stale") return stale(departure.epochSeen);
    if (departure.type === "late") return OUT_OF_TIME;
    if (gone.aborted) throw gone.reason;
    relay.sentLocalMs = clock.nowMs();
    relay.sentTimeLeftMs = departure.timeLeftMs;
    this.#fleet.observers.tell("relaySent", relay);
    const reply = await this.#relay(request, departure.timeLeftMs, gone);
    if (reply.epochSeen !== undefined) this.#fleet.observers.tell("relayRefused", relay, reply.epochSeen);
    if (fault?.mode === "errors-after") return { label: "500 after", status: 500 };
    if (fault?.mode === "hang-after") await gone_(gone);
    return reply;
  }

  #admitted({ target, epoch, timeLeftMs }: WireRequest, arrivedLocalMs: number): Relay {
    const command = this.#fleet.commands.get(commandIn(target));
    if (command === undefined) throw new Error(`nobody sent ${target}`);
    const relay: Relay = {
      command,
      group: this.#group,
      station: this.#name,
      incarnation: this.#env.incarnation,
      epoch,
      arrivedLocalMs,
      timeLeftMs,
      sentLocalMs: undefined,
      sentTimeLeftMs: undefined,
    };
    this.#fleet.observers.tell("relayAdmitted", relay);
    return relay;
  }

  async #relay(request: WireRequest, timeLeftMs: number, gone: HangUp): Promise<WireReply> {
    try {
      const onwards = { ...request, timeLeftMs, label: `${request.label} via ${this.#name}` };
      const reply = await this.#pool.exchange(onwards, gone);
      if (reply.status === 412) this.#guard.noteEpochSeen(reply.epochSeen);
      return reply;
    } catch {
      return NO_SUCH;
    }
  }

  #health(fault: ServiceFault | undefined): WireReply {
    const ill = fault !== undefined && fault.mode !== "slow";
    return ill ? { label: "503", status: 503 } : { label: "200", status: 200 };
  }

  /**
   * A slow fault delays commands for as long as it lasts: when it ends, all delayed commands go on.
   */
  #dawdlesMs(fault: ServiceFault | undefined): number {
    if (fault?.mode !== "slow") return 0;
    return Math.min(fault.delayMs ?? 0, this.#fleet.faults.leftMs(fault));
  }

  /** The work of a command (`workMs` at full speed), and then a wait of `dawdlesMs`. */
  async #work(workMs: number, dawdlesMs: number, gone: HangUp): Promise<void> {
    const { clock } = this.#env;
    if (this.#processor !== undefined) {
      await this.#processor.work(workMs, this.#breaking?.noticesHangUps === true ? gone : undefined);
      if (dawdlesMs > 0) await clock.sleepUntil(clock.nowMs() + dawdlesMs);
      return;
    }
    await this.#turn();
    try {
      await clock.sleepUntil(clock.nowMs() + workMs + dawdlesMs);
    } finally {
      this.#done();
    }
  }

  #refusal(): WireReply {
    this.#fleet.world.sometimes("station refused for want of capacity");
    const { status, retryAfterS } = this.#breaking?.refusal ?? { status: 503 as const };
    return { label: `${status} full`, status, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
  }

  /** A lane to work in; first come, first served. */
  #turn(): Promise<void> | undefined {
    if (this.#busy < this.#plan.lanes) {
      this.#busy++;
      return undefined;
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #done(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#busy--;
    else next();
  }
}

const LIE: WireReply = { label: "200 with an error", status: 200, json: { error: "uplink lost" } };

function ownError({ status, retryAfterS }: OwnError): WireReply {
  if (status === 200) return { label: "200 with an error of its own", status, json: { error: "no such antenna" } };
  return { label: `${status} of its own`, status, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}

function stale(epochSeen: number): WireReply {
  return { label: `412 seen ${epochSeen}`, status: 412, epochSeen };
}

/** Never resolves; rejects if the sender hangs up. */
function gone_(gone: HangUp): Promise<never> {
  return new Promise((_resolve, reject) => gone.addEventListener("abort", () => reject(gone.reason)));
}
