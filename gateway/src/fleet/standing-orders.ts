/**
 * The orders that operators give to the groups of a gateway. Switchover and failback are done and
 * over. Maintenance of a station and drain stay in force until they are ended or expire. Every
 * order, refused ones too, becomes an event of its group with its giver, its reason and its end;
 * the newest of these are kept as the trail.
 *
 * With a record store, orders in force, the station of the last switchover and the trail survive a
 * restart. An order takes effect before it is durable: an operator with a full disk must still be
 * able to take a station out of service; the answer says whether it is durable. Ends are counted on
 * the monotonic clock, and on the calendar across a restart.
 */
import type { Clock } from "ground-station-failover";
import type { GroupDrain } from "./group.ts";
import type { OrderEvent, OrderGiver, OrderKind, OrderOutcome } from "./group-events.ts";
import {
  type OrderedState,
  readOrder,
  readOrderedStation,
  readTrailEntry,
  type StandingOrder,
  type TrailEntry,
  written,
} from "./order-records.ts";
import type { RecordChange, RecordStore } from "./record-store.ts";

/** What orders need of a group. */
export interface OrderedGroup {
  readonly activeStation: string;
  readonly settings: { readonly stations: readonly { readonly name: string }[] };
  switchover(station: string, reason: string, keepsStreams: boolean): Promise<number>;
  failback(reason: string, keepsStreams: boolean): Promise<number>;
  setMaintenance(station: string, reason: string | undefined, forMs: number, keepsStreams: boolean): void;
  setDrain(drain: GroupDrain | undefined): void;
  hasEligibleBeside(station: string): boolean;
  noteOrder(event: OrderEvent): void;
}

export interface StandingOrdersOptions {
  readonly groups: ReadonlyMap<string, OrderedGroup>;
  readonly clock: Clock;
  /** The calendar, in ms since 1970. */
  readonly unixNowMs: () => number;
  /** How long a draining group still takes commands, so that load balancers notice, in ms. */
  readonly drainDelayMs: number;
  /** Default: nothing survives a restart. */
  readonly store?: RecordStore | undefined;
  /** Read from the store before the groups were made. Default: nothing. */
  readonly state?: OrderedState | undefined;
  /** Called when something could not be kept. `error`: from the store. */
  readonly onUnkept?: ((error: unknown) => void) | undefined;
}

/** Terms of an order. */
export interface OrderTerms {
  readonly reason: string;
  readonly by: OrderGiver;
  /** True: the station that is left may stream its replies to their end. */
  readonly keepsStreams: boolean;
}

/** The order that has begun or ended, if any, and whether a restart would remember it. */
export interface OrderAnswer {
  readonly order: StandingOrder | undefined;
  readonly isDurable: boolean;
}

/** An order cannot be given as things are. */
export class OrderRefusedError extends Error {
  override readonly name: string = "OrderRefusedError";
}

const ORDER_TABLE = "orders";
const PREFERENCE_TABLE = "order-preferences";
const TRAIL_TABLE = "order-trail";
/** Entries of the trail that are kept: years of an ordinary fleet. */
const MAX_TRAIL = 1_000;
/** Digits of a number in a key, so that keys are in the order of numbers. */
const KEY_DIGITS = 16;

interface InForce {
  readonly order: StandingOrder;
  readonly timer: Disposable;
}

export class StandingOrders implements Disposable {
  readonly #options: StandingOrdersOptions;
  /** By group and station; one of a group as a whole has no station. */
  readonly #inForce: Map<string, InForce> = new Map();
  readonly #trail: TrailEntry[];
  #number: number;

  constructor(options: StandingOrdersOptions) {
    this.#options = options;
    this.#trail = [...(options.state?.trail ?? [])].slice(-MAX_TRAIL);
    this.#number = this.#trail.at(-1)?.number ?? 0;
  }

  /** Puts the orders of the store into force again. Call once, before commands are taken. */
  async restore(): Promise<void> {
    const { state, groups, unixNowMs } = this.#options;
    const changes: RecordChange[] = [];
    for (const order of state?.orders ?? []) {
      const group = groups.get(order.group);
      const isKnown = order.station === undefined || (group !== undefined && hasStation(group, order.station));
      if (group === undefined || !isKnown) {
        changes.push({ type: "remove", table: ORDER_TABLE, key: keyOf(order.group, order.station) });
        continue;
      }
      const leftMs = order.untilUnixMs - unixNowMs();
      // A clock that was set back must not make an order last for longer than it was given for.
      if (leftMs > 0) this.#begin(order, Math.min(leftMs, order.forMs), "restored", changes);
      else this.#note(order, "expired", changes, { type: "remove", key: keyOf(order.group, order.station) });
    }
    await this.#keep(changes);
  }

  /** Orders in force in `group`, oldest first. */
  standing(group: string): readonly (StandingOrder & { readonly leftMs: number })[] {
    const nowMs = this.#options.clock.nowMs();
    return [...this.#inForce.values()]
      .filter(({ order }) => order.group === group)
      .map(({ order }) => ({ ...order, leftMs: Math.max(0, Math.round(order.endsMs - nowMs)) }));
  }

  /** The newest orders, refused ones included, oldest first. */
  get trail(): readonly TrailEntry[] {
    return this.#trail;
  }

  /** Makes `to` active. Resolves with the epoch; rejects with the reason of the refusal. */
  switchover(group: string, to: string, terms: OrderTerms): Promise<number> {
    const at = this.#group(group);
    return this.#change(group, "switchover", to, terms, () => at.switchover(to, terms.reason, terms.keepsStreams));
  }

  /** Returns to the primary. Resolves with the epoch; rejects with the reason of the refusal. */
  failback(group: string, terms: OrderTerms): Promise<number> {
    const at = this.#group(group);
    const { name } = at.settings.stations[0] as { readonly name: string };
    return this.#change(group, "failback", name, terms, () => at.failback(terms.reason, terms.keepsStreams));
  }

  /** Takes `station` out of service for `forMs`; replaces an earlier order about it. */
  maintenance(group: string, station: string, forMs: number, terms: OrderTerms): Promise<OrderAnswer> {
    this.#group(group);
    return this.#give("maintenance", group, station, forMs, terms);
  }

  /**
   * Drains `station`, or the whole group if it is undefined, for `forMs`. Refused if no other
   * station could take over from `station`: then it would go on serving, and never be empty.
   */
  drain(group: string, station: string | undefined, forMs: number, terms: OrderTerms): Promise<OrderAnswer> {
    const at = this.#group(group);
    if (station !== undefined && at.activeStation === station && !at.hasEligibleBeside(station)) {
      const refusal =
        `no other station of ${group} is eligible, so ${station} would go on serving; ` +
        "drain the group to take no new commands at all";
      const changes: RecordChange[] = [];
      this.#note({ kind: "drain", group, station, ...terms }, "refused", changes, undefined, refusal);
      return this.#keep(changes).then(() => {
        throw new OrderRefusedError(refusal);
      });
    }
    return this.#give("drain", group, station, forMs, terms);
  }

  /**
   * Ends the maintenance or drain of `station`, or the drain of the whole group. Does nothing if
   * none is in force: it may just have expired.
   */
  async end(group: string, station: string | undefined, terms: OrderTerms): Promise<OrderAnswer> {
    this.#group(group);
    const key = keyOf(group, station);
    const known = this.#inForce.get(key);
    if (known === undefined) return { order: undefined, isDurable: true };
    const changes: RecordChange[] = [];
    this.#lift(known.order);
    this.#note({ ...known.order, ...terms }, "ended", changes, { type: "remove", key });
    return { order: known.order, isDurable: await this.#keep(changes) };
  }

  /** Stops counting. Orders in force stay in the store. */
  [Symbol.dispose](): void {
    for (const { timer } of this.#inForce.values()) timer[Symbol.dispose]();
    this.#inForce.clear();
  }

  async #change(
    group: string,
    kind: "switchover" | "failback",
    station: string,
    terms: OrderTerms,
    change: () => Promise<number>,
  ): Promise<number> {
    const changes: RecordChange[] = [];
    const order = { kind, group, station, ...terms };
    let epoch: number;
    try {
      epoch = await change();
    } catch (error) {
      this.#note(order, "refused", changes, undefined, error instanceof Error ? error.message : String(error));
      await this.#keep(changes);
      throw error;
    }
    this.#note(order, "done", changes);
    changes.push({ type: "put", table: PREFERENCE_TABLE, key: group, value: written({ station }) });
    await this.#keep(changes);
    return epoch;
  }

  async #give(
    kind: "maintenance" | "drain",
    group: string,
    station: string | undefined,
    forMs: number,
    terms: OrderTerms,
  ): Promise<OrderAnswer> {
    const { clock, unixNowMs } = this.#options;
    const [givenUnixMs, nowMs] = [unixNowMs(), clock.nowMs()];
    const times = { givenUnixMs, forMs, untilUnixMs: givenUnixMs + forMs, endsMs: nowMs + forMs };
    const order: StandingOrder = { kind, group, station, ...terms, ...times };
    const changes: RecordChange[] = [];
    this.#begin(order, forMs, "begun", changes);
    return { order, isDurable: await this.#keep(changes) };
  }

  #begin(given: StandingOrder, forMs: number, outcome: "begun" | "restored", changes: RecordChange[]): void {
    const { clock, drainDelayMs } = this.#options;
    const { group, station, reason, keepsStreams } = given;
    const nowMs = clock.nowMs();
    const order = { ...given, endsMs: nowMs + forMs };
    const key = keyOf(group, station);
    this.#inForce.get(key)?.timer[Symbol.dispose]();
    const timer = clock.at(order.endsMs, () => this.#expire(order));
    this.#inForce.set(key, { order, timer });
    const value = written(order);
    this.#note(order, outcome, changes, { type: "put", key, value });
    const at = this.#group(group);
    if (station !== undefined) at.setMaintenance(station, reason, forMs, keepsStreams);
    else at.setDrain({ reason, refusesAtMs: nowMs + (outcome === "begun" ? drainDelayMs : 0), untilMs: order.endsMs });
  }

  #expire(order: StandingOrder): void {
    const changes: RecordChange[] = [];
    this.#lift(order);
    this.#note(order, "expired", changes, { type: "remove", key: keyOf(order.group, order.station) });
    this.#keep(changes);
  }

  #lift({ group, station }: StandingOrder): void {
    const key = keyOf(group, station);
    this.#inForce.get(key)?.timer[Symbol.dispose]();
    this.#inForce.delete(key);
    // A group may have left the settings meanwhile.
    const at = this.#options.groups.get(group);
    if (station !== undefined) at?.setMaintenance(station, undefined, 0, false);
    else at?.setDrain(undefined);
  }

  /** Reports what became of `order`, and adds it to the trail and to `changes`. */
  #note(
    order: OrderTerms & {
      readonly kind: OrderKind;
      readonly group: string;
      readonly station: string | undefined;
      readonly untilUnixMs?: number;
    },
    outcome: OrderOutcome,
    changes: RecordChange[],
    record?: { readonly type: "remove"; readonly key: string } | { type: "put"; key: string; value: Uint8Array },
    refusal?: string,
  ): void {
    const { clock, unixNowMs, groups } = this.#options;
    const { kind, group, station, reason, by, untilUnixMs } = order;
    const event: OrderEvent = {
      type: "order",
      ...{ order: kind, outcome, station, reason, by, atMs: clock.nowMs() },
      ...(refusal === undefined ? {} : { refusal }),
      ...(untilUnixMs === undefined || outcome === "ended" ? {} : { untilUnixMs }),
    };
    const entry: TrailEntry = { ...event, number: ++this.#number, group, unixMs: unixNowMs() };
    this.#trail.push(entry);
    if (this.#trail.length > MAX_TRAIL) this.#trail.shift();
    if (record !== undefined) changes.push({ ...record, table: ORDER_TABLE });
    changes.push({ type: "put", table: TRAIL_TABLE, key: trailKey(entry.number), value: written(entry) });
    if (entry.number > MAX_TRAIL)
      changes.push({ type: "remove-below", table: TRAIL_TABLE, below: trailKey(entry.number - MAX_TRAIL + 1) });
    groups.get(group)?.noteOrder(event);
  }

  /** True once `changes` are durable. */
  async #keep(changes: readonly RecordChange[]): Promise<boolean> {
    const { store, onUnkept } = this.#options;
    if (store === undefined) return false;
    if (changes.length === 0) return true;
    try {
      await store.commit(changes);
      return true;
    } catch (error) {
      onUnkept?.(error);
      return false;
    }
  }

  #group(name: string): OrderedGroup {
    const group = this.#options.groups.get(name);
    if (group === undefined) throw new RangeError(`there is no group "${name}"`);
    return group;
  }
}

/** Reads what the store holds. Records that cannot be read are counted and left out. */
export async function readOrderedState(store: RecordStore): Promise<OrderedState> {
  const scanned = async (table: string, reverse = false): Promise<readonly { key: string; value: Uint8Array }[]> =>
    store.scan(table, { limit: 10 * MAX_TRAIL, reverse });
  const records = await scanned(ORDER_TABLE);
  const preferences = await scanned(PREFERENCE_TABLE);
  const trail = (await scanned(TRAIL_TABLE, true)).slice(0, MAX_TRAIL).toReversed();
  const orders = records.map(({ value }) => readOrder(value));
  const entries = trail.map(({ value }) => readTrailEntry(value));
  const preferred = preferences.map(({ key, value }) => [key, readOrderedStation(value)] as const);
  const isMissing = (one: unknown): boolean => one === undefined;
  return {
    orders: orders.filter((order) => order !== undefined),
    trail: entries.filter((entry) => entry !== undefined),
    initialActive: new Map(preferred.filter((one): one is [string, string] => one[1] !== undefined)),
    unreadable: orders.filter(isMissing).length + preferred.filter(([, station]) => station === undefined).length,
  };
}

function hasStation(group: OrderedGroup, station: string): boolean {
  return group.settings.stations.some(({ name }) => name === station);
}

/** Names have no slash. */
function keyOf(group: string, station: string | undefined): string {
  return `${group}/${station ?? ""}`;
}

function trailKey(number: number): string {
  return String(number).padStart(KEY_DIGITS, "0");
}
