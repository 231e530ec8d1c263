/**
 * One run of one case against one front, as a black box, in a process of its own: starts two
 * stations and the front, drives the load, injects the faults, waits for late executions, and
 * writes the figures as JSON. Called by `run.ts` with the plan as JSON in its only argument.
 */
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { type Action, caseNamed, FAULT_AT_S, type FaultCase, type StationName, type Step, shifted } from "./cases.ts";
import { faultShiftS } from "./chance.ts";
import { toJson } from "./exact-json.ts";
import { type Execution, type Figures, figuresOf } from "./figures.ts";
import { type Floor, floorOf } from "./floor.ts";
import type { StationAddress } from "./fronts/front.ts";
import { frontNamed } from "./fronts/fronts.ts";
import { Load, WARM_UP_S } from "./load.ts";
import { Children, endChild, nowMs, sleep, untilListening, untilReady } from "./processes.ts";
import { burstOf, capacityPerSecond, EXECUTED_AT_RATIO, type Setting } from "./setting.ts";
import { watchWire } from "./wire.ts";

/** What `run.ts` asks for. */
export interface Plan {
  readonly front: string;
  readonly case: string;
  readonly repetition: number;
  readonly setting: Setting;
  readonly portBase: number;
  readonly gateway: string;
  /** File for the outcome. */
  readonly output: string;
  /** File that gets the front's standard error. */
  readonly log: string;
}

/** What a run leaves. */
export interface RunOutcome {
  readonly front: string;
  readonly case: string;
  readonly repetition: number;
  readonly setting: Setting;
  readonly figures: Figures;
  readonly floor: Floor;
  /** Errors by what the callers saw. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Longest stall of the load client: above a tenth of a second the run says little. */
  readonly clientLagMs: number;
  readonly load: number;
}

interface StationStats {
  readonly inFlight: number;
  readonly refused: number;
  readonly arrivalsMs: readonly number[];
}

const HOST = "127.0.0.1";
/** Time for the first health checks, before the warm-up. */
const FIRST_CHECKS_MS = 600;
/** A station that is to start is loaded this long before. */
const STANDBY_S = 1;
const STATION = fileURLToPath(new URL("station.ts", import.meta.url));

class StationProcess {
  readonly address: StationAddress;
  readonly #name: StationName;
  readonly #log: string;
  readonly #adminPort: number;
  readonly #args: readonly string[];
  readonly #children: Children;
  #child: ReturnType<Children["launch"]> | undefined;
  #standby: ReturnType<Children["launch"]> | undefined;

  constructor(name: StationName, port: number, folder: string, setting: Setting, seed: string, children: Children) {
    this.#name = name;
    this.#children = children;
    this.#log = join(folder, `${name}.log`);
    this.#adminPort = port + 2;
    this.address = { host: HOST, port, healthPort: port + 1 };
    const limits = name === "backup" ? { capacity: capacityPerSecond(setting), burst: burstOf(setting) } : {};
    const flags = { name, port, "health-port": port + 1, "admin-port": port + 2, log: this.#log, seed, ...limits };
    const all = { ...flags, latency: setting.latencyMs, "executed-at": EXECUTED_AT_RATIO };
    this.#args = [STATION, ...Object.entries(all).flatMap(([flag, value]) => [`--${flag}`, String(value)])];
  }

  async start(warmingMs = 0): Promise<void> {
    const child = this.#standby ?? this.#launch(warmingMs);
    this.#standby = undefined;
    this.#child = child;
    const ready = untilReady(child);
    child.stdin?.write("start\n");
    await ready;
  }

  /**
   * Loads the process that a later `start` lets begin, so that the start takes no time of its own.
   */
  prepare(warmingMs = 0): void {
    this.#standby = this.#launch(warmingMs, "--standby");
  }

  async act(action: Action): Promise<void> {
    const signals = { kill: "SIGKILL", stop: "SIGSTOP", continue: "SIGCONT" } as const;
    if (action.kind === "start") await this.start(action.warmingMs);
    else if (action.kind === "mode") await this.#admin("POST", "/mode", JSON.stringify(action.mode));
    else this.#child?.kill(signals[action.kind]);
  }

  /** Undefined while it is not running. */
  async stats(): Promise<StationStats | undefined> {
    try {
      return JSON.parse(await this.#admin("GET", "/stats")) as StationStats;
    } catch {
      return undefined;
    }
  }

  executions(): Execution[] {
    if (!existsSync(this.#log)) return [];
    const lines = readFileSync(this.#log, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Execution);
  }

  #launch(warmingMs: number, ...more: readonly string[]): ReturnType<Children["launch"]> {
    return this.#children.launch(process.execPath, [...this.#args, "--warming", String(warmingMs), ...more]);
  }

  #admin(method: string, path: string, body?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: HOST, port: this.#adminPort, method, path, agent: false as const, timeout: 1_000 };
      const request = http.request(options, async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        resolve(text);
      });
      request.on("timeout", () => request.destroy(new Error(`${this.#name} does not answer on its admin port.`)));
      request.on("error", reject);
      request.end(body);
    });
  }
}

/** Carries out the steps at their instants and keeps the instants at which they were done. */
class Faults {
  readonly done: Step[] = [];
  readonly #stations: Readonly<Record<StationName, StationProcess>>;
  readonly #startMs: number;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(steps: readonly Step[], stations: Readonly<Record<StationName, StationProcess>>, startMs: number) {
    this.#stations = stations;
    this.#startMs = startMs;
    for (const step of steps) {
      const { station, action, atS } = step;
      if (action.kind === "start") this.#at(atS - STANDBY_S, () => stations[station].prepare(action.warmingMs));
      this.#at(atS, () => this.#carryOut(step));
    }
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.done.sort((one, other) => one.atS - other.atS);
  }

  #at(atS: number, run: () => void): void {
    this.#timers.push(setTimeout(run, this.#startMs + 1_000 * atS - nowMs()));
  }

  async #carryOut(step: Step): Promise<void> {
    const { station, action } = step;
    const beganS = this.#nowS();
    await this.#stations[station].act(action).catch((error) => console.error(`step ${action.kind} failed: ${error}`));
    // A start counts from the instant at which the station serves, everything else from when it was
    // ordered.
    this.done.push({ ...step, atS: action.kind === "start" ? this.#nowS() : beganS });
  }

  #nowS(): number {
    return (nowMs() - this.#startMs) / 1_000;
  }
}

/**
 * Late executions count: waits at least `settleMs`, then until no living station has a command in
 * flight.
 */
async function settle(stations: readonly StationProcess[], settleMs: number): Promise<void> {
  await sleep(settleMs);
  for (let attempt = 0; attempt < 50; attempt++) {
    const stats = await Promise.all(stations.map((station) => station.stats()));
    if (stats.every((one) => one === undefined || one.inFlight === 0)) return;
    await sleep(200);
  }
}

async function measure(plan: Plan, faultCase: FaultCase, folder: string, children: Children): Promise<RunOutcome> {
  const { setting, portBase } = plan;
  const seed = `${setting.seed} ${plan.case} ${plan.repetition}`;
  const primary = new StationProcess("primary", portBase + 1, folder, setting, seed, children);
  const backup = new StationProcess("backup", portBase + 4, folder, setting, seed, children);
  await Promise.all([primary.start(), backup.start()]);
  const wire = watchWire(children, portBase + 1, portBase + 4);
  const frontFolder = join(folder, "front");
  mkdirSync(frontFolder);
  const addresses = {
    listenPort: portBase,
    controlPort: portBase + 7,
    primary: primary.address,
    backup: backup.address,
  };
  const front = frontNamed(plan.front)({ ...addresses, folder: frontFolder, setting, gateway: plan.gateway });
  const log = openSync(plan.log, "w");
  const program = children.launch(front.command, front.args, { cwd: frontFolder, stdio: ["ignore", "ignore", log] });
  await untilListening(program, portBase);
  await sleep(FIRST_CHECKS_MS);
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  const startMs = nowMs() + 1_000 * WARM_UP_S + 50;
  const faults = new Faults(faultCase.steps, { primary, backup }, startMs);
  const load = new Load(portBase, setting, faultCase);
  await load.drive(startMs);
  lag.disable();
  faults.end();
  await settle([primary, backup], front.settleMs);
  const stats = await backup.stats();
  await endChild(program, "SIGTERM", 2_500);
  const captured = await wire.stop();
  load.close();
  const isMeasured = ({ key }: Execution): boolean => key.startsWith("c");
  const figures = figuresOf({
    setting,
    faultCase,
    startMs,
    faultMs: startMs + 1_000 * (faults.done[0]?.atS ?? FAULT_AT_S),
    calls: load.calls,
    executions: [...primary.executions(), ...backup.executions()].filter(isMeasured),
    backupArrivalsMs: stats?.arrivalsMs ?? [],
    backupRefusals: stats?.refused ?? 0,
    wire: captured?.filter(({ atMs }) => atMs >= startMs),
  });
  const outcomes: Record<string, number> = {};
  for (const { outcome } of load.calls) if (outcome !== "ok") outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  return {
    front: plan.front,
    case: plan.case,
    repetition: plan.repetition,
    setting,
    figures,
    floor: floorOf(faultCase, setting, faults.done),
    outcomes,
    clientLagMs: lag.max / 1e6,
    load: loadavg()[0] ?? 0,
  };
}

async function main(): Promise<void> {
  const plan = JSON.parse(process.argv[2] ?? "{}") as Plan;
  const folder = mkdtempSync(join(tmpdir(), "takeover-"));
  const children = new Children();
  const clean = async (): Promise<void> => {
    await children.endAll();
    rmSync(folder, { recursive: true, force: true });
  };
  let isOver = false;
  for (const end of ["SIGTERM", "SIGINT", "disconnect"]) {
    process.on(end, async () => {
      if (isOver) return;
      isOver = true;
      await clean();
      process.exit(1);
    });
  }
  const faultCase = shifted(caseNamed(plan.case), faultShiftS(plan.setting.seed, plan.case, plan.repetition));
  let exitCode = 0;
  try {
    const outcome = await measure(plan, faultCase, folder, children);
    writeFileSync(plan.output, toJson(outcome));
  } catch (error) {
    console.error(`${plan.front}, case ${plan.case}: ${error instanceof Error ? error.message : error}`);
    exitCode = 1;
  }
  isOver = true;
  await clean();
  process.exit(exitCode);
}

await main();
