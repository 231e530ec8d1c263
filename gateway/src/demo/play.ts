/**
 * The incident, step by step. All processes start and run steadily; the active station gets a
 * fault; the backup takes over. If requested, the station recovers and becomes active again. Then
 * the records of the source and of the spacecraft are compared. Every step has a time limit. The
 * demo makes no decision for the gateway: it only starts processes, causes a fault in one of them,
 * observes, and at the end requests the switchover back, as an operator would.
 */
import { request } from "undici";
import type { GroupView } from "../adapters/control/gateway-view.ts";
import { machineNowMs } from "../adapters/process/machine-time.ts";
import type { Wait } from "../adapters/process/waiting.ts";
import { type DemoFault, FAULT_IN_WORDS, FaultInjector } from "./faults.ts";
import { type FleetProcesses, PRIMARY, type Station } from "./fleet-processes.ts";
import { Narrator } from "./narrator.ts";
import type { Ledger } from "./spacecraft.ts";
import type { Stage } from "./stage.ts";
import { type CommandRecord, type FaultMark, type Sums, sumUp } from "./sums.ts";
import type { Timeline } from "./timeline.ts";

export interface PlayOptions {
  readonly fault: DemoFault;
  readonly thenHeal: boolean;
  readonly ratePerSecond: number;
  /** How long the demo continues after the failover, and after the switchover back. */
  readonly seconds: number;
}

export interface Outcome {
  readonly sums: Sums;
  readonly epoch: number;
  /**
   * Commands that the faulty station itself dropped or refused once it could: too late, or with an
   * old epoch.
   */
  readonly absorbedByStation: number;
  readonly healed: Healed | undefined;
}

export interface Healed {
  /** From the end of the fault until the gateway regarded the station as well. */
  readonly wellAfterMs: number;
  /** From the request to switch back until the station served its first command. */
  readonly switchBackMs: number;
}

const STEADY_LIMIT_MS = 20_000;
const TAKEOVER_LIMIT_MS = 15_000;
/** A station that failed several times must wait longer each time. */
const HEAL_LIMIT_MS = 45_000;
const SWITCH_BACK_LIMIT_MS = 15_000;
const SETTLE_LIMIT_MS = 10_000;
/** Below this level there is no suspicion. */
const LOW_PHI = 2;
/** Longest time of an answer that did not wait in a queue, even on a busy machine, in ms. */
const PROMPT_MS = 250;

export class Play {
  readonly #options: PlayOptions;
  readonly #stage: Stage;
  readonly #fleet: FleetProcesses;
  readonly #timeline: Timeline;
  readonly #wait: Wait;
  #narrator: Narrator | undefined;
  /** Number of the load's records that the narrator has received. */
  #told = 0;

  constructor(options: PlayOptions, stage: Stage, fleet: FleetProcesses, timeline: Timeline, wait: Wait) {
    this.#options = options;
    this.#stage = stage;
    this.#fleet = fleet;
    this.#timeline = timeline;
    this.#wait = wait;
  }

  /**
   * Runs all steps from the steady state on. If the station is to recover, `between` gets the
   * results before the recovery.
   */
  async run(between: (outcome: Outcome) => void): Promise<Outcome> {
    const { thenHeal } = this.#options;
    const { primary, spacecraft, view } = this.#stage;
    await view.listen((event) => this.#narrator?.event(event));
    await this.#steady();
    const injector = new FaultInjector(this.#options.fault, primary.child, spacecraft.child, this.#wait);
    const mark = await this.#strike(injector);
    if (!thenHeal) return this.#reckon(mark, injector, primary, undefined);
    between(await this.#outcome(mark, undefined, 0));
    const { station, healed } = await this.#heal(injector);
    return this.#reckon(mark, injector, station, healed);
  }

  async #steady(): Promise<void> {
    const { view, load } = this.#stage;
    const wanted = Math.max(20, this.#options.ratePerSecond);
    this.#timeline.title(`Waiting for steady state: phi below ${LOW_PHI}, ${wanted} prompt answers`);
    const prompt = (): number => promptInARow(load.records);
    const look = async (): Promise<GroupView | undefined> => {
      const group = await view.status();
      const calm = group.stations.every(({ liveness, phi }) => liveness === "alive" && (phi ?? 99) < LOW_PHI);
      return calm && group.active === PRIMARY && prompt() >= wanted ? group : undefined;
    };
    const seen = (): string =>
      `${load.records.length} commands have ended, the last ${prompt()} of them well and within ${PROMPT_MS} ms; ` +
      "where there are too few, this machine may be too busy for the rate";
    const group = await this.#wait.until("steady state", STEADY_LIMIT_MS, look, seen);
    const levels = group.stations.map(({ name, phi }) => `${name} ${(phi ?? 0).toFixed(1)}`).join(", ");
    const ended = load.records.length;
    this.#timeline.event(`${group.active} serves, epoch ${group.epoch}, ${ended} commands answered; phi: ${levels}`);
  }

  /** Causes the fault, waits until the backup serves, and continues for a while. */
  async #strike(injector: FaultInjector): Promise<FaultMark> {
    const { fault, seconds } = this.#options;
    this.#timeline.title(`Fault at ${PRIMARY}: ${FAULT_IN_WORDS[fault]}`);
    const mark: FaultMark = { atMs: machineNowMs(), station: PRIMARY };
    this.#timeline.originAt(mark.atMs);
    this.#narrator = new Narrator(this.#timeline, mark);
    let struck = false;
    injector.strike().then(
      () => {
        struck = true;
      },
      // A failure that ends the fault early also ends the watch below.
      () => undefined,
    );
    const takenOver = (): boolean => this.#narrator?.takeoverTold === true;
    await this.#watch("another station to serve a command", TAKEOVER_LIMIT_MS, takenOver);
    await this.#watch("the fault to have struck in full", TAKEOVER_LIMIT_MS, () => struck);
    await this.#runOn(seconds);
    return mark;
  }

  /**
   * Ends the fault, waits until the gateway regards the station as well, and requests the
   * switchover back.
   */
  async #heal(injector: FaultInjector): Promise<{ station: Station; healed: Healed }> {
    const { fault, seconds } = this.#options;
    const { primary, spacecraft, gateway, view, load } = this.#stage;
    this.#timeline.title(`Healing ${PRIMARY}: ${fault === "kill" ? "it is started again" : "the fault ends"}`);
    const healMs = machineNowMs();
    injector.end();
    const station =
      fault === "kill"
        ? await this.#fleet.startStation(PRIMARY, primary.url, spacecraft.url, gateway.addresses.heartbeats)
        : primary;
    const isWell = (group: GroupView): boolean =>
      group.stations.some(({ name, assessment }) => name === PRIMARY && assessment.eligible && assessment.proven);
    await this.#watch(`${PRIMARY} to be held well again`, HEAL_LIMIT_MS, isWell);
    const wellMs = machineNowMs();
    this.#timeline.event(`${PRIMARY} is held well again; asking for the switch back`);
    let refused: string | undefined = "not asked yet";
    const switchOver = async (): Promise<boolean> => {
      refused = await view.switchover(PRIMARY, "the demo's operator: the station is well again");
      return refused === undefined;
    };
    await this.#watch("the switch back", SWITCH_BACK_LIMIT_MS, switchOver, () => `last refusal: ${refused}`);
    const servesAgain = (): number | undefined =>
      load.records.find(({ station: by, sentMs, error }) => by === PRIMARY && sentMs > wellMs && error === undefined)
        ?.endedMs;
    await this.#watch(`${PRIMARY} to serve again`, SWITCH_BACK_LIMIT_MS, () => servesAgain() !== undefined);
    const servedMs = servesAgain() as number;
    this.#timeline.event(`first command served by ${PRIMARY} again`, servedMs, "green");
    await this.#runOn(seconds);
    return { station, healed: { wellAfterMs: wellMs - healMs, switchBackMs: servedMs - wellMs } };
  }

  /**
   * Stops the load, waits for the commands that the faulty station still holds, and compares the
   * records.
   */
  async #reckon(
    mark: FaultMark,
    injector: FaultInjector,
    struck: Station,
    healed: Healed | undefined,
  ): Promise<Outcome> {
    await this.#fleet.stopLoad(this.#stage.load);
    this.#tellRecords();
    let absorbedByStation = 0;
    if (!struck.child.ended) {
      injector.end();
      absorbedByStation = await this.#settled(struck);
    }
    return this.#outcome(mark, healed, absorbedByStation);
  }

  /**
   * Waits until the faulty station has no commands in flight. Returns how many it dropped or
   * refused itself.
   */
  #settled({ name, url }: Station): Promise<number> {
    return this.#wait.until(`${name} to have nothing in hand`, SETTLE_LIMIT_MS, async () => {
      const { body } = await request(`${url}/healthz`, { headersTimeout: 2_000 });
      const { counts } = (await body.json()) as {
        counts: { inFlight: number; droppedLate: number; refusedHere: number };
      };
      // One request in flight is this one.
      return counts.inFlight > 1 ? undefined : counts.droppedLate + counts.refusedHere;
    });
  }

  async #outcome(mark: FaultMark, healed: Healed | undefined, absorbedByStation: number): Promise<Outcome> {
    const { load, spacecraft, view } = this.#stage;
    // Copies the records first: every command acknowledged by now is then in the ledger.
    const records = [...load.records];
    const { body } = await request(`${spacecraft.url}/ledger`);
    const ledger = (await body.json()) as Ledger;
    const sums = sumUp(records, ledger, mark, 1_000 / this.#options.ratePerSecond);
    return { sums, epoch: (await view.status()).epoch, absorbedByStation, healed };
  }

  /** Observes the gateway and the records until `done`, and tells what happens. */
  async #watch(
    what: string,
    limitMs: number,
    done: (group: GroupView) => boolean | Promise<boolean>,
    seen?: () => string,
  ): Promise<void> {
    let last = "";
    const look = async (): Promise<true | undefined> => {
      const group = await this.#stage.view.status();
      last = `${group.active} is active, epoch ${group.epoch}, ${group.waiting} commands waiting, ${group.parked} parked`;
      this.#tellRecords();
      this.#narrator?.status(group);
      return (await done(group)) || undefined;
    };
    await this.#wait.until(what, limitMs, look, () => (seen === undefined ? last : `${seen()}; ${last}`));
  }

  async #runOn(seconds: number): Promise<void> {
    const endMs = machineNowMs() + seconds * 1_000;
    await this.#watch("time to pass", seconds * 1_000 + STEADY_LIMIT_MS, () => machineNowMs() >= endMs);
  }

  #tellRecords(): void {
    const { records } = this.#stage.load;
    while (this.#told < records.length) {
      const record = records[this.#told++];
      if (record !== undefined) this.#narrator?.record(record);
    }
  }
}

/** Number of the most recent commands in a row that ended well and without delay. */
function promptInARow(records: readonly CommandRecord[]): number {
  const late = records.findLastIndex(
    ({ sentMs, endedMs, error }) => error !== undefined || endedMs - sentMs > PROMPT_MS,
  );
  return records.length - 1 - late;
}
