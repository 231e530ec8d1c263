/**
 * Draws a fault list for one seed. A run with a little of every fault hides what a run with one
 * severe fault shows. So each family of faults is off in four seeds of ten. If it is on, its
 * strength (how many, how long, how severe) is drawn from harmless to absurd, each order of
 * magnitude equally likely (swarm testing: Groce et al., ISSTA 2012; swizzling is FoundationDB's:
 * links stop one by one and come back in another order).
 *
 * Each family has a stream of its own, so that a new or changed family leaves the faults of the
 * others as they were. This file does not know what a system can survive: its caller says which
 * nodes, families and times are allowed.
 */
import { ConfigurationError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import { checked, checkNames, type Names, refusal } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { chance } from "./draws.ts";
import type { Fault } from "./fault.ts";
import { FAMILIES, type FaultFamily, type Link, Stage } from "./fault-families.ts";

/** Options of a drawn list of faults. */
export interface SwarmOptions {
  /** The names of the nodes that may suffer. At least one; no default. */
  readonly nodes: readonly string[];
  /**
   * Directions that may suffer; an empty list for none. Default: all between `nodes`, because a
   * network fault may strike any node.
   */
  readonly links?: readonly Link[] | undefined;
  /** No fault begins before this instant. In ms of true time, from 0; no default. */
  readonly fromMs: number;
  /**
   * No fault lasts beyond this instant, except those that last for ever. In ms of true time, above
   * `fromMs`; no default. Messages in a clog, a delay or a narrow line may arrive later still.
   */
  readonly untilMs: number;
  /** The allowed families; names of {@link FAULT_FAMILIES}. Default: all. */
  readonly families?: readonly FaultFamily[] | undefined;
  /**
   * Families that are on in every seed. Default: none, so that each seed lacks some, and the others
   * are seen without them.
   */
  readonly pinned?: readonly FaultFamily[] | undefined;
  /**
   * Share of the faults that never end by themselves (`healAll` ends them); 0 … 1. Default 0.05:
   * enough for most batches to have some, and few enough for most worlds to heal.
   */
  readonly foreverRate?: number | undefined;
}

/** All families, in the order in which their faults appear in a list. */
export const FAULT_FAMILIES: readonly FaultFamily[] = Object.keys(FAMILIES) as FaultFamily[];

const OPTIONS: Names<SwarmOptions> = {
  nodes: true,
  links: true,
  fromMs: true,
  untilMs: true,
  families: true,
  pinned: true,
  foreverRate: true,
};

/**
 * Draws a plain list of faults for `inject`, family by family. The same random stream and options
 * give the same list.
 *
 * @example
 * ```ts
 * import { seededRandom } from "ground-station-failover";
 * import { drawFaults } from "ground-station-failover/sim";
 *
 * const options = { nodes: ["north", "south"], fromMs: 0, untilMs: 60_000 };
 * const faults = drawFaults(seededRandom(7), options);
 * const again = drawFaults(seededRandom(7), options);
 * console.log(JSON.stringify(faults) === JSON.stringify(again)); // true
 * ```
 */
export function drawFaults(random: Random, options: SwarmOptions): Fault[] {
  if (typeof random?.fork !== "function") throw refusal("drawFaults", "random", random, "a stream of chance (Random)");
  checkNames("drawFaults", options, OPTIONS);
  for (const option of ["nodes", "links", "families", "pinned"] as const) {
    const given = options[option];
    if (!Array.isArray(given) && (option === "nodes" || given !== undefined))
      throw refusal("drawFaults", option, given, "a list");
  }
  const { nodes, links, families = FAULT_FAMILIES, pinned = [] } = options;
  if (nodes.length === 0)
    throw new ConfigurationError("out-of-range", "drawFaults: nodes is empty; name at least one.");
  for (const family of [...families, ...pinned]) {
    if (Object.hasOwn(FAMILIES, family)) continue;
    const meant = nearestName(String(family), FAULT_FAMILIES);
    const advice = meant === undefined ? `there are ${FAULT_FAMILIES.join(", ")}.` : `did you mean "${meant}"?`;
    throw new ConfigurationError("out-of-range", `drawFaults: there is no family "${family}"; ${advice}`);
  }
  const fromMs = checked("drawFaults", "fromMs", options.fromMs, { min: 0, max: LATEST_MS });
  const untilMs = checked("drawFaults", "untilMs", options.untilMs, { min: fromMs, max: LATEST_MS, aboveMin: true });
  const foreverRate = checked("drawFaults", "foreverRate", options.foreverRate ?? 0.05, { min: 0, max: 1 });
  const faults: Fault[] = [];
  for (const family of FAULT_FAMILIES) {
    const draws = random.fork(`faults/${family}`);
    const off = chance(draws, OFF_RATE) || !families.includes(family);
    if (off && !pinned.includes(family)) continue;
    faults.push(...FAMILIES[family](new Stage(draws, { nodes, links, fromMs, untilMs, foreverRate })));
  }
  return faults;
}

/** A family is off in this share of the seeds: then the others are seen without it. */
const OFF_RATE = 0.4;
const LATEST_MS: number = Number.MAX_SAFE_INTEGER;
