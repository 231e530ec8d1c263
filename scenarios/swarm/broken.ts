/**
 * Makes a plan's configuration wrong, as text. Each entry of the table is one mistake of an
 * operator, from a misspelt field to two groups on one port, and the parser must refuse each of
 * them. Some texts have two mistakes at once, because a parser that stops at the first mistake, or
 * overlooks one beside another, has a defect too.
 */
import type { Random } from "ground-station-failover";
import { chance, pick, wholeBetween } from "ground-station-failover/sim";
import type { WrittenConfiguration } from "../fleet/plan.ts";

/** A configuration before the mistakes are made in it. */
type Draft = Record<string, unknown> & { groups: GroupDraft[] };
type GroupDraft = Record<string, unknown> & { stations: Record<string, unknown>[] };

/** Makes one mistake in `draft`; `group` is the group for mistakes that belong to a group. */
type Mistake = (draft: Draft, group: GroupDraft, random: Random) => void;

/**
 * Values that a field refuses: below its range, above it, and of another type. They are not taken
 * from the product's schema: with wrong bounds there, the values here would be wrong in the same
 * way.
 */
const OUT_OF_RANGE: Readonly<Record<string, readonly unknown[]>> = {
  "heartbeat.interval": [0, -50, "4ms", "2h", "soon", null, true],
  "detector.model": ["gaussian", "", 7, null],
  "detector.windowSize": [0, 9, 10_001, 20.5, "200"],
  "detector.threshold": [0, -8, 101, "8", null],
  "detector.suspectThreshold": [0, 0.09, 101, "5"],
  "detector.logThreshold": [0, 0.09, 101, "3"],
  "detector.clearThreshold": [0, 0.009, 101, [2]],
  "detector.minDeviation": [0, "2h", -1, "50 parsecs"],
  "detector.ceiling": [0, 9, "2h"],
  "detector.sustain": [-1, "61m"],
  "detector.minDwell": [-1, "61m", {}],
  "detector.gracePeriod": [-5, "1d"],
  "commands.timeout": [0, "2h", "1 fortnight"],
  "commands.deadline": [0, "2h", -15],
  "commands.maxWait": [-1, "61m"],
  "commands.maxWaiting": [-1, 1.5, 1e7, "10000"],
  "commands.maxConcurrent": [0, -1, 2.5, 1e7],
  "commands.ambiguousKeyed": ["retry", true, ""],
  "commands.errorBody": ["yes", 1, null],
  "retry.maxAttempts": [0, 101, 2.5],
  "retry.base": [0, "2h"],
  "retry.budgetRatio": [-0.1, 1.1, "10%"],
  "retry.budgetWindow": [99, "2h"],
  "breaker.failureRateThreshold": [0, 1.01, -0.5, "half"],
  "breaker.minimumVolume": [0, 0.5, 1e7],
  "breaker.window": [99, "2h"],
  "breaker.openDuration": [9, "2h"],
  "commandPath.failingFor": [-1, "2h"],
  "commandPath.minFailures": [0, 1.5, 1e7],
  "commandPath.refusalsToDeclare": [0, -1, 1e7],
  "commandPath.unansweredAfter": [-1, "2h"],
  "failback.mode": ["auto", 0, null],
  "failback.holdDown": [-1, "25h"],
};

const MISTAKES: Readonly<Record<string, Mistake>> = {
  "a value out of its range": (_draft, group, random) => {
    const field = pick(random, Object.keys(OUT_OF_RANGE));
    const [section, name] = field.split(".") as [string, string];
    group[section] = { ...sectionOf(group, section), [name]: pick(random, OUT_OF_RANGE[field] as unknown[]) };
  },
  "an unknown field at the top": (draft) => {
    draft["group"] = [];
  },
  "an unknown field in a group": (_draft, group) => {
    group["stattions"] = [];
  },
  "an unknown field in a section": (_draft, group, random) => {
    const section = pick(random, ["heartbeat", "detector", "commands", "retry", "breaker", "commandPath", "failback"]);
    group[section] = { ...sectionOf(group, section), timeOut: "1s" };
  },
  "an unknown field in a station": (_draft, group, random) => {
    pick(random, group.stations)["weight"] = 3;
  },
  "a section of another type": (_draft, group, random) => {
    const section = pick(random, ["heartbeat", "detector", "commands", "retry", "breaker", "commandPath", "failback"]);
    group[section] = pick(random, [7, "fast", [], true, null]);
  },
  "no groups": (draft) => {
    draft.groups = [];
  },
  "groups of another type": (draft) => {
    draft["groups"] = { atlantic: {} } as never;
  },
  "a group without a name": (_draft, group) => {
    delete group["name"];
  },
  "a group with an odd name": (_draft, group, random) => {
    group["name"] = pick(random, ["", "-a", "a b", "ä", 7, "a/b"]);
  },
  "a group without an address": (_draft, group) => {
    delete group["listen"];
  },
  "a group with an odd address": (_draft, group, random) => {
    group["listen"] = pick(random, ["8080", "127.0.0.1", "127.0.0.1:65536", ":-1", 8_080, "::1:80"]);
  },
  "one station": (_draft, group) => {
    group.stations = group.stations.slice(0, 1);
  },
  "no stations": (_draft, group) => {
    group.stations = [];
  },
  "a station without an address": (_draft, group, random) => {
    delete pick(random, group.stations)["url"];
  },
  "a station with an odd address": (_draft, group, random) => {
    const odd = [
      "10.0.0.1:9001",
      "ftp://10.0.0.1:21",
      "http://10.0.0.1:9001/path",
      "http://a:b@10.0.0.1",
      "http://x?y",
      9_001,
    ];
    pick(random, group.stations)["url"] = pick(random, odd);
  },
  "a capacity out of its range": (_draft, group, random) => {
    pick(random, group.stations)["capacityPerSecond"] = pick(random, [0, 0.5, -1, 2e9, "100"]);
  },
  "stations with one name": (_draft, { stations }) => {
    last(stations)["name"] = stations[0]?.["name"];
  },
  "stations with one address": (_draft, { stations }) => {
    last(stations)["url"] = stations[0]?.["url"];
  },
  "groups with one name": (draft, group) => {
    draft.groups.push({ ...structuredClone(group), listen: "127.0.0.1:8099" });
  },
  "groups on one port": (draft, group) => {
    draft.groups.push({ ...structuredClone(group), name: "another" });
  },
  "a group on the control port": (draft, group) => {
    draft["control"] = { listen: group["listen"] };
  },
  "a station that is the gateway": (_draft, group, random) => {
    pick(random, group.stations)["url"] = `http://${String(group["listen"])}`;
  },
  "control for everybody": (draft) => {
    draft["control"] = { listen: ":7070" };
  },
  "control for everybody, allowed": (draft) => {
    draft["control"] = { listen: ":7070", allowRemote: true };
  },
  "a timeout over the deadline": (_draft, group) => {
    group["commands"] = { ...sectionOf(group, "commands"), timeout: "3s", deadline: "2s" };
  },
  "a back-off over the deadline": (_draft, group) => {
    group["commands"] = { ...sectionOf(group, "commands"), timeout: "1s", deadline: "2s" };
    group["retry"] = { ...sectionOf(group, "retry"), base: "2s" };
  },
  "a probe that outlasts its interval": (_draft, group) => {
    group["heartbeat"] = { kind: "http", path: "/healthz", interval: "1s", timeout: "1001ms" };
  },
  "probes without a path": (_draft, group) => {
    group["heartbeat"] = { kind: "http" };
  },
  "heartbeats of an unknown kind": (_draft, group) => {
    group["heartbeat"] = { kind: "tcp", interval: "1s" };
  },
  "a ceiling below two intervals": (_draft, group) => {
    group["heartbeat"] = { kind: "udp", interval: "1s" };
    group["detector"] = { ...sectionOf(group, "detector"), ceiling: "1999ms" };
  },
  "a window for a model without one": (_draft, group) => {
    group["detector"] = { ...sectionOf(group, "detector"), model: "adaptive", windowSize: 200 };
  },
  "suspicion above declaration": (_draft, group) => {
    group["detector"] = { ...sectionOf(group, "detector"), threshold: 8, suspectThreshold: 8.1 };
  },
  "clearing above suspicion": (_draft, group, random) => {
    const clearThreshold = pick(random, [5, 6]);
    group["detector"] = { ...sectionOf(group, "detector"), threshold: 8, suspectThreshold: 5, clearThreshold };
  },
  "a replay limit over the request limit": (_draft, group) => {
    group["limits"] = { request: "1KiB", replay: "2KiB" };
  },
  "a size out of its range": (_draft, group, random) => {
    group["limits"] = { [pick(random, ["request", "replay", "reply"])]: pick(random, [-1, "2GiB", "1.5B", "huge"]) };
  },
  "an odd probe path": (_draft, group, random) => {
    group["probePath"] = pick(random, ["healthz", "", "/a b", 7]);
  },
  "heartbeats that nobody hears": (draft, group) => {
    group["heartbeat"] = { kind: "udp" };
    delete draft["heartbeats"];
  },
  "a secret that is not there": (draft) => {
    draft["heartbeats"] = { secretEnv: "GSF_NO_SUCH_SECRET" };
  },
  "no secret": (draft) => {
    draft["heartbeats"] = {};
  },
  "two secrets": (draft) => {
    draft["heartbeats"] = { secretEnv: "GSF_HEARTBEAT_SECRET", secretFile: "beat.secret" };
  },
  "an empty secret": (draft) => {
    draft["heartbeats"] = { secretFile: "empty.secret" };
  },
  "a drain out of its range": (draft, _group, random) => {
    draft["drain"] = pick(random, [-1, "2h", "later"]);
  },
};

/** The names of all mistakes. */
export const MISTAKE_NAMES: readonly string[] = Object.keys(MISTAKES);

/** Mistakes in the text itself. */
const GARBLED: readonly ((text: string) => string)[] = [
  (text) => text.slice(0, -2),
  (text) => text.replace(":", ": :"),
  (text) => `${text}\n}`,
  () => "",
  () => "[]",
  () => "just words",
  () => "\t- :\n  :",
];

/** Up to two texts, each with one mistake or two. */
export function drawBroken(random: Random, configuration: WrittenConfiguration): string[] {
  return Array.from({ length: wholeBetween(random, 0, 2) }, (_, place) =>
    brokenOnce(random.fork(`${place}`), configuration),
  );
}

function brokenOnce(random: Random, configuration: WrittenConfiguration): string {
  const garbled = chance(random, 0.1);
  const garble = pick(random, GARBLED);
  if (garbled) return garble(JSON.stringify(configuration));
  const names = chance(random, 0.3)
    ? [pick(random, MISTAKE_NAMES), pick(random, MISTAKE_NAMES)]
    : [pick(random, MISTAKE_NAMES)];
  return withMistakes(random, configuration, names);
}

/**
 * `configuration` as text, with these mistakes in it. They are made one after the other, and one is
 * left out if the earlier ones leave no room for it.
 */
export function withMistakes(random: Random, configuration: WrittenConfiguration, names: readonly string[]): string {
  const draft = structuredClone(configuration) as unknown as Draft;
  for (const name of names) {
    const groups = Array.isArray(draft.groups) ? draft.groups : [];
    if (groups.some(({ stations }) => stations.length === 0) || groups.length === 0) break;
    const group = pick(random.fork(`where/${name}`), groups);
    (MISTAKES[name] as Mistake)(draft, group, random.fork(name));
  }
  return JSON.stringify(draft);
}

function sectionOf(group: GroupDraft, section: string): object {
  const known = group[section];
  if (typeof known === "object" && known !== null) return known;
  return section === "heartbeat" ? { kind: "udp" } : {};
}

function last<Item>(items: readonly Item[]): Item {
  return items.at(-1) as Item;
}
