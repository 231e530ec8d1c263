/**
 * The gateway as a process: the composition of `compose.ts` with the real clock, sockets, entropy
 * and log. It listens on all addresses or on none: if one address cannot be had, everything opened
 * before is closed again. Stopping is the reverse: first no new work is accepted, then commands in
 * flight may finish while supervision continues, and then everything else is closed. It is one file
 * because opening and closing follow one order.
 */
import { randomBytes } from "node:crypto";
import { seededRandom, systemClock } from "ground-station-failover";
import { type ListenerFigures, listenForCommands, type ProxyListener } from "./adapters/callers/http-proxy.ts";
import { requestDigest } from "./adapters/callers/request-digest.ts";
import { RequestEnds } from "./adapters/callers/request-ends.ts";
import { type ControlListener, listenForControl } from "./adapters/control/control-api.ts";
import { Explainer } from "./adapters/control/explain-api.ts";
import { LiveFeed } from "./adapters/control/live-feed.ts";
import { BeatStreams } from "./adapters/heartbeats/beat-streams.ts";
import { challengesOf } from "./adapters/heartbeats/heartbeat-codec.ts";
import { type HeartbeatListener, listenForHeartbeats } from "./adapters/heartbeats/udp-heartbeats.ts";
import { LoopGuard } from "./adapters/http/loop-guard.ts";
import { RequestIds } from "./adapters/http/request-id.ts";
import { asyncIdentity } from "./adapters/process/async-identity.ts";
import { type ConnectionLimits, connectionLimits, ownDescriptors } from "./adapters/process/descriptors.ts";
import { listening } from "./adapters/process/listening.ts";
import { memoryForCallers } from "./adapters/process/own-memory.ts";
import { EpochProofs } from "./adapters/stations/epoch-proof.ts";
import { httpUplink } from "./adapters/stations/http-uplink.ts";
import { NameCache, type NameChange } from "./adapters/stations/name-cache.ts";
import { NameLookup } from "./adapters/stations/name-lookup.ts";
import { GatewayState, type StateEvent } from "./adapters/storage/gateway-state.ts";
import { expiring, type GroupEvent, sentenceOf, severityOf } from "./adapters/telemetry/event-sentence.ts";
import type { Log } from "./adapters/telemetry/log.ts";
import { GatewayMetrics } from "./adapters/telemetry/metrics.ts";
import { openAccessLog, type StandardStreams } from "./adapters/telemetry/open-access-log.ts";
import { type Certificates, NO_CERTIFICATES } from "./adapters/tls/certificates.ts";
import { ExpiryWatch, LOOK_EVERY_MS } from "./adapters/tls/expiry-watch.ts";
import { UsedCertificates } from "./adapters/tls/used-certificates.ts";
import { compose, type Gateway } from "./compose.ts";
import { CallHistory } from "./fleet/call-history.ts";
import { EventHistory } from "./fleet/event-history.ts";
import type { WrittenPlaces } from "./fleet/explain/governing-settings.ts";
import { HeldMemory } from "./fleet/held-memory.ts";
import type { GatewaySettings, HeartbeatSecrets, ListenSettings } from "./fleet/settings.ts";

export interface GatewayOptions {
  readonly log: Log;
  /** Number of log lines lost since the start. Default: none. */
  readonly lostLogLines?: () => number;
  /**
   * Token that callers of the control listener must present. Default: no token, and access only
   * from this machine.
   */
  readonly controlToken?: string | undefined;
  /** Where the settings are written, for explanations. Default: not known. */
  readonly written?: WrittenPlaces | undefined;
  /** Where an access log to a standard stream goes. Default: there is none. */
  readonly streams?: StandardStreams;
  /** Certificates and keys. Default: none; nothing speaks TLS, but stations with `https`. */
  readonly certificates?: Certificates | undefined;
}

/** A gateway that is listening. */
export interface RunningGateway extends AsyncDisposable {
  /** Addresses of the listeners. If port 0 was requested, the port that was assigned. */
  readonly addresses: {
    readonly control: ListenSettings;
    readonly groups: Readonly<Record<string, ListenSettings>>;
    readonly heartbeats: ListenSettings | undefined;
  };
  /** `http` or `https`, of each listener for callers and for control. */
  readonly protocols: { readonly control: Protocol; readonly groups: Readonly<Record<string, Protocol>> };
  /**
   * Resolves when the gateway has stopped as requested. Rejects if supervision failed, which is a
   * fault of the gateway itself.
   */
  readonly stopped: Promise<void>;
  /**
   * Reports that the gateway is not ready any more, but accepts commands for another `forMs`. Each
   * connection ends with its answer.
   */
  announceStop(forMs: number): Promise<void>;
  /**
   * Accepts nothing new, lets commands in flight finish for at most `drainMs`, then closes
   * everything.
   */
  stop(): Promise<void>;
  /**
   * From now on verifies heartbeats with `secrets`. Does nothing if there is no heartbeat listener.
   */
  useHeartbeatSecrets(secrets: HeartbeatSecrets): void;
  /**
   * From now on shows and believes `certificates`: all of them or, if one cannot be used, none. New
   * connections use the new ones. Throws an Error that says which one cannot be used.
   */
  useCertificates(certificates: Certificates): void;
}

type Protocol = "http" | "https";

/**
 * Resolves when all listeners are open. Rejects with a `UserError` if an address cannot be had;
 * nothing is then left open.
 */
export async function runGateway(settings: GatewaySettings, options: GatewayOptions): Promise<RunningGateway> {
  const state = await openedState(settings);
  let starting: GatewayProcess | undefined;
  try {
    starting = new GatewayProcess(settings, options, state);
    await starting.open();
    return starting;
  } catch (error) {
    await (starting ?? state)?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** Opened before anything listens: a gateway whose state cannot be read must not serve. */
async function openedState({ state, groups }: GatewaySettings): Promise<GatewayState | undefined> {
  if (state === undefined) return undefined;
  const names = groups.map(({ name }) => name);
  return await GatewayState.open({ ...state, clock: systemClock }, names);
}

/** A limit below this is logged at the start: a busy hour has more callers. */
const FEW_CALLERS = 1_000;

class GatewayProcess implements RunningGateway {
  readonly #settings: GatewaySettings;
  readonly #log: Log;
  readonly #lostLogLines: () => number;
  #lostAccessLines: () => number = () => 0;
  readonly #streams: StandardStreams | undefined;
  readonly #calls: CallHistory;
  readonly #controlToken: string | undefined;
  readonly #gateway: Gateway;
  readonly #state: GatewayState | undefined;
  readonly #memory: HeldMemory;
  readonly #history: EventHistory;
  readonly #explainer: Explainer;
  readonly #feed: LiveFeed;
  readonly #metrics: GatewayMetrics;
  readonly #names: NameCache = new NameCache({
    nowMs: () => systemClock.nowMs(),
    onChange: (change) => this.#noteName(change),
    resolve: new NameLookup({ clock: systemClock }).resolve,
  });
  readonly #epochs: EpochProofs;
  readonly #certificates: UsedCertificates;
  readonly #expiry: ExpiryWatch = new ExpiryWatch();
  readonly #supervision: AbortController = new AbortController();
  readonly #stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Resources to be closed, in the order in which they were opened. */
  readonly #opened: AsyncDisposable[] = [];
  readonly #proxies: Map<string, ProxyListener> = new Map();
  /** By group name. */
  readonly #loops: Map<string, LoopGuard> = new Map();
  #control: ControlListener | undefined;
  #heartbeats: HeartbeatListener | undefined;
  #ready = false;
  #closing: Promise<void> | undefined;

  constructor(settings: GatewaySettings, options: GatewayOptions, state: GatewayState | undefined) {
    const { log, lostLogLines = () => 0, controlToken, streams, written, certificates = NO_CERTIFICATES } = options;
    this.#state = state;
    // Closed last: until then something may be sent under an epoch.
    if (state !== undefined) this.#opened.push(state);
    this.#settings = settings;
    this.#certificates = new UsedCertificates(certificates);
    this.#log = log;
    this.#lostLogLines = () => lostLogLines() + this.#lostAccessLines();
    this.#streams = streams;
    this.#calls = new CallHistory({ groups: settings.groups.length });
    this.#controlToken = controlToken;
    this.#epochs = new EpochProofs(settings.heartbeats?.secrets ?? { shared: [], own: new Map() });
    const { maxMemoryBytes: maxBytes = memoryForCallers(), addressRatio: callerRatio } = settings.callers;
    this.#memory = new HeldMemory({ maxBytes, callerRatio });
    this.#history = new EventHistory({ clock: systemClock, timeOfDayMs: () => Date.now(), records: state?.records });
    this.#explainer = new Explainer({
      ...{ settings, calls: this.#calls, history: this.#history, written },
      timeOfDayMs: () => Date.now(),
    });
    this.#feed = new LiveFeed({ clock: systemClock, history: this.#history, memory: this.#memory });
    this.#gateway = compose({
      settings,
      clock: systemClock,
      random: seededRandom(randomBytes(16).toString("hex")),
      challengeOf: challengesOf(randomBytes(32)),
      digest: requestDigest,
      records: state?.records,
      epochs: state?.epochs,
      asyncParts: { ...asyncIdentity(), roomFor: (group) => this.#memory.roomFor(`asynchronous commands of ${group}`) },
      uplink: (group, station) => {
        const loop = this.#loopOf(group.name);
        const trust = this.#certificates.ofStation(group.name, station.name);
        const uplink = httpUplink(group, station, { names: this.#names, loop, epochs: this.#epochs, trust });
        this.#opened.push(uplink);
        return uplink;
      },
      onCommand: (group, outcome, elapsedMs) => this.#metrics.noteCommand(group, outcome, elapsedMs),
    });
    this.#metrics = new GatewayMetrics({
      statusOf: () => this.#gateway.status(),
      qualityOf: () => this.#gateway.quality(),
      heartbeats: () => this.#heartbeatCounts(),
      probeOf: (group, station) => this.#gateway.groups.get(group)?.probeOf(station),
      isInConflict: (group, station) => this.#gateway.groups.get(group)?.conflictOf(station) !== undefined,
      lookups: () => this.#names.counts,
      lostLogLines: this.#lostLogLines,
      listeners: () => this.#listeners(),
      asyncCommands: () => this.#gateway.asyncCommands,
      memory: () => this.#memory.status,
      state: state && (() => state.status),
      certificates: () => this.#certificates.used,
    });
    // A user that only stops the gateway need not handle its failure.
    this.#stopped.promise.catch(() => undefined);
  }

  get addresses(): RunningGateway["addresses"] {
    return {
      control: (this.#control as ControlListener).address,
      groups: Object.fromEntries([...this.#proxies].map(([name, proxy]) => [name, proxy.address])),
      heartbeats: this.#heartbeats?.address,
    };
  }

  get protocols(): RunningGateway["protocols"] {
    const { control } = this.#certificates;
    const of = (tls: unknown): Protocol => (tls === undefined ? "http" : "https");
    const groups = [...this.#proxies.keys()].map((name) => [name, of(this.#certificates.ofGroup(name))] as const);
    return { control: of(control), groups: Object.fromEntries(groups) };
  }

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  async open(): Promise<void> {
    const log = this.#log;
    const { control, heartbeats } = this.#settings;
    const limits = this.#connectionLimits();
    await this.#history.open();
    await this.#explainer.readBack();
    this.#opened.push({ [Symbol.asyncDispose]: () => this.#history.close() });
    this.#gateway.onEvent((event) => this.#note(event));
    // From then on a thread reads; a gateway that keeps nothing needs none.
    await this.#gateway.loaded;
    this.#state?.serve((event) => this.#noteState(event));
    this.#control = await this.#open("control", control, () =>
      listenForControl({
        listen: control,
        maxConnections: limits.control,
        tls: this.#certificates.control,
        token: this.#controlToken,
        groups: this.#gateway.groups,
        asyncCommands: this.#gateway.asyncCommands,
        feed: this.#feed,
        explainer: this.#explainer,
        beats: new BeatStreams({ clock: systemClock, memory: this.#memory }),
        metrics: this.#metrics,
        memory: this.#memory,
        listeners: () => this.#listeners(),
        state: this.#state && (() => this.#state?.status ?? {}),
        heartbeats: () => this.#heartbeatCounts(),
        lostLogLines: this.#lostLogLines,
        ready: () => this.#ready,
        nowMs: () => systemClock.nowMs(),
        log,
      }),
    );
    if (heartbeats !== undefined) {
      const { listen, secrets } = heartbeats;
      this.#heartbeats = await this.#open("heartbeats", listen, () =>
        listenForHeartbeats(this.#gateway, { listen, secrets, log }),
      );
    }
    const { maxConnections = limits.callers, addressRatio: callerRatio, ...uploads } = this.#settings.callers;
    const options = {
      ...{ log, memory: this.#memory, callerRatio, ids: new RequestIds(), ends: await this.#openEnds() },
      maxConnections: Math.min(maxConnections, limits.callers),
      minUploadBytesPerSecond: uploads.minUploadBytesPerSecond,
      maxUploadPauseMs: uploads.maxUploadPauseMs,
    };
    for (const [name, group] of this.#gateway.groups) {
      const { listen } = group.settings;
      const asyncCommands = this.#gateway.asyncCommands.get(name);
      const own = { asyncCommands, loop: this.#loopOf(name), tls: this.#certificates.ofGroup(name) };
      const open = () => listenForCommands(group, { ...options, ...own });
      this.#proxies.set(name, await this.#open(`group ${name}`, listen, open));
    }
    this.#watchExpiry();
    this.#gateway.run(this.#supervision.signal).catch((error: unknown) => this.#broke(error));
    this.#ready = true;
    void this.#history.countStored();
  }

  announceStop(forMs: number): Promise<void> {
    this.#ready = false;
    for (const proxy of this.#proxies.values()) proxy.retire();
    return systemClock.sleepUntil(systemClock.nowMs() + forMs);
  }

  stop(): Promise<void> {
    this.#ready = false;
    const parts = [...this.#proxies.values(), ...this.#gateway.asyncCommands.values()];
    const draining = parts.map((part) => part.drain(this.#settings.drainMs));
    return Promise.all(draining).then(() => this[Symbol.asyncDispose]());
  }

  useHeartbeatSecrets(secrets: HeartbeatSecrets): void {
    this.#heartbeats?.useSecrets(secrets);
    this.#epochs.use(secrets);
  }

  useCertificates(certificates: Certificates): void {
    this.#certificates.use(certificates);
    this.#tellExpiring();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ready = false;
    this.#supervision.abort();
    for (const part of this.#opened.toReversed()) {
      try {
        await part[Symbol.asyncDispose]();
      } catch (error) {
        this.#log.warn({ err: error }, "closing failed");
      }
    }
    this.#stopped.resolve();
  }

  async #open<Part extends AsyncDisposable>(
    what: string,
    at: ListenSettings,
    open: () => Promise<Part>,
  ): Promise<Part> {
    const part = await listening(what, at, open);
    this.#opened.push(part);
    return part;
  }

  async #openEnds(): Promise<RequestEnds> {
    const random = seededRandom(randomBytes(16).toString("hex"));
    const parts = { log: this.#log, random, nowMs: () => systemClock.nowMs() };
    const opened = await openAccessLog(this.#settings.accessLog, this.#streams, parts);
    this.#opened.push(opened);
    this.#lostAccessLines = opened.lost;
    return new RequestEnds({ calls: this.#calls, access: opened.access, timeOfDayMs: () => Date.now() });
  }

  #loopOf(group: string): LoopGuard {
    const known = this.#loops.get(group) ?? new LoopGuard();
    this.#loops.set(group, known);
    return known;
  }

  #note(event: GroupEvent): void {
    this.#metrics.noteEvent(event);
    this.#explainer.note(this.#feed.publish(event, new Date()), event);
    this.#log[severityOf(event)]({ group: event.group, event: event.type }, sentenceOf(event));
  }

  #noteState(event: StateEvent): void {
    this.#feed.publish(event, new Date());
    this.#log[severityOf(event)]({ event: event.type }, sentenceOf(event));
  }

  /**
   * Accepts fewer callers than there are descriptors, so that connections to stations remain
   * possible.
   */
  #connectionLimits(): ConnectionLimits {
    const { groups } = this.#settings;
    const stations = groups.reduce((sum, group) => sum + group.stations.length, 0);
    const descriptors = ownDescriptors();
    const limits = connectionLimits(descriptors, { groups: groups.length, stations });
    if (limits.callers < FEW_CALLERS)
      this.#log.warn(
        { ...descriptors, ...limits },
        "few file descriptors: few callers can connect at once; raise ulimit -n",
      );
    return limits;
  }

  #noteName({ host, type, addresses, code }: NameChange): void {
    const at = { host, addresses, code };
    if (type === "failed") this.#log.warn(at, "a name cannot be looked up: its last addresses are used until it can");
    else this.#log.info(at, "a name can be looked up again");
  }

  #watchExpiry(): void {
    this.#tellExpiring();
    const timer = setInterval(() => this.#tellExpiring(), LOOK_EVERY_MS).unref();
    this.#opened.push({ [Symbol.asyncDispose]: async () => clearInterval(timer) });
  }

  /** The control listener has no group whose event it could be. */
  #tellExpiring(): void {
    for (const { holder, facts, leftMs } of this.#expiry.look(this.#certificates.used, Date.now())) {
      const { subject, validToMs } = facts;
      const told = { holder, subject, expiresAt: new Date(validToMs).toISOString(), leftMs };
      const [group = ""] = holder.split("/");
      if (holder === "control") this.#log.warn(told, expiring(told));
      else this.#note({ type: "certificate-expiring", group, ...told, atMs: systemClock.nowMs() });
    }
  }

  #broke(error: unknown): void {
    this.#log.error({ err: error }, "supervision broke; stopping, because nobody would be promoted any more");
    this.#stopped.reject(error);
    this[Symbol.asyncDispose]();
  }

  #listeners(): Readonly<Record<string, ListenerFigures>> {
    return Object.fromEntries(this.#proxies);
  }

  #heartbeatCounts(): Readonly<Record<string, number>> {
    return { ...this.#heartbeats?.counters };
  }
}
