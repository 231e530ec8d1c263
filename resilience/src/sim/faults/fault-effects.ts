/**
 * What each kind of fault does to a world when it begins, and how exactly that is undone when it
 * ends. Faults of one node are counted and combined here, because a node knows its present state
 * but not the number of its causes. It must not start while a second crash lasts, nor become fast
 * again while a second load lasts.
 */

import type { SimNode } from "../kernel/node.ts";
import type { World } from "../kernel/world.ts";
import type { Fault } from "./fault.ts";

/** A fault that has begun. */
export interface InForce {
  /** Undoes it; called once. */
  end(): void;
}

/** The faults of one node at present. */
interface Troubles {
  crashes: number;
  readonly slow: Set<{ readonly costMs: number }>;
  readonly drifts: Set<{ readonly rate: number }>;
  /** What an event costs the node without any fault. */
  ownCostMs: number;
  /** The rate of its clocks without any fault. */
  ownRate: number;
}

const NOTHING_TO_UNDO: InForce = { end: () => undefined };

export class NodeFaults {
  readonly #world: World;
  readonly #troubles: Map<string, Troubles> = new Map();

  constructor(world: World) {
    this.#world = world;
  }

  /** `fault` begins now. */
  begin(fault: Fault): InForce {
    if (fault.kind === "link") return ending(this.#world.network.impose(fault.from, fault.to, fault.conditions));
    const node = this.#world.nodeOf(fault.node);
    switch (fault.kind) {
      case "crash":
        return this.#crash(node, fault.how);
      case "pause":
        // The pause ends by itself.
        node.pause(fault.forMs ?? Number.POSITIVE_INFINITY);
        return NOTHING_TO_UNDO;
      case "slow":
        return this.#slow(node, fault.costMs);
      case "drift":
        return this.#drift(node, fault.rate);
      case "wall-step":
        node.stepWall(fault.byMs);
        return NOTHING_TO_UNDO;
      case "door":
        return ending(this.#world.network.imposeDoor(fault.node, fault.mode, fault.port));
      case "disk":
        return ending(node.disk.impose(fault.conditions));
    }
  }

  #crash(node: SimNode, how: "kill" | "power"): InForce {
    const troubles = this.#of(node);
    troubles.crashes++;
    node.crash(how);
    return {
      end: () => {
        troubles.crashes--;
        if (troubles.crashes === 0 && node.incarnation > 0) node.start();
      },
    };
  }

  #slow(node: SimNode, costMs: number): InForce {
    const troubles = this.#of(node);
    const { slow } = troubles;
    const load = { costMs };
    if (slow.size === 0) troubles.ownCostMs = node.costMs;
    const apply = (): void => node.slow([...slow].reduce((sumMs, one) => sumMs + one.costMs, troubles.ownCostMs));
    slow.add(load);
    apply();
    return {
      end: () => {
        slow.delete(load);
        apply();
      },
    };
  }

  #drift(node: SimNode, rate: number): InForce {
    const troubles = this.#of(node);
    const { drifts } = troubles;
    const skew = { rate };
    if (drifts.size === 0) troubles.ownRate = node.clock.rate;
    const apply = (): void => node.drift([...drifts].reduce((product, one) => product * one.rate, troubles.ownRate));
    drifts.add(skew);
    apply();
    return {
      end: () => {
        drifts.delete(skew);
        apply();
      },
    };
  }

  #of(node: SimNode): Troubles {
    let troubles = this.#troubles.get(node.name);
    if (troubles === undefined) {
      troubles = { crashes: 0, slow: new Set(), drifts: new Set(), ownRate: 1, ownCostMs: 0 };
      this.#troubles.set(node.name, troubles);
    }
    return troubles;
  }
}

function ending(imposed: Disposable): InForce {
  return { end: () => imposed[Symbol.dispose]() };
}
