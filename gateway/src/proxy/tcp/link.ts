/**
 * One direction of one connection: what arrives is moved along the chain of toxics to the peer on
 * the other side. It knows no socket: a `Sink` takes what comes out. Nothing waits here for a peer:
 * if the sink does not take data, the chain fills up to its bound and the sender is paused, while
 * toxics can be changed all the same. Whether a toxic applies is drawn once for each link and
 * toxic, so a change of its toxicity does not shuffle the connections that it hits.
 */
import type { Clock, Random } from "ground-station-failover";
import type { Stream, Toxic } from "../toxic.ts";
import { LimitData, ResetPeer, Timeout } from "./cutting-machines.ts";
import { Bandwidth, Latency, Slicer, SlowClose } from "./delaying-machines.ts";
import type { Ending, HeldRoom, Item, LinkMachine } from "./link-machine.ts";

/** Where a link ends: the peer's socket. */
interface Sink {
  /** Whether it takes more data now. When that changes to true, `Link.pump` is called. */
  readonly canTake: boolean;
  write(bytes: Buffer): void;
  /** The link has ended; nothing more comes. */
  end(ending: Ending): void;
}

export interface LinkOptions {
  readonly stream: Stream;
  readonly sink: Sink;
  readonly clock: Clock;
  readonly random: Random;
  readonly toxics: readonly Toxic[];
  /** Bytes that a toxic may hold. */
  readonly maxHeldBytes: number;
  /** What all connections of the proxy may hold together. */
  readonly room: HeldRoom;
  /** There is room: `wantsMore` is true. Called often. */
  readonly onRoom: () => void;
  /** A toxic begins to act on this link. */
  readonly onApplied: (toxic: Toxic) => void;
}

interface Stage {
  toxic: Toxic;
  /** In [0, 1): the toxic applies where its toxicity is above. */
  readonly draw: number;
  /** Undefined: the toxic does not apply here. */
  machine: LinkMachine | undefined;
}

/** Moves of one turn: then others have theirs, so that no connection stops the control API. */
const MOVES_PER_TURN = 256;

export class Link {
  readonly #options: LinkOptions;
  #stages: Stage[] = [];
  /** Machines of the chain, in order, with those of removed toxics that still hold something. */
  #machines: LinkMachine[] = [];
  #leaving: Set<LinkMachine> = new Set();
  /** What has arrived and the chain does not take yet: little, since the sender is paused then. */
  #inbox: Item[] = [];
  #isOver = false;
  #timer: Disposable | undefined;
  #timerAtMs: number = Number.POSITIVE_INFINITY;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.setToxics(options.toxics);
  }

  /** Whether the sender may send on; if not, it is to be paused until `pump` has made room. */
  get wantsMore(): boolean {
    return this.#isOver || (this.#inbox.length === 0 && this.#canTakeAt(0));
  }

  /** Whether nothing comes out any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether nothing comes out unless the toxics change: they stall, or drop everything. */
  get isStuck(): boolean {
    return !this.#isOver && this.#options.sink.canTake && this.#nextAtMs() === Number.POSITIVE_INFINITY;
  }

  /** Data from the sender. */
  data(bytes: Buffer): void {
    if (this.#isOver) return;
    if (this.#machines.length === 0 && this.#inbox.length === 0 && this.#options.sink.canTake)
      return this.#options.sink.write(bytes);
    this.#inbox.push({ kind: "data", bytes, arrivedAtMs: this.#options.clock.nowMs() });
    this.pump();
  }

  /** The sender has ended. */
  end(kind: Ending): void {
    if (this.#isOver) return;
    this.#inbox.push({ kind });
    this.pump();
  }

  /** Drops what is held; nothing comes out any more. */
  stop(): void {
    this.#isOver = true;
    for (const machine of this.#machines) machine.drop?.();
    this.#inbox = [];
    this.#machines = [];
    this.#leaving.clear();
    this.#wake(Number.POSITIVE_INFINITY);
  }

  /** Moves what is due, and asks the clock for the next instant. */
  pump(): void {
    const nowMs = this.#options.clock.nowMs();
    let moves = 0;
    while (moves < MOVES_PER_TURN) {
      const moved = this.#sweep(nowMs, MOVES_PER_TURN - moves);
      moves += moved;
      // There may be room now for what waits in front of a machine that is gone.
      if (!this.#dropEmptied() && moved === 0) break;
    }
    if (this.#isOver) return;
    this.#wake(moves < MOVES_PER_TURN ? this.#nextAtMs() : nowMs);
    if (this.wantsMore) this.#options.onRoom();
  }

  /** Puts the toxics of this direction in force. `isRamp`: see `LinkMachine.use`. */
  setToxics(toxics: readonly Toxic[], isRamp = false): void {
    const { clock, stream } = this.#options;
    const nowMs = clock.nowMs();
    const before = new Map(this.#stages.map((stage) => [stage.toxic.name, stage]));
    const stages = toxics
      .filter((toxic) => toxic.stream === stream)
      .map((toxic) => {
        const known = before.get(toxic.name);
        const isSame = known !== undefined && known.toxic.type === toxic.type;
        if (isSame) before.delete(toxic.name);
        return this.#staged(isSame ? known : undefined, toxic, nowMs, isRamp);
      });
    for (const { machine } of before.values()) this.#leave(machine, nowMs);
    this.#stages = stages;
    this.#machines = this.#inOrder();
    this.pump();
  }

  #staged(known: Stage | undefined, toxic: Toxic, nowMs: number, isRamp: boolean): Stage {
    const stage = known ?? { toxic, draw: this.#fork(toxic, "toxicity").next(), machine: undefined };
    const isChanged = known !== undefined && known.toxic !== toxic;
    stage.toxic = toxic;
    if (stage.draw >= toxic.toxicity) {
      this.#leave(stage.machine, nowMs);
      stage.machine = undefined;
    } else if (stage.machine === undefined) {
      stage.machine = this.#machineFor(toxic, nowMs);
      if (stage.machine !== undefined) this.#options.onApplied(toxic);
    } else if (isChanged) stage.machine.use(toxic.attributes, nowMs, isRamp);
    return stage;
  }

  /** The machine of a type; undefined for those that do nothing to data. */
  #machineFor(toxic: Toxic, nowMs: number): LinkMachine | undefined {
    const random = this.#fork(toxic, "values");
    const makers: Readonly<Record<string, () => LinkMachine>> = {
      latency: () => new Latency(random, this.#options.maxHeldBytes, this.#options.room),
      bandwidth: () => new Bandwidth(),
      slow_close: () => new SlowClose(),
      slicer: () => new Slicer(random),
      timeout: () => new Timeout(nowMs),
      reset_peer: () => new ResetPeer(),
      limit_data: () => new LimitData(),
    };
    const machine = makers[toxic.type]?.();
    machine?.use(toxic.attributes, nowMs, false);
    return machine;
  }

  #fork(toxic: Toxic, purpose: string): Random {
    return this.#options.random.fork(`${toxic.stream}/${toxic.name}/${purpose}`);
  }

  #leave(machine: LinkMachine | undefined, nowMs: number): void {
    if (machine === undefined) return;
    machine.remove(nowMs);
    if (!machine.isEmpty) this.#leaving.add(machine);
  }

  /** The chain: machines that leave keep their place before those that stood behind them. */
  #inOrder(): LinkMachine[] {
    const stay = this.#stages.flatMap(({ machine }) => machine ?? []);
    const chain: LinkMachine[] = [];
    let next = 0;
    for (const machine of this.#machines) {
      if (this.#leaving.has(machine)) chain.push(machine);
      else {
        const place = stay.indexOf(machine, next);
        if (place < 0) continue;
        chain.push(...stay.slice(next, place + 1));
        next = place + 1;
      }
    }
    return [...chain, ...stay.slice(next)];
  }

  #canTakeAt(place: number): boolean {
    return this.#machines[place]?.canTake ?? this.#options.sink.canTake;
  }

  /** One way along the chain, from its end to its beginning; says how many items it moved. */
  #sweep(nowMs: number, maxMoves: number): number {
    let moved = 0;
    for (let place = this.#machines.length - 1; place >= 0 && moved < maxMoves; place--) {
      while (moved < maxMoves && this.#canTakeAt(place + 1)) {
        const item = this.#machines[place]?.give(nowMs);
        if (item === undefined) break;
        moved++;
        this.#pass(item, place + 1, nowMs);
      }
    }
    while (moved < maxMoves && this.#inbox.length > 0 && this.#canTakeAt(0)) {
      const item = this.#inbox.shift() as Item;
      moved++;
      this.#pass(item, 0, nowMs);
    }
    return moved;
  }

  #pass(item: Item, place: number, nowMs: number): void {
    const machine = this.#machines[place];
    if (machine !== undefined) machine.take(item, nowMs);
    else if (item.kind === "data") this.#options.sink.write(item.bytes);
    else {
      this.stop();
      this.#options.sink.end(item.kind);
    }
  }

  /** Takes machines out that have left; says whether there were any. */
  #dropEmptied(): boolean {
    const before = this.#leaving.size;
    if (before === 0) return false;
    for (const machine of this.#leaving) if (machine.isEmpty) this.#leaving.delete(machine);
    const stay = new Set(this.#stages.map(({ machine }) => machine));
    this.#machines = this.#machines.filter((machine) => this.#leaving.has(machine) || stay.has(machine));
    return this.#leaving.size < before;
  }

  /** The next instant at which something can move. */
  #nextAtMs(): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const [place, machine] of this.#machines.entries()) {
      // Where the next one is full, its own giving, or the sink, wakes this link.
      if (this.#canTakeAt(place + 1)) earliest = Math.min(earliest, machine.nextAtMs);
    }
    return this.#inbox.length > 0 && this.#canTakeAt(0) ? 0 : earliest;
  }

  #wake(atMs: number): void {
    if (atMs === this.#timerAtMs && this.#timer !== undefined) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#options.clock.at(atMs, () => {
      this.#timer = undefined;
      this.pump();
    });
  }
}
