/**
 * Builds configurations and plans from the few values that a scenario gives. Names, ports and
 * addresses are filled in here; everything left out of a section has the product's own default;
 * everything left out of a plan is an ordinary day. This file knows which values are required, not
 * which are sensible; `swarm.ts` draws them.
 */
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";
import type { FleetPlan, GroupPlan, WrittenConfiguration, WrittenGroup } from "../fleet/plan.ts";

/**
 * The sections of a group as an operator writes them (docs/guide/configuration.md); one left out
 * has its defaults.
 */
export interface WrittenSections {
  readonly heartbeat?: WrittenHeartbeat;
  readonly detector?: Written<GroupSettings["detector"] & GroupSettings["supervisor"]>;
  readonly commands?: Written<Omit<GroupSettings["commands"], "maxWorking" | "deadlineHeader" | "keyStatus">>;
  readonly retry?: Written<GroupSettings["retry"]>;
  readonly breaker?: Written<GroupSettings["breaker"]>;
  readonly commandPath?: Written<GroupSettings["commandPath"]>;
  readonly failback?: Written<GroupSettings["failback"]>;
  readonly probePath?: string;
}

/** Settings as they are written: each may be left out, and the value carries its unit. */
type Written<Settings> = {
  readonly [Name in keyof Settings as Name extends `${infer Plain}Ms` ? Plain : Name]?: Name extends `${string}Ms`
    ? Duration
    : NonNullable<Settings[Name]>;
};

/** Milliseconds, or a number with a unit: `250ms`, `1.5s`. */
type Duration = number | string;

export type WrittenHeartbeat =
  | { readonly kind: "udp"; readonly interval?: Duration }
  | { readonly kind: "http"; readonly interval?: Duration; readonly path: string; readonly timeout?: Duration };

/** A group as a scenario describes it. */
export interface GroupDraft extends WrittenSections {
  readonly name: string;
  /** How many, or their names, the primary first. Default 2: `primary` and `backup`. */
  readonly stations?: number | readonly string[];
  /** The capacity that each of them declares. Default: none. */
  readonly capacityPerSecond?: number;
}

const STATION_NAMES: readonly string[] = ["primary", "backup", "backup-2", "backup-3"];
/**
 * Some worlds have slow heartbeats, paths that lose many of them, and callers with much time: this
 * is longer than any takeover that their settings allow.
 */
const OBJECTIVE = "10m";
const FIRST_LISTEN_PORT = 8_080;
const STATION_URL_PORT = 9_001;
/** The variable in which the fleet's world keeps its secret. */
export const SECRET_ENV = "GSF_HEARTBEAT_SECRET";

/** The configuration file for these groups, with every address filled in. */
export function configurationOf(groups: readonly GroupDraft[]): WrittenConfiguration {
  const pushed = groups.some(({ heartbeat }) => heartbeat?.kind !== "http");
  return { ...(pushed ? { heartbeats: { secretEnv: SECRET_ENV } } : {}), groups: groups.map(writtenGroup) };
}

function writtenGroup({ name, stations = 2, capacityPerSecond, ...sections }: GroupDraft, place: number): WrittenGroup {
  const names = typeof stations === "number" ? STATION_NAMES.slice(0, stations) : stations;
  return {
    name,
    listen: `127.0.0.1:${FIRST_LISTEN_PORT + place}`,
    ...(mayBeSlow(sections) ? { objective: OBJECTIVE } : {}),
    stations: names.map((station, rank) => ({
      name: station,
      url: `http://10.0.${place}.${rank + 1}:${STATION_URL_PORT}`,
      ...(capacityPerSecond === undefined ? {} : { capacityPerSecond }),
    })),
    ...sections,
  };
}

/** Are there settings that a takeover may take longer with? Otherwise the default has to do. */
function mayBeSlow({ heartbeat, detector, commands, retry, breaker, commandPath }: WrittenSections): boolean {
  const written = [heartbeat?.interval, detector, commands, retry, breaker, commandPath];
  return written.some((section) => section !== undefined);
}

/**
 * A group's load and stations on an ordinary day: 10 commands a second, four fifths with a key, a
 * tenth of its capacity.
 */
const ORDINARY_GROUP: Omit<GroupPlan, "name"> = {
  commandsPerSecond: 10,
  sources: 2,
  keyedRatio: 0.8,
  readRatio: 0.1,
  sourceRetries: 1,
  serviceMs: 20,
  lanes: 4,
  calm: false,
};

/** What a scenario says about its plan; `groups` are changes to {@link ORDINARY_GROUP} by name. */
export interface PlanDraft extends Partial<Omit<FleetPlan, "groups">> {
  readonly groups?: readonly (Partial<GroupPlan> & { readonly name: string })[];
}

/**
 * The plan of an ordinary minute without faults, changed as `draft` says. Without a configuration:
 * one group of two stations.
 */
export function planOf({ groups = [], ...draft }: PlanDraft): FleetPlan {
  const configuration = draft.configuration ?? configurationOf([{ name: "atlantic" }]);
  return {
    faults: [],
    configuration,
    brokenConfigurations: [],
    phases: { warmUpMs: 10_000, chaosMs: 20_000, drainMs: 30_000, verifyMs: 30_000 },
    network: {},
    clockRates: {},
    lostForEver: [],
    ...draft,
    groups: configuration.groups.map(({ name }) => ({
      ...ORDINARY_GROUP,
      name,
      ...groups.find((group) => group.name === name),
    })),
  };
}
