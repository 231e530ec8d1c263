/**
 * F1, F2, F7 at the instant of a promotion: checks that the old station has failed and that the new
 * one is the right one. Judged by what is known from outside about each station of the group
 * (`known-station.ts`), in order of priority.
 * - `promotes-on-evidence`: some observed event counts against the station that is replaced for
 *   failing.
 * - `promotes-the-first-fit`: no station of higher priority was surely eligible.
 * - `unfit-is-not-promoted`: the new station is not surely ineligible, unless no station is
 *   eligible and the old one is silent. A station that is out of service on request is never
 *   promoted.
 * - `heard-since-is-promoted`: if the old station fell silent, the new one has been heard after
 *   that.
 * - `failback-is-proven`: a probed station to which the gateway goes back on its own has answered a
 *   probe since it failed, and has answered the last one.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Wrong } from "../detection/silence.ts";
import type { KnownStation } from "./known-station.ts";

export type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

/** A group whose gateway reports a promotion. */
export interface Scene {
  /** Every station by name, the primary first. */
  readonly stations: ReadonlyMap<string, KnownStation>;
  /** Whether it is known which heartbeats counted. */
  readonly beatsKnown: boolean;
  readonly probes: boolean;
  /** On the gateway's clock. */
  readonly nowMs: number;
}

/** What is wrong with `event`, if anything. */
export function* wrongs(event: Promoted, scene: Scene): Iterable<NonNullable<Wrong>> {
  const [from, to] = [scene.stations.get(event.from), scene.stations.get(event.station)];
  if (from === undefined || to === undefined) return;
  const { group, station, cause } = event;
  const { nowMs } = scene;
  if (nowMs < to.restsUntilMs)
    yield ["unfit-is-not-promoted", `${group}: ${station} is promoted (${cause}), and out of service on request`];
  if (cause === "failback" && scene.probes && (to.unproven || to.lastProbe === "ill"))
    yield [
      "failback-is-proven",
      `${group}: back to ${station}; its last probe: ${to.lastProbe ?? "none since it failed"}`,
    ];
  if (cause !== "failure") return;
  if (!from.perhapsUnfit(nowMs)) yield ["promotes-on-evidence", unfounded(event)];
  const leastBad = from.liveness === "down" || from.liveness === "unknown";
  if (to.surelyUnfit(nowMs) && !leastBad)
    yield [
      "unfit-is-not-promoted",
      `${group}: ${station} replaces ${event.from}, and is ${to.liveness}, circuit ${to.circuit}`,
    ];
  if (scene.beatsKnown && !heardSince(to, from))
    yield [
      "heard-since-is-promoted",
      `${group}: ${station} was heard of at ${to.lastBeatMs} last, and ${event.from} is suspected since ${from.silentSinceMs}`,
    ];
  for (const [name, known] of scene.stations) {
    if (name === station) return;
    if (known === from || !known.surelyFit(nowMs)) continue;
    if (from.silentSinceMs !== undefined && !(scene.beatsKnown && heardSince(known, from))) continue;
    yield [
      "promotes-the-first-fit",
      `${group}: ${station} replaces ${event.from}, and ${name}, which is before it, is eligible`,
    ];
  }
}

/**
 * Whether the first station has been heard since the second fell silent, if the second is silent.
 * Used if it is known which heartbeats counted.
 */
export function heardSince({ lastBeatMs }: KnownStation, { silentSinceMs }: KnownStation): boolean {
  return silentSinceMs === undefined || lastBeatMs > silentSinceMs;
}

function unfounded({ group, station, from, evidence }: Promoted): string {
  const why = evidence.filter(({ verdict }) => verdict === "ineligible").map(({ detail }) => detail);
  return `${group}: ${station} replaced ${from} (${why.join("; ")}), and nothing that happened speaks against that one`;
}
