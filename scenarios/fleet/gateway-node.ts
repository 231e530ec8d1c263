/**
 * The gateway as a process of the world: `compose` with simulated uplinks, and around it only what
 * a listener does. What is noted here for the checks is noted beside the gateway's own code, never
 * through it.
 */

import { RequestCutError, TIME_LEFT_HEADER, toTimeLeftHeader } from "ground-station-failover";
import type { NodeEnv, Program } from "ground-station-failover/sim";
import { DiskError } from "ground-station-failover/sim";
import type { Gateway, GatewayParts } from "../../gateway/src/compose.ts";
import { compose } from "../../gateway/src/compose.ts";
import { answerTo } from "../../gateway/src/fleet/answer.ts";
import { DurableEpochs } from "../../gateway/src/fleet/durable-epochs.ts";
import type { Group } from "../../gateway/src/fleet/group.ts";
import type { CommandReply, CommandRequest, RequestBody } from "../../gateway/src/fleet/uplink.ts";
import { DiskRecords } from "./disk-records.ts";
import type { Fleet } from "./fleet.ts";
import type { HangUp } from "./hang-up.ts";
import { signalOf } from "./hang-up.ts";
import type { HeartbeatMessage } from "./heartbeat-messages.ts";
import { challengeMessage, HEARTBEAT_PORT } from "./heartbeat-messages.ts";
import type { GatewayProcess, Visit } from "./observer.ts";
import { commandIn, GATEWAY, groupPort, stationNode } from "./plan.ts";
import { simDigest } from "./sim-digest.ts";
import { SimRecords } from "./sim-records.ts";
import { SimUplink } from "./sim-uplink.ts";
import type { WireReply, WireRequest } from "./wire.ts";
import { serveWire } from "./wire.ts";

export function gatewayProgram(fleet: Fleet): Program {
  return (env) => {
    const { keepsAnswers, keepsState } = fleet.plan;
    if (keepsAnswers === true)
      return SimRecords.open(env).then((records) => run(fleet, env, { records, digest: simDigest }));
    return keepsState === true ? opened(fleet, env) : run(fleet, env, {});
  };
}

/** Opens the state first; a gateway that cannot is started again, as a supervisor does. */
async function opened(fleet: Fleet, env: NodeEnv): Promise<void> {
  let state: KeptState;
  try {
    const records = await DiskRecords.open(env.disk);
    const epochs = new DurableEpochs(records, env.clock);
    await epochs.open(fleet.settings.groups.map(({ name }) => name));
    state = { records, epochs };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    fleet.world.sometimes("state could not be opened");
    const node = fleet.world.nodeOf(GATEWAY);
    return void fleet.world.at(fleet.world.nowMs + RESTART_MS, () => {
      if (node.incarnation !== env.incarnation || !node.up) return;
      node.crash("kill");
      node.start();
    });
  }
  return await run(fleet, env, state);
}

type KeptState = Pick<GatewayParts, "records" | "epochs" | "digest">;
const RESTART_MS = 100;

function run(fleet: Fleet, env: NodeEnv, state: KeptState): Promise<void> {
  const { observers, settings, world } = fleet;
  const challenges = env.random.fork("challenges");
  const gateway = compose({
    settings,
    clock: env.clock,
    random: env.random.fork("gateway"),
    uplink: (group, station) => new SimUplink(fleet, env, group, station),
    challengeOf: (subject) => challenges.fork(subject).next().toString(36).slice(2),
    ...state,
  });
  const process: GatewayProcess = {
    incarnation: env.incarnation,
    gateway,
    startedAtMs: world.nowMs,
    nowMs: () => env.clock.nowMs(),
  };
  if (fleet.gateway !== undefined) observers.tell("gatewayCrashed", fleet.gateway);
  fleet.gateway = process;
  observers.tell("gatewayStarted", process);
  gateway.onEvent((event) => observers.tell("gatewayEvent", event, env.incarnation));
  receiveBeats(fleet, env, gateway);
  for (const [place, { name }] of settings.groups.entries()) {
    const group = gateway.groups.get(name) as Group;
    serveWire(env, groupPort(place), (request, gone, body) => answered(fleet, env, group, request, gone, body));
  }
  return gateway.run(new AbortController().signal);
}

function receiveBeats(fleet: Fleet, env: NodeEnv, gateway: Gateway): void {
  /**
   * The last challenge handed to each session. If the same one is handed out again, it or its
   * answer was lost.
   */
  const challenges: Map<string, string> = new Map();
  env.network.onDatagram(HEARTBEAT_PORT, (payload, from) => {
    const message = payload as HeartbeatMessage;
    if (message.type !== "beat") return;
    const admission = gateway.receiveBeat(message.beat);
    if (admission?.type === "beat")
      fleet.observers.tell("beatCounted", message.beat.group, message.beat.station, message.beat);
    else if (admission?.type === "challenge") {
      if (challenges.get(message.beat.session) === admission.challenge) fleet.world.sometimes("challenge lost");
      challenges.set(message.beat.session, admission.challenge);
      fleet.observers.tell("challenged", message.beat.group, message.beat.station, message.beat);
      const answer = challengeMessage(message.beat, admission.challenge);
      fleet.faults.record(stationNode(message.beat.group, message.beat.station), answer);
      env.network.send(from, answer, HEARTBEAT_PORT);
    } else fleet.world.sometimes(admission?.type === "name-conflict" ? "name conflict" : "heartbeat replayed");
  });
}

async function answered(
  fleet: Fleet,
  env: NodeEnv,
  group: Group,
  request: WireRequest,
  gone: HangUp,
  uploading: Promise<void> | undefined,
): Promise<WireReply> {
  // As in `request-body.ts`: a body under a key is read whole first, any other is passed on while
  // it arrives.
  const isReadFirst = request.idempotencyKey !== undefined;
  if (uploading !== undefined && isReadFirst) await unlessGone(uploading, gone);
  const visit = begun(fleet, env, group, request);
  const body = uploading === undefined || isReadFirst ? NO_BODY : streamed(uploading);
  let isWhole = uploading === undefined;
  uploading?.then(() => {
    isWhole = true;
  });
  const signal = signalOf(gone, () => (isWhole ? gone.reason : new RequestCutError()));
  const answer = await answerTo(group, { ...requestOf(request), body }, signal);
  visit.answeredAtMs = fleet.world.nowMs;
  const problem = answer.type === "problem" ? answer.problem : undefined;
  fleet.observers.tell("commandAnswered", visit, problem?.code, problem?.retryAfterMs, problem?.outcomeUnknown);
  if (answer.type === "caller-gone") throw answer.error;
  if (answer.type === "reply") {
    const reply = wireReplyOf(answer.reply);
    fleet.observers.tell("replyGiven", visit, reply);
    return reply;
  }
  const { status, code, outcomeUnknown = false } = answer.problem;
  return { label: `${status} ${code}${outcomeUnknown ? " unknown" : ""}`, status, code, outcomeUnknown };
}

/** A kept answer comes without `json`. */
function wireReplyOf({ status, json, headers, body }: CommandReply): WireReply {
  const label = String(status);
  if (!headers.some(([name]) => name === "gsf-replayed")) return { label, status, json };
  const text = body.kind === "bytes" ? new TextDecoder().decode(body.bytes) : "";
  return { label, status, json: json ?? (text === "" ? undefined : JSON.parse(text)), replayed: true };
}

const NO_BODY: RequestBody = { kind: "none" };
const LAST_BYTES = new Uint8Array(1);

/** Resolves with `body`; rejects when its sender hangs up before that. */
function unlessGone(body: Promise<void>, gone: HangUp): Promise<void> {
  return new Promise((resolve, reject) => {
    const hungUp = (): void => reject(gone.reason);
    if (gone.aborted) return hungUp();
    gone.addEventListener("abort", hungUp);
    body.then(() => {
      gone.removeEventListener("abort", hungUp);
      resolve();
    });
  });
}

/** A body that can be sent once, and is over when `arrived` resolves. */
function streamed(arrived: Promise<void>): RequestBody {
  let started = false;
  async function* read(): AsyncGenerator<Uint8Array, void, void> {
    started = true;
    await arrived;
    yield LAST_BYTES;
  }
  return { kind: "stream", stream: read(), started: () => started };
}

function begun(fleet: Fleet, env: NodeEnv, group: Group, { target, timeLeftMs }: WireRequest): Visit {
  const { world, observers } = fleet;
  const command = fleet.commands.get(commandIn(target));
  if (command === undefined) throw new Error(`nobody sent ${target}`);
  // The header carries whole milliseconds; the group's own deadline holds only if the caller sets
  // none.
  const leftMs = timeLeftMs === undefined ? group.settings.commands.deadlineMs : Math.floor(timeLeftMs);
  const visit: Visit = {
    command,
    incarnation: env.incarnation,
    arrivedAtMs: world.nowMs,
    deadlineLocalMs: env.clock.nowMs() + leftMs,
    deadlineMs: world.nowMs + leftMs,
    answeredAtMs: undefined,
  };
  observers.tell("commandArrived", visit);
  return visit;
}

function requestOf({ method, target, caller, idempotencyKey, timeLeftMs }: WireRequest): CommandRequest {
  const headers: [string, string][] = [];
  if (idempotencyKey !== undefined) headers.push(["idempotency-key", idempotencyKey]);
  if (timeLeftMs !== undefined) headers.push([TIME_LEFT_HEADER, toTimeLeftHeader(timeLeftMs)]);
  return { method, target, headers, body: NO_BODY, ...(caller === undefined ? {} : { caller }) };
}
