/**
 * A world made from one seed: machines with clocks and disks, a network between them, and time that
 * moves from event to event. The code under test is the production code; only its inputs differ.
 * The loop takes the earliest event, runs it, lets every promise that this settled finish, makes
 * the checks that must always hold, then takes the next event. Nothing runs in parallel, so the
 * same seed gives the same run, to the bit.
 *
 * A violation is recorded first and stops the loop afterwards, because an error thrown into the
 * code under test ends in that code's own `catch` (the ideas: FoundationDB's simulator,
 * TigerBeetle's VOPR, turmoil, madsim). The world does not depend on the code in it; `always`,
 * `atEnd` and `violate` define what must hold. It is one file because time, the queue of events and
 * what is checked after each of them are one loop.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import {
  COUNT,
  checkBoolean,
  checked,
  checkName,
  checkNames,
  type Names,
  refusal,
  WAIT_MS,
} from "../../core/options.ts";
import type { Random } from "../../core/random.ts";
import { seededRandom } from "../../core/random.ts";
import type { Clock } from "../../runtime/time/clock.ts";
import { sleepOn } from "../../runtime/time/clock.ts";
import { type QueuedRun, TimerQueue } from "../../runtime/time/timer-queue.ts";
import { Network } from "../network/network.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";
import { checkCheck, checkSeed, checkTieBreak, detailOf, requireFunction, sentenceOf } from "./given.ts";
import type { Check, Host, Kernel } from "./kernel.ts";
import { asTask, asTasks, canDrain, drainMicrotasks } from "./microtasks.ts";
import type { NodeOptions, Program } from "./node.ts";
import { SimNode } from "./node.ts";
import { Trace } from "./trace.ts";
import { setTraps } from "./traps.ts";

/** Options of a world. */
export interface WorldOptions {
  /** Everything random follows from it; a number or a text. No default. */
  readonly seed: number | string;
  /**
   * Which of several events of one instant comes first: the one requested first, or a drawn one.
   * Default `asked`: the order that a reader of the code expects.
   */
  readonly tieBreak?: "asked" | "drawn" | undefined;
  /**
   * How many of the newest trace records are kept; a whole number from 0, or `Infinity` for a
   * replay. Default 2,000: the events before a violation, in little memory.
   */
  readonly traceRecords?: number | undefined;
  /**
   * More events than this at one instant are a loop that never lets time pass, or a huge backlog. A
   * whole number from 1, below 2^31. Default 100,000: a backlog of that size is hardly ever
   * intended.
   */
  readonly maxStepsPerInstant?: number | undefined;
  /**
   * Whether a run that touches real time, entropy, sockets or timers fails. Default true, because
   * such a run does not repeat. If false, the host handles uncaught errors.
   */
  readonly traps?: boolean | undefined;
  /**
   * Whether each step takes a task of the event loop: slower, and the same run. Default: only if
   * the engine requires it.
   */
  readonly taskPerStep?: boolean | undefined;
}

/** An invariant that did not hold. */
export interface Violation {
  /** The name of the invariant. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
  readonly step: number;
}

const OPTIONS: Names<WorldOptions> = {
  seed: true,
  tieBreak: true,
  traceRecords: true,
  maxStepsPerInstant: true,
  traps: true,
  taskPerStep: true,
};

/**
 * The node whose process runs. One for all worlds: each further one would stay in every async
 * context for good.
 */
const inside: AsyncLocalStorage<SimNode> = new AsyncLocalStorage();
/**
 * Later violations are seldom informative, and code that violates in a loop must not fill the
 * memory.
 */
const MOST_VIOLATIONS = 1_000;
/** Steps taken in one task of the event loop, before the rest of the process gets a turn. */
const STEPS_PER_TASK = 100_000;
/** The same, if each step is a task. */
const STEPS_PER_BATCH = 500;

/**
 * A simulated world of machines, disks and a network, made from one seed.
 *
 * @example
 * ```ts
 * import { World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * const heard: unknown[] = [];
 * const south = world.node("south", ({ network }) => {
 *   network.onDatagram(80, (payload) => heard.push(payload));
 * });
 * const north = world.node("north", ({ network }) => {
 *   network.send({ node: "south", port: 80 }, "beat");
 * });
 * south.start();
 * north.start();
 * await world.run(1_000);
 * console.log(heard.length, world.nowMs); // 1 1000
 * ```
 */
export class World implements Kernel {
  readonly seed: string;
  /** Fork it by purpose. */
  readonly random: Random;
  readonly trace: Trace;
  readonly network: Network;
  /** True time, for faults, workloads and checks. Processes have clocks of their own. */
  readonly clock: Clock;
  readonly violations: Violation[] = [];
  /** How often each rare situation was met (`sometimes`). */
  readonly met: Map<string, number> = new Map();
  readonly #nodes: Map<string, SimNode> = new Map();
  readonly #queue: TimerQueue = new TimerQueue();
  readonly #ties: Random | undefined;
  readonly #maxStepsPerInstant: number;
  readonly #traps: boolean;
  readonly #taskPerStep: boolean;
  /**
   * The async context in which the world was created. A drain in which a next tick threw would
   * leave another one behind.
   */
  readonly #outside: AsyncResource = new AsyncResource("World");
  readonly #always: { readonly invariant: string; readonly check: Check }[] = [];
  readonly #atEnd: { readonly invariant: string; readonly check: Check }[] = [];
  readonly #deadlines: Deadlines = new Deadlines();
  /** Events that the creator of the world requested before its first event was over. */
  readonly #askedAtFirst: QueuedRun[] = [];
  #nowMs = 0;
  #steps = 0;
  #asides = 0;
  #isStruck = false;
  #stepsAtInstant = 0;
  #running = false;
  /** The node whose process was entered last in this step. */
  #entered: SimNode | undefined;
  #stopped = false;

  constructor(options: WorldOptions) {
    checkNames("World", options, OPTIONS);
    this.seed = String(checkSeed("World", options.seed));
    checkTieBreak("World", options.tieBreak);
    checkBoolean("World", "traps", options.traps);
    checkBoolean("World", "taskPerStep", options.taskPerStep);
    this.random = seededRandom(this.seed);
    this.#ties = options.tieBreak === "drawn" ? this.random.fork("ties") : undefined;
    this.#maxStepsPerInstant = checked("World", "maxStepsPerInstant", options.maxStepsPerInstant ?? 100_000, COUNT);
    this.#traps = options.traps ?? true;
    this.#taskPerStep = options.taskPerStep ?? false;
    this.trace = new Trace({ keep: options.traceRecords ?? 2_000 });
    this.network = new Network(this);
    const at = this.at.bind(this);
    this.clock = { nowMs: () => this.#nowMs, at, sleepUntil: (atMs, signal) => sleepOn({ at }, atMs, signal) };
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Events of the engine itself so far (`aside`). */
  get asides(): number {
    return this.#asides;
  }

  /** Whether a node, a disk or the network has had a fault so far (`strike`). */
  get isStruck(): boolean {
    return this.#isStruck;
  }

  get nodes(): ReadonlyMap<string, SimNode> {
    return this.#nodes;
  }

  /** A machine called `name` with `program` to run on it; it starts when `start` is called. */
  node(name: string, program: Program, options?: NodeOptions): SimNode {
    checkName("world.node", "name", name);
    requireFunction("world.node", "program", program);
    if (this.#nodes.has(name)) throw new Error(`there is a node "${name}" already`);
    const node = new SimNode(this, name, program, options);
    this.#nodes.set(name, node);
    return node;
  }

  /** The node of that name; throws if there is none. */
  nodeOf(name: string): SimNode {
    const node = this.#nodes.get(name);
    if (node === undefined)
      throw new Error(`there is no node "${name}" in this world; there are ${[...this.#nodes.keys()].join(", ")}`);
    return node;
  }

  /** Runs `run` at `atMs` of true time, outside every process; now if that has passed. */
  at<Subject>(atMs: number, run: (subject: Subject) => void, subject?: Subject): Disposable {
    if (typeof atMs !== "number" || Number.isNaN(atMs)) throw refusal("world.at", "atMs", atMs, "a number");
    requireFunction("world.at", "run", run);
    const order = this.#ties === undefined ? undefined : Math.floor(this.#ties.next() * 2 ** 32);
    const entry = this.#queue.add(Math.max(atMs, this.#nowMs), run, subject as Subject, order);
    // The parts of the world pass a subject, or act for a process.
    if (this.#steps <= 1 && subject === undefined && inside.getStore() === undefined) this.#askedAtFirst.push(entry);
    return entry;
  }

  /** `check` is made after every step. Keep it O(1): a run has a hundred thousand steps. */
  always(invariant: string, check: Check): void {
    checkCheck("world.always", invariant, check);
    this.#always.push({ invariant, check });
  }

  /** `check` is made once, when a run has reached its end without a violation. */
  atEnd(invariant: string, check: Check): void {
    checkCheck("world.atEnd", invariant, check);
    this.#atEnd.push({ invariant, check });
  }

  /**
   * `check` must hold (return undefined) at some instant within `forMs` from now on, and is made
   * after every step until it does: for systems that recover, for example after `healAll`. If it
   * never holds, its last sentence is the violation. Like any other event it falls due only if the
   * run lasts that long; a simulation whose run does not is broken (`runOnce`).
   */
  within(invariant: string, forMs: number, check: Check): void {
    checked("World", "forMs", forMs, WAIT_MS);
    checkCheck("world.within", invariant, check);
    const sinceMs = this.#nowMs;
    const deadline = { invariant, check, untilMs: sinceMs + forMs };
    this.#deadlines.add(deadline);
    const judge = (): void => {
      this.aside();
      const detail = this.#deadlines.judge(deadline);
      if (detail !== undefined) this.violate(invariant, `${detail}, ${forMs} ms after ${sinceMs} ms`);
    };
    this.at(deadline.untilMs, judge, this);
  }

  /**
   * @internal Checks of `within` that neither held nor were judged so far, if none of the same name
   * was.
   */
  unjudged(): readonly Deadline[] {
    return this.#deadlines.unjudged();
  }

  /**
   * The earliest instant that was requested when the world was created and that has not come;
   * undefined if all have come.
   */
  unreachedMs(): number | undefined {
    const waiting = this.#askedAtFirst.filter(({ duePlace, dueAtMs }) => duePlace >= 0 && dueAtMs > this.#nowMs);
    const earliestMs = waiting.reduce(
      (soonestMs, { dueAtMs }) => Math.min(soonestMs, dueAtMs),
      Number.POSITIVE_INFINITY,
    );
    return earliestMs === Number.POSITIVE_INFINITY ? undefined : earliestMs;
  }

  /**
   * Marks this step as the engine's own: a fault begins or ends, or a time is over. Nothing of the
   * system has happened in it.
   */
  aside(): void {
    this.#asides++;
  }

  /** Notes that a node, a disk or the network has a fault. Called by these. */
  strike(): void {
    this.#isStruck = true;
  }

  /**
   * `invariant` does not hold. It is recorded now; the run stops after this step, for good. Never
   * throws, because it is called beside the code under test: a violation without a name is called
   * `unnamed`.
   */
  violate(invariant: string, detail: string): void {
    this.#stopped = true;
    if (this.violations.length >= MOST_VIOLATIONS) return;
    const name = typeof invariant === "string" && invariant !== "" ? invariant : "unnamed";
    const text = typeof detail === "string" ? detail : detailOf(detail);
    this.violations.push({ invariant: name, detail: text, atMs: this.#nowMs, step: this.#steps });
    // Only the first line: the rest may be a stack, which names folders of this machine.
    this.trace.note(this.#nowMs, "world", "violation", `${name}: ${text.split("\n", 1)[0]}`);
  }

  /**
   * A rare situation has occurred. A batch of runs in which it never occurs has not tested what it
   * claims to.
   */
  sometimes(situation: string): void {
    this.met.set(situation, (this.met.get(situation) ?? 0) + 1);
  }

  /** Ends this run after this step. The next call of `run` goes on from there. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Moves time to `untilMs`, event by event; ends early at the first violation or `stop`, or if no
   * event is left. May be called again to go on, except after a violation. Rejects if a check
   * throws, or if a run is under way. An event that never ends (a loop, also of promises without a
   * wait) hangs it, unless its code reads its clock.
   */
  async run(untilMs: number): Promise<void> {
    checked("World", "untilMs", untilMs, WAIT_MS);
    if (this.#running) throw new Error("this world is running already: wait for that run before the next");
    this.#running = true;
    this.#stopped = this.violations.length > 0;
    try {
      const byHand = !this.#taskPerStep && (await canDrain());
      while (await (byHand ? asTask(() => this.#manySteps(untilMs)) : this.#manyTasks(untilMs)));
    } finally {
      this.#running = false;
    }
    if (!this.#stopped && untilMs > this.#nowMs && untilMs < Number.POSITIVE_INFINITY) this.#nowMs = untilMs;
  }

  /** Makes the checks for the end of a run; none if there was a violation already. */
  verify(): void {
    if (this.violations.length > 0) return;
    for (const { invariant, check } of this.#atEnd) this.#look(invariant, check);
  }

  /**
   * The async context of `node`'s processes, to be given to `enter`: created once, because each
   * creation costs a map.
   */
  contextOf(node: SimNode): AsyncResource {
    return inside.run(node, () => new AsyncResource("SimNode"));
  }

  /** Runs `event` as the process on `node`. For nodes. */
  enter(node: SimNode, context: AsyncResource, event: () => void): void {
    this.#entered = node;
    try {
      context.runInAsyncScope(event);
    } catch (error) {
      this.uncaught(node.name, error);
    }
  }

  /**
   * A request to `node` must come from its own process, or from the world. Any other request has
   * leaked from one process into another, for example through a variable of a module, and could not
   * happen between real processes.
   */
  assertInside(node: Host): void {
    const user = inside.getStore();
    if (user === undefined || user === node) return;
    const { stack } = new Error("used here");
    this.violate("processes-share-nothing", `${user.name} used what was given to ${node.name}\n${stack}`);
  }

  /** An error that nothing caught: a real process would have died of it. */
  uncaught(node: string, error: unknown): void {
    this.violate("uncaught-error", `${node}: ${error instanceof Error ? error.stack : String(error)}`);
  }

  #manySteps(untilMs: number): boolean {
    const unset = this.#setTraps();
    try {
      for (let left = STEPS_PER_TASK; left > 0; left--) {
        if (!this.#step(untilMs)) return false;
        this.#outside.runInAsyncScope(drainMicrotasks);
        this.#check();
      }
      return true;
    } finally {
      unset();
    }
  }

  /** The same, if microtasks are not drained by hand. */
  #manyTasks(untilMs: number): Promise<boolean> {
    let unset = (): void => undefined;
    let stepped: boolean | undefined;
    const begin = (): void => {
      unset = this.#setTraps();
    };
    const step = (): void => {
      if (stepped === true) this.#check();
      if (stepped !== false) stepped = this.#step(untilMs);
    };
    return asTasks([begin, ...Array<() => void>(STEPS_PER_BATCH).fill(step)], () => {
      try {
        if (stepped === true) this.#check();
      } finally {
        unset();
      }
      return stepped === true;
    });
  }

  /**
   * Runs the earliest event; returns false if there is none before `untilMs`, or the run is over.
   */
  #step(untilMs: number): boolean {
    const nextMs = this.#queue.nextAtMs;
    if (this.#stopped || nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return false;
    if (nextMs > this.#nowMs) {
      this.#nowMs = nextMs;
      this.#stepsAtInstant = 0;
    } else if (++this.#stepsAtInstant > this.#maxStepsPerInstant) {
      this.violate("time-passes", `${this.#maxStepsPerInstant} events at ${nextMs} ms: a loop without a delay`);
      return false;
    }
    this.#steps++;
    this.#entered = undefined;
    this.trace.step(nextMs);
    try {
      this.#queue.takeDue(nextMs)?.run();
    } catch (error) {
      this.uncaught("world", error);
    }
    return true;
  }

  #check(): void {
    for (const { invariant, check } of this.#always) this.#look(invariant, check);
    this.#deadlines.look();
  }

  #look(invariant: string, check: Check): void {
    const detail = sentenceOf(invariant, check());
    if (detail !== undefined) this.violate(invariant, detail);
  }

  #setTraps(): () => void {
    if (!this.#traps) return () => undefined;
    return setTraps({
      onTouch: (what, stack) => this.violate("no-real-world", `${what} was used inside the world\n${stack}`),
      // Node 22 has no context for an error out of a microtask.
      onUncaught: (error) => this.uncaught((inside.getStore() ?? this.#entered)?.name ?? "world", error),
    });
  }
}
