/**
 * One simulated machine and the process that runs on it. Everything that happens to the process (a
 * timer, a message, a finished write) is one event, and events come one at a time, as in a real
 * event loop. A process that is stopped (SIGSTOP, a snapshot, a long garbage collection) afterwards
 * finds its overdue timers first and then its arrived messages, late and in order. A slow process
 * works through them at its own pace, so that overload and queueing exist (`event-loop.ts`).
 *
 * A crash ends the process at an instant: its timers are gone, its promises never settle, and later
 * events for it are dropped. A restart runs the same program again, as a new incarnation, with only
 * the durable data.
 */
import type { AsyncResource } from "node:async_hooks";
import { checkBoolean, checked, checkNames, type Names, type Range, WAIT_MS } from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import type { Clock } from "../../runtime/time/clock.ts";
import { sleepOn } from "../../runtime/time/clock.ts";
import type { Network, NodeNetwork } from "../network/network.ts";
import { type Disk, SimDisk } from "../storage/disk.ts";
import { EventLoop } from "./event-loop.ts";
import type { CrashKind, Host, Kernel } from "./kernel.ts";
import { NodeClock } from "./node-clock.ts";

/** Everything that a simulated process may use. */
export interface NodeEnv {
  readonly name: string;
  /** 1 for the first process on this machine, one more with each restart. */
  readonly incarnation: number;
  /** The machine's monotonic clock, with the only timers. */
  readonly clock: Clock;
  /** The machine's calendar, in milliseconds since 1970. May be wrong, and may be set back. */
  wallMs(): number;
  /** A stream of its own for each incarnation. Fork it by purpose. */
  readonly random: Random;
  /** Storage that survives a crash. */
  readonly disk: Disk;
  readonly network: NodeNetwork;
  /** Writes a line into the trace. */
  note(kind: string, detail?: string): void;
}

/**
 * A program, which starts with everything that it may use. It runs until it crashes; to do
 * something later, it uses the timers of its clock.
 */
export type Program = (env: NodeEnv) => void | Promise<void>;

/** Options of a node's clock. */
export interface NodeOptions {
  /**
   * How far its monotonic clock is from true time at first. In ms, -10^13 … 10^13. Default: drawn
   * from 0 to 10^6, as machines boot at different times.
   */
  readonly clockOffsetMs?: number | undefined;
  /**
   * Rate of its clocks, a finite number above 0; 1.0002 gains 200 ppm. Default 1: as fast as true
   * time.
   */
  readonly clockRate?: number | undefined;
  /**
   * Whether its monotonic clock begins at 0 again when it starts after a power loss, like that of a
   * real machine. An instant that was written to disk before then means nothing. Default false: it
   * goes on, as after a process was only killed.
   */
  readonly clockBeginsAtBoot?: boolean | undefined;
}

const OPTIONS: Names<NodeOptions> = { clockOffsetMs: true, clockRate: true, clockBeginsAtBoot: true };

/** What a node needs of its world besides. */
interface NodeWorld extends Kernel {
  readonly network: Network;
  /** Events so far. */
  readonly steps: number;
  contextOf(node: SimNode): AsyncResource;
  enter(node: SimNode, context: AsyncResource, event: () => void): void;
  uncaught(node: string, error: unknown): void;
  violate(invariant: string, detail: string): void;
}

/** A machine of the world with its process. Tests start, crash and pause it through this class. */
export class SimNode implements Host {
  readonly name: string;
  readonly clock: NodeClock;
  readonly disk: SimDisk;
  readonly #world: NodeWorld;
  readonly #program: Program;
  readonly #context: AsyncResource;
  readonly #clockBeginsAtBoot: boolean;
  #incarnation = 0;
  #up = false;
  #powered = false;
  #loop: EventLoop;
  #stoppedUntilMs = Number.NEGATIVE_INFINITY;
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #costMs = 0;
  #armed: Disposable | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  /** How often the clock was read, and in which step of the world. */
  #readings = 0;
  #readingsOfStep = 0;

  constructor(world: NodeWorld, name: string, program: Program, options: NodeOptions = {}) {
    checkNames("world.node", options, OPTIONS);
    checkBoolean("world.node", "clockBeginsAtBoot", options.clockBeginsAtBoot);
    this.#world = world;
    this.name = name;
    this.#program = program;
    this.#context = world.contextOf(this);
    const offsetMs = options.clockOffsetMs ?? world.random.fork(`clock/${name}`).next() * 1e6;
    checked("node", "clockOffsetMs", offsetMs, INSTANT_MS);
    this.clock = new NodeClock(() => world.nowMs, offsetMs, WALL_BEGINS_MS + world.nowMs);
    if (options.clockRate !== undefined) this.clock.setRate(options.clockRate);
    this.#clockBeginsAtBoot = options.clockBeginsAtBoot ?? false;
    this.#loop = new EventLoop(this.clock);
    this.disk = new SimDisk(world, this, world.random.fork(`disk/${name}`));
  }

  get up(): boolean {
    return this.#up;
  }

  /**
   * Whether its machine has power: from the first start on, also with a killed process, until a
   * power loss.
   */
  get powered(): boolean {
    return this.#powered;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** The time that each event costs its process (`slow`), in ms. */
  get costMs(): number {
    return this.#costMs;
  }

  /** Whether it is stopped at this instant (`pause`). */
  get paused(): boolean {
    return this.#world.nowMs < this.#stoppedUntilMs;
  }

  /** Starts its program as a new incarnation. Does nothing if it is up. */
  start(): void {
    if (this.#up) return;
    if (this.#clockBeginsAtBoot && !this.#powered && this.#incarnation > 0) this.clock.reboot(0);
    this.#up = this.#powered = true;
    this.#incarnation++;
    this.#world.trace.note(this.#world.nowMs, this.name, "start", `incarnation ${this.#incarnation}`);
    const env = this.#envOf(this.#incarnation);
    this.#dispatchNow(() => {
      const booted = this.#program(env);
      // A promise of any realm; a program that returns none is over.
      if (typeof booted?.then === "function") {
        booted.then(undefined, (error: unknown) => this.#world.uncaught(this.name, error));
      }
    });
  }

  /**
   * Ends its process. Nothing that it had begun ever goes on. `power` also loses the memory of its
   * machine, even if the process was dead already.
   */
  crash(kind: CrashKind = "kill"): void {
    if (kind === "power" ? !this.#powered : !this.#up) return;
    this.#world.strike();
    this.#world.trace.note(this.#world.nowMs, this.name, "crash", kind);
    this.#up = false;
    this.#powered = kind === "kill";
    this.#loop = new EventLoop(this.clock);
    this.#stoppedUntilMs = this.#busyUntilMs = Number.NEGATIVE_INFINITY;
    this.#disarm();
    this.disk.crash(kind);
    this.#world.network.crashed(this.name, kind);
  }

  /**
   * Stops it for `forMs` from now on (Infinity: until `resume`): nothing runs, and everything is
   * kept. Time goes on. Of overlapping stops the one that ends last counts. Does nothing if it is
   * down: a process that does not run cannot stop.
   */
  pause(forMs: number): void {
    checked("node", "pause", forMs, WAIT_MS);
    if (!this.#up) return;
    this.#stoppedUntilMs = Math.max(this.#stoppedUntilMs, this.#world.nowMs + forMs);
    this.#world.strike();
    this.#world.trace.note(this.#world.nowMs, this.name, "pause", `${forMs} ms`);
    this.#arm();
  }

  /** Ends a pause now. */
  resume(): void {
    if (!this.paused) return;
    this.#stoppedUntilMs = this.#world.nowMs;
    this.#world.trace.note(this.#world.nowMs, this.name, "resume", "");
    this.#arm();
  }

  /**
   * From now on each event costs it `costMs` of time, during which it does nothing else. 0 for a
   * fast one.
   */
  slow(costMs: number): void {
    this.#costMs = checked("node", "slow", costMs, COST_MS);
    this.#world.strike();
    this.#world.trace.note(this.#world.nowMs, this.name, "slow", `${costMs} ms an event`);
  }

  /** Changes the rate of its clocks. */
  drift(rate: number): void {
    this.clock.setRate(rate);
    this.#world.strike();
    this.#world.trace.note(this.#world.nowMs, this.name, "drift", `rate ${rate}`);
    this.#arm();
  }

  /** Sets its calendar. The monotonic clock is not affected. */
  stepWall(byMs: number): void {
    this.clock.stepWall(checked("node", "stepWall", byMs, INSTANT_MS));
    this.#world.strike();
    this.#world.trace.note(this.#world.nowMs, this.name, "wall-step", `${byMs} ms`);
  }

  /**
   * Runs `event` in its process as one event, as soon as it can; drops it if the process is down.
   * For operators and workloads.
   */
  run(event: () => void): void {
    this.dispatch(this.#incarnation, event);
  }

  /**
   * An event for `incarnation` has arrived: runs it now, or in its turn; drops it if that process
   * has ended.
   */
  dispatch(incarnation: number, event: () => void): void {
    if (!this.#lives(incarnation)) return;
    const nowMs = this.#world.nowMs;
    const free = nowMs >= this.#busyUntilMs && nowMs >= this.#stoppedUntilMs;
    if (free && !this.#loop.behind) this.#dispatchNow(event);
    else {
      this.#loop.arrive(event);
      if (this.#loop.backlog > MOST_ARRIVED)
        this.#world.violate("bounded-backlog", `${this.name} has ${MOST_ARRIVED} events before it`);
    }
    this.#arm();
  }

  #dispatchNow(event: () => void): void {
    if (this.#costMs > 0) this.#busyUntilMs = this.#world.nowMs + this.#costMs;
    this.#world.enter(this, this.#context, event);
  }

  /** Asks the world for a wake-up at the instant at which the next event can run. */
  #arm(): void {
    if (!this.#up) return;
    const { backlog, timers } = this.#loop;
    const dueMs = backlog > 0 ? this.#world.nowMs : this.clock.trueAtMs(timers.nextAtMs);
    const atMs = Math.max(dueMs, this.#busyUntilMs, this.#stoppedUntilMs);
    if (atMs === this.#armedForMs) return;
    this.#disarm();
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#armedForMs = atMs;
    this.#armed = this.#world.at(atMs, wake, this);
  }

  #disarm(): void {
    this.#armed?.[Symbol.dispose]();
    this.#armed = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  /** Runs the next event of its turn. Called by the world. */
  wake(): void {
    this.#armed = undefined;
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const event = this.#loop.take(this.#world.nowMs);
    if (event !== undefined) this.#dispatchNow(event);
    this.#arm();
  }

  #envOf(incarnation: number): NodeEnv {
    const world = this.#world;
    const random = world.random.fork(`node/${this.name}/${incarnation}`);
    return {
      name: this.name,
      incarnation,
      clock: this.#clockOf(incarnation),
      wallMs: () => this.clock.wallMs(),
      random,
      disk: this.disk.boundTo(incarnation),
      network: world.network.of(this, incarnation),
      note: (kind, detail = "") => {
        world.assertInside(this);
        if (this.#lives(incarnation)) world.trace.note(world.nowMs, this.name, kind, detail);
      },
    };
  }

  #lives(incarnation: number): boolean {
    return this.#up && incarnation === this.#incarnation;
  }

  #clockOf(incarnation: number): Clock {
    const clock: Clock = {
      nowMs: () => {
        this.#countReading();
        return this.clock.nowMs();
      },
      at: <Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable => {
        this.#world.assertInside(this);
        if (!this.#lives(incarnation)) return NEVER;
        const { timers } = this.#loop;
        const entry = timers.add(Math.max(atMs, this.clock.nowMs()), run, subject as Subject);
        if (timers.nextAtMs === entry.dueAtMs) this.#arm();
        return entry;
      },
      sleepUntil: (atMs, signal) => sleepOn(clock, atMs, signal),
      wallMs: () => this.clock.wallMs(),
    };
    return clock;
  }

  /**
   * Time stands still while code runs. A loop that waits for time to pass would hang the
   * simulation, without a message that names the seed.
   */
  #countReading(): void {
    if (this.#readingsOfStep !== this.#world.steps) {
      this.#readingsOfStep = this.#world.steps;
      this.#readings = 0;
    } else if (++this.#readings > MOST_READINGS) {
      const detail = `${this.name} read its clock ${MOST_READINGS} times in one event: a loop that waits for time`;
      this.#world.violate("time-passes", detail);
      throw new Error(`${detail}; use sleepUntil`);
    }
  }
}

function wake(node: SimNode): void {
  node.wake();
}

/** A timer of a process that has ended. */
const NEVER: Disposable = { [Symbol.dispose]: () => undefined };
/** Three hundred years. Further from 0, doubles no longer tell microseconds apart. */
const INSTANT_MS: Range = { min: -1e13, max: 1e13 };
const COST_MS: Range = { min: 0, max: 1e13 };
/** No event reads its clock this often, unless it waits for the clock to move. */
const MOST_READINGS = 250_000;
/** The calendar time when a world begins: the morning of the incident. */
const WALL_BEGINS_MS = 1_772_000_000_000;
/** More pending events than this are a loop, or a load that no real machine could keep. */
const MOST_ARRIVED = 1_000_000;
