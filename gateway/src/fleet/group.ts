/**
 * A failover group: a primary and its backups behind one address. It connects the parts of the
 * library: a detector that receives heartbeats, a failover that decides which station is active and
 * how each command ends, and one uplink per station that carries commands to it. It opens no socket
 * and takes its clock as a parameter. It is one file because it only connects parts that share
 * these names; what decides is elsewhere.
 */
import type {
  Clock,
  FailoverEvent,
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
import {
  callOptionsOf,
  clientOptionsOf,
  keyStatusOptions,
  type LinkedStation,
  sendContextOf,
  signOfLifeMs,
} from "./group-calls.ts";
import type { GroupEvent } from "./group-events.ts";
import type { NameConflict } from "./heartbeat-sessions.ts";
import type { CommandHandler, GroupLedger } from "./ledger/group-ledger.ts";
import type { IdempotencyLedger } from "./ledger/idempotency-ledger.ts";
import type { LedgerStatus } from "./ledger/ledger-status.ts";
import { OpenStreams } from "./open-streams.ts";
import { endingCodeOf, type NoRoomError } from "./problem.ts";
import type { GroupSettings, StationSettings } from "./settings.ts";
import { type LastProbe, StationProber } from "./station-prober.ts";
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

/** Two processes send heartbeats as one station. */
export interface NameConflictStatus {
  /** The addresses from which the two processes send. */
  readonly between: readonly [string, string];
  /** When the conflict was first seen, on the axis of the group's clock. */
  readonly sinceMs: number;
}

export interface GroupParts {
  readonly settings: GroupSettings;
  readonly uplinkOf: (station: StationSettings) => Uplink;
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
}

/** Status of the failover, with the number of replies that each station streams. */
export type GroupStatus = Omit<FailoverStatus, "stations"> & {
  readonly stations: readonly (StationStatus & { readonly streams: number })[];
  /** Undefined if the group keeps no answers of keys. */
  readonly ledger?: LedgerStatus | undefined;
};

/** Events that could be frequent are raised at most once in this time, in ms. */
const TELL_AGAIN_MS = 10_000;

export class Group {
  readonly settings: GroupSettings;
  /** Undefined if the group keeps no answers of keys. */
  readonly ledger: GroupLedger | undefined;
  /** Raises an event of a part that belongs to the group. */
  readonly raise: (event: GroupEvent) => void = (event) => this.#tellOwn(event);
  readonly #clock: Clock;
  readonly #onCommand: CommandListener | undefined;
  readonly #detector: PhiAccrualDetector;
  readonly #failover: PrimaryBackupFailover<LinkedStation>;
  readonly #beatListeners: Set<BeatListener> = new Set();
  readonly #log: SuspicionWatch;
  readonly #ownListeners: Set<(event: GroupEvent) => void> = new Set();
  readonly #quality: ReadonlyMap<string, DetectionQualityMachine>;
  readonly #stations: ReadonlyMap<string, LinkedStation>;
  /** By station. An entry stays until a heartbeat counts again. */
  readonly #conflicts: Map<string, NameConflictStatus & NameConflict> = new Map();
  readonly #streams: OpenStreams;
  readonly #epochs: GroupEpoch | undefined;
  /** Commands refused for lack of memory since the last event about it. */
  #noRoom: { refused: number; readonly toldMs: number } = { refused: 0, toldMs: Number.NEGATIVE_INFINITY };
  /** Empty if heartbeats are pushed. */
  readonly #probers: ReadonlyMap<string, StationProber>;

  constructor(parts: GroupParts) {
    const { settings, uplinkOf, clock, random, observer = new ObserverHealth(), drainMs = 10_000, onCommand } = parts;
    const { epochs } = parts;
    this.#epochs = epochs;
    this.settings = settings;
    this.#streams = new OpenStreams({ clock, drainMs, onCut: (event) => this.#tellOwn(event) });
    this.#clock = clock;
    this.#onCommand = onCommand;
    const handle: CommandHandler = (request, terms, signal) => this.handle(request, terms, signal);
    this.ledger = parts.ledger?.forGroup({ settings, clock, handle, onTrouble: (event) => this.#tellOwn(event) });
    const { model, windowSize, minDeviationMs, ceilingMs } = settings.detector;
    this.#detector = new PhiAccrualDetector({
      clock,
      model,
      ...(windowSize === undefined ? {} : { windowSize }),
      expectedIntervalMs: settings.heartbeat.intervalMs,
      minDeviationMs,
      ceilingMs,
    });
    const stations = settings.stations.map((station) => ({
      name: station.name,
      settings: station,
      uplink: uplinkOf(station),
    }));
    this.#stations = new Map(stations.map((station) => [station.name, station]));
    this.#quality = new Map(stations.map(({ name }) => [name, new DetectionQualityMachine()]));
    this.#log = this.#watchForLog();
    this.#probers = this.#makeProbers();
    const [primary, backup, ...backups] = stations as [LinkedStation, LinkedStation, ...LinkedStation[]];
    const { commands, probePath } = settings;
    this.#failover = new PrimaryBackupFailover<LinkedStation>({
      primary,
      backup,
      backups,
      detector: this.#detector,
      clock,
      random,
      supervisor: {
        ...settings.supervisor,
        declareThreshold: settings.detector.threshold,
        maxAbstentionMs: signOfLifeMs(settings.heartbeat),
        observer,
      },
      commandPath: settings.commandPath,
      failback: settings.failback,
      ...(probePath === undefined
        ? {}
        : {
            probe: (station: LinkedStation, signal: AbortSignal) => station.uplink.probe(healthPage(probePath), signal),
          }),
      heartbeatNote: (name) => this.#heartbeatNote(name),
      ...keyStatusOptions(commands.keyStatus),
      ...(epochs === undefined ? {} : { initialEpoch: epochs.first, lease: epochs.lease(() => this.epoch) }),
      ambiguousKeyed: commands.ambiguousKeyed,
      deadlineMs: commands.deadlineMs,
      maxWaitMs: commands.maxWaitMs,
      maxWaiting: commands.maxWaiting,
      ramp: ({ settings: { capacityPerSecond, burst } }) => ({
        capacityPerSecond,
        burst,
        ...(commands.maxWorking === undefined ? {} : { maxWorking: commands.maxWorking }),
      }),
      client: clientOptionsOf(settings),
    });
    this.#failover.onEvent((event) => this.#noteDecision(event));
  }

  #noteDecision(event: FailoverEvent): void {
    if (event.type === "declaration" && event.to === "down" && event.silentForMs !== undefined)
      this.#quality.get(event.node)?.noteDown(event.silentForMs, event.atMs);
    this.#streams.note(event, this.activeStation);
    if (event.type === "promoted" || event.type === "epoch-adopted") this.#epochs?.note(this.epoch, this.#unstored);
  }

  /** How well each station's silence has been judged, by station name. */
  quality(): Readonly<Record<string, DetectionQualityStatus>> {
    const nowMs = this.#clock.nowMs();
    return Object.fromEntries([...this.#quality].map(([name, quality]) => [name, quality.status(nowMs)]));
  }

  get name(): string {
    return this.settings.name;
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
      const streams = this.#streams.countAt(station.name);
      return { ...station, inFlight: station.inFlight + streams, streams };
    });
    return { ...status, stations, ...(this.ledger === undefined ? {} : { ledger: this.ledger.status }) };
  }

  /** Sends `request` to the active station. `signal` is aborted when the caller hangs up. */
  handle(request: CommandRequest, terms: CommandTerms, signal: AbortSignal): Promise<CommandReply> {
    const nowMs = this.#clock.nowMs();
    request.trace?.noteSubmitted(nowMs, terms.timeLeftMs);
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

  /** Result of the newest probe of `station`'s health page; undefined if there was none yet. */
  probeOf(station: string): LastProbe | undefined {
    return this.#probers.get(station)?.last;
  }

  /** Calls `listener` for every heartbeat, until disposed. A listener must not throw. */
  onBeat(listener: BeatListener): Disposable {
    this.#beatListeners.add(listener);
    return { [Symbol.dispose]: () => this.#beatListeners.delete(listener) };
  }

  switchover(station: string, reason: string): Promise<number> {
    return this.#failover.switchover(station, reason);
  }

  setMaintenance(station: string, reason: string | undefined, forMs: number): void {
    this.#failover.setMaintenance(station, reason, this.#clock.nowMs() + forMs);
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
    const probing = [...this.#probers.values()].map((prober) => prober.run(signal));
    try {
      await Promise.all([this.#failover.run(signal), this.#log.run(signal), ...probing]);
    } finally {
      // Not `using`: the simulation runs this source unchanged on Node 22, which does not support
      // it.
      this.#streams[Symbol.dispose]();
    }
  }

  /** More that is known about a station's heartbeats, to be added to the evidence. */
  #heartbeatNote(station: string): string | undefined {
    const between = this.conflictOf(station)?.between;
    if (between !== undefined) return `heartbeats come from ${between.join(" and ")}, and prove nothing`;
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

  #makeProbers(): ReadonlyMap<string, StationProber> {
    const { heartbeat } = this.settings;
    if (heartbeat.kind !== "http") return new Map();
    const { intervalMs, timeoutMs, path = "/" } = heartbeat;
    const proberOf = ({ name, settings, uplink }: LinkedStation): StationProber => {
      const page = settings.healthPage ?? healthPage(path);
      return new StationProber({
        clock: this.#clock,
        intervalMs,
        timeoutMs,
        ask: (signal) => uplink.probe(page, signal),
        onHeartbeat: () => this.#noteAnswer(name),
        onChange: (probe) => this.#tellOwn({ type: "probe", station: name, ...probe }),
        // Lasts until the next probe could have been answered.
        onOwnShortage: () => this.#failover.noteOwnShortage(intervalMs + timeoutMs),
      });
    };
    return new Map([...this.#stations.values()].map((station) => [station.name, proberOf(station)]));
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
    const { detector, heartbeat, stations } = this.settings;
    const maxAbstentionMs = signOfLifeMs(heartbeat);
    const watch = new SuspicionWatch({
      detector: this.#detector,
      threshold: detector.logThreshold,
      maxAbstentionMs,
    });
    watch.onCrossing(({ node: station, to, ...crossing }) => {
      const type = to === "reached" ? "heartbeats-missing" : "heartbeats-back";
      this.#tellOwn({ type, station, ...crossing });
    });
    for (const { name } of stations) watch.watch(name);
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
