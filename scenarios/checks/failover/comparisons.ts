/**
 * `comparisons-are-few`: bounds what another station is sent while the active one still serves. If
 * calls are not served, a new command may go to another station to show whether that station serves
 * it. An idle station is sent nothing else without a cause of its own (docs/guide/failover.md). The
 * bounds are:
 * - one comparison at a time, and only while nothing else is out there;
 * - one every 250 ms, which is four a second;
 * - each needs three commands in a row that the active station did not serve, and uses one of them
 *   up. So after `n` unserved commands, at most `n` - 2 comparisons have been answered.
 *
 * A success of the active station ends this count. A comparison that is out then belongs to the
 * time before: its kind of command need not be among the unserved ones after it, so it uses none of
 * them up. If three of the active station's last forty commands were late (answered or not), or the
 * station serves some commands and fails others, a comparison needs no more than that.
 *
 * Only commands are judged that no station has had before, and that nothing else sends away from
 * the active station. Such causes are a doubt, a declaration, an open circuit, maintenance, a
 * failback, a gateway that abstains or finds no station eligible (if something known from outside
 * may support that: `surely-fit.ts`), and a request of the active station to be left alone
 * (`Retry-After`). Some of these are reported after their consequences, in the same step.
 */
import type { Fleet } from "../../fleet/fleet.ts";
import type { Attempt, FleetObserver } from "../../fleet/observer.ts";
import type { DocumentedGroup } from "../documented.ts";
import { documentedGroups, LEAST_WORTH_A_SECOND_MS } from "../documented.ts";
import { succeeded } from "../load/offered-load.ts";
import { judged } from "../not-judged.ts";
import { PerStation } from "../per-station.ts";
import { livingGateway, lookAround } from "../status-round.ts";
import { WaysOfCalls } from "./ways-of-calls.ts";

const INVARIANT = "comparisons-are-few";
/** docs/guide/failover.md: the shortest time between two comparisons, … */
const EVERY_MS = 250;
/** … for which this many commands in a row were not served. */
const WORTH_COMPARING = 3;
/** How long a station that asks to be left alone is left alone at most. */
const LONGEST_PAUSE_MS = 1_000;
const ROUNDING_MS = 1e-6;

/** What a station was sent under the running gateway process. */
class Sent {
  readonly out: Set<Attempt> = new Set();
  /** When the commands that it did not serve were sent, since the last one that it served. */
  unservedFromMs: number[] = [];
  refusedAtMs: number = Number.NEGATIVE_INFINITY;
}

/** The comparisons of a group since its active station last served a command. */
class Compared {
  active: string;
  lastMs: number = Number.NEGATIVE_INFINITY;
  answered = 0;
  readonly out: Set<Attempt> = new Set();

  constructor(active: string) {
    this.active = active;
  }

  /** The active station has served a command. */
  beginAnew(): void {
    this.answered = 0;
    this.out.clear();
  }
}

export function comparisons(fleet: Fleet): FleetObserver {
  const { world } = fleet;
  const settings = documentedGroups(fleet);
  const served = (attempt: Attempt): boolean =>
    succeeded(attempt, (settings.get(attempt.group) as DocumentedGroup).commands.errorBody);
  const ways = new WaysOfCalls(fleet, served);
  const stations = new PerStation(() => new Sent());
  const groups: Map<string, Compared> = new Map();
  const of = (group: string): Compared => {
    const known = groups.get(group) ?? new Compared(settings.get(group)?.stations[0]?.name ?? "");
    groups.set(group, known);
    return known;
  };
  let running = 1;
  const localMs = (): number => fleet.gateway?.nowMs() ?? world.nowMs;
  const isLeftAlone = (group: string, active: string, nowMs: number): boolean =>
    nowMs - stations.of(group, active).refusedAtMs <= LONGEST_PAUSE_MS ||
    ways.mayBeUnfit(group, active, livingGateway(fleet)?.gateway.groups.get(group)?.status);
  return {
    gatewayStarted(process) {
      running = process.incarnation;
      ways.clear(process);
      stations.clear();
      groups.clear();
    },
    commandArrived: ({ command }) => ways.arrived(command),
    commandAnswered({ command, incarnation }) {
      if (incarnation === running) ways.answered(command);
    },
    gatewayEvent(event) {
      ways.heard(event);
      if (event.type !== "promoted") return;
      const { lastMs } = of(event.group);
      const compared = new Compared(event.station);
      compared.lastMs = lastMs;
      groups.set(event.group, compared);
      stations.of(event.group, event.station).unservedFromMs = [];
    },
    attemptBegan(attempt) {
      const { group, station } = attempt;
      const compared = of(group);
      const { active } = compared;
      const nowMs = localMs();
      if (
        station !== active &&
        ways.isNewAndUnexplained(attempt, active, nowMs) &&
        !isLeftAlone(group, active, nowMs)
      ) {
        const wrong = wrongWith(attempt, compared, stations, ways, nowMs);
        // The event that explains it may be reported in this same step.
        world.at(world.nowMs, () => {
          if (of(group).active !== active || !ways.isNewAndUnexplained(attempt, active, nowMs)) return;
          if (isLeftAlone(group, active, nowMs)) return;
          judged(world, INVARIANT);
          if (wrong !== undefined)
            world.violate(INVARIANT, `${group}: ${attempt.command.id} goes to ${station}, ${wrong}`);
          compared.lastMs = nowMs;
          compared.out.add(attempt);
        });
      }
      stations.of(group, station).out.add(attempt);
      ways.began(attempt);
    },
    attemptEnded(attempt) {
      const { group, station, incarnation, localMs: fromMs, signal, status } = attempt;
      if (incarnation !== running) return;
      ways.ended(attempt, localMs() - attempt.judgedFromLocalMs);
      const sent = stations.of(group, station);
      const compared = of(group);
      sent.out.delete(attempt);
      if (compared.out.delete(attempt) && !signal.aborted) compared.answered++;
      if (status === 503 || status === 429) sent.refusedAtMs = localMs();
      if (!served(attempt)) sent.unservedFromMs.push(fromMs);
      else {
        // A late success proves nothing about what was sent after it.
        sent.unservedFromMs = sent.unservedFromMs.filter((one) => one > fromMs);
        if (station === compared.active) compared.beginAnew();
      }
    },
    tick() {
      const look = lookAround(fleet);
      if (look !== undefined) ways.looked(look);
    },
  };
}

/** Why a comparison must not be sent at `nowMs`, in words; undefined if it may be. */
function wrongWith(
  { group, station }: Attempt,
  { active, lastMs, answered }: Compared,
  stations: PerStation<Sent>,
  ways: WaysOfCalls,
  nowMs: number,
): string | undefined {
  const beside = [...stations.of(group, station).out].filter(({ signal }) => !signal.aborted).length;
  if (beside > 0) return `which is not active, beside ${beside} that are out there`;
  const sinceMs = nowMs - lastMs;
  if (sinceMs < EVERY_MS - ROUNDING_MS)
    return `which is not active, ${Math.round(sinceMs)} ms after the last comparison`;
  const { out, unservedFromMs } = stations.of(group, active);
  const isLong = ({ judgedFromLocalMs }: Attempt): boolean => nowMs - judgedFromLocalMs >= LEAST_WORTH_A_SECOND_MS;
  const unserved = unservedFromMs.length + [...out].filter(isLong).length;
  if (answered + WORTH_COMPARING <= unserved || ways.areAmiss(group, active, nowMs)) return undefined;
  return `which is not active, after ${answered} comparisons for ${unserved} commands that ${active} did not serve`;
}
