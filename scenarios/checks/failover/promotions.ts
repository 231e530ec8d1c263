/**
 * F1, F2, F7 at the instant of a promotion: whether the one that goes has failed, and whether the
 * one that comes is the right one. Judged by what is known from outside of each station of the
 * group (`known-station.ts`), in order of priority.
 * - `promotes-on-evidence`: something that happened speaks against the station that is replaced for
 *   failing.
 * - `promotes-the-first-fit`: nobody of higher priority was surely eligible.
 * - `unfit-is-not-promoted`: nor is the new one surely ineligible, unless nobody is eligible and
 *   the old one is silent; who is out of service on request is never promoted.
 * - `heard-since-is-promoted`: where the old one fell silent, the new one has been heard of after
 *   that.
 * - `failback-is-proven`: who goes back by itself, and is probed, has answered a probe since it
 *   failed, and the last one.
 */
import type { GatewayEvent } from "../../../gateway/src/compose.ts";
import type { Wrong } from "../detection/silence.ts";
import type { KnownStation } from "./known-station.ts";

export type Promoted = Extract<GatewayEvent, { readonly type: "promoted" }>;

/** A group whose gateway says that it promotes. */
export interface Scene {
  /** Every station by name, the primary first. */
  readonly stations: ReadonlyMap<string, KnownStation>;
  /** Is it known which heartbeats counted? */
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
 * Has one been heard since the other fell silent, if that one is? Where it is known what counted.
 */
export function heardSince({ lastBeatMs }: KnownStation, { silentSinceMs }: KnownStation): boolean {
  return silentSinceMs === undefined || lastBeatMs > silentSinceMs;
}

function unfounded({ group, station, from, evidence }: Promoted): string {
  const why = evidence.filter(({ verdict }) => verdict === "ineligible").map(({ detail }) => detail);
  return `${group}: ${station} replaced ${from} (${why.join("; ")}), and nothing that happened speaks against that one`;
}
