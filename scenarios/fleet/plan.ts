/**
 * Everything that one run of the fleet's world consists of, as plain data: drawn from a seed by the
 * swarm, or written by a scenario, or reduced by the shrinker. Everything that is random about the
 * shape of a run is fixed here before the run begins. What stays random later (the delay of a
 * message) comes from streams of its own.
 */
import type { DiskFaults, Fault, LinkConditions } from "ground-station-failover/sim";

/**
 * `even`: from half to one and a half of the mean. `exponential`: most are less than the mean, one
 * in fifty is four times as much. `two-kinds`: one in ten is five times as much as each of the
 * others. `heavy`: a Pareto tail of shape 2, up to twenty times.
 */
export type WorkShape = "even" | "exponential" | "two-kinds" | "heavy";

/** How the work of a group's commands differs. Absent in a plan: it does not differ. */
export interface WorkSpread {
  readonly shape: WorkShape;
  /**
   * Whether a command has more or less work at every station, or each attempt differs by chance.
   */
  readonly of: "commands" | "attempts";
}

/**
 * A fault of the service behind a station, which no network or machine fault can imitate. Instants
 * and durations in ms.
 */
export interface ServiceFault {
  readonly kind: "service";
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  /** Absent: for ever. */
  readonly forMs?: number;
  /**
   * `errors`: answers 500 and executes nothing. `busy`: the same with 429. `errors-after`:
   * executes, then answers 500. `lying-200`: answers 200 with an error in the body and executes
   * nothing. `hang`: never answers, executes nothing. `hang-after`: executes and never answers.
   * `slow`: answers `delayMs` later.
   */
  readonly mode: "errors" | "busy" | "errors-after" | "lying-200" | "hang" | "hang-after" | "slow";
  /** Share of commands that it strikes, 0..1. */
  readonly rate: number;
  readonly delayMs?: number;
}

/** An operator's action at a bad moment. */
export interface OperatorAction {
  readonly kind: "operator";
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  /** For maintenance: how long. */
  readonly forMs?: number;
  readonly action: "switchover" | "maintenance";
}

/**
 * An adversary replays up to `count` recorded heartbeats of a station, or recorded challenges to
 * it.
 */
export interface Replayed {
  readonly kind: "replayed-beats" | "replayed-challenges";
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  readonly count: number;
}

/** Sources of a group send `factor` times as many commands for a while. */
export interface Surge {
  readonly kind: "surge";
  readonly group: string;
  readonly atMs: number;
  readonly forMs: number;
  readonly factor: number;
}

/**
 * The gateway's own machine lacks a resource, so that new connections fail before anything is sent;
 * open connections go on. `descriptors`: EMFILE. `ports`: EADDRNOTAVAIL. `names`: EAI_AGAIN and
 * ENOTFOUND, until an address was found once. No station is at fault.
 */
export interface Shortage {
  readonly kind: "shortage";
  readonly resource: "descriptors" | "ports" | "names";
  readonly atMs: number;
  readonly forMs: number;
  /** Share of new connections that fail, 0..1. */
  readonly rate: number;
}

/**
 * From an instant on, and for good, a station takes `factor` times its usual time to answer each
 * command. The number of commands that it can take a second stays the same.
 */
export interface Slowdown {
  readonly kind: "slowdown";
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  readonly factor: number;
}

/**
 * A second process sends heartbeats under a station's name (a copied unit file), from a machine of
 * its own. It takes no commands.
 */
export interface Twin {
  readonly kind: "twin";
  readonly group: string;
  readonly station: string;
  readonly atMs: number;
  readonly forMs: number;
}

/**
 * Every fault of the fleet's world. The engine implements faults of machines, links, doors and
 * disks.
 */
export type FleetFault = Fault | ServiceFault | OperatorAction | Replayed | Surge | Slowdown | Shortage | Twin;

/** What one station can take, and how it behaves beyond that. */
export interface BreakingPoint {
  /**
   * How many commands at once run at full speed. More commands share the processor, and each takes
   * longer. At least 1, not always whole.
   */
  readonly parallelism: number;
  /**
   * The most commands that it accepts a second (a token bucket). Absent: it accepts all, however
   * slow it becomes.
   */
  readonly acceptsPerSecond?: number;
  /** Size of that bucket, in commands. */
  readonly burst?: number;
  /** What it answers when its bucket is empty. */
  readonly refusal?: Refusal;
  /**
   * Whether it stops work on commands whose callers have left. Default: it finishes every command
   * that it accepted.
   */
  readonly noticesHangUps?: boolean;
}

/** How a station refuses a command for lack of capacity. */
export interface Refusal {
  readonly status: 503 | 429;
  /** The cost of each refusal, as a share of a command. */
  readonly costRatio: number;
  /** `Retry-After`, in seconds; it may be far from the truth. Absent: the station sends none. */
  readonly retryAfterS?: number;
}

/**
 * How callers of a group behave, if they are not the careful callers that a plan has by default.
 */
export interface CallerHabits {
  /**
   * How long the caller waits for each sending; `GroupPlan.patienceMs` is what it tells the
   * gateway.
   */
  readonly patienceMs: number;
  /**
   * `closing`: the caller closes its connection. `silently`: the caller ignores the answer and
   * signals nothing.
   */
  readonly leaves: "closing" | "silently";
  /** How often a repeatable command is sent again after an error or a wait in vain. */
  readonly retries: number;
  readonly retryAfterMs: number;
  readonly uploads?: Uploads;
}

/** Requests with bodies that take long to arrive; the caller's patience begins when they have. */
interface Uploads {
  /** Share of the commands with an effect, 0..1. */
  readonly ratio: number;
  readonly forMs: number;
  /** Share of them that the caller cuts off half-way, 0..1. */
  readonly cutRatio: number;
}

/** A part of a group's interface with its own behaviour, the same at each of its stations. */
export interface RoutePlan {
  readonly name: string;
  /** Share of the group's commands, 0..1. */
  readonly ratio: number;
  /** Work of one command. Absent: the same as the group's other commands. */
  readonly serviceMs?: number;
  /**
   * The command is wrong by its own fault, and every station answers so. Absent: it is executed.
   */
  readonly answers?: OwnError;
}

/** An answer that is a command's own fault; 200 stands for an answer with an error in its body. */
export interface OwnError {
  readonly status: 200 | 404 | 408 | 429 | 500 | 501 | 502 | 503 | 504;
  readonly retryAfterS?: number;
}

/** The load of a group and what its stations can take. */
export interface GroupPlan {
  /** As in the configuration. */
  readonly name: string;
  readonly commandsPerSecond: number;
  /** How many sources share that load. */
  readonly sources: number;
  /**
   * Share of commands that carry an idempotency key. Their source sends all other commands once.
   */
  readonly keyedRatio: number;
  /** Share of commands that only read (GET), and have no effect. */
  readonly readRatio: number;
  /**
   * How long a source waits, as stated in its header; absent: the source does not state it, and the
   * group's own deadline holds.
   */
  readonly patienceMs?: number;
  /**
   * How often a source sends a command with a key again when its gateway is lost, or does not
   * answer in time.
   */
  readonly sourceRetries: number;
  /** How long a station works on a command, and on how many at once. */
  readonly serviceMs: number;
  readonly lanes: number;
  /** How the work of commands differs. */
  readonly spread?: WorkSpread;
  /**
   * Sources send for a time and then are all silent for a time, over and over. Absent: they never
   * rest.
   */
  readonly bursts?: Bursts;
  /**
   * Share of its heartbeats that the path loses on an ordinary day; streams lose nothing then.
   * Default 0.
   */
  readonly beatLossRate?: number;
  /** No fault of the plan touches it: then nothing at all may go wrong there. */
  readonly calm: boolean;
  /** By station. A station without one has `lanes` and an unbounded queue before them. */
  readonly breakingPoints?: Readonly<Record<string, BreakingPoint>>;
  /**
   * Absent: careful callers, which wait for as long as they state and repeat only commands that
   * their gateway lost.
   */
  readonly callers?: CallerHabits;
  /** Besides the route of all other commands. */
  readonly routes?: readonly RoutePlan[];
}

/**
 * Whether `plan` has callers, stations or routes of the wide world, which the sums of
 * `plan-bounds.ts` do not cover.
 */
export function isWide({ breakingPoints, callers, routes }: GroupPlan): boolean {
  return breakingPoints !== undefined || callers !== undefined || routes !== undefined;
}

/** How sources of a group alternate between sending and rest, in ms. */
interface Bursts {
  readonly forMs: number;
  readonly restMs: number;
}

/**
 * Phases of a run, each a duration in ms: warm-up, chaos, (then everything is healed that should
 * be), drain, verify.
 */
export interface Phases {
  readonly warmUpMs: number;
  readonly chaosMs: number;
  readonly drainMs: number;
  readonly verifyMs: number;
}

export interface FleetPlan {
  /** In any order; each is independent and can be left out. */
  readonly faults: readonly FleetFault[];
  /** As an operator would write it (docs/guide/configuration.md); read by the production parser. */
  readonly configuration: WrittenConfiguration;
  /**
   * Configurations that are wrong on purpose, as text: the parser must refuse each of them
   * completely (a sentence for each problem), and the run goes on with the good one.
   */
  readonly brokenConfigurations: readonly string[];
  /** One for each group of the configuration, in its order. */
  readonly groups: readonly GroupPlan[];
  readonly phases: Phases;
  /** The conditions between any two machines, before faults. */
  readonly network: Partial<LinkConditions>;
  readonly disks?: Partial<DiskFaults>;
  /** The gateway keeps state on its disk. Absent: nothing outlives its process. */
  readonly keepsState?: true;
  /** Rates of the machines' clocks by node; 1 if absent. */
  readonly clockRates: Readonly<Record<string, number>>;
  /**
   * Nodes that are never healed, nor anything that touches them: dead for ever. Each group keeps a
   * core that can serve.
   */
  readonly lostForEver: readonly string[];
  /** The gateway has a store, and keeps the answers of keys. Absent: it has none. */
  readonly keepsAnswers?: boolean;
  /**
   * Share of the answered commands with a key that their source sends again some seconds later,
   * some of them as another request. Absent: none.
   */
  readonly asksAgainRatio?: number;
}

/**
 * The configuration file as data. Only the fields that worlds vary are typed; the parser knows all
 * of them.
 */
export interface WrittenConfiguration {
  readonly heartbeats?: { readonly secretEnv: string };
  readonly groups: readonly WrittenGroup[];
}

export interface WrittenGroup {
  readonly name: string;
  readonly listen: string;
  readonly stations: readonly { readonly name: string; readonly url: string; readonly capacityPerSecond?: number }[];
  readonly [section: string]: unknown;
}

/** Whether a second process ever sends heartbeats as this station. */
export function hasTwin({ faults }: FleetPlan, group: string, station: string): boolean {
  return faults.some((fault) => fault.kind === "twin" && fault.group === group && fault.station === station);
}

/** When the chaos ends and everything except `lostForEver` is healed. */
export function healedAtMs({ phases }: FleetPlan): number {
  return phases.warmUpMs + phases.chaosMs;
}

/** When the commands begin that are checked for service after healing. */
export function verifyFromMs(plan: FleetPlan): number {
  return healedAtMs(plan) + plan.phases.drainMs;
}

/**
 * When a run ends. Sources stop a little earlier (`QUIET_MS`), so that no command is still under
 * way.
 */
export function endsAtMs(plan: FleetPlan): number {
  return verifyFromMs(plan) + plan.phases.verifyMs;
}

/** Names of nodes. */
export const GATEWAY = "gateway";
export const ADVERSARY = "adversary";
export const stationNode = (group: string, station: string): string => `${group}/${station}`;
export const twinNode = (group: string, station: string): string => `${group}/${station}-twin`;
export const spacecraftNode = (group: string): string => `${group}/craft`;
export const sourceNode = (group: string, place: number): string => `${group}/source-${place + 1}`;

const FIRST_GROUP_PORT = 8_080;

/** The port on which callers of the group at `place` connect. */
export function groupPort(place: number): number {
  return FIRST_GROUP_PORT + place;
}

/**
 * The target of a command's request. The command's id is not part of the route by which a gateway
 * tells kinds of requests apart (`gateway/src/fleet/command.ts`).
 */
export function targetOf({ id, route }: { readonly id: string; readonly route: RoutePlan | undefined }): string {
  return `/commands/${route?.name ?? ""}?id=${id}`;
}

/** The id of the command that a request is about. */
export function commandIn(target: string): string {
  return target.slice(target.lastIndexOf("=") + 1);
}
