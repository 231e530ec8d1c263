/**
 * The toxics of one session and direction, in order: each datagram passes them one after the other,
 * and waits where a toxic holds it. The machines (`datagram-faults.ts`) say what leaves when; the
 * timers and the datagrams that wait are here. All that waits in a proxy is charged to one bound of
 * bytes; what does not fit is dropped. It knows no socket.
 */
import type { Clock, Random } from "ground-station-failover";
import type { Toxic } from "../toxic.ts";
import { DATAGRAM_FAULTS, type DatagramEffect, type DatagramFault, type Departure } from "./datagram-faults.ts";

/** What a datagram that waits costs besides its bytes: its object, its timer, its buffer's head. */
const HELD_OVERHEAD_BYTES = 512;

/**
 * At most so many steps through toxics at once for one datagram. Several toxics that duplicate
 * multiply; the event loop, and so the control API, must not stand still for them. The copies
 * beyond it are not made, and not counted as dropped.
 */
const MAX_STEPS_AT_ONCE = 1_000;

/** The bytes that datagrams of one proxy hold while they wait, with a bound. */
export class HeldMemory {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are held, with the overhead of each datagram. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Charges for a datagram; false: it does not fit. */
  take(datagram: Buffer): boolean {
    const bytes = this.#bytes + datagram.length + HELD_OVERHEAD_BYTES;
    if (bytes > this.#maxBytes) return false;
    this.#bytes = bytes;
    return true;
  }

  giveBack(datagram: Buffer): void {
    this.#bytes -= datagram.length + HELD_OVERHEAD_BYTES;
  }
}

export interface DatagramChainOptions {
  readonly clock: Clock;
  /** Of this session; each toxic forks its own stream by its name. */
  readonly random: Random;
  readonly held: HeldMemory;
  /** Takes what has passed all toxics. */
  readonly deliver: (datagram: Buffer) => void;
  /** A toxic came into force for this session, or did something to a datagram. */
  readonly onEffect: (effect: DatagramEffect | "applied", toxic: string, detail?: string) => void;
}

interface Held {
  readonly datagram: Buffer;
  readonly stage: Stage;
  timer: Disposable | undefined;
  /** How many datagrams must still overtake it. */
  toPass: number;
}

/** A toxic that applies to this session. */
interface Stage {
  readonly fault: DatagramFault;
  toxic: Toxic;
  /** In the order in which they came. */
  readonly held: Set<Held>;
  /** Those of `held` that wait for others to pass. */
  overtaken: Held[];
  next: Stage | undefined;
}

/** A toxic that this session has met: whether it applies was drawn then. */
interface Met {
  readonly type: string;
  readonly drawn: number;
  readonly random: Random;
  stage: Stage | undefined;
}

export class DatagramChain {
  readonly #options: DatagramChainOptions;
  readonly #met: Map<string, Met> = new Map();
  #stages: readonly Stage[] = [];
  /** How many toxics were met: one that comes back under its old name is drawn anew. */
  #metCount = 0;
  #steps = 0;
  /** How many wait for an instant, not for a change of toxics. */
  #timed = 0;

  constructor(options: DatagramChainOptions) {
    this.#options = options;
  }

  /** Whether a datagram will leave without anything else happening. */
  get isWaiting(): boolean {
    return this.#timed > 0;
  }

  accept(datagram: Buffer): void {
    this.#steps = 0;
    this.#pass(this.#stages[0], datagram);
  }

  /**
   * Puts `toxics`, all of this direction, in force. What a toxic holds that is removed or changed
   * goes on at once; with `isRamp`, a changed one keeps it.
   */
  setToxics(toxics: readonly Toxic[], isRamp: boolean): void {
    const before = this.#stages;
    const changed = this.#changedStages(toxics);
    const stages = toxics.flatMap((toxic) => this.#meet(toxic) ?? []);
    const staying = new Set(stages);
    for (const [place, stage] of before.entries()) {
      if (!staying.has(stage)) stage.next = before.slice(place + 1).find((later) => staying.has(later));
    }
    for (const [place, stage] of stages.entries()) stage.next = stages[place + 1];
    this.#stages = stages;
    for (const name of [...this.#met.keys()]) {
      if (!toxics.some((toxic) => toxic.name === name)) this.#met.delete(name);
    }
    // The last toxic first: what waits there came earlier.
    for (const stage of before.toReversed()) {
      if (!staying.has(stage) || (changed.has(stage) && !isRamp)) this.#release(stage);
      else if (changed.has(stage) && stage.fault.plansAnew) this.#planAnew(stage);
    }
  }

  /** Drops all that waits and returns how many that were. */
  dispose(): number {
    let dropped = 0;
    for (const stage of this.#stages) {
      for (const held of [...stage.held]) {
        this.#letGo(held);
        dropped++;
      }
    }
    this.#stages = [];
    return dropped;
  }

  /** Gives the stages that stay their new attributes; those for which they are different. */
  #changedStages(toxics: readonly Toxic[]): ReadonlySet<Stage> {
    const changed = new Set<Stage>();
    for (const toxic of toxics) {
      const stage = this.#met.get(toxic.name)?.stage;
      if (stage === undefined || stage.toxic.type !== toxic.type) continue;
      const { attributes } = stage.toxic;
      stage.toxic = toxic;
      if (Object.entries(toxic.attributes).every(([name, value]) => attributes[name] === value)) continue;
      stage.fault.use(toxic.attributes);
      changed.add(stage);
    }
    return changed;
  }

  /** The stage of a toxic; undefined if it does not apply to this session. */
  #meet(toxic: Toxic): Stage | undefined {
    let met = this.#met.get(toxic.name);
    if (met === undefined || met.type !== toxic.type) {
      const random = this.#options.random.fork(`${toxic.name} ${++this.#metCount}`);
      met = { type: toxic.type, drawn: random.next(), random: random.fork("fault"), stage: undefined };
      this.#met.set(toxic.name, met);
    }
    if (met.drawn >= toxic.toxicity) met.stage = undefined;
    else met.stage ??= this.#apply(toxic, met.random);
    return met.stage;
  }

  #apply(toxic: Toxic, random: Random): Stage {
    const fault = DATAGRAM_FAULTS[toxic.type]?.(random);
    if (fault === undefined) throw new TypeError(`no UDP proxy knows toxics of type "${toxic.type}"`);
    fault.use(toxic.attributes);
    this.#options.onEffect("applied", toxic.name);
    return { fault, toxic, held: new Set(), overtaken: [], next: undefined };
  }

  #pass(stage: Stage | undefined, datagram: Buffer): void {
    if (++this.#steps > MAX_STEPS_AT_ONCE) return;
    if (stage === undefined) return this.#options.deliver(datagram);
    const nowMs = this.#options.clock.nowMs();
    const { departures, effect } = stage.fault.take(datagram, nowMs);
    if (effect !== undefined) this.#options.onEffect(effect, stage.toxic.name);
    for (const departure of departures) {
      if (departure.atMs > nowMs) this.#hold(stage, departure);
      else this.#leave(stage, departure.datagram);
    }
  }

  #leave(stage: Stage, datagram: Buffer): void {
    this.#pass(stage.next, datagram);
    if (stage.overtaken.length === 0) return;
    for (const held of stage.overtaken) held.toPass--;
    for (const held of stage.overtaken.filter(({ toPass }) => toPass <= 0)) this.#goOn(held);
  }

  #hold(stage: Stage, { datagram, atMs, afterDatagrams }: Departure): void {
    if (!this.#options.held.take(datagram)) {
      return this.#options.onEffect("dropped", stage.toxic.name, "no memory is left for datagrams that wait");
    }
    const held: Held = { datagram, stage, timer: undefined, toPass: afterDatagrams ?? 0 };
    stage.held.add(held);
    if (afterDatagrams !== undefined) stage.overtaken.push(held);
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timed++;
    held.timer = this.#options.clock.at(atMs, this.#fallDue, held);
  }

  readonly #fallDue = (held: Held): void => {
    this.#steps = 0;
    this.#goOn(held);
  };

  /** A datagram has waited enough. */
  #goOn(held: Held): void {
    this.#letGo(held);
    this.#pass(held.stage.next, held.datagram);
  }

  #letGo(held: Held): void {
    const { stage, timer, datagram } = held;
    stage.held.delete(held);
    if (stage.overtaken.includes(held)) stage.overtaken = stage.overtaken.filter((one) => one !== held);
    if (timer !== undefined) {
      timer[Symbol.dispose]();
      this.#timed--;
    }
    this.#options.held.giveBack(datagram);
  }

  #release(stage: Stage): void {
    for (const held of [...stage.held]) this.#fallDue(held);
  }

  /** What waits takes its turn under the new attributes. */
  #planAnew(stage: Stage): void {
    const waiting = [...stage.held];
    for (const held of waiting) this.#letGo(held);
    for (const { datagram } of waiting) {
      this.#steps = 0;
      this.#pass(stage, datagram);
    }
  }
}
