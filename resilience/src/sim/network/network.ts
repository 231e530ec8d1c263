/**
 * The network of a world. Every process can send datagrams (lost, doubled, reordered, by the
 * conditions of the line) and open connections (in order and once, while they live). Each ordered
 * pair of machines has a direction of its own, with its own conditions and its own stream of random
 * numbers. Faults are added and removed, several at once, and what remains is exactly what would be
 * there without the removed ones.
 *
 * Not simulated: routing, name resolution, congestion control, and a shared medium (bandwidth
 * belongs to a direction).
 */
import { ConfigurationError } from "../../core/errors.ts";
import { checked, type Range } from "../../core/options.ts";
import type { CrashKind, Host, Kernel } from "../kernel/kernel.ts";
import type { Connection } from "./connection.ts";
import { type Address, Direction, type NetworkCounts, type Packet } from "./direction.ts";
import {
  type CombinedConditions,
  checkedConditions,
  combined,
  HEALTHY_LINK,
  type Layer,
  type LinkConditions,
} from "./link.ts";
import { type DoorMode, Machine } from "./machine.ts";
import { labelOf, type Payload } from "./payload.ts";

/** The network as one process sees it. Calls by a process that has ended do nothing. */
export interface NodeNetwork {
  /**
   * Sends one datagram, without any confirmation. `fromPort`: where an answer goes; default 0,
   * which cannot be answered.
   */
  send(to: Address, payload: Payload, fromPort?: number): void;
  /**
   * `receive` gets every datagram to `port`, until it is disposed of. Throws `EADDRINUSE` if the
   * port is taken.
   */
  onDatagram(port: number, receive: (payload: Payload, from: Address) => void): Disposable;
  /**
   * `accept` gets every connection to `port`, until it is disposed of; open connections stay.
   * Throws `EADDRINUSE`.
   */
  listen(port: number, accept: (connection: Connection) => void): Disposable;
  /**
   * A connection to `to`; rejects with a `NetworkError`: `ECONNREFUSED` after a round trip,
   * `ETIMEDOUT` after two minutes.
   */
  connect(to: Address): Promise<Connection>;
}

const PORT: Range = { min: 1, max: 65_535, integer: true };
/** 0: the sender cannot be answered. */
const SENDER_PORT: Range = { min: 0, max: 65_535, integer: true };
/** Stands for every node, in `impose`. */
const ANY = "*";
/** A machine reaches itself through memory: always, at once, without faults. */
const LOOPBACK: LinkConditions = { ...HEALTHY_LINK, delay: { kind: "fixed", ms: 0.05 } };

interface LinkFault extends Layer {
  readonly from: string;
  readonly to: string;
}

interface DoorFault {
  readonly node: string;
  readonly mode: DoorMode;
  readonly port: number | undefined;
}

/** The network of a world. Tests degrade its links through this class. */
export class Network {
  /** Counts of events, for reports and checks. */
  readonly counts: Readonly<NetworkCounts>;
  readonly #world: Kernel;
  readonly #counts: NetworkCounts = { ...NOTHING_YET };
  readonly #machines: Map<string, Machine> = new Map();
  readonly #directions: Map<string, Direction> = new Map();
  readonly #links: Map<string, Partial<LinkConditions>> = new Map();
  readonly #faults: Set<LinkFault> = new Set();
  readonly #doors: Set<DoorFault> = new Set();
  #defaults: LinkConditions = HEALTHY_LINK;

  constructor(world: Kernel) {
    this.#world = world;
    this.counts = this.#counts;
  }

  /**
   * Sets the conditions of every direction for which `setLink` sets nothing else. Conditions that
   * are not named keep their values.
   */
  setDefaults(conditions: Partial<LinkConditions>): void {
    this.#defaults = { ...this.#defaults, ...checkedConditions("setDefaults", conditions) };
    this.#refresh(ANY, ANY);
  }

  /**
   * Sets the conditions of the direction from one node to another, and of that alone; conditions
   * that are not named follow the defaults.
   */
  setLink(from: string, to: string, conditions: Partial<LinkConditions>): void {
    this.#checkPair("setLink", from, to);
    this.#links.set(nameOf(from, to), checkedConditions("setLink", conditions));
    this.#refresh(from, to);
  }

  /**
   * Adds a fault to the direction from one node to another until it is disposed of; `*` is every
   * node. Faults combine: any cut cuts, anything held is held, rates take the worst, delays and
   * clogs add up, the least bandwidth and queue count.
   */
  impose(from: string, to: string, conditions: Partial<LinkConditions>): Disposable {
    this.#checkPair("impose", from, to);
    const fault = { from, to, conditions: checkedConditions("impose", conditions), sinceMs: this.#world.nowMs };
    this.#faults.add(fault);
    this.#world.strike();
    this.#refresh(from, to);
    return {
      [Symbol.dispose]: () => {
        if (this.#faults.delete(fault)) this.#refresh(from, to);
      },
    };
  }

  /**
   * From now on new connections to `node` (only to `port`, if one is given) are refused, or
   * accepted and never read, until it is disposed of. Datagrams and open connections are not
   * affected: a service can be dead while its heartbeats go on.
   */
  imposeDoor(node: string, mode: DoorMode, port?: number): Disposable {
    this.#world.nodeOf(node);
    if (mode !== "refuses" && mode !== "silent") {
      refuse(`imposeDoor: mode is ${String(mode)}; it must be "refuses" or "silent".`);
    }
    if (port !== undefined) checked("imposeDoor", "port", port, PORT);
    const door = { node, mode, port };
    this.#doors.add(door);
    this.#world.strike();
    return { [Symbol.dispose]: () => void this.#doors.delete(door) };
  }

  /** The network as `incarnation` on `node` has it. Called by the node. */
  of(node: Host, incarnation: number): NodeNetwork {
    const machine = this.#machine(node.name);
    return {
      send: (to, payload, fromPort = 0) => {
        const far = this.#checkAddress("send", to);
        checked("send", "fromPort", fromPort, SENDER_PORT);
        if (machine.mayAct(incarnation)) this.#send(machine, far, to, payload, fromPort);
      },
      onDatagram: (port, receive) => {
        checked("onDatagram", "port", port, PORT);
        return machine.mayAct(incarnation) ? machine.readDatagrams(port, incarnation, receive) : NOTHING_TO_DISPOSE;
      },
      listen: (port, accept) => {
        checked("listen", "port", port, PORT);
        return machine.mayAct(incarnation) ? machine.listen(port, incarnation, accept) : NOTHING_TO_DISPOSE;
      },
      connect: (to) =>
        new Promise((resolve, reject) => {
          const far = this.#checkAddress("connect", to);
          if (machine.mayAct(incarnation)) machine.connect(incarnation, far, to).ask(resolve, reject);
        }),
    };
  }

  /** The process on `node` has ended. Called by the node. */
  crashed(node: string, kind: CrashKind): void {
    this.#machines.get(node)?.crashed(kind);
  }

  #send(machine: Machine, far: Machine, to: Address, payload: Payload, fromPort: number): void {
    const label = labelOf(payload);
    this.#counts.sent++;
    this.#world.trace.message(this.#world.nowMs, "send", machine.name, far.name, label);
    machine.directionTo(far.name).sendDatagram({ node: machine.name, port: fromPort }, to, payload, label);
  }

  #machine(name: string): Machine {
    const known = this.#machines.get(name);
    if (known !== undefined) return known;
    const machine = new Machine(this.#world, this.#world.nodeOf(name), {
      counts: this.#counts,
      direction: (from, to) => this.#direction(from, to),
      door: (node, port) => this.#door(node, port),
    });
    this.#machines.set(name, machine);
    return machine;
  }

  #direction(from: string, to: string): Direction {
    const random = this.#world.random.fork(`net/${nameOf(from, to)}`);
    const arrive = (packet: Packet): void => this.#machine(to).takeDatagram(packet);
    const conditions = this.#conditionsOf(from, to, random);
    const direction = new Direction(this.#world, { from, to }, random, conditions, this.#counts, arrive);
    this.#directions.set(nameOf(from, to), direction);
    return direction;
  }

  #conditionsOf(from: string, to: string, random: Direction["random"]): CombinedConditions {
    if (from === to) return combined(LOOPBACK, [], random);
    const base = { ...this.#defaults, ...this.#links.get(nameOf(from, to)) };
    const layers = [...this.#faults].filter((fault) => meets(fault.from, from) && meets(fault.to, to));
    return combined(base, layers, random);
  }

  /** The directions from one node to another have changed; `*` is every node. */
  #refresh(from: string, to: string): void {
    for (const direction of this.#directions.values()) {
      if (meets(from, direction.from) && meets(to, direction.to))
        direction.change(this.#conditionsOf(direction.from, direction.to, direction.random));
    }
  }

  /** A door that refuses takes precedence over a silent one. */
  #door(node: string, port: number): DoorMode | undefined {
    let mode: DoorMode | undefined;
    for (const door of this.#doors) {
      if (door.node !== node || (door.port !== undefined && door.port !== port)) continue;
      if (door.mode === "refuses") return "refuses";
      mode = "silent";
    }
    return mode;
  }

  #checkAddress(part: string, to: Address): Machine {
    checked(part, "to.port", to.port, PORT);
    return this.#machine(to.node);
  }

  #checkPair(part: string, from: string, to: string): void {
    for (const name of [from, to]) if (name !== ANY || part === "setLink") this.#world.nodeOf(name);
    if (from === to && from !== ANY)
      refuse(`${part}: from and to are both "${from}"; a machine talks to itself without a line.`);
  }
}

function meets(pattern: string, name: string): boolean {
  return pattern === ANY || pattern === name;
}

function nameOf(from: string, to: string): string {
  return `${from}->${to}`;
}

function refuse(message: string): never {
  throw new ConfigurationError("out-of-range", message);
}

const NOTHING_TO_DISPOSE: Disposable = { [Symbol.dispose]: () => {} };

const NOTHING_YET: NetworkCounts = {
  sent: 0,
  delivered: 0,
  lost: 0,
  cut: 0,
  overflowed: 0,
  corrupted: 0,
  duplicated: 0,
  reordered: 0,
  unread: 0,
  refused: 0,
  reset: 0,
  timedOut: 0,
};
