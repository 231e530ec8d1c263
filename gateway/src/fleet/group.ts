/**
 * A failover group: a primary and its backups behind one address. It connects the parts of the
 * library: a detector that receives heartbeats, a failover that decides which station is active and
 * how each command ends, and one uplink per station that carries commands to it. It opens no socket
 * and takes its clock as a parameter. It is one file because it only connects these parts; what can
 * be said apart (options, probers, streams, translations) has files of its own.
 */
import type {
  Clock,
  FailoverStatus,
  Heartbeat,
  HeartbeatVerdict,
  Random,
  StationStatus,
} from "ground-station-failover";
import { ObserverHealth, PhiAccrualDetector, PrimaryBackupFailover, SuspicionWatch } from "ground-station-failover";
import type { DetectionQualityStatus } from "ground-station-failover/core";
import { DetectionQualityMachine } from "ground-station-failover/core";
import type { CommandTerms } from "./command.ts";
import { outcomeOf } from "./command.ts";
import type { GroupEpoch } from "./durable-epochs.ts";
import { agoInWords } from "./failure-words.ts";
import { callOptionsOf, type LinkedStation, NO_UPLINK, sendContextOf, sharesUplink } from "./group-calls.ts";
import type { GroupEvent, OrderEvent } from "./group-events.ts";
import { detectorOptions, failoverOptions, type GroupFailoverParts, logWatchOptions } from "./group-options.ts";
import { GroupProbers } from "./group-probers.ts";
import type { NameConflict } from "./heartbeat-sessions.ts";
import type { CommandHandler, GroupLedger } from "./ledger/group-ledger.ts";
import type { IdempotencyLedger } from "./ledger/idempotency-ledger.ts";
import type { LedgerStatus } from "./ledger/ledger-status.ts";
import { OpenStreams, type StreamStatus } from "./open-streams.ts";
import { drainingRefusal, endingCodeOf, type NoRoomError } from "./problem.ts";
import type { GroupSettings, StationSettings } from "./settings.ts";
import { isSame } from "./settings-change.ts";
import type { LastProbe, StationProberOptions } from "./station-prober.ts";
import type { CommandReply, CommandRequest, OpenStream, Uplink } from "./uplink.ts";
import { healthPage } from "./uplink.ts";

/**
 * Called when a command has ended. `outcome` is the class of the reply (`2xx`) or the code of the
 * error that the caller got. `elapsedMs` is the time from the arrival of the command until its
 * reply can be passed on.
 */
export type CommandListener = (outcome: string, elapsedMs: number) => void;

/**
 * Called for each heartbeat when it is noted, even if the detector does not count it. `beat` is
 * undefined for an answered probe.
 */
export type BeatListener = (station: string, beat: Heartbeat | undefined, arrivalMs: number) => void;

/** Datagrams that claimed to be heartbeats of a station but were signed with another secret. */
export interface ForgedHeartbeats {
  /** Since the start. */
  readonly count: number;
  /** Address from which the last one came; not proven. */
  readonly from: string;
  /** When the last one came, on the axis of the group's clock. */
  readonly atMs: number;
}

/** Two processes send heartbeats as one station. */
export interface NameConflictStatus {
  /** The addresses from which the two processes send. */
  readonly between: readonly [string, string];
  /** When the conflict was first seen, on the axis of the group's clock. */
  readonly sinceMs: number;
}

export interface GroupParts {
  readonly settings: GroupSettings;
  readonly uplinkOf: (station: StationSettings, settings: GroupSettings) => Uplink;
  /**
   * Called with an uplink that gets no more commands, because the settings have changed; commands
   * that are out may finish. Default: nothing is done.
   */
  readonly onUplinkLeft?: ((uplink: Uplink) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Health of this process as an observer, shared by all its groups. Default: one of its own. */
  readonly observer?: ObserverHealth;
  /** How long a replaced station may continue streamed replies, in ms. Default 10,000. */
  readonly drainMs?: number;
  /** Default: none. */
  readonly onCommand?: CommandListener | undefined;
  /** Keeps the answers of idempotency keys. Default: none are kept. */
  readonly ledger?: IdempotencyLedger | undefined;
  /** Where epochs are stored. Default: nowhere; they begin at 1 and are learned (ADR 0007). */
  readonly epochs?: GroupEpoch | undefined;
  /** Station that is active at the start. Default: the primary. */
  readonly initialActive?: string | undefined;
  /** The group begins with no lesser epoch. Default 1. */
  readonly firstEpoch?: number;
}

/** The group takes no new commands, by order; those that it has taken end as usual. */
export interface GroupDrain {
  readonly reason: string;
  /** From then on commands are refused; until then a load balancer can notice. */
  readonly refusesAtMs: number;
  /** When it ends by itself. */
  readonly untilMs: number;
}

/** Status of the failover, with the replies that each station streams. */
export type GroupStatus = Omit<FailoverStatus, "stations"> & {
  readonly stations: readonly (StationStatus & StreamStatus)[];
  /** Undefined if the group keeps no answers of keys. */
  readonly ledger?: LedgerStatus | undefined;
};

/** Events that could be frequent are raised at most once in this time, in ms. */
const TELL_AGAIN_MS = 10_000;
/** So long a wrong signature is shown beside the heartbeats of its station. */
const FORGED_SHOWN_MS = 10_000;

export class Group {
  #settings: GroupSettings;
  /** Undefined if the group keeps no answers of keys. */
  ledger: GroupLedger | undefined;
  readonly #ledgerOf: (settings: GroupSettings) => GroupLedger | undefined;
  /** Raises an event of a part that belongs to the group. */
  readonly raise: (event: GroupEvent) => void = (event) => this.#tellOwn(event);
  readonly #clock: Clock;
  readonly #onCommand: CommandListener | undefined;
  readonly #detector: PhiAccrualDetector;
  readonly #failover: PrimaryBackupFailover<LinkedStation>;
  readonly #beatListeners: Set<BeatListener> = new Set();
  readonly #log: SuspicionWatch;
  readonly #ownListeners: Set<(event: GroupEvent) => void> = new Set();
  readonly #quality: Map<string, DetectionQualityMachine> = new Map();
  /** In order of priority. */
  readonly #stations: Map<string, LinkedStation> = new Map();
  readonly #uplinkOf: GroupParts["uplinkOf"];
  readonly #onUplinkLeft: GroupParts["onUplinkLeft"];
  readonly #failoverParts: GroupFailoverParts;
  /** By station. An entry stays until a heartbeat counts again. */
  readonly #conflicts: Map<string, NameConflictStatus & NameConflict> = new Map();
  readonly #forged: Map<string, ForgedHeartbeats> = new Map();
  readonly #streams: OpenStreams;
  readonly #epochs: GroupEpoch | undefined;
  /** Commands refused for lack of memory since the last event about it. */
  #noRoom: { refused: number; readonly toldMs: number } = { refused: 0, toldMs: Number.NEGATIVE_INFINITY };
  #drain: GroupDrain | undefined;
  readonly #probers: GroupProbers = new GroupProbers();

  constructor(parts: GroupParts) {
    const { settings, uplinkOf, clock, random, observer = new ObserverHealth(), drainMs = 10_000, onCommand } = parts;
    const { epochs, firstEpoch = 1 } = parts;
    this.#epochs = epochs;
    this.#settings = settings;
    this.#streams = new OpenStreams({ clock, drainMs, onCut: (event) => this.#tellOwn(event) });
    this.#clock = clock;
    this.#onCommand = onCommand;
    const handle: CommandHandler = (request, terms, signal) => this.handle(request, terms, signal);
    this.#ledgerOf = (now) =>
      parts.ledger?.forGroup({ settings: now, clock, handle, onTrouble: (event) => this.#tellOwn(event) });
    this.ledger = this.#ledgerOf(settings);
    this.#uplinkOf = uplinkOf;
    this.#onUplinkLeft = parts.onUplinkLeft;
    this.#detector = new PhiAccrualDetector({ clock, ...detectorOptions(settings) });
    for (const station of settings.stations)
      this.#stations.set(station.name, { name: station.name, settings: station, uplink: uplinkOf(station, settings) });
    for (const name of this.#stations.keys()) this.#quality.set(name, new DetectionQualityMachine());
    this.#log = this.#watchForLog();
    this.#probers.use(this.#proberOptions());
    this.#failoverParts = {
      detector: this.#detector,
      clock,
      random,
      observer,
      heartbeatNote: (name) => this.#heartbeatNote(name),
      initialEpoch: Math.max(epochs?.first ?? 1, firstEpoch),
      ...(epochs === undefined ? {} : { lease: epochs.lease(() => this.epoch) }),
    };
    if (epochs !== undefined && firstEpoch > epochs.first) epochs.note(firstEpoch, this.#unstored);
    this.#failover = new PrimaryBackupFailover<LinkedStation>({
      ...failoverOptions(settings, [...this.#stations.values()], this.#failoverParts),
      initialActive: parts.initialActive,
    });
    this.#failover.onEvent((event) => {
      if (event.type === "declaration" && event.to === "down" && event.silentForMs !== undefined)
        this.#quality.get(event.node)?.noteDown(event.silentForMs, event.atMs);
      this.#streams.note(event, this.activeStation);
      if (event.type === "promoted" || event.type === "epoch-adopted") epochs?.note(event.epoch, this.#unstored);
    });
  }

  /** How well each station's silence has been judged, by station name. */
  quality(): Readonly<Record<string, DetectionQualityStatus>> {
    const nowMs = this.#clock.nowMs();
    return Object.fromEntries([...this.#quality].map(([name, quality]) => [name, quality.status(nowMs)]));
  }

  get settings(): GroupSettings {
    return this.#settings;
  }

  get name(): string {
    return this.#settings.name;
  }

  /** Reads the group's clock. */
  readonly nowMs: () => number = () => this.#clock.nowMs();

  get activeStation(): string {
    return this.#failover.activeStation.name;
  }

  get epoch(): number {
    return this.#failover.epoch;
  }

  /** Commands that wait for a station. */
  get waiting(): number {
    return this.#failover.waiting;
  }

  /** Commands in flight include those whose replies are still streaming. */
  get status(): GroupStatus {
    const status = this.#failover.status;
    const stations = status.stations.map((station) => {
      const streams = this.#streams.statusAt(station.name);
      return { ...station, inFlight: station.inFlight + streams.streams, ...streams };
    });
    return { ...status, stations, ...(this.ledger === undefined ? {} : { ledger: this.ledger.status }) };
  }

  /** Sends `request` to the active station. `signal` is aborted when the caller hangs up. */
  handle(request: CommandRequest, terms: CommandTerms, signal: AbortSignal): Promise<CommandReply> {
    const nowMs = this.#clock.nowMs();
    request.trace?.noteSubmitted(nowMs, terms.timeLeftMs);
    if (this.#drain !== undefined && nowMs >= this.#drain.refusesAtMs) return this.#refuseDraining(this.#drain, nowMs);
    const resendsKeyed = this.settings.commands.ambiguousKeyed === "resend";
    const how = { resendsKeyed, isKept: this.ledger?.concerns(terms) === true };
    const onStream = (station: string, stream: OpenStream): void => {
      this.#streams.add(station, stream);
      // If another attempt's reply became the answer, this stream has no reader.
      const unused = (): unknown => stream.destroy(new Error("another reply was the answer"));
      const settled = ({ body, tunnel }: CommandReply): unknown =>
        tunnel === stream || (body.kind === "stream" && body.stream === stream) ? undefined : unused();
      // Deferred: an uplink may report the stream before `reply` is assigned.
      queueMicrotask(() => reply.then(settled, unused));
    };
    const reply: Promise<CommandReply> = this.#failover.call(
      (context) => {
        const sent = context.station.uplink.send(request, sendContextOf(context, terms, how, onStream));
        request.trace?.noteAttempt(context.station.name, context.epoch, sent, this.nowMs);
        return sent;
      },
      callOptionsOf(terms, signal, nowMs),
    );
    this.#tell(reply, nowMs);
    return reply;
  }

  /** Notes an authenticated heartbeat. Returns undefined if the group has no such station. */
  noteHeartbeat(station: string, beat: Heartbeat, epochSeen: number): HeartbeatVerdict | undefined {
    if (!this.#stations.has(station)) return undefined;
    this.#endConflict(station);
    const verdict = this.#detector.noteHeartbeat(station, beat);
    if (verdict === "counted") {
      this.#quality.get(station)?.noteHeartbeat(beat.incarnation, this.#clock.nowMs());
      this.#failover.noteEpochSeen(epochSeen);
    }
    this.#tellOfBeat(station, beat);
    return verdict;
  }

  /**
   * Notes that two processes send heartbeats as `station`, so that these heartbeats prove nothing.
   */
  noteNameConflict(station: string, conflict: NameConflict): void {
    const atMs = this.#clock.nowMs();
    const known = this.conflictOf(station);
    this.#conflicts.set(station, { ...conflict, sinceMs: known?.sinceMs ?? atMs });
    if (known === undefined) this.#tellOwn({ type: "name-conflict", station, between: conflict.between, atMs });
  }

  /** The processes that send heartbeats as `station`, while there is more than one. */
  conflictOf(station: string): NameConflictStatus | undefined {
    const conflict = this.#conflicts.get(station);
    if (conflict === undefined || this.#clock.nowMs() >= conflict.untilMs) return undefined;
    return { between: conflict.between, sinceMs: conflict.sinceMs };
  }

  /** A datagram that claims to be a heartbeat of `station` was signed with another secret. */
  noteForged(station: string, from: string): void {
    if (!this.#stations.has(station)) return;
    const count = (this.#forged.get(station)?.count ?? 0) + 1;
    this.#forged.set(station, { count, from, atMs: this.#clock.nowMs() });
  }

  /** Datagrams that claimed to be of `station` but were signed with another secret, if any. */
  forgedOf(station: string): ForgedHeartbeats | undefined {
    return this.#forged.get(station);
  }

  /** Result of the newest probe of `station`'s health page; undefined if there was none yet. */
  probeOf(station: string): LastProbe | undefined {
    return this.#probers.of(station)?.last;
  }

  /** Calls `listener` for every heartbeat, until disposed. A listener must not throw. */
  onBeat(listener: BeatListener): Disposable {
    this.#beatListeners.add(listener);
    return { [Symbol.dispose]: () => this.#beatListeners.delete(listener) };
  }

  /**
   * Makes `station` active; resolves with the new epoch. `keepsStreams`: the replaced station may
   * stream its replies to their end.
   */
  switchover(station: string, reason: string, keepsStreams = false): Promise<number> {
    return this.#keepingStreams(keepsStreams, () => this.#failover.switchover(station, reason));
  }

  /** Returns to the primary in steps; resolves with the new epoch. */
  failback(reason: string, keepsStreams = false): Promise<number> {
    return this.#keepingStreams(keepsStreams, () => this.#failover.failback(reason));
  }

  /** Takes `station` out of service for `forMs`; `reason` undefined: puts it back. */
  setMaintenance(station: string, reason: string | undefined, forMs: number, keepsStreams = false): void {
    // An order may end after its station has left the settings.
    if (reason === undefined && !this.#stations.has(station)) return;
    this.#streams.keep(station, keepsStreams && reason !== undefined);
    this.#failover.setMaintenance(station, reason, this.#clock.nowMs() + forMs);
  }

  /** Takes no new commands from `drain.refusesAtMs` on; undefined: takes them again. */
  setDrain(drain: GroupDrain | undefined): void {
    this.#drain = drain;
  }

  get drain(): GroupDrain | undefined {
    return this.#drain;
  }

  /** Reports an order to the listeners of events. */
  noteOrder(event: OrderEvent): void {
    this.#tellOwn(event);
  }

  /** True if a station other than `station` could be active now. */
  hasEligibleBeside(station: string): boolean {
    return this.#failover.status.stations.some(
      ({ name, assessment, liveness }) => name !== station && assessment.eligible && liveness === "alive",
    );
  }

  onEvent(listener: (event: GroupEvent) => void): Disposable {
    const decided = this.#failover.onEvent(listener);
    this.#ownListeners.add(listener);
    return {
      [Symbol.dispose]: () => {
        decided[Symbol.dispose]();
        this.#ownListeners.delete(listener);
      },
    };
  }

  /** Notes a command refused for lack of memory. Raises at most one event in 10 s. */
  noteNoRoom({ refusal: reason, figures }: NoRoomError): void {
    const atMs = this.#clock.nowMs();
    this.#noRoom.refused++;
    if (atMs - this.#noRoom.toldMs < TELL_AGAIN_MS) return;
    this.#tellOwn({ type: "memory-used-up", reason, ...figures, refused: this.#noRoom.refused, atMs });
    this.#noRoom = { refused: 0, toldMs: atMs };
  }

  /**
   * Supervises the stations, and pulls heartbeats if they are pulled, until `signal` is aborted.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#epochs?.note(this.epoch, this.#unstored);
    try {
      await Promise.all([this.#failover.run(signal), this.#log.run(signal), this.#probers.run(signal)]);
    } finally {
      // Not `using`: the simulation runs this source unchanged on Node 22, which does not support
      // it.
      this.#streams[Symbol.dispose]();
    }
  }

  async #keepingStreams(isKept: boolean, change: () => Promise<number>): Promise<number> {
    const from = this.activeStation;
    this.#streams.keep(from, isKept);
    try {
      return await change();
    } finally {
      this.#streams.keep(from, false);
    }
  }

  #refuseDraining({ reason, untilMs }: GroupDrain, nowMs: number): Promise<never> {
    const refused = Promise.reject(drainingRefusal(reason, untilMs - nowMs));
    this.#tell(refused, nowMs);
    return refused;
  }

  /**
   * Throws `ConfigurationError` if {@link reconfigure} could not follow `settings` now. Changes
   * nothing.
   */
  checkReconfiguration(settings: GroupSettings): void {
    const linked = settings.stations.map((station) => ({
      name: station.name,
      settings: station,
      uplink: this.#stations.get(station.name)?.uplink ?? NO_UPLINK,
    }));
    new PhiAccrualDetector(detectorOptions(settings));
    new SuspicionWatch(logWatchOptions(settings, this.#detector));
    this.#failover.checkReconfiguration(failoverOptions(settings, linked, this.#failoverParts));
  }

  /**
   * Follows `settings` from now on. Stations of the same name keep all that is known of them;
   * commands that wait or are out go on. Throws what {@link checkReconfiguration} throws, and
   * changes nothing then.
   */
  reconfigure(settings: GroupSettings, changes: readonly string[]): void {
    this.checkReconfiguration(settings);
    const before = this.#settings;
    const old = new Map(this.#stations);
    this.#settings = settings;
    this.#stations.clear();
    for (const station of settings.stations) {
      const known = old.get(station.name);
      const isKept = known !== undefined && sharesUplink(before, settings, known.settings, station);
      const uplink = isKept ? known.uplink : this.#uplinkOf(station, settings);
      this.#stations.set(station.name, { name: station.name, settings: station, uplink });
    }
    this.#failover.reconfigure(failoverOptions(settings, [...this.#stations.values()], this.#failoverParts));
    if (!isSame(detectorOptions(before), detectorOptions(settings)))
      this.#detector.reconfigure(detectorOptions(settings));
    this.#log.reconfigure(logWatchOptions(settings, this.#detector));
    this.#probers.use(this.#proberOptions());
    this.#useLedger(settings);
    this.#noteStations(old);
    this.#tellOwn({ type: "settings-changed", changes, atMs: this.#clock.nowMs() });
  }

  /** Keys that are known stay, unless answers are not kept any more. */
  #useLedger(settings: GroupSettings): void {
    const { idempotency } = settings.commands;
    if (idempotency === undefined || this.ledger === undefined) this.ledger = this.#ledgerOf(settings);
    else this.ledger.useSettings(idempotency, settings);
  }

  /** How long a replaced station may continue streamed replies, from now on. */
  useDrain(drainMs: number): void {
    this.#streams.useDrain(drainMs);
  }

  /** The group is not in the settings any more, and its supervision has ended. */
  leave(): void {
    for (const { uplink } of this.#stations.values()) this.#onUplinkLeft?.(uplink);
  }

  /** Begins what is kept for stations that are new, and ends it for those that are gone. */
  #noteStations(old: ReadonlyMap<string, LinkedStation>): void {
    for (const [name, { uplink }] of old) {
      if (this.#stations.get(name)?.uplink !== uplink) this.#onUplinkLeft?.(uplink);
      if (this.#stations.has(name)) continue;
      this.#streams.leave(name);
      this.#log.unwatch(name);
      this.#detector.forget(name);
      this.#quality.delete(name);
      this.#conflicts.delete(name);
    }
    for (const name of this.#stations.keys()) {
      if (old.has(name)) continue;
      this.#log.watch(name);
      this.#quality.set(name, new DetectionQualityMachine());
    }
  }

  /** More that is known about a station's heartbeats, to be added to the evidence. */
  #heartbeatNote(station: string): string | undefined {
    const between = this.conflictOf(station)?.between;
    if (between !== undefined) return `heartbeats come from ${between.join(" and ")}, and prove nothing`;
    const forged = this.forgedOf(station);
    const agoMs = this.#clock.nowMs() - (forged?.atMs ?? Number.NEGATIVE_INFINITY);
    if (forged !== undefined && agoMs < FORGED_SHOWN_MS)
      return `a heartbeat from ${forged.from} was signed with another secret, ${agoInWords(agoMs)}`;
    const probe = this.probeOf(station);
    return probe && `last probe: ${probe.text}, ${agoInWords(this.#clock.nowMs() - probe.atMs)}`;
  }

  #endConflict(station: string): void {
    const conflict = this.#conflicts.get(station);
    if (conflict === undefined) return;
    this.#conflicts.delete(station);
    const { between } = conflict;
    this.#tellOwn({ type: "name-conflict-ended", station, between, atMs: this.#clock.nowMs() });
  }

  #proberOptions(): Map<string, StationProberOptions> {
    const { heartbeat } = this.#settings;
    if (heartbeat.kind !== "http") return new Map();
    const { intervalMs, timeoutMs, path = "/" } = heartbeat;
    const optionsOf = (name: string): StationProberOptions => ({
      clock: this.#clock,
      intervalMs,
      timeoutMs,
      ask: (signal) => {
        const { settings, uplink } = this.#stations.get(name) as LinkedStation;
        return uplink.probe(settings.healthPage ?? healthPage(path), signal);
      },
      onHeartbeat: () => this.#noteAnswer(name),
      onChange: (probe) => this.#tellOwn({ type: "probe", station: name, ...probe }),
      // Lasts until the next probe could have been answered.
      onOwnShortage: () => this.#failover.noteOwnShortage(intervalMs + timeoutMs),
    });
    return new Map([...this.#stations.keys()].map((name) => [name, optionsOf(name)]));
  }

  /** A good answer of a health page is a heartbeat. */
  #noteAnswer(station: string): void {
    const verdict = this.#detector.noteHeartbeat(station);
    if (verdict === "counted") this.#quality.get(station)?.noteHeartbeat(undefined, this.#clock.nowMs());
    this.#tellOfBeat(station, undefined);
  }

  #tellOwn(event: GroupEvent): void {
    for (const listener of this.#ownListeners) listener(event);
  }

  readonly #unstored = (epoch: number, reason: string): void =>
    this.#tellOwn({ type: "epoch-unstored", epoch, reason, atMs: this.#clock.nowMs() });

  /** A second watch on the detector, at the log threshold. It only raises events. */
  #watchForLog(): SuspicionWatch {
    const watch = new SuspicionWatch(logWatchOptions(this.#settings, this.#detector));
    watch.onCrossing(({ node: station, to, ...crossing }) => {
      const type = to === "reached" ? "heartbeats-missing" : "heartbeats-back";
      this.#tellOwn({ type, station, ...crossing });
    });
    for (const name of this.#stations.keys()) watch.watch(name);
    return watch;
  }

  /** Returns at once if there are no listeners. */
  #tellOfBeat(station: string, beat: Heartbeat | undefined): void {
    if (this.#beatListeners.size === 0) return;
    const arrivalMs = this.#clock.nowMs();
    for (const listener of this.#beatListeners) listener(station, beat, arrivalMs);
  }

  #tell(reply: Promise<CommandReply>, startedMs: number): void {
    const onCommand = this.#onCommand;
    if (onCommand === undefined) return;
    const ended = (outcome: string): void => onCommand(outcome, this.#clock.nowMs() - startedMs);
    reply.then(
      (answer) => ended(outcomeOf(answer, this.settings.commands.errorBody)),
      (error: unknown) => ended(endingCodeOf(error)),
    );
  }
}
