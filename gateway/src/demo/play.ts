/**
 * The incident as a play in acts: everything starts, runs steadily, the active station is struck,
 * the backup takes over; if asked for, the station is healed and takes its place again; then the
 * source's and the spacecraft's accounts are held against each other. Every act has a bound.
 * Nothing in it decides anything for the gateway: it only starts processes, hurts one of them,
 * looks, and at the end asks for the switch back, as an operator would.
 */
import { request } from "undici";
import { type DemoFault, FAULT_IN_WORDS, FaultInjector } from "./faults.ts";
import { type FleetProcesses, PRIMARY, type Station } from "./fleet-processes.ts";
import type { GroupView } from "./gateway-view.ts";
import { machineNowMs } from "./machine-time.ts";
import { Narrator } from "./narrator.ts";
import type { Ledger } from "./spacecraft.ts";
import type { Stage } from "./stage.ts";
import { type CommandRecord, type FaultMark, type Sums, sumUp } from "./sums.ts";
import type { Timeline } from "./timeline.ts";
import type { Wait } from "./waiting.ts";

export interface PlayOptions {
  readonly fault: DemoFault;
  readonly thenHeal: boolean;
  readonly ratePerSecond: number;
  /** How long it runs on after the take-over, and after the switch back. */
  readonly seconds: number;
}

export interface Outcome {
  readonly sums: Sums;
  readonly epoch: number;
  /**
   * Commands that the struck station itself dropped or refused once it could: too late, or of an
   * epoch that was over.
   */
  readonly absorbedByStation: number;
  readonly healed: Healed | undefined;
}

export interface Healed {
  /** From the fault's end until the gateway held the station to be well. */
  readonly wellAfterMs: number;
  /** From the request to switch back until the station served its first command. */
  readonly switchBackMs: number;
}

const STEADY_LIMIT_MS = 20_000;
const TAKEOVER_LIMIT_MS = 15_000;
/** A station that came and went is distrusted for longer each time. */
const HEAL_LIMIT_MS = 45_000;
const SWITCH_BACK_LIMIT_MS = 15_000;
const SETTLE_LIMIT_MS = 10_000;
/** Suspicion that is no suspicion. */
const LOW_PHI = 2;
/** An answer that did not have to queue, even on a busy machine. */
const PROMPT_MS = 250;

export class Play {
  readonly #options: PlayOptions;
  readonly #stage: Stage;
  readonly #fleet: FleetProcesses;
  readonly #timeline: Timeline;
  readonly #wait: Wait;
  #narrator: Narrator | undefined;
  /** How many of the load's records the narrator has been told. */
  #told = 0;

  constructor(options: PlayOptions, stage: Stage, fleet: FleetProcesses, timeline: Timeline, wait: Wait) {
    this.#options = options;
    this.#stage = stage;
    this.#fleet = fleet;
    this.#timeline = timeline;
    this.#wait = wait;
  }

  /**
   * All acts from the steady state on; `between` is told the sums before the healing, where there
   * is one.
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

  /** Strikes, waits until the backup serves, and runs on for a while. */
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
      // What ends it early ends the watch below, too.
      () => undefined,
    );
    const takenOver = (): boolean => this.#narrator?.takeoverTold === true;
    await this.#watch("another station to serve a command", TAKEOVER_LIMIT_MS, takenOver);
    await this.#watch("the fault to have struck in full", TAKEOVER_LIMIT_MS, () => struck);
    await this.#runOn(seconds);
    return mark;
  }

  /**
   * Ends the fault, waits until the gateway holds the station to be well, and has it switched back.
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
   * Stops the load, lets the struck station bring out what it still holds, and holds the accounts
   * against each other.
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
   * Waits until the struck station has nothing in hand any more; returns what it absorbed itself.
   */
  #settled({ name, url }: Station): Promise<number> {
    return this.#wait.until(`${name} to have nothing in hand`, SETTLE_LIMIT_MS, async () => {
      const { body } = await request(`${url}/healthz`, { headersTimeout: 2_000 });
      const { counts } = (await body.json()) as {
        counts: { inFlight: number; droppedLate: number; refusedHere: number };
      };
      // One is in hand: this very question.
      return counts.inFlight > 1 ? undefined : counts.droppedLate + counts.refusedHere;
    });
  }

  async #outcome(mark: FaultMark, healed: Healed | undefined, absorbedByStation: number): Promise<Outcome> {
    const { load, spacecraft, view } = this.#stage;
    // The records first: what was acknowledged by now must be in the ledger by then.
    const records = [...load.records];
    const { body } = await request(`${spacecraft.url}/ledger`);
    const ledger = (await body.json()) as Ledger;
    const sums = sumUp(records, ledger, mark, 1_000 / this.#options.ratePerSecond);
    return { sums, epoch: (await view.status()).epoch, absorbedByStation, healed };
  }

  /** Looks at the gateway and the records until `done`, and tells what there is to tell. */
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

/** How many of the commands that ended last ended well and without delay. */
function promptInARow(records: readonly CommandRecord[]): number {
  const late = records.findLastIndex(
    ({ sentMs, endedMs, error }) => error !== undefined || endedMs - sentMs > PROMPT_MS,
  );
  return records.length - 1 - late;
}
