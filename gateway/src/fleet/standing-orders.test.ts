/**
 * Orders of operators over the real composition in virtual time: what they do, how they end, who is
 * in the trail, and what a restart remembers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualClock } from "ground-station-failover/sim";
import { probedPair } from "../../../test/worlds/probed-pair.ts";
import type { GatewayEvent } from "../compose.ts";
import type { Group } from "./group.ts";
import type { RecordChange, RecordStore, RecordStoreStatus, StoredRecord } from "./record-store.ts";
import { OrderRefusedError, readOrderedState, StandingOrders } from "./standing-orders.ts";

/** Records in memory, in the order of their keys; durable at once unless it is full. */
class MemoryStore implements RecordStore {
  readonly tables: Map<string, Map<string, Uint8Array>> = new Map();
  isFull = false;

  async commit(changes: readonly RecordChange[]): Promise<void> {
    if (this.isFull) throw new Error("full");
    for (const change of changes) {
      const table = this.tables.get(change.table) ?? new Map<string, Uint8Array>();
      this.tables.set(change.table, table);
      if (change.type === "put") table.set(change.key, change.value);
      else if (change.type === "remove") table.delete(change.key);
      else for (const key of [...table.keys()]) if (key < change.below) table.delete(key);
    }
  }

  async get(table: string, key: string): Promise<Uint8Array | undefined> {
    return this.tables.get(table)?.get(key);
  }

  async scan(table: string, { limit, reverse = false }: { limit: number; reverse?: boolean }): Promise<StoredRecord[]> {
    const records = [...(this.tables.get(table) ?? [])].map(([key, value]) => ({ key, value }));
    records.sort((one, other) => (one.key < other.key === reverse ? 1 : -1));
    return records.slice(0, limit);
  }

  get status(): RecordStoreStatus {
    throw new Error("not asked for here");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface Fixture extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly group: Group;
  readonly silent: Set<string>;
  readonly orders: StandingOrders;
  readonly told: GatewayEvent[];
  readonly unkept: unknown[];
}

const STARTED_UNIX_MS = 1_780_000_000_000;
const BY = { token: "sara", address: "10.0.0.9", name: "Sara" };
const terms = (reason: string, keepsStreams = false) => ({ reason, by: BY, keepsStreams });

/** A gateway that runs since five seconds, and starts from what `store` holds. */
async function gatewayWith(store?: MemoryStore, unixMs = STARTED_UNIX_MS): Promise<Fixture> {
  const state = store && (await readOrderedState(store));
  const { gateway, clock, silent } = probedPair(undefined, { initialActive: state?.initialActive });
  const told: GatewayEvent[] = [];
  gateway.onEvent((event) => told.push(event));
  const unkept: unknown[] = [];
  const orders = new StandingOrders({
    groups: gateway.groups,
    clock,
    unixNowMs: () => unixMs + clock.nowMs(),
    drainDelayMs: 1_000,
    ...{ store, state, onUnkept: (error: unknown) => unkept.push(error) },
  });
  await orders.restore();
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  await clock.advanceBy(5_000);
  return {
    ...{ clock, silent, orders, told, unkept, group: gateway.groups.get("atlantic") as Group },
    async [Symbol.asyncDispose]() {
      orders[Symbol.dispose]();
      stop.abort();
      await running;
    },
  };
}

function trailOf({ orders }: Fixture): unknown[] {
  return orders.trail.map(({ order, outcome, station, reason }) => [order, outcome, station, reason]);
}

test("[F7] maintenance of the active station → replaced at once; it ends by itself, and each step is in the trail", async () => {
  await using at = await gatewayWith();
  const { order, isDurable } = await at.orders.maintenance("atlantic", "primary", 60_000, terms("new disk"));
  assert.deepEqual([order?.untilUnixMs, isDurable], [STARTED_UNIX_MS + 65_000, false]);
  assert.equal(at.group.activeStation, "backup");
  await at.clock.advanceBy(20_000);
  assert.deepEqual(
    at.orders.standing("atlantic").map(({ kind, station, leftMs }) => [kind, station, leftMs]),
    [["maintenance", "primary", 40_000]],
  );
  await at.clock.advanceBy(40_000);
  assert.deepEqual(at.orders.standing("atlantic"), []);
  assert.equal(at.group.status.stations[0]?.maintenance, undefined);
  const steps = at.told.filter((event) => event.type === "order");
  assert.deepEqual(
    steps.map(({ outcome, by, untilUnixMs }) => [outcome, by.token, untilUnixMs]),
    [
      ["begun", "sara", STARTED_UNIX_MS + 65_000],
      ["expired", "sara", STARTED_UNIX_MS + 65_000],
    ],
  );
});

test("[F7] maintenance is ordered again → the newer order counts; ended early → it does not expire later", async () => {
  await using at = await gatewayWith();
  await at.orders.maintenance("atlantic", "backup", 5_000, terms("first"));
  await at.orders.maintenance("atlantic", "backup", 60_000, terms("second"));
  await at.clock.advanceBy(10_000);
  assert.equal(at.group.status.stations[1]?.maintenance?.reason, "second");
  await at.orders.end("atlantic", "backup", terms("done"));
  assert.equal(at.group.status.stations[1]?.maintenance, undefined);
  assert.equal((await at.orders.end("atlantic", "backup", terms("done"))).order, undefined);
  await at.clock.advanceBy(120_000);
  assert.deepEqual(trailOf(at), [
    ["maintenance", "begun", "backup", "first"],
    ["maintenance", "begun", "backup", "second"],
    ["maintenance", "ended", "backup", "done"],
  ]);
});

test("[F7] drain of the active station with nobody to take over → refused, and in the trail as refused", async () => {
  await using at = await gatewayWith();
  at.silent.add("backup");
  await at.clock.advanceBy(2_000);
  await assert.rejects(at.orders.drain("atlantic", "primary", 60_000, terms("kernel")), OrderRefusedError);
  assert.equal(at.group.status.stations[0]?.maintenance, undefined);
  assert.deepEqual(trailOf(at), [["drain", "refused", "primary", "kernel"]]);
  assert.match(at.orders.trail[0]?.refusal ?? "", /no other station of atlantic is eligible/);
});

test("[F7] drain of a group → after a delay commands are refused with Retry-After, until it ends by itself", async () => {
  await using at = await gatewayWith();
  const request = { method: "GET", target: "/", headers: [], body: { kind: "none" } } as const;
  const command = { idempotencyKey: undefined, idempotent: true, timeLeftMs: undefined };
  const outcome = async (): Promise<string> => {
    const signal = new AbortController().signal;
    return at.clock.runUntilSettled(
      at.group.handle(request, command, signal).then(
        () => "answered",
        (error) => (error.problem === undefined ? "sent" : `${error.problem.code} ${error.problem.retryAfterMs}`),
      ),
    );
  };
  await at.orders.drain("atlantic", undefined, 30_000, terms("move to the other site"));
  assert.equal(await outcome(), "sent");
  await at.clock.advanceBy(1_000);
  assert.equal(await outcome(), "DRAINING 10000");
  await at.clock.advanceBy(28_000);
  assert.equal(await outcome(), "DRAINING 1000");
  await at.clock.advanceBy(2_000);
  assert.equal(await outcome(), "sent");
  assert.deepEqual(
    trailOf(at).map((entry) => (entry as string[])[1]),
    ["begun", "expired"],
  );
});

test("[F7] a switchover and a failback → in the trail with their reasons, a refused one with the refusal", async () => {
  await using at = await gatewayWith();
  assert.equal(await at.orders.switchover("atlantic", "backup", terms("antenna work")), 2);
  assert.equal(await at.clock.runUntilSettled(at.orders.failback("atlantic", terms("it is done"))), 3);
  await assert.rejects(at.orders.failback("atlantic", terms("again")), /primary is active already/);
  assert.deepEqual(trailOf(at), [
    ["switchover", "done", "backup", "antenna work"],
    ["failback", "done", "primary", "it is done"],
    ["failback", "refused", "primary", "again"],
  ]);
});

test("[F7] the gateway starts again → maintenance goes on for what is left of it, the chosen station serves, the trail stays", async () => {
  const store = new MemoryStore();
  {
    await using before = await gatewayWith(store);
    await before.orders.switchover("atlantic", "backup", terms("primary corrupts data"));
    const { isDurable } = await before.orders.maintenance(
      "atlantic",
      "primary",
      60_000,
      terms("primary corrupts data"),
    );
    assert.equal(isDurable, true);
  }
  await using at = await gatewayWith(store, STARTED_UNIX_MS + 30_000);
  assert.equal(at.group.activeStation, "backup");
  assert.equal(at.group.epoch, 1, "nothing was promoted for it");
  assert.deepEqual(
    at.orders.standing("atlantic").map(({ station, leftMs }) => [station, leftMs]),
    [["primary", 30_000]],
  );
  await at.clock.advanceBy(30_000);
  assert.deepEqual(at.orders.standing("atlantic"), []);
  assert.deepEqual(
    at.orders.trail.map(({ number, outcome }) => [number, outcome]),
    [
      [1, "done"],
      [2, "begun"],
      [3, "restored"],
      [4, "expired"],
    ],
  );
  assert.equal(store.tables.get("orders")?.size, 0);
});

test("[F7] an order ran out while the gateway was stopped → it is over, and that is told", async () => {
  const store = new MemoryStore();
  {
    await using before = await gatewayWith(store);
    await before.orders.maintenance("atlantic", "backup", 60_000, terms("new disk"));
  }
  await using at = await gatewayWith(store, STARTED_UNIX_MS + 3_600_000);
  assert.equal(at.group.status.stations[1]?.maintenance, undefined);
  assert.equal(at.orders.trail.at(-1)?.outcome, "expired");
  assert.equal(store.tables.get("orders")?.size, 0);
});

test("[F7] the calendar was set back while the gateway was stopped → an order lasts no longer than it was given for", async () => {
  const store = new MemoryStore();
  {
    await using before = await gatewayWith(store);
    await before.orders.maintenance("atlantic", "backup", 60_000, terms("new disk"));
  }
  await using at = await gatewayWith(store, STARTED_UNIX_MS - 86_400_000);
  assert.equal(at.orders.standing("atlantic")[0]?.leftMs, 55_000);
});

test("[F7] the store is full → the order takes effect all the same, and says that it is not durable", async () => {
  const store = new MemoryStore();
  await using at = await gatewayWith(store);
  store.isFull = true;
  const { isDurable } = await at.orders.maintenance("atlantic", "primary", 60_000, terms("new disk"));
  assert.equal(isDurable, false);
  assert.equal(at.group.activeStation, "backup");
  assert.equal(at.unkept.length, 1);
});

test("[F7] records of orders are damaged, or about stations that are gone → left out, counted, and nothing breaks", async () => {
  const store = new MemoryStore();
  const put = (table: string, key: string, value: unknown): Promise<void> =>
    store.commit([{ type: "put", table, key, value: new TextEncoder().encode(JSON.stringify(value)) }]);
  const whole = {
    kind: "maintenance",
    group: "atlantic",
    reason: "x",
    by: BY,
    givenUnixMs: 1,
    forMs: 1e9,
    untilUnixMs: 9e15,
  };
  await put("orders", "atlantic/gone", { ...whole, station: "gone" });
  await put("orders", "pacific/a", { ...whole, group: "pacific", station: "a" });
  for (const [place, value] of [
    null,
    7,
    "text",
    [],
    {},
    { ...whole },
    { ...whole, station: 7 },
    { ...whole, by: 1 },
  ].entries())
    await put("orders", `bad/${place}`, value);
  await put("order-preferences", "atlantic", { station: "gone" });
  await put("order-trail", "0000000000000001", { order: "launch" });
  assert.equal((await readOrderedState(store)).unreadable, 8);
  await using at = await gatewayWith(store);
  assert.deepEqual([at.group.activeStation, at.orders.standing("atlantic"), at.orders.trail], ["primary", [], []]);
});

test("[F7] more orders than the trail holds → the oldest are dropped, in memory and in the store", async () => {
  const store = new MemoryStore();
  await using at = await gatewayWith(store);
  for (let round = 0; round < 600; round++) {
    await at.orders.maintenance("atlantic", "backup", 1e9, terms(`${round}`));
    await at.orders.end("atlantic", "backup", terms("done"));
  }
  assert.equal(at.orders.trail.length, 1_000);
  assert.equal(store.tables.get("order-trail")?.size, 1_000);
  assert.equal(at.orders.trail[0]?.number, 201);
});
