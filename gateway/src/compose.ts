/**
 * Composes the whole gateway from its arguments, without a socket, timer or entropy of its own:
 * production passes in sockets (`main.ts`), a simulation passes in a simulated world. It only
 * constructs and connects parts.
 */
import type { Clock, Random } from "ground-station-failover";
import { ObserverHealth } from "ground-station-failover";
import type { AsyncCommands, AsyncParts } from "./fleet/async/async-commands.ts";
import { CommandsOfGroups } from "./fleet/async/commands-of-groups.ts";
import type { DurableEpochs } from "./fleet/durable-epochs.ts";
import { Group, type GroupStatus } from "./fleet/group.ts";
import type { GroupEvent } from "./fleet/group-events.ts";
import { GroupSet, type PreparedGroups } from "./fleet/group-set.ts";
import type { BeatAdmission, StationBeat } from "./fleet/heartbeat-sessions.ts";
import { HeartbeatSessions } from "./fleet/heartbeat-sessions.ts";
import { IdempotencyLedger } from "./fleet/ledger/idempotency-ledger.ts";
import type { Digest } from "./fleet/ledger/request-identity.ts";
import type { RecordStore } from "./fleet/record-store.ts";
import type { GatewaySettings, GroupSettings, StationSettings } from "./fleet/settings.ts";
import type { Uplink } from "./fleet/uplink.ts";

export interface GatewayParts {
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  /** Randomness for jitter; each group gets its own fork. */
  readonly random: Random;
  /** Creates the uplink to a station. */
  readonly uplink: (group: GroupSettings, station: StationSettings) => Uplink;
  /** Called with an uplink that gets no more commands (see `GroupParts`). Default: none. */
  readonly onUplinkLeft?: (uplink: Uplink) => void;
  /**
   * Returns unpredictable text, always the same for one subject. For the replay protection of
   * heartbeats, see `HeartbeatSessions`.
   */
  readonly challengeOf: (subject: string) => string;
  /** Epochs of all groups, opened on the same store. Default: they begin at 1. */
  readonly epochs?: DurableEpochs | undefined;
  /** For asynchronous commands, which need `records`, too. Default: none are accepted. */
  readonly asyncParts?: AsyncParts | undefined;
  /** By group: the station that is active at the start. Default: the primary of each. */
  readonly initialActive?: ReadonlyMap<string, string> | undefined;
  /** Called when a command of a group has ended (see `CommandListener`). Default: none. */
  readonly onCommand?: (group: string, outcome: string, elapsedMs: number) => void;
  /**
   * What survives a restart. Default: nothing does, and no answers of idempotency keys are kept.
   */
  readonly records?: RecordStore | undefined;
  /**
   * Digests keys, callers and requests for the idempotency ledger. Default: no answers are kept.
   */
  readonly digest?: Digest | undefined;
}

/** An event of a group. */
export type GatewayEvent = GroupEvent & { readonly group: string };

export interface Gateway {
  /** Those that are followed now. */
  readonly settings: GatewaySettings;
  readonly groups: ReadonlyMap<string, Group>;
  /** By group; empty if there is no durable store. */
  readonly asyncCommands: ReadonlyMap<string, AsyncCommands>;
  /** Resolves when what earlier processes kept is known, or cannot be. Never rejects. */
  readonly loaded: Promise<void>;
  /**
   * Prepares to follow `settings`, with all that is known (see `GroupSet`). Throws
   * `ConfigurationError`, and changes nothing, if that is not possible now.
   */
  prepare(settings: GatewaySettings): PreparedGroups;
  /**
   * Takes in a heartbeat whose signature has been verified, and returns what follows; undefined if
   * there is no such station. `from` is the sender's address, for people to read. Default: empty.
   */
  receiveBeat(beat: StationBeat, from?: string): BeatAdmission | undefined;
  /** A datagram that claims to be a heartbeat of this station was signed with another secret. */
  noteForged(claimed: Pick<StationBeat, "group" | "station">, from: string): void;
  status(): Record<string, GroupStatus>;
  onEvent(listener: (event: GatewayEvent) => void): Disposable;
  /**
   * Supervises all groups and pulls heartbeats until `signal` is aborted. Rejects if one breaks.
   */
  run(signal: AbortSignal): Promise<void>;
}

export function compose(parts: GatewayParts): Gateway {
  const { settings, clock, random, uplink, onUplinkLeft, challengeOf, onCommand } = parts;
  const { records, digest, epochs, initialActive } = parts;
  const ledger = records && digest && new IdempotencyLedger({ records, clock, digest });
  const observer = new ObserverHealth();
  const set = new GroupSet(
    settings,
    (group, drainMs, firstEpoch) =>
      new Group({
        settings: group,
        clock,
        random: random.fork(group.name),
        observer,
        drainMs,
        firstEpoch,
        epochs: epochs?.of(group.name),
        initialActive: group.stations.find(({ name }) => name === initialActive?.get(group.name))?.name,
        uplinkOf: (station, now) => uplink(now, station),
        onUplinkLeft,
        ledger,
        onCommand: onCommand && ((outcome, elapsedMs) => onCommand(group.name, outcome, elapsedMs)),
      }),
  );
  const loaded = ledger?.follow(settings.groups.map(({ name }) => name)) ?? Promise.resolve();
  const { groups } = set;
  const asyncCommands = new CommandsOfGroups(parts, groups);
  // Of all stations, also of those that are probed: a session goes on if they are pushed again.
  const stationsOf = (group: GroupSettings): [string, number][] =>
    group.stations.map((station) => [`${group.name}/${station.name}`, group.heartbeat.intervalMs]);
  const sessions = new HeartbeatSessions(settings.groups.flatMap(stationsOf), challengeOf);
  return {
    get settings() {
      return set.settings;
    },
    groups,
    asyncCommands: asyncCommands.byGroup,
    loaded,
    prepare: (next) =>
      asyncCommands.prepare(
        set.prepare(next, (left) => {
          sessions.use(next.groups.flatMap(stationsOf));
          ledger?.follow(next.groups.map(({ name }) => name));
          asyncCommands.follow(left, next.drainMs);
        }),
      ),
    receiveBeat(beat, from) {
      const group = groups.get(beat.group);
      if (group?.settings.heartbeat.kind !== "udp") return undefined;
      const admission = sessions.admit(beat, clock.nowMs(), from);
      if (admission?.type === "beat") group?.noteHeartbeat(beat.station, admission.beat, beat.epochSeen);
      else if (admission?.type === "name-conflict") group?.noteNameConflict(beat.station, admission);
      return admission;
    },
    noteForged: ({ group, station }, from) => groups.get(group)?.noteForged(station, from),
    status: () => Object.fromEntries([...groups].map(([name, group]) => [name, group.status])),
    onEvent: (listener) => set.onEvent(listener),
    async run(signal) {
      await Promise.all([set, ledger, asyncCommands].map((part) => part?.run(signal)));
    },
  };
}
