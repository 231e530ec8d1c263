/**
 * Checks epochs at each layer that they pass: the gateway that numbers its active stations, every
 * attempt that it sends, and every station, which must refuse an epoch older than the newest that
 * it has seen. Spacecraft refuse old epochs too, and so hide faults of the earlier layers; for that
 * reason each layer is watched separately. Two processes of a gateway may use the same number,
 * which is no fault here (a process without state begins at 1 and learns; ADR 0007;
 * `kept-epochs.ts` judges the others). So all of this is judged for one process.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver, Relay } from "../../fleet/observer.ts";
import { documentedGroups } from "../documented.ts";
import { succeeded } from "../load/offered-load.ts";
import { PerStation } from "../per-station.ts";
import type { StatusLook } from "../status-round.ts";
import { lookAround } from "../status-round.ts";
import { WaysOfCalls } from "./ways-of-calls.ts";

/** A group under one gateway process, as reported by its events. */
interface Numbered {
  epoch: number;
  active: string;
  /** The active station of each epoch. */
  readonly stations: Map<number, string>;
  newestSent: number;
  /**
   * The epochs under which this process has sent an attempt. A station that has seen one of these
   * may have it from this process.
   */
  readonly sentUnder: Set<number>;
  /** The newest epoch reported in heartbeats: the gateway's epoch must be at least this. */
  newestHeard: number;
}

export function epochs(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const groups: Map<string, Numbered> = new Map();
  const settings = documentedGroups(fleet);
  const ways = new WaysOfCalls(fleet, (attempt) =>
    succeeded(attempt, settings.get(attempt.group)?.commands.errorBody ?? true),
  );
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  let running = 1;
  const admitted = new PerStation(() => ({ incarnation: 0, epoch: 0 }));
  const numbered = (name: string): Numbered => {
    const group = groups.get(name) ?? begun(fleet, name, 1);
    groups.set(name, group);
    return group;
  };
  const newestAt = ({ group, station, incarnation }: Relay): { incarnation: number; epoch: number } => {
    const seen = admitted.of(group, station);
    if (seen.incarnation !== incarnation) {
      seen.incarnation = incarnation;
      seen.epoch = 0;
    }
    return seen;
  };
  const refuseOld = (relay: Relay, what: string): void => {
    const newest = newestAt(relay);
    const { command, epoch = 0, group, station } = relay;
    if (epoch < newest.epoch)
      world.violate(
        "stations-refuse-old-epochs",
        `${group}/${station} ${what} ${command.id} of epoch ${epoch} after epoch ${newest.epoch}`,
      );
    newest.epoch = Math.max(newest.epoch, epoch);
  };
  return {
    gatewayStarted(process) {
      running = process.incarnation;
      groups.clear();
      for (const [name, { epoch }] of process.gateway.groups) groups.set(name, begun(fleet, name, epoch));
      ways.clear(process);
    },
    commandArrived: ({ command }) => ways.arrived(command),
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) ways.answered(command);
    },
    gatewayEvent(event) {
      ways.heard(event);
      if (event.type === "promoted" || event.type === "epoch-adopted") noteRise(fleet, numbered(event.group), event);
    },
    beatCounted(group, _station, beat) {
      const of = numbered(group);
      const seen = beat?.epochSeen ?? 0;
      // Compared with what was really sent: this heartbeat may already have raised the epoch that
      // the gateway reports.
      const isForeign = seen > 0 && !of.sentUnder.has(seen);
      of.newestHeard = Math.max(of.newestHeard, isForeign ? seen + 1 : seen);
    },
    tick() {
      const look = lookAround(fleet);
      if (look === undefined) return;
      refuseUnlearnt(fleet, numbered(look.group), look);
      ways.looked(look);
    },
    attemptBegan(attempt) {
      noteAttempt(fleet, numbered(attempt.group), ways, attempt, localMs());
      ways.began(attempt);
    },
    attemptEnded(attempt) {
      if (attempt.incarnation === running) ways.ended(attempt, localMs() - attempt.judgedFromLocalMs);
    },
    relayAdmitted: (relay) => refuseOld(relay, "let in"),
    relaySent: (relay) => refuseOld(relay, "carried on"),
    relayRefused(relay, epochSeen) {
      const newest = newestAt(relay);
      newest.epoch = Math.max(newest.epoch, epochSeen);
    },
  };
}

/** A gateway begins with the first station, and with epoch 1 unless it keeps epochs. */
function begun(fleet: Fleet, name: string, epoch: number): Numbered {
  const active = fleet.group(name).settings.stations[0]?.name ?? "";
  return { epoch, active, stations: new Map([[epoch, active]]), newestSent: 0, sentUnder: new Set(), newestHeard: 0 };
}

function noteRise(fleet: Fleet, of: Numbered, event: GatewayEvent & { type: "promoted" | "epoch-adopted" }): void {
  const { group, epoch } = event;
  if (!(epoch > of.epoch))
    fleet.world.violate("epoch-rises", `${group}: ${event.type} with epoch ${epoch} after ${of.epoch}`);
  of.epoch = epoch;
  if (event.type === "promoted") of.active = event.station;
  of.stations.set(epoch, of.active);
}

/** Once a station has seen an epoch and reported it, the gateway must not be behind it. */
function refuseUnlearnt({ world }: Fleet, { newestHeard }: Numbered, { group, status }: StatusLook): void {
  if (status.epoch >= newestHeard) return;
  world.violate(
    "epochs-are-learnt",
    `${group}: after what heartbeats told it has to be at epoch ${newestHeard} at least, and the gateway is at ${status.epoch}`,
  );
}

function noteAttempt({ world }: Fleet, of: Numbered, ways: WaysOfCalls, attempt: Attempt, nowMs: number): void {
  const { group, station, epoch, command } = attempt;
  const active = of.stations.get(epoch);
  if (active === undefined) of.stations.set(epoch, station);
  else if (active !== station && !ways.mayGo(attempt, active, nowMs))
    world.violate(
      "one-active-per-epoch",
      `${group}: ${command.id} goes to ${station} under epoch ${epoch}, which is ${active}'s, and nothing speaks against that one`,
    );
  const newest = Math.max(of.newestSent, of.epoch);
  if (epoch < newest)
    world.violate("epoch-rises", `${group}: ${command.id} goes to ${station} under epoch ${epoch} after ${newest}`);
  of.newestSent = Math.max(of.newestSent, epoch);
  of.sentUnder.add(epoch);
}
