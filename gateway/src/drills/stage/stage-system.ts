/**
 * A stage that runs: the processes of the system under test, what is seen of them, and the
 * measurement of a fault. All processes are started at once, because each knows the others'
 * addresses beforehand; the load begins when the gateway is ready. It runs in a process of its own,
 * apart from the runner, so that its numbers can be read while the runner is busy or dead, and so
 * that one process knows every other one and ends them all.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "ground-station-failover";
import { request } from "undici";
import { stringify } from "yaml";
import { Children } from "../../adapters/process/children.ts";
import { freePorts } from "../../adapters/process/free-ports.ts";
import { machineNowMs } from "../../adapters/process/machine-time.ts";
import type { JsonObject } from "../experiment/experiment.ts";
import { faketimeEnvironment, faketimeLibrary } from "../injectors/clock.ts";
import {
  addressValues,
  gatewayConfiguration,
  planAddresses,
  portsNeeded,
  proxyConfiguration,
  type StageAddresses,
  valueName,
} from "./addresses.ts";
import { Executors } from "./executors.ts";
import { GatewayWatch } from "./gateway-watch.ts";
import type { LoadReport } from "./load-process.ts";
import { type Asked, measureFault, type StageMeasured } from "./measured.ts";
import { Observations } from "./observations.ts";
import { completeSource, type LoadSourceSettings, type StageSettings } from "./settings.ts";
import { LOAD_GAP_MS, loadGapMs, type StageSignals, stageSignals } from "./signals.ts";
import { type ProcessPlan, StageProcesses } from "./stage-processes.ts";
import { type ServedStage, type StageServer, type StationsView, serveStage } from "./stage-server.ts";
import { type SteadyState, SteadyTimeline } from "./steady-timeline.ts";

export interface StageSystemOptions {
  readonly settings: StageSettings;
  readonly seed: number;
  /** For the files of the stage; its owner removes it. */
  readonly directory: string;
  readonly clock: Clock;
  /** One line for a person. */
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

const LOOK_EVERY_MS = 100;
/** Loaded into the gateway's process; from source in a checkout, from what was built elsewhere. */
const NAMES_PROGRAM = new URL(
  import.meta.url.endsWith(".ts") ? "program-names.ts" : "program-names.js",
  import.meta.url,
).href;

export class StageSystem implements ServedStage {
  readonly executors: Executors;
  readonly #options: StageSystemOptions;
  readonly #seen: Observations = new Observations();
  readonly #children: Children = new Children();
  readonly #processes: StageProcesses;
  readonly #sources: Map<string, LoadSourceSettings> = new Map();
  #server: StageServer | undefined;
  #watch: GatewayWatch | undefined;
  #armedMs = 0;
  #batches = 0;

  constructor(options: StageSystemOptions) {
    this.#options = options;
    const { clock, settings, directory } = options;
    this.#processes = new StageProcesses(this.#children, clock, directory);
    this.executors = new Executors({
      clock,
      kind: settings.executor,
      onExecuted: (command, station) => this.#seen.noteExecuted(command, station, machineNowMs()),
    });
  }

  /** Starts everything. Resolves with the values for drills when the steady state holds. */
  async open(): Promise<JsonObject> {
    const { settings, tell, directory } = this.#options;
    const server = await serveStage(this);
    this.#server = server;
    const at = planAddresses(settings, await freePorts(portsNeeded(settings)));
    this.#plan(at, server.url);
    const startedMs = machineNowMs();
    // The gateway reads at its start which authorities it trusts.
    if (settings.tls) await this.#trustProxies(at.proxy as string);
    await Promise.all(this.#processes.first.map((name) => this.#begin(name)));
    tell(`stage: ${this.#processes.first.length} processes are ready after ${sinceMs(startedMs)} ms`);
    this.#watch = this.#watchGateway(at);
    for (const source of settings.load) this.addSource(completeSource(source));
    await this.#steady();
    this.#armedMs = machineNowMs();
    tell(`stage: steady after ${sinceMs(startedMs)} ms`);
    return {
      ...addressValues(settings, at),
      ...this.#processValues(server.url),
      stage_url: server.url,
      signals_url: `${server.url}/signals`,
      stations_url: `${server.url}/stations`,
      steady_state_url: `${server.url}/steady-state?window=${settings.steady.windowMs}ms`,
      stage_dir: directory,
      config_file: this.#configFile,
    };
  }

  /** Kills every process and closes every listener. */
  async end(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#processes.retire().catch(() => undefined);
    await this.#children.end();
    this.#server?.close();
  }

  signals(windowMs: number = this.#options.settings.steady.windowMs): StageSignals {
    const { steady } = this.#options.settings;
    const at = { nowMs: machineNowMs(), windowMs, armedMs: this.#armedMs };
    return stageSignals(this.#seen, steady, at);
  }

  steadyState(windowMs: number = this.#options.settings.steady.windowMs): SteadyState {
    const nowMs = machineNowMs();
    const state = new SteadyTimeline(this.#seen, this.#options.settings.steady, nowMs).at(nowMs - windowMs, nowMs);
    const gapMs = loadGapMs(this.#seen, nowMs);
    if (gapMs <= LOAD_GAP_MS) return state;
    return { ...state, met: false, reasons: [...state.reasons, `the load has not reported for ${gapMs} ms`] };
  }

  measure(asked: Asked): StageMeasured {
    const { settings } = this.#options;
    return measureFault(this.#seen, settings, { ...asked, armedMs: this.#armedMs, nowMs: machineNowMs() });
  }

  stations(): StationsView {
    const { active = null, eligible = [] } = this.#seen.samples.at(-1) ?? {};
    const isKnown = this.signals()["gateway_up"] === 1;
    return { active: isKnown ? active : null, healthy: isKnown ? eligible : [] };
  }

  processes(): ReturnType<StageProcesses["list"]> {
    return this.#processes.list();
  }

  start(name: string): Promise<number> {
    return this.#processes.start(name);
  }

  async kill(name: string): Promise<void> {
    await this.#processes.kill(name);
  }

  readOutput(name: string, isReading: boolean): void {
    this.#processes.running(name)?.readOutput(isReading);
  }

  sources(): readonly LoadSourceSettings[] {
    return [...this.#sources.values()];
  }

  addSource(source: LoadSourceSettings): void {
    this.#sources.set(source.name, source);
    const { isJudged, answerWithinMs, perSecond, kind, name } = source;
    this.#seen.sources.set(name, { isJudged, answerWithinMs, perSecond, isExecuted: kind !== "reads" });
    this.#processes.running("load")?.send({ add: source, prefix: `${name}-${++this.#batches}` });
  }

  removeSource(name: string): boolean {
    const source = this.#sources.get(name);
    if (source === undefined) return false;
    this.#sources.delete(name);
    const terms = this.#seen.sources.get(name);
    // What it has sent is judged to the end; nothing more is expected of it.
    if (terms !== undefined) this.#seen.sources.set(name, { ...terms, perSecond: 0 });
    this.#processes.running("load")?.send({ remove: name });
    return true;
  }

  get #configFile(): string {
    return join(this.#options.directory, "fleet.yaml");
  }

  get #authorityFile(): string {
    return join(this.#options.directory, "proxies-ca.pem");
  }

  async #trustProxies(proxyUrl: string): Promise<void> {
    await this.#begin("proxy");
    const { statusCode, body } = await request(`${proxyUrl}/tls/ca`);
    const certificate = await body.text();
    if (statusCode !== 200) throw new Error(`GET /tls/ca of the proxy answered ${statusCode}: ${certificate}`);
    writeFileSync(this.#authorityFile, certificate);
  }

  async #begin(name: string): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    await this.#processes.start(name);
  }

  #plan(at: StageAddresses, stageUrl: string): void {
    const { settings, directory, seed } = this.#options;
    const secretFile = join(directory, "heartbeat-secret");
    if (settings.heartbeats === "udp") writeFileSync(secretFile, randomBytes(32).toString("hex"), { mode: 0o600 });
    writeFileSync(this.#configFile, stringify(gatewayConfiguration(settings, at, secretFile)));
    for (const { name, service, restartAfterMs } of settings.stations) {
      const ports = at.stations[name] as StageAddresses["stations"][string];
      const options = { name, stageUrl, seed, mode: service, port: ports.service, controlPort: ports.serviceControl };
      this.#processes.plan(name, {
        arguments: ["drill-service", JSON.stringify(options)],
        ready: (child) => child.line(/listening/),
        restartAfterMs,
      });
      if (ports.relay !== undefined) this.#planRelay(name, ports.relay, at, secretFile);
    }
    const { nodeArguments, ownNames, restartAfterMs } = settings.gateway;
    this.#processes.plan("gateway", {
      arguments: ["run", "--json", "--config", this.#configFile],
      endsOnRequest: true,
      options: {
        environment: this.#gatewayEnvironment(),
        nodeArguments: [...(ownNames ? ["--import", NAMES_PROGRAM] : []), ...nodeArguments],
      },
      ready: (child) => child.line(/"ready":true/),
      restartAfterMs,
    });
    this.#processes.plan("load", {
      arguments: ["drill-load", JSON.stringify({ to: at.callers })],
      ready: (child) => child.line(/ready/),
      onStarted: (child) => child.process.on("message", (report: LoadReport) => this.#noteLoad(report)),
    });
    if (at.proxy !== undefined) this.#planProxy(at, at.proxy);
  }

  #gatewayEnvironment(): Readonly<Record<string, string>> {
    const { settings, directory } = this.#options;
    const { environment, ownClock, ownNames } = settings.gateway;
    const clockFile = join(directory, "gateway-clock");
    if (ownClock) writeFileSync(clockFile, "+0");
    return {
      ...(settings.tls ? { NODE_EXTRA_CA_CERTS: this.#authorityFile } : {}),
      ...(ownNames ? { GSF_NAMES_AWAY: join(directory, "name-server-away") } : {}),
      ...(ownClock ? faketimeEnvironment(faketimeLibrary() ?? "", clockFile) : {}),
      ...environment,
    };
  }

  #planRelay(name: string, port: number, at: StageAddresses, secretFile: string): void {
    const { settings } = this.#options;
    const service = at.serviceOf[name] as string;
    const to = ["--relay-to", service, "--heartbeat-to", at.heartbeatsOf[name] as string];
    const checked = ["--check", `${service}/healthz`, "--secret-file", secretFile];
    const relay = (listenPort: number, isFirst: boolean): ProcessPlan => ({
      isFirst,
      endsOnRequest: true,
      arguments: ["station", "--name", name, "--group", settings.group, "--listen", `127.0.0.1:${listenPort}`].concat(
        to,
        checked,
      ),
      ready: (child) => child.line(/listening/),
    });
    this.#processes.plan(`${name}-relay`, relay(port, true));
    // A second process under the same name, for a drill that wants one.
    this.#processes.plan(`${name}-twin`, relay(0, false));
  }

  #planProxy(at: StageAddresses, url: string): void {
    const { directory, seed, clock, signal } = this.#options;
    const file = join(directory, "proxies.json");
    writeFileSync(file, JSON.stringify(proxyConfiguration(at)));
    const { hostname, port } = new URL(url);
    this.#processes.plan("proxy", {
      endsOnRequest: true,
      arguments: ["proxy", "--host", hostname, "--port", port, "--config", file, "--seed", String(seed)],
      ready: async (child) => {
        const isUp = async (): Promise<boolean> => {
          const { statusCode, body } = await request(`${url}/proxies`);
          const proxies = (await body.json()) as object;
          return statusCode === 200 && Object.keys(proxies).length === at.links.length;
        };
        while (!child.ended && !(await isUp().catch(() => false)))
          await clock.sleepUntil(clock.nowMs() + LOOK_EVERY_MS, signal);
      },
    });
  }

  #watchGateway(at: StageAddresses): GatewayWatch {
    const { settings, clock } = this.#options;
    return new GatewayWatch({
      control: at.control,
      group: settings.group,
      clock,
      machineNowMs,
      life: () => this.#processes.startsOf("gateway"),
      onStatus: (sample) => this.#seen.noteStatus(sample),
      onEvent: (event, atMs) => this.#seen.noteEvent(event, atMs),
    });
  }

  #noteLoad({ sent, ended }: LoadReport): void {
    this.#seen.loadReportedMs = machineNowMs();
    for (const call of sent) this.#seen.noteSent(call);
    for (const record of ended) this.#seen.noteEnded(record);
  }

  /**
   * Waits until every station is eligible and the steady state has held for as long as an answer
   * may take: a command of the first moments that is late shows only then.
   */
  async #steady(): Promise<void> {
    const { settings, clock, signal } = this.#options;
    const limitMs = clock.nowMs() + settings.startWithinMs;
    const settleMs = Math.max(
      0,
      ...this.sources().map(({ isJudged, answerWithinMs }) => (isJudged ? answerWithinMs : 0)),
    );
    let missedMs = clock.nowMs();
    for (;;) {
      this.#children.refuseDeath();
      const state = this.steadyState();
      const eligible = this.#seen.samples.at(-1)?.eligible.length ?? 0;
      if (!state.met || eligible < settings.stations.length) missedMs = clock.nowMs();
      else if (clock.nowMs() >= missedMs + settleMs) return;
      if (clock.nowMs() >= limitMs) {
        const why = [...state.reasons, `${eligible} of ${settings.stations.length} stations are eligible`].join("; ");
        throw new Error(`the stage was not steady after ${settings.startWithinMs} ms: ${why}`);
      }
      await clock.sleepUntil(clock.nowMs() + LOOK_EVERY_MS, signal);
    }
  }

  /** The process ids of now, and where those of later are found. */
  #processValues(stageUrl: string): JsonObject {
    const entries = this.#processes.list().flatMap(({ name, pid }): Array<[string, string | number]> => {
      const prefix = valueName(name);
      return [
        ...(pid === null ? [] : [[`${prefix}_pid`, pid] as [string, number]]),
        [`${prefix}_pid_file`, this.#processes.pidFileOf(name)],
        [`${prefix}_process_url`, `${stageUrl}/processes/${name}`],
      ];
    });
    return Object.fromEntries(entries);
  }
}

function sinceMs(startedMs: number): number {
  return Math.round(machineNowMs() - startedMs);
}
