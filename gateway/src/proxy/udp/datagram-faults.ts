/**
 * What each toxic does to datagrams, as pure machines: told a datagram and the time, they return
 * what leaves and when. They hold no timer and no datagram; `datagram-chain.ts` does that for them.
 * The vocabulary is that of netem and Chaos Mesh. A change of attributes keeps a machine's state:
 * a burst of loss goes on under the new rates. Headers of UDP and IP are not counted anywhere.
 */
import type { Random } from "ground-station-failover";
import { DELAY_DISTRIBUTIONS, sampleDelayMs } from "../distribution.ts";
import type { Attributes } from "../toxic-type.ts";
import { BurstLoss, Chance } from "./chance.ts";

/** What was done to a datagram, if it can be said of the single datagram. */
export type DatagramEffect = "lost" | "duplicated" | "reordered" | "corrupted" | "dropped";

/** A datagram that leaves a toxic. */
export interface Departure {
  readonly datagram: Buffer;
  /** When; `Infinity`: not before the toxic is changed or removed. */
  readonly atMs: number;
  /** Leaves earlier if so many later datagrams have passed the toxic. */
  readonly afterDatagrams?: number;
}

interface Verdict {
  /** In this order, where the instants are equal. Empty: it never leaves. */
  readonly departures: readonly Departure[];
  readonly effect?: DatagramEffect;
}

/** One toxic, as one session meets it. */
export interface DatagramFault {
  /**
   * Whether a ramp changes when the datagrams leave that are held already: then they are taken
   * anew.
   */
  readonly plansAnew: boolean;
  /** New attributes, from the next datagram on. */
  use(attributes: Attributes): void;
  take(datagram: Buffer, nowMs: number): Verdict;
}

/** Makes a machine for a type of toxic; `use` gives it its attributes. */
export const DATAGRAM_FAULTS: Readonly<Record<string, (random: Random) => DatagramFault>> = {
  noop: () => ({ plansAnew: false, use: () => undefined, take: straightOn }),
  loss: (random) => new Loss(random),
  duplicate: (random) => new Duplicate(random),
  reorder: (random) => new Reorder(random),
  corrupt: (random) => new Corrupt(random),
  latency: (random) => new Latency(random),
  bandwidth: () => new Bandwidth(),
};

/** The number of a checked toxic's attribute. */
function numberIn(attributes: Attributes, name: string): number {
  const value = attributes[name];
  if (typeof value !== "number") throw new TypeError(`the toxic has no number "${name}"`);
  return value;
}

const straightOn = (datagram: Buffer, nowMs: number): Verdict => ({ departures: [{ datagram, atMs: nowMs }] });

/** Loses datagrams: each with a chance of its own, in bursts, or both. */
class Loss implements DatagramFault {
  readonly plansAnew = false;
  readonly #single: Chance;
  readonly #bursts: BurstLoss;
  #rates = { goodToBad: 0, badToGood: 1, lossInGood: 0, lossInBad: 1 };

  constructor(random: Random) {
    this.#single = new Chance(random.fork("single"));
    this.#bursts = new BurstLoss(random.fork("bursts"));
  }

  use(attributes: Attributes): void {
    this.#single.use(numberIn(attributes, "rate"), numberIn(attributes, "correlation"));
    this.#rates = {
      goodToBad: numberIn(attributes, "good_to_bad"),
      badToGood: numberIn(attributes, "bad_to_good"),
      lossInGood: numberIn(attributes, "loss_in_good"),
      lossInBad: numberIn(attributes, "loss_in_bad"),
    };
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    // Both are drawn at every datagram, so that neither hides a step of the other.
    const isSingle = this.#single.draw();
    const isInBurst = this.#bursts.draw(this.#rates);
    return isSingle || isInBurst ? { departures: [], effect: "lost" } : straightOn(datagram, nowMs);
  }
}

/** Sends some datagrams several times, the copies right behind the first. */
class Duplicate implements DatagramFault {
  readonly plansAnew = false;
  readonly #chance: Chance;
  #copies = 1;

  constructor(random: Random) {
    this.#chance = new Chance(random);
  }

  use(attributes: Attributes): void {
    this.#chance.use(numberIn(attributes, "rate"), numberIn(attributes, "correlation"));
    this.#copies = numberIn(attributes, "copies");
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    if (!this.#chance.draw()) return straightOn(datagram, nowMs);
    const departures = Array.from({ length: 1 + this.#copies }, () => ({ datagram, atMs: nowMs }));
    return { departures, effect: "duplicated" };
  }
}

/**
 * Holds a datagram back until later ones have overtaken it, or until its time is up. One at a time:
 * nothing else is held back meanwhile, so a rate of 1 still reorders and does not only delay.
 */
class Reorder implements DatagramFault {
  readonly plansAnew = false;
  readonly #chance: Chance;
  #gap = 1;
  #delayMs = 0;
  /** How many must still pass before the one that is held. */
  #toPass = 0;
  #heldUntilMs = 0;

  constructor(random: Random) {
    this.#chance = new Chance(random);
  }

  use(attributes: Attributes): void {
    this.#chance.use(numberIn(attributes, "rate"), numberIn(attributes, "correlation"));
    this.#gap = numberIn(attributes, "gap");
    this.#delayMs = numberIn(attributes, "delay");
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    if (this.#toPass > 0 && nowMs < this.#heldUntilMs) {
      this.#toPass--;
      return straightOn(datagram, nowMs);
    }
    if (!this.#chance.draw()) return straightOn(datagram, nowMs);
    this.#toPass = this.#gap;
    this.#heldUntilMs = nowMs + this.#delayMs;
    const departure = { datagram, atMs: this.#heldUntilMs, afterDatagrams: this.#gap };
    return { departures: [departure], effect: "reordered" };
  }
}

/** Flips bits of some datagrams, each bit at most once. An empty datagram passes as it is. */
class Corrupt implements DatagramFault {
  readonly plansAnew = false;
  readonly #random: Random;
  readonly #chance: Chance;
  #bits = 1;

  constructor(random: Random) {
    this.#random = random.fork("bits");
    this.#chance = new Chance(random.fork("which"));
  }

  use(attributes: Attributes): void {
    this.#chance.use(numberIn(attributes, "rate"), numberIn(attributes, "correlation"));
    this.#bits = numberIn(attributes, "bits");
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    if (!this.#chance.draw() || datagram.length === 0) return straightOn(datagram, nowMs);
    // A copy: the same bytes may also be held elsewhere, as a duplicate.
    const corrupted = Buffer.from(datagram);
    for (const bit of this.#chosenBits(8 * datagram.length)) {
      corrupted.writeUInt8(corrupted.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    }
    return { departures: [{ datagram: corrupted, atMs: nowMs }], effect: "corrupted" };
  }

  /** A sample without repetition (Floyd's algorithm), so that no two flips cancel out. */
  #chosenBits(total: number): ReadonlySet<number> {
    const chosen = new Set<number>();
    for (let last = Math.max(0, total - this.#bits); last < total; last++) {
      const bit = Math.floor(this.#random.next() * (last + 1));
      chosen.add(chosen.has(bit) ? last : bit);
    }
    return chosen;
  }
}

/**
 * Delays each datagram by itself. With jitter, a datagram that is drawn a shorter delay overtakes
 * the one before, as in netem and in real networks: a proxy of streams keeps the order, this one
 * does not.
 */
class Latency implements DatagramFault {
  readonly plansAnew = false;
  readonly #random: Random;
  #shape: Parameters<typeof sampleDelayMs>[1] = { latencyMs: 0, jitterMs: 0 };

  constructor(random: Random) {
    this.#random = random;
  }

  use(attributes: Attributes): void {
    const distribution = DELAY_DISTRIBUTIONS.find((one) => one === attributes["distribution"]);
    this.#shape = {
      latencyMs: numberIn(attributes, "latency"),
      jitterMs: numberIn(attributes, "jitter"),
      ...(distribution === undefined ? {} : { distribution }),
    };
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    return straightOn(datagram, nowMs + sampleDelayMs(this.#random, this.#shape));
  }
}

/** For sums of fractions that should be whole bytes. */
const ROUNDING_BYTES = 1e-6;

/**
 * A link of so many bytes a millisecond behind a queue of so many bytes. A datagram that finds no
 * place in the queue is dropped (tail drop); one that finds the link idle always goes.
 */
class Bandwidth implements DatagramFault {
  readonly plansAnew = true;
  #bytesPerMs = 0;
  #queueBytes = 0;
  /** When the link has sent all that was taken. */
  #idleAtMs = Number.NEGATIVE_INFINITY;
  /** What waits for a link of rate 0. */
  #stalledBytes = 0;

  use(attributes: Attributes): void {
    // A kilobyte of 1,000 bytes in a second is a byte in a millisecond.
    this.#bytesPerMs = numberIn(attributes, "rate");
    this.#queueBytes = numberIn(attributes, "queue");
    this.#idleAtMs = Number.NEGATIVE_INFINITY;
    this.#stalledBytes = 0;
  }

  take(datagram: Buffer, nowMs: number): Verdict {
    const isStalled = this.#bytesPerMs === 0;
    const waiting = isStalled ? this.#stalledBytes : Math.max(0, this.#idleAtMs - nowMs) * this.#bytesPerMs;
    if (waiting > 0 && waiting + datagram.length > this.#queueBytes + ROUNDING_BYTES) {
      return { departures: [], effect: "dropped" };
    }
    if (isStalled) {
      this.#stalledBytes += datagram.length;
      return straightOn(datagram, Number.POSITIVE_INFINITY);
    }
    this.#idleAtMs = Math.max(nowMs, this.#idleAtMs) + datagram.length / this.#bytesPerMs;
    return straightOn(datagram, this.#idleAtMs);
  }
}
