/**
 * Selects what a spectator wants to know from the gateway's events and the source's records, and
 * tells each of it once: rising suspicion, declarations, the promotion and its evidence, the first
 * command served by another station, the rising limit.
 */
import type { EventView, GroupView } from "../adapters/control/gateway-view.ts";
import { type CommandRecord, type FaultMark, isTakeover } from "./sums.ts";
import type { Timeline } from "./timeline.ts";

/**
 * Levels of suspicion that are told when they are reached: noise, attention, suspected, declared.
 */
const PHI_TOLD = [2, 5, 8, 12];

export class Narrator {
  readonly #timeline: Timeline;
  readonly #fault: FaultMark;
  #phiTold = 0;
  #parkedTold = false;
  #takeoverTold = false;
  #rampTold = 0;

  constructor(timeline: Timeline, fault: FaultMark) {
    this.#timeline = timeline;
    this.#fault = fault;
  }

  event(event: EventView): void {
    const colour = event.type === "promoted" ? "bold" : undefined;
    this.#timeline.event(event.sentence, undefined, colour);
    if (event.type === "promoted") this.#rampTold = 0;
  }

  status(group: GroupView): void {
    const struck = group.stations.find((station) => station.name === this.#fault.station);
    const phi = struck === undefined ? 0 : (struck.phi ?? Number.POSITIVE_INFINITY);
    for (const level of PHI_TOLD.slice(this.#phiTold)) {
      if (phi < level) break;
      this.#phiTold++;
      if (phi < (PHI_TOLD[this.#phiTold] ?? Number.POSITIVE_INFINITY)) {
        this.#timeline.event(
          `heartbeats of ${this.#fault.station} are missing: phi ${phi > 1_000 ? "beyond measure" : phi.toFixed(1)}`,
        );
      }
    }
    if (group.parked > 0 && !this.#parkedTold) {
      this.#parkedTold = true;
      this.#timeline.event("commands are parked: they wait for a retry, or for a station to say what became of them");
    }
    this.#ramp(group);
  }

  /** Tells the first command that another station served. */
  record(record: CommandRecord): void {
    if (this.#takeoverTold || !isTakeover(record, this.#fault)) return;
    this.#takeoverTold = true;
    this.#timeline.event(`first command served by ${record.station} (${record.command})`, record.endedMs, "green");
  }

  get takeoverTold(): boolean {
    return this.#takeoverTold;
  }

  /** Tells the limit each time that it has doubled. */
  #ramp(group: GroupView): void {
    const active = group.stations.find((station) => station.active);
    if (active === undefined || !active.ramp.ramping || active.ramp.limit < 2 * this.#rampTold) return;
    this.#rampTold = active.ramp.limit;
    this.#timeline.event(`ramp: ${active.name} is offered up to ${Math.ceil(active.ramp.limit)} commands at once`);
  }
}
