/** Lookups beside name servers that hang, on a virtual clock and with threads of the test's own. */
import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { NameLookup, parseHosts, type Resolve } from "./name-lookup.ts";

const ADDRESS: LookupAddress = { address: "10.0.0.5", family: 4 };

/** A system whose lookups of names that begin with `hang` never end, until they are told to. */
class System {
  readonly clock = new VirtualClock();
  /** Names that have a thread, and what ends their lookup. */
  readonly threads = new Map<string, Parameters<Resolve>[1]>();
  most = 0;
  readonly asked: string[] = [];
  readonly askedDirectly: string[] = [];
  readonly told: string[] = [];
  readonly lookup: NameLookup;

  constructor(
    direct: (host: string) => LookupAddress[] = () => [],
    local: (host: string) => LookupAddress[] = () => [],
  ) {
    this.lookup = new NameLookup({
      clock: this.clock,
      local,
      system: (host, done) => {
        this.asked.push(host);
        this.threads.set(host, done);
        this.most = Math.max(this.most, this.threads.size);
        if (!host.startsWith("hang")) this.clock.at(this.clock.nowMs() + 5, () => this.end(host));
      },
      direct: (host, done) => {
        this.askedDirectly.push(host);
        this.clock.at(this.clock.nowMs() + 10, () => done(null, direct(host)));
      },
    });
  }

  end(host: string, error: string | undefined = undefined): void {
    const done = this.threads.get(host);
    this.threads.delete(host);
    done?.(error === undefined ? null : Object.assign(new Error(error), { code: error }), error ? [] : [ADDRESS]);
  }

  /** Asks for `host`; what comes of it is noted with its time. */
  ask(host: string): void {
    this.lookup.resolve(host, (error, found) =>
      this.told.push(`${this.clock.nowMs()} ${host} ${error?.code ?? found.map(({ address }) => address).join()}`),
    );
  }
}

test("[G6] a lookup is answered, and one that fails tells its code", async () => {
  const at = new System();
  at.ask("north.example");
  await at.clock.advanceTo(10);
  at.ask("hang.example");
  at.end("hang.example", "ENOTFOUND");
  assert.deepEqual(at.told, ["5 north.example 10.0.0.5", "10 hang.example ENOTFOUND"]);
});

test("[G6] names of a server that hangs end after five seconds, and are told as such", async () => {
  const at = new System();
  for (let number = 0; number < 20; number++) at.ask(`hang-${number}.example`);
  await at.clock.advanceTo(10_000);
  assert.equal(at.told.length, 20);
  assert.ok(at.told.every((line) => line.startsWith("5000 ") && line.endsWith("EAI_AGAIN")));
  assert.equal(at.most, 2, "never more than the system has threads for lookups");
});

test("[G6] another name is answered meanwhile: directly at first, and by a thread once it is known who hangs", async () => {
  const at = new System((host) => (host.startsWith("hang") ? [] : [ADDRESS]));
  for (const host of ["hang-1.example", "hang-2.example", "south.example"]) at.ask(host);
  await at.clock.advanceTo(100);
  assert.deepEqual(at.told, ["10 south.example 10.0.0.5"]);
  // One of the threads comes back; names that hung share the other one.
  await at.clock.advanceTo(1_000);
  at.end("hang-1.example", "EAI_AGAIN");
  at.ask("hang-1.example");
  at.ask("hang-3.example");
  assert.deepEqual([...at.threads.keys()], ["hang-2.example", "hang-3.example"], "not known to hang, so far");
  await at.clock.advanceTo(2_000);
  at.end("hang-3.example", "EAI_AGAIN");
  for (const host of ["hang-1.example", "hang-3.example"]) at.ask(host);
  assert.deepEqual([...at.threads.keys()], ["hang-2.example"], "one thread is kept free");
  at.ask("east.example");
  await at.clock.advanceTo(2_006);
  assert.equal(at.told.at(-1), "2005 east.example 10.0.0.5");
});

test("[G6] what the name servers do not find is left to the system, and found by it", async () => {
  const at = new System();
  at.ask("hang");
  await at.clock.advanceTo(1_000);
  assert.deepEqual(at.told, []);
  assert.deepEqual(at.askedDirectly, ["hang"]);
  at.end("hang");
  assert.deepEqual(at.told, ["1000 hang 10.0.0.5"]);
});

test("[G6] one name takes one thread, however often it is asked for, also after nobody waits for it any more", async () => {
  const at = new System();
  for (const atMs of [0, 4_000, 6_000, 12_000]) {
    await at.clock.advanceTo(atMs);
    at.ask("hang.example");
  }
  assert.deepEqual(at.asked, ["hang.example"]);
  await at.clock.advanceTo(13_000);
  at.end("hang.example");
  assert.deepEqual(at.told, [
    "5000 hang.example EAI_AGAIN",
    "9000 hang.example EAI_AGAIN",
    "11000 hang.example EAI_AGAIN",
    "13000 hang.example 10.0.0.5",
  ]);
});

test("[G6] a name that has answered in time hangs no more", async () => {
  const at = new System();
  at.ask("hang-1.example");
  await at.clock.advanceTo(1_000);
  at.end("hang-1.example");
  at.ask("hang-1.example");
  at.end("hang-1.example");
  at.ask("hang-1.example");
  at.ask("hang-2.example");
  assert.deepEqual([...at.threads.keys()], ["hang-1.example", "hang-2.example"]);
});

test("[G6] a name of the hosts file needs no thread and nobody's answer", async () => {
  const local = (host: string): LookupAddress[] => (host === "south" ? [{ address: "127.0.0.7", family: 4 }] : []);
  const at = new System(() => [], local);
  for (const host of ["hang-1", "hang-2", "south"]) at.ask(host);
  await at.clock.advanceTo(1);
  assert.deepEqual(at.told, ["0 south 127.0.0.7"]);
});

test("the hosts file: names of one line, comments, both families, no case", () => {
  const byName = parseHosts(
    "127.0.0.1 localhost  Local # this one\n::1\tlocalhost\n\n# no\nnonsense x\n10.0.0.1 \r\n10.0.0.2 a\r\n",
  );
  assert.deepEqual(byName.get("localhost"), [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ]);
  assert.deepEqual(byName.get("local"), [{ address: "127.0.0.1", family: 4 }]);
  assert.deepEqual(byName.get("a"), [{ address: "10.0.0.2", family: 4 }]);
  assert.equal(byName.size, 3);
});
