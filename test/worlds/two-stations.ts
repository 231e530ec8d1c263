/**
 * A primary and a backup with their heartbeats, a failover before them and callers who send
 * commands: the small world that the failover's tests share. Everything in it runs on the virtual
 * clock and from one seed.
 */
import type { CallOptions, FailoverEvent, FailoverOperation, FailoverOptions, Random } from "ground-station-failover";
import { deadlineAt, PhiAccrualDetector, PrimaryBackupFailover, seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { StallingClock } from "./stalling-clock.ts";
import { type Answer, isWell, Spacecraft, Station } from "./station.ts";

/** One command and what its caller was told. */
export interface Outcome {
  readonly key: string;
  readonly keyed: boolean;
  readonly sentAtMs: number;
  readonly deadline: number;
  settledAtMs: number | undefined;
  answer: Answer | undefined;
  error: (Error & { code?: string }) | undefined;
}

export interface LoadOptions {
  readonly perSecond: number;
  readonly forMs: number;
  /** Share of commands that carry a key. Default 1. */
  readonly keyedRatio?: number;
  /** Default: none. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export type WorldOptions = Partial<Omit<FailoverOptions<Station>, "primary" | "detector" | "clock" | "random">> & {
  readonly seed?: number | string;
  /** The world begins after this many ms of quiet heartbeats. Default 5,000. */
  readonly quietMs?: number;
  readonly stations?: number;
};

const RESULT = (answer: unknown): "success" | "failure" => (isWell(answer as Answer) ? "success" : "failure");
export const CLIENT = { timeoutMs: 1_000, classify: { result: RESULT } };

export class TwoStations {
  readonly clock: VirtualClock = new VirtualClock();
  /** The failover's own: the same axis, as long as its process does not stand still. */
  readonly process: StallingClock = new StallingClock(this.clock);
  readonly random: Random;
  readonly spacecraft: Spacecraft = new Spacecraft();
  readonly north: Station;
  readonly south: Station;
  readonly stations: readonly Station[];
  readonly detector: PhiAccrualDetector;
  readonly failover: PrimaryBackupFailover<Station>;
  readonly events: FailoverEvent[] = [];
  readonly outcomes: Outcome[] = [];
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #sent = 0;

  private constructor(options: WorldOptions) {
    const { seed = 1, quietMs: _quiet, stations = 2, ...given } = options;
    this.random = seededRandom(seed);
    this.detector = new PhiAccrualDetector({ expectedIntervalMs: 50, clock: this.process });
    const names = ["north", "south", "east", "west"].slice(0, stations);
    this.stations = names.map((name) => new Station(name, this.clock, this.spacecraft));
    const [north, south, ...others] = this.stations as [Station, Station, ...Station[]];
    this.north = north;
    this.south = south;
    for (const station of this.stations) this.#beat(station, this.random.fork(`beats/${station.name}`));
    this.failover = new PrimaryBackupFailover<Station>({
      backup: south,
      backups: others,
      client: CLIENT,
      ...given,
      primary: north,
      detector: this.detector,
      random: this.random.fork("failover"),
      clock: this.process,
    });
    this.failover.onEvent((event) => this.events.push(event));
    this.#ended = this.failover.run(this.#stop.signal);
  }

  /** A world in which both stations have been beating for a while. */
  static async begin(options: WorldOptions = {}): Promise<TwoStations> {
    const world = new TwoStations(options);
    await world.clock.advanceBy(options.quietMs ?? 5_000);
    return world;
  }

  #beat(station: Station, jitter: Random): void {
    if (this.#stop.signal.aborted) return;
    if (station.beats) this.detector.noteHeartbeat(station.name);
    this.clock.at(this.clock.nowMs() + 40 + 20 * jitter.next(), () => this.#beat(station, jitter));
  }

  /** Sends one command; what becomes of it is kept in `outcomes`. */
  send(options: CallOptions & { readonly keyed?: boolean; readonly key?: string } = {}): Outcome {
    const { keyed = true, key = `c${this.#sent}`, ...given } = options;
    this.#sent++;
    const outcome: Outcome = {
      key,
      keyed,
      sentAtMs: this.clock.nowMs(),
      deadline: given.deadline ?? Number.POSITIVE_INFINITY,
      settledAtMs: undefined,
      answer: undefined,
      error: undefined,
    };
    this.outcomes.push(outcome);
    const operation: FailoverOperation<Station, Answer> = ({ station, epoch, signal }) =>
      station.send(key, epoch, signal, keyed);
    this.failover.call(operation, { ...given, ...(keyed ? { idempotencyKey: key } : {}) }).then(
      (answer) => {
        outcome.settledAtMs = this.clock.nowMs();
        outcome.answer = answer;
      },
      (error) => {
        outcome.settledAtMs = this.clock.nowMs();
        outcome.error = error;
      },
    );
    return outcome;
  }

  /**
   * Sends commands at a steady pace from now on; the clock has to be moved by whoever asked for it.
   */
  load(options: LoadOptions): void {
    const gapMs = 1_000 / options.perSecond;
    const chance = this.random.fork(`load/${this.clock.nowMs()}`);
    const beganMs = this.clock.nowMs();
    const next = (count: number): void => {
      this.send({
        keyed: chance.next() < (options.keyedRatio ?? 1),
        ...(options.deadlineMs === undefined ? {} : { deadline: deadlineAt(this.clock.nowMs() + options.deadlineMs) }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const atMs = beganMs + (count + 1) * gapMs;
      if (atMs < beganMs + options.forMs) this.clock.at(atMs, () => next(count + 1));
    };
    next(0);
  }

  told<Type extends FailoverEvent["type"]>(type: Type): Extract<FailoverEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<FailoverEvent, { type: Type }> => event.type === type);
  }

  /** Commands whose caller was told that they failed, or was told nothing. */
  get errors(): Outcome[] {
    return this.outcomes.filter((outcome) => outcome.answer === undefined || !isWell(outcome.answer));
  }

  /** Keys that took effect more than once, and keys acknowledged that never did. */
  get account(): { readonly doubled: string[]; readonly lost: string[] } {
    const { executed } = this.spacecraft;
    return {
      doubled: [...executed].filter(([, times]) => times > 1).map(([key]) => key),
      lost: this.outcomes
        .filter(({ answer, key }) => answer !== undefined && isWell(answer) && !executed.has(key))
        .map(({ key }) => key),
    };
  }

  /** Stops heartbeats and supervision. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.clock.advanceBy(100);
  }
}

/** What went wrong, in a line for an assertion's message. */
export function shown(outcomes: readonly Outcome[]): string {
  return outcomes
    .slice(0, 5)
    .map(
      ({ key, keyed, sentAtMs, settledAtMs, answer, error }) =>
        `${key}${keyed ? "" : " (unkeyed)"} sent ${sentAtMs}, settled ${settledAtMs}: ${error === undefined ? JSON.stringify(answer) : `${error.code} ${error.message}`}`,
    )
    .join("\n");
}
