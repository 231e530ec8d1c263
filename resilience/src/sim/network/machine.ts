/**
 * The part of a machine that the network sees, which lives on when a process is killed: ports,
 * their readers, and the connections that end here. A machine with power answers for its processes
 * (a refusal, a reset); one without power answers nothing. Ports and connections belong to the
 * incarnation that requested them and are gone with it.
 */

import type { CrashKind, Host, Kernel } from "../kernel/kernel.ts";
import { type ConnectedMachine, type Connection, ConnectionEnd } from "./connection.ts";
import type { Address, Direction, NetworkCounts, Packet } from "./direction.ts";
import { NetworkError } from "./network-error.ts";
import type { Payload } from "./payload.ts";

/**
 * How a port treats new connections. `refuses`: it refuses them at once. `silent`: it accepts them
 * and never reads from them.
 */
export type DoorMode = "refuses" | "silent";

/** What a machine needs of its network. */
export interface Surroundings {
  readonly counts: NetworkCounts;
  direction(from: string, to: string): Direction;
  door(node: string, port: number): DoorMode | undefined;
}

interface Reader<Receive> {
  readonly incarnation: number;
  readonly receive: Receive;
}

/** The first port that is assigned to an outgoing connection. */
const FIRST_OWN_PORT = 49_152;
const PORTS = 65_536;

export class Machine implements ConnectedMachine {
  readonly name: string;
  readonly node: Host;
  /** The connections that end here. */
  readonly ends: Set<ConnectionEnd> = new Set();
  powerLosses = 0;
  readonly #world: Kernel;
  readonly #around: Surroundings;
  readonly #directions: Map<string, Direction> = new Map();
  readonly #datagrams: Map<number, Reader<(payload: Payload, from: Address) => void>> = new Map();
  readonly #listeners: Map<number, Reader<(connection: Connection) => void>> = new Map();
  #nextPort = FIRST_OWN_PORT;

  constructor(world: Kernel, node: Host, around: Surroundings) {
    this.#world = world;
    this.node = node;
    this.name = node.name;
    this.#around = around;
  }

  /**
   * Whether the machine can answer. A machine that was never started, or lost its power, cannot.
   */
  get powered(): boolean {
    return this.node.powered;
  }

  /** The line to `far`. */
  directionTo(far: string): Direction {
    const known = this.#directions.get(far);
    if (known !== undefined) return known;
    const direction = this.#around.direction(this.name, far);
    this.#directions.set(far, direction);
    return direction;
  }

  /** Whether `incarnation` may act here: it is the process that is up. */
  mayAct(incarnation: number): boolean {
    this.#world.assertInside(this.node);
    return this.node.up && this.node.incarnation === incarnation;
  }

  /** From now on datagrams to `port` are read by `receive`, in `incarnation`. */
  readDatagrams(port: number, incarnation: number, receive: (payload: Payload, from: Address) => void): Disposable {
    return occupy(this.#datagrams, { node: this.name, port }, { incarnation, receive });
  }

  /** From now on connections to `port` are handed to `accept`, in `incarnation`. */
  listen(port: number, incarnation: number, accept: (connection: Connection) => void): Disposable {
    return occupy(this.#listeners, { node: this.name, port }, { incarnation, receive: accept });
  }

  /** A datagram has arrived. */
  takeDatagram(packet: Packet): void {
    const reader = this.#datagrams.get(packet.to.port);
    const { node: from } = packet.from;
    if (reader === undefined) {
      this.#around.counts.unread++;
      const kind = this.powered ? "drop (nobody reads the port)" : "drop (no power)";
      this.#world.trace.message(this.#world.nowMs, kind, from, this.name, packet.label);
      return;
    }
    this.#around.counts.delivered++;
    this.#world.trace.message(this.#world.nowMs, "deliver", from, this.name, packet.label);
    this.node.dispatch(reader.incarnation, () => reader.receive(packet.payload, packet.from));
  }

  /** An end of a new connection, from here to `to` on `far`. */
  connect(incarnation: number, far: ConnectedMachine, to: Address): ConnectionEnd {
    const port = this.#nextPort;
    this.#nextPort = port + 1 < PORTS ? port + 1 : FIRST_OWN_PORT;
    return new ConnectionEnd(this.#world, this.#around.counts, { machine: this, incarnation, port }, far, to.port);
  }

  /** `asker` requests a connection. Returns false if no answer reaches it. */
  knock(asker: ConnectionEnd): boolean {
    const { machine: far, port: farPort } = asker.near;
    const port = asker.peer.port;
    const listener = this.#listeners.get(port);
    const door = this.#around.door(this.name, port);
    if (listener === undefined || door === "refuses") return this.answerReset(asker);
    if (this.directionTo(far.name).cut) return false;
    const near = { machine: this, incarnation: listener.incarnation, port };
    const end = new ConnectionEnd(this.#world, this.#around.counts, near, far, farPort);
    end.grant(asker, door === "silent");
    if (door !== "silent") this.node.dispatch(listener.incarnation, () => listener.receive(end));
    return true;
  }

  /**
   * Tells `asker` that this machine has nothing for it. Returns false if the answer does not get
   * through.
   */
  answerReset(asker: ConnectionEnd): boolean {
    return this.directionTo(asker.near.machine.name).sendAnswer(() => asker.refused());
  }

  /** The process has ended. */
  crashed(kind: CrashKind): void {
    if (kind === "power") this.powerLosses++;
    this.#datagrams.clear();
    this.#listeners.clear();
    for (const end of [...this.ends]) end.crashed(kind === "kill");
    this.ends.clear();
  }
}

/** Takes a port for a reader until it is disposed of. */
function occupy<Read>(ports: Map<number, Read>, address: Address, reader: Read): Disposable {
  if (ports.has(address.port)) throw new NetworkError("EADDRINUSE", "listen", address);
  ports.set(address.port, reader);
  return {
    [Symbol.dispose]: () => {
      if (ports.get(address.port) === reader) ports.delete(address.port);
    },
  };
}
