/**
 * Who is active: decided where somebody supervises, holds the lease and was not stopped himself,
 * and carried out once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rolesOf, station } from "../../../../test/worlds/dispatching.ts";
import type { Promotion } from "./failover.ts";
import type { Roles } from "./roles.ts";

function declare(roles: Roles, name: string, to: "alive" | "suspected" | "down", atMs = 0): void {
  const one = roles.station(name);
  one.declared({ node: name, from: one.liveness, to, atMs, rule: "" } as never);
}

function running(
  options: Parameters<typeof rolesOf>[2] = {},
  failback: Parameters<typeof rolesOf>[1] = undefined,
): Roles {
  const roles = rolesOf([station(0), station(1)], failback, options);
  for (const { name } of roles.stations) declare(roles, name, "alive");
  roles.isRunning = true;
  return roles;
}

test("[F2] the active station is declared down → the other is promoted, its epoch is higher", () => {
  const roles = running();
  assert.equal(roles.decide(0), undefined);
  declare(roles, "north", "down", 100);
  const decision = roles.decide(100) as Promotion;
  assert.deepEqual(
    [decision.type, decision.station, decision.epoch, decision.cause],
    ["promote", "south", 2, "failure"],
  );
  const { from, to } = roles.carryOut(decision, 25);
  assert.deepEqual([from.name, to.name, roles.active.name, roles.epoch], ["north", "south", "south", 2]);
});

test("[F2] nobody supervises, the lease is not held, or this process was stopped → nothing is decided", () => {
  let leaseEndsMs = 50;
  const roles = running({ leaseEndsMs: () => leaseEndsMs });
  declare(roles, "north", "down", 100);
  roles.isRunning = false;
  assert.deepEqual([roles.decide(10), roles.nextWakeMs(10)], [undefined, Number.POSITIVE_INFINITY]);
  roles.isRunning = true;
  assert.deepEqual([roles.isLeaseHeld(49), roles.isLeaseHeld(50)], [true, false]);
  assert.equal(roles.decide(100), undefined);
  assert.ok(roles.nextWakeMs(100) > 100 && roles.nextWakeMs(100) <= 350, "a lease says nothing when it is renewed");
  leaseEndsMs = 1e9;
  roles.distrustUntilMs = 400;
  assert.deepEqual([roles.decide(399), roles.nextWakeMs(399)], [undefined, 400]);
  assert.equal(roles.decide(400)?.type, "promote");
});

test("[F2] a backup that was not heard since the primary fell silent → waits for one more beat of it", () => {
  let heardMs = 90;
  const roles = running({ lastHeardMs: () => heardMs });
  declare(roles, "north", "suspected", 100);
  declare(roles, "north", "down", 200);
  assert.equal(roles.decide(200), undefined);
  assert.ok(roles.nextWakeMs(200) <= 210, "it looks again soon");
  heardMs = 201;
  assert.equal(roles.decide(210)?.type, "promote");
});

test("[F2] both down → the active one is kept, and that is said once", () => {
  const roles = running();
  declare(roles, "north", "down");
  declare(roles, "south", "down");
  assert.equal(roles.decide(0)?.type, "keep");
  assert.equal(roles.decide(10), undefined);
});

test("[F6] a promotion → the new station begins with the usual load, the old one with nothing held against it", () => {
  const roles = running();
  roles.active.evidence.noteRefused(0);
  roles.active.evidence.noteRefused(0);
  const decision = roles.decide(0) as Promotion;
  const { from, to } = roles.carryOut(decision, 25);
  assert.ok(to.admission.limit >= 25 && to.admission.limit <= 32, String(to.admission.limit));
  assert.equal(from.evidence.isQuestioned, false);
  assert.equal(from.isUsable(false, 1), false, "in its cooldown");
});

test("[F10] an alternative: usable and not in doubt", () => {
  const roles = running();
  const [north, south] = roles.stations as [(typeof roles.stations)[0], (typeof roles.stations)[0]];
  assert.equal(roles.hasAlternative(north, 0), true);
  south.evidence.noteRefused(0);
  assert.equal(roles.hasAlternative(north, 0), false);
  assert.equal(roles.hasAlternative(south, 0), true);
});

test("[F7] a failback that is under way → is not begun twice, nor asked for again", () => {
  const roles = running({}, { mode: "automatic", holdDownMs: 100 });
  declare(roles, "north", "down", 0);
  roles.carryOut(roles.decide(0) as Promotion, 0);
  declare(roles, "north", "alive", 10);
  assert.equal(roles.decide(10), undefined);
  assert.equal(roles.nextWakeMs(10), 110);
  assert.equal(roles.decide(110)?.type, "handover-due");
  assert.equal(roles.beginFailback("north", "failback", "proven", 0, 110), true);
  assert.equal(roles.beginFailback("north", "failback", "proven", 0, 111), false);
  assert.equal(roles.failbackRefusal(), undefined);
  assert.equal(roles.nextWakeMs(111), 2_110, "its own next step");
  declare(roles, "north", "down", 120);
  roles.decide(120);
  assert.match(roles.failbackRefusal() ?? "", /north is not eligible/);
});

test("[F7] probes: only idle stations that are heard, and must prove themselves or are to be returned to", () => {
  const roles = running({ probes: true, automatic: true }, { mode: "automatic" });
  assert.deepEqual(roles.toProbe(), []);
  declare(roles, "north", "down", 0);
  roles.carryOut(roles.decide(0) as Promotion, 0);
  assert.deepEqual(roles.toProbe(), [], "nobody hears it");
  declare(roles, "north", "alive", 10);
  assert.deepEqual(
    roles.toProbe().map(({ name }) => name),
    ["north"],
  );
  assert.deepEqual(running().toProbe(), []);
});

test("a name that nobody has → refused", () => {
  assert.throws(() => running().station("nowhere"), /no station "nowhere"/);
});
