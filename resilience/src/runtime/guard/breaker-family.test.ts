/** Breakers by key: whose failure counts where, and which are kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError } from "../../core/errors.ts";
import { VirtualClock } from "../../sim/kernel/virtual-clock.ts";
import { BreakerFamily } from "./breaker-family.ts";

function family(maxKeys: number) {
  const clock = new VirtualClock();
  return { clock, hosts: new BreakerFamily({ name: "host", minimumVolume: 1, openDurationMs: 1_000, clock, maxKeys }) };
}

test("[B9] each key has a breaker of its own, the same one each time, with its key in its errors", async () => {
  const { hosts } = family(10);
  hosts.of("north").noteFailure();
  assert.deepEqual([hosts.of("north").state, hosts.of("south").state], ["open", "closed"]);
  assert.equal(hosts.of("south"), hosts.of("south"));
  await assert.rejects(
    hosts.of("north").execute(() => 1),
    /host north is open/,
  );
});

test("[B9] too many keys → the one that was used longest ago is forgotten", () => {
  const { hosts } = family(2);
  const [a, b] = [hosts.of("a"), hosts.of("b")];
  hosts.of("a");
  hosts.of("c");
  assert.equal(hosts.of("a"), a);
  assert.notEqual(hosts.of("b"), b);
  assert.equal(hosts.status.keys, 2);
});

test("[B9] an open circuit is never forgotten, nor one that an operator holds, whatever comes", () => {
  const { hosts } = family(4);
  hosts.of("down").noteFailure();
  hosts.of("held").force("disabled", { reason: "test" });
  for (let key = 0; key < 5_000; key++) hosts.of(`key ${key}`);
  assert.equal(hosts.of("down").state, "open");
  assert.equal(hosts.of("held").status.forced?.reason, "test");
  assert.equal(hosts.status.keys, 4);
});

test("[B9] all are open → a further key gets one that is not kept, until there is room", async () => {
  const { clock, hosts } = family(2);
  for (const key of ["a", "b"]) hosts.of(key).noteFailure();
  const third = hosts.of("c");
  assert.equal(third.state, "closed");
  assert.notEqual(hosts.of("c"), third);
  assert.deepEqual([hosts.status.keys, hosts.status.open, hosts.status.unkept], [2, 2, 2]);
  await clock.advanceBy(1_000);
  await hosts.of("a").execute(() => "well");
  assert.equal(hosts.of("c"), hosts.of("c"));
});

test("[B9] wrong options and keys → refused at once", () => {
  assert.throws(() => new BreakerFamily({ maxKeys: 0 }), /maxKeys is 0/);
  assert.throws(() => new BreakerFamily({ minimumVolum: 1 } as never), /did you mean minimumVolume/);
  assert.throws(() => family(1).hosts.of(7 as never), ConfigurationError);
});

test("[B9] a circuit that lets only a share of the calls pass after its probes is not forgotten", async () => {
  const clock = new VirtualClock();
  const hosts = new BreakerFamily({ clock, minimumVolume: 1, openDurationMs: 100, rampMs: 10_000, maxKeys: 1 });
  const north = hosts.of("north");
  north.noteFailure();
  await clock.advanceBy(100);
  await north.execute(() => "well");
  hosts.of("south");
  assert.equal(hosts.of("north"), north);
});
