/**
 * The gateway as a process: the composition of `compose.ts` with the real clock, sockets, entropy
 * and log. It listens on all addresses or on none: if one address cannot be had, everything opened
 * before is closed again. Stopping is the reverse: first no new work is accepted, then commands in
 * flight may finish while supervision continues, and then everything else is closed. A change of
 * the settings opens what is new first, and closes what is old last. It is one file because what is
 * opened together is closed together.
 */
import { randomBytes } from "node:crypto";
import { seededRandom, systemClock } from "ground-station-failover";
import { GroupListeners, type Served } from "./adapters/callers/group-listeners.ts";
import { listenForCommands, type ProxyListener, type ServedBounds } from "./adapters/callers/http-proxy.ts";
import { requestDigest } from "./adapters/callers/request-digest.ts";
import { RequestEnds } from "./adapters/callers/request-ends.ts";
import { listenForAgentChecks } from "./adapters/control/agent-check.ts";
import { ControlAccess, type ControlToken } from "./adapters/control/control-access.ts";
import { type ControlListener, listenForControl } from "./adapters/control/control-api.ts";
import { Explainer } from "./adapters/control/explain-api.ts";
import { LiveFeed } from "./adapters/control/live-feed.ts";
import type { ReloadControl } from "./adapters/control/reload-order.ts";
import { BeatStreams } from "./adapters/heartbeats/beat-streams.ts";
import { challengesOf } from "./adapters/heartbeats/heartbeat-codec.ts";
import { type HeartbeatListener, listenForHeartbeats } from "./adapters/heartbeats/udp-heartbeats.ts";
import { LoopGuard } from "./adapters/http/loop-guard.ts";
import { RequestIds } from "./adapters/http/request-id.ts";
import { asyncIdentity } from "./adapters/process/async-identity.ts";
import {
  type ConnectionLimits,
  connectionLimits,
  type Descriptors,
  ownDescriptors,
} from "./adapters/process/descriptors.ts";
import { UserError } from "./adapters/process/exit-codes.ts";
import type { InheritedSockets } from "./adapters/process/inherited-sockets.ts";
import { listening, shownAddress } from "./adapters/process/listening.ts";
import { memoryForCallers } from "./adapters/process/own-memory.ts";
import { programVersion } from "./adapters/process/program-version.ts";
import { EpochProofs } from "./adapters/stations/epoch-proof.ts";
import { httpUplink, type LeavableUplink } from "./adapters/stations/http-uplink.ts";
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
import type { Group } from "./fleet/group.ts";
import { HeldMemory } from "./fleet/held-memory.ts";
import type { OrderedState } from "./fleet/order-records.ts";
import type { GatewaySettings, HeartbeatSecrets, ListenSettings } from "./fleet/settings.ts";
import { changeInWords, isSame, needingRestart } from "./fleet/settings-change.ts";
import { readOrderedState, StandingOrders } from "./fleet/standing-orders.ts";

export interface GatewayOptions {
  readonly log: Log;
  /** Number of log lines lost since the start. Default: none. */
  readonly lostLogLines?: () => number;
  /** Tokens of the control listener. Default: none, and access only from this machine. */
  readonly controlTokens?: readonly ControlToken[] | undefined;
  /** Where the settings are written, for explanations. Default: not known. */
  readonly written?: WrittenPlaces | undefined;
  /** Where an access log to a standard stream goes. Default: there is none. */
  readonly streams?: StandardStreams;
  /** Certificates and keys. Default: none; nothing speaks TLS, but stations with `https`. */
  readonly certificates?: Certificates | undefined;
  /** How the configuration is read again on request. Default: it cannot be. */
  readonly configuration?: ReloadControl | undefined;
  /** Sockets that a service manager has opened. Default: none. */
  readonly inherited?: InheritedSockets | undefined;
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
  /** Those in force. */
  readonly settings: GatewaySettings;
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
  /** From now on only these tokens are valid at the control listener. */
  useControlTokens(tokens: readonly ControlToken[]): void;
  /**
   * Follows `next` from now on, with all that is known. Rejects with a `UserError` or a
   * `ConfigurationError`, and changes nothing, if it cannot: a setting needs a restart, an address
   * cannot be had, a station that is to be removed cannot be replaced. One change at a time.
   */
  reload(next: FollowedConfiguration): Promise<void>;
}

/** What a gateway follows after a reload. */
interface FollowedConfiguration extends Pick<GatewayOptions, "controlTokens" | "written"> {
  readonly settings: GatewaySettings;
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
    const ordered = state && (await readOrderedState(state.records));
    starting = new GatewayProcess(settings, options, state, ordered);
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
  readonly #log: Log;
  readonly #lostLogLines: () => number;
  #lostAccessLines: () => number = () => 0;
  readonly #calls: CallHistory;
  readonly #access: ControlAccess;
  readonly #ids: RequestIds = new RequestIds();
  #ends: RequestEnds | undefined;
  readonly #options: GatewayOptions;
  readonly #gateway: Gateway;
  readonly #orders: StandingOrders;
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
  readonly #beats: BeatStreams;
  readonly #supervision: AbortController = new AbortController();
  readonly #stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Resources to be closed, in the order in which they were opened. */
  readonly #opened: Set<AsyncDisposable> = new Set();
  readonly #listeners: GroupListeners = new GroupListeners({
    open: (group, bounds) => this.#openGroup(group, bounds),
  });
  /** At the start: open connections are no reason to accept fewer of them. */
  readonly #descriptors: Descriptors | undefined = ownDescriptors();
  /** By group name. */
  readonly #loops: Map<string, LoopGuard> = new Map();
  #control: ControlListener | undefined;
  #heartbeats: HeartbeatListener | undefined;
  #ready = false;
  #closing: Promise<void> | undefined;

  constructor(
    settings: GatewaySettings,
    options: GatewayOptions,
    state: GatewayState | undefined,
    ordered: OrderedState | undefined,
  ) {
    const { log, lostLogLines = () => 0, written, certificates = NO_CERTIFICATES } = options;
    const { controlTokens = [] } = options;
    this.#options = options;
    this.#state = state;
    // Closed last: until then something may be sent under an epoch.
    if (state !== undefined) this.#opened.add(state);
    this.#certificates = new UsedCertificates(certificates);
    this.#log = log;
    this.#lostLogLines = () => lostLogLines() + this.#lostAccessLines();
    this.#calls = new CallHistory({ groups: settings.groups.length });
    this.#access = new ControlAccess(controlTokens, systemClock);
    this.#epochs = new EpochProofs(settings.heartbeats?.secrets ?? NO_SECRETS);
    this.#memory = new HeldMemory(memoryBounds(settings));
    this.#history = new EventHistory({ clock: systemClock, timeOfDayMs: () => Date.now(), records: state?.records });
    this.#explainer = new Explainer({
      ...{ settings, calls: this.#calls, history: this.#history, written },
      timeOfDayMs: () => Date.now(),
    });
    this.#feed = new LiveFeed({ clock: systemClock, history: this.#history, memory: this.#memory });
    this.#beats = new BeatStreams({ clock: systemClock, memory: this.#memory });
    this.#gateway = compose({
      settings,
      clock: systemClock,
      random: seededRandom(randomBytes(16).toString("hex")),
      challengeOf: challengesOf(randomBytes(32)),
      digest: requestDigest,
      records: state?.records,
      epochs: state?.epochs,
      asyncParts: { ...asyncIdentity(), roomFor: (group) => this.#memory.roomFor(`asynchronous commands of ${group}`) },
      initialActive: ordered?.initialActive,
      uplink: (group, station) => {
        const loop = this.#loopOf(group.name);
        const trust = this.#certificates.ofStation(group.name, station.name);
        const uplink = httpUplink(group, station, { names: this.#names, loop, epochs: this.#epochs, trust });
        this.#opened.add(uplink);
        return uplink;
      },
      onUplinkLeft: (uplink) => {
        const left = uplink as LeavableUplink;
        void left.leave().finally(() => this.#opened.delete(left));
      },
      onCommand: (group, outcome, elapsedMs) => this.#metrics.noteCommand(group, outcome, elapsedMs),
    });
    this.#orders = new StandingOrders({
      groups: this.#gateway.groups,
      clock: systemClock,
      unixNowMs: () => Date.now(),
      drainDelayMs: settings.drainDelayMs,
      ...{ store: state?.records, state: ordered },
      onUnkept: (error) => log.error({ err: error }, "an order is in force, but a restart would forget it"),
    });
    this.#metrics = new GatewayMetrics({
      groups: this.#gateway.groups,
      heartbeats: () => this.#heartbeatCounts(),
      probeOf: (group, station) => this.#gateway.groups.get(group)?.probeOf(station),
      isInConflict: (group, station) => this.#gateway.groups.get(group)?.conflictOf(station) !== undefined,
      lookups: () => this.#names.counts,
      lostLogLines: this.#lostLogLines,
      listeners: () => this.#listeners.figures,
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
      groups: this.#listeners.addresses,
      heartbeats: this.#heartbeats?.address,
    };
  }

  get protocols(): RunningGateway["protocols"] {
    const { control } = this.#certificates;
    const of = (tls: unknown): Protocol => (tls === undefined ? "http" : "https");
    const groups = [...this.#gateway.groups.keys()].map(
      (name) => [name, of(this.#certificates.ofGroup(name))] as const,
    );
    return { control: of(control), groups: Object.fromEntries(groups) };
  }

  get settings(): GatewaySettings {
    return this.#gateway.settings;
  }

  get stopped(): Promise<void> {
    return this.#stopped.promise;
  }

  async open(): Promise<void> {
    const settings = this.#gateway.settings;
    await this.#history.open();
    await this.#explainer.readBack();
    this.#opened.add({ [Symbol.asyncDispose]: () => this.#history.close() });
    this.#warnOfFewDescriptors();
    this.#gateway.onEvent((event) => this.#note(event));
    // From then on a thread reads; a gateway that keeps nothing needs none.
    await this.#gateway.loaded;
    this.#state?.serve((event) => this.#noteState(event));
    this.#ends = await this.#openEnds(settings);
    this.#opened.add(this.#listeners);
    this.#control = await this.#openControl(settings);
    this.#heartbeats = await this.#openHeartbeats(settings);
    await this.#openAgentChecks(settings);
    await this.#orders.restore();
    const listeners = await this.#listeners.prepare(this.#served(settings, [...this.#gateway.groups.values()]));
    listeners.commit(settings.drainMs);
    this.#watchExpiry();
    this.#gateway.run(this.#supervision.signal).catch((error: unknown) => this.#broke(error));
    this.#ready = true;
    void this.#history.countStored();
  }

  async reload({ settings, controlTokens, written }: FollowedConfiguration): Promise<void> {
    const before = this.#gateway.settings;
    const fixed = needingRestart(before, settings);
    if (fixed.length > 0)
      throw new UserError("configuration", `only a restart changes this: ${fixed.map(changeInWords).join("; ")}`);
    await this.#state?.epochs.open(settings.groups.map(({ name }) => name));
    const groups = this.#gateway.prepare(settings);
    const opened = new Opened(groups.cancel);
    try {
      const listeners = opened.add(await this.#listeners.prepare(this.#served(settings, groups.groups)), (all) =>
        all.cancel(),
      );
      const control = isSame(before.control, settings.control)
        ? undefined
        : opened.add(await this.#openControl(settings), (one) => this.#shut(one));
      const movesHeartbeats = !isSame(before.heartbeats?.listen, settings.heartbeats?.listen);
      const heartbeats = movesHeartbeats ? await this.#openHeartbeats(settings) : undefined;
      if (heartbeats !== undefined) opened.add(heartbeats, (one) => this.#shut(one));
      if (!this.#ready) throw new UserError("configuration", "the gateway is stopping");
      const left = groups.apply();
      // From here on nothing can fail.
      listeners.commit(settings.drainMs);
      for (const { group, end } of left) this.#endLater(group, end, settings.drainMs);
      this.#memory.use(memoryBounds(settings));
      this.#explainer.follow(settings, written);
      this.#useControl(control, settings.drainMs);
      this.#access.useTokens(controlTokens ?? []);
      if (movesHeartbeats) this.#useHeartbeats(heartbeats);
      this.useHeartbeatSecrets(settings.heartbeats?.secrets ?? NO_SECRETS);
    } catch (error) {
      await opened.cancel();
      throw error;
    }
    await this.#metrics.follow();
  }

  announceStop(forMs: number): Promise<void> {
    this.#ready = false;
    this.#listeners.retire();
    return systemClock.sleepUntil(systemClock.nowMs() + forMs);
  }

  stop(): Promise<void> {
    this.#ready = false;
    const withinMs = this.#gateway.settings.drainMs;
    const async = [...this.#gateway.asyncCommands.values()].map((part) => part.drain(withinMs));
    return Promise.all([this.#listeners.drain(withinMs), ...async]).then(() => this[Symbol.asyncDispose]());
  }

  useHeartbeatSecrets(secrets: HeartbeatSecrets): void {
    this.#heartbeats?.useSecrets(secrets);
    this.#epochs.use(secrets);
  }

  useCertificates(certificates: Certificates): void {
    this.#certificates.use(certificates);
    this.#tellExpiring();
  }

  useControlTokens(tokens: readonly ControlToken[]): void {
    this.#access.useTokens(tokens);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ready = false;
    this.#supervision.abort();
    this.#orders[Symbol.dispose]();
    for (const part of [...this.#opened].toReversed()) {
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
    this.#opened.add(part);
    return part;
  }

  async #openEnds({ accessLog }: GatewaySettings): Promise<RequestEnds> {
    const random = seededRandom(randomBytes(16).toString("hex"));
    const parts = { log: this.#log, random, nowMs: () => systemClock.nowMs() };
    const opened = await openAccessLog(accessLog, this.#options.streams, parts);
    this.#opened.add(opened);
    this.#lostAccessLines = opened.lost;
    return new RequestEnds({ calls: this.#calls, access: opened.access, timeOfDayMs: () => Date.now() });
  }

  /** No group takes new commands, by order: load balancers should send them elsewhere. */
  get #isAllDrained(): boolean {
    return [...this.#gateway.groups.values()].every((group) => group.drain !== undefined);
  }

  /** Closes a part that was opened. */
  async #shut(part: AsyncDisposable): Promise<void> {
    this.#opened.delete(part);
    await part[Symbol.asyncDispose]();
  }

  #openControl({ control, groups }: GatewaySettings): Promise<ControlListener> {
    return this.#open("control", control, () =>
      listenForControl({
        listen: { ...control, fd: this.#options.inherited?.take("control", control, "tcp") },
        maxConnections: this.#connectionLimits(groups).control,
        tls: this.#certificates.control,
        access: this.#access,
        orders: this.#orders,
        version: programVersion(),
        groups: this.#gateway.groups,
        feed: this.#feed,
        explainer: this.#explainer,
        asyncCommands: this.#gateway.asyncCommands,
        beats: this.#beats,
        metrics: this.#metrics,
        memory: this.#memory,
        listeners: () => this.#listeners.figures,
        state: this.#state && (() => this.#state?.status ?? {}),
        heartbeats: () => this.#heartbeatCounts(),
        lostLogLines: this.#lostLogLines,
        ready: () => this.#ready && !this.#isAllDrained,
        nowMs: () => systemClock.nowMs(),
        log: this.#log,
        configuration: this.#options.configuration,
      }),
    );
  }

  #useControl(opened: ControlListener | undefined, drainMs: number): void {
    const last = this.#control;
    if (opened !== undefined) this.#control = opened;
    if (opened !== undefined && last !== undefined) void last.leave(drainMs).then(() => this.#opened.delete(last));
  }

  async #openHeartbeats({ heartbeats }: GatewaySettings): Promise<HeartbeatListener | undefined> {
    if (heartbeats === undefined) return undefined;
    const { listen, secrets } = heartbeats;
    const fd = this.#options.inherited?.take("heartbeats", listen, "udp");
    return this.#open("heartbeats", listen, () =>
      listenForHeartbeats(this.#gateway, { listen: { ...listen, fd }, secrets, log: this.#log }),
    );
  }

  async #openAgentChecks({ agentCheck }: GatewaySettings): Promise<void> {
    if (agentCheck === undefined) return;
    const { listen } = agentCheck;
    const options = { listen, groups: this.#gateway.groups, log: this.#log };
    const { address } = await this.#open("agent checks", listen, () => listenForAgentChecks(options));
    this.#log.info({ address }, `agent checks of HAProxy are answered at ${shownAddress(address)}`);
  }

  #useHeartbeats(opened: HeartbeatListener | undefined): void {
    const last = this.#heartbeats;
    this.#heartbeats = opened;
    if (last !== undefined) void this.#shut(last);
  }

  #openGroup(group: Group, bounds: ServedBounds): Promise<ProxyListener> {
    const { listen } = group.settings;
    const fd = this.#options.inherited?.take(group.name, listen, "tcp");
    const open = (): Promise<ProxyListener> =>
      listenForCommands(group, {
        ...bounds,
        ...{ listen: { ...listen, fd }, log: this.#log, memory: this.#memory, ids: this.#ids },
        ...(this.#ends === undefined ? {} : { ends: this.#ends }),
        tls: this.#certificates.ofGroup(group.name),
      });
    return listening(`group ${group.name}`, listen, open);
  }

  /** What is served where under `settings`. */
  #served({ groups, callers }: GatewaySettings, made: readonly Group[]): Served[] {
    const limits = this.#connectionLimits(groups);
    const { maxConnections = limits.callers, addressRatio: callerRatio, ...uploads } = callers;
    return groups.map(({ name, listen }, place) => ({
      group: made[place] as Group,
      listen,
      bounds: {
        loop: this.#loopOf(name),
        asyncCommands: this.#gateway.asyncCommands.get(name),
        callerRatio,
        maxConnections: Math.min(maxConnections, limits.callers),
        minUploadBytesPerSecond: uploads.minUploadBytesPerSecond,
        maxUploadPauseMs: uploads.maxUploadPauseMs,
      },
    }));
  }

  /** The group goes on until its commands are over. */
  #endLater(group: Group, end: () => void, drainMs: number): void {
    this.#loops.delete(group.name);
    systemClock.at(systemClock.nowMs() + drainMs, end);
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
  #connectionLimits(groups: GatewaySettings["groups"]): ConnectionLimits {
    const stations = groups.reduce((sum, group) => sum + group.stations.length, 0);
    return connectionLimits(this.#descriptors, { groups: groups.length, stations });
  }

  #warnOfFewDescriptors(): void {
    const limits = this.#connectionLimits(this.#gateway.settings.groups);
    if (limits.callers < FEW_CALLERS)
      this.#log.warn(
        { ...this.#descriptors, ...limits },
        "few file descriptors: few callers can connect at once; raise ulimit -n",
      );
  }

  #noteName({ host, type, addresses, code }: NameChange): void {
    const at = { host, addresses, code };
    if (type === "failed") this.#log.warn(at, "a name cannot be looked up: its last addresses are used until it can");
    else this.#log.info(at, "a name can be looked up again");
  }

  #watchExpiry(): void {
    this.#tellExpiring();
    const timer = setInterval(() => this.#tellExpiring(), LOOK_EVERY_MS).unref();
    this.#opened.add({ [Symbol.asyncDispose]: async () => clearInterval(timer) });
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

  #heartbeatCounts(): Readonly<Record<string, number>> {
    return { ...this.#heartbeats?.counters };
  }
}

const NO_SECRETS: HeartbeatSecrets = { shared: [], own: new Map() };

function memoryBounds({ callers }: GatewaySettings): { readonly maxBytes: number; readonly callerRatio: number } {
  const { maxMemoryBytes: maxBytes = memoryForCallers(), addressRatio: callerRatio } = callers;
  return { maxBytes, callerRatio };
}

/** What was opened for a change, to be closed again if the change cannot be made. */
class Opened {
  readonly #undo: (() => unknown)[];

  constructor(undo: () => void) {
    this.#undo = [undo];
  }

  add<Part>(part: Part, close: (part: Part) => unknown): Part {
    this.#undo.push(() => close(part));
    return part;
  }

  async cancel(): Promise<void> {
    for (const undo of this.#undo.toReversed()) await undo();
  }
}
