/**
 * Addresses that outlive their name server, with a resolver and a clock of the test's own, and
 * through a real connection.
 */
import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { wasNeverSent } from "ground-station-failover";
import { groupSettings } from "../../../../test/process/proxy-rig.ts";
import { httpUplink } from "./http-uplink.ts";
import { NameCache, type NameChange } from "./name-cache.ts";

const NORTH: LookupAddress = { address: "10.0.0.5", family: 4 };
const NORTH_6: LookupAddress = { address: "fd00::5", family: 6 };
const MOVED: LookupAddress = { address: "10.0.0.6", family: 4 };

type Answer = readonly LookupAddress[] | string;

/** A cache whose resolver answers as told: addresses, or the code of a failure. */
class Setting {
  nowMs = 0;
  answer: Answer;
  asked = 0;
  readonly changes: NameChange[] = [];
  readonly names: NameCache;

  constructor(answer: Answer) {
    this.answer = answer;
    this.names = new NameCache({
      nowMs: () => this.nowMs,
      onChange: (change) => this.changes.push(change),
      resolve: (host, done) => {
        this.asked++;
        const { answer: said } = this;
        const failure = typeof said === "string" ? Object.assign(new Error(said), { code: said, host }) : null;
        setImmediate(() => done(failure, typeof said === "string" ? [] : [...said]));
      },
    });
  }

  /** The addresses that a connection would get, or the code of its failure. */
  connect(family = 0): Promise<unknown> {
    return new Promise((resolve) => {
      this.names.lookup("north", { all: true, family }, (error, found) =>
        resolve(error?.code ?? (found as LookupAddress[]).map(({ address }) => address)),
      );
    });
  }

  /** Lets lookups under way end. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
}

test("a known name is not looked up again for 30 s, then in the background", async () => {
  const at = new Setting([NORTH]);
  assert.deepEqual(await at.connect(), ["10.0.0.5"]);
  at.nowMs = 29_999;
  assert.deepEqual(await at.connect(), ["10.0.0.5"]);
  assert.equal(at.asked, 1);
  at.nowMs = 30_000;
  at.answer = [MOVED];
  assert.deepEqual(await at.connect(), ["10.0.0.5"], "nobody waits for the lookup");
  await at.settle();
  assert.deepEqual(await at.connect(), ["10.0.0.6"]);
  assert.equal(at.asked, 2);
  assert.deepEqual(at.changes, []);
});

test("with the name server away the last addresses are used; one change is told, and one when it is back", async () => {
  for (const code of ["EAI_AGAIN", "ENOTFOUND", "ETIMEDOUT"]) {
    const at = new Setting([NORTH]);
    await at.connect();
    at.answer = code;
    for (let minute = 1; minute <= 60; minute++) {
      at.nowMs = minute * 60_000;
      assert.deepEqual(await at.connect(), ["10.0.0.5"]);
      await at.settle();
    }
    assert.deepEqual(at.changes, [{ host: "north", type: "failed", addresses: ["10.0.0.5"], code }]);
    assert.deepEqual(at.names.counts, { answered: 1, failed: 60, outdated: 59 });
    at.answer = [MOVED];
    at.nowMs += 5_000;
    await at.connect();
    await at.settle();
    assert.deepEqual(at.changes.slice(1), [{ host: "north", type: "recovered", addresses: ["10.0.0.6"] }]);
  }
});

test("a failed lookup is repeated after 5 s and not with every connection; two at once are one", async () => {
  const at = new Setting([NORTH]);
  await Promise.all([at.connect(), at.connect(), at.connect()]);
  assert.equal(at.asked, 1);
  at.answer = "EAI_AGAIN";
  at.nowMs = 30_000;
  for (let connection = 0; connection < 10; connection++) {
    await at.connect();
    await at.settle();
  }
  assert.equal(at.asked, 2);
  at.nowMs = 35_000;
  await at.connect();
  assert.equal(at.asked, 3);
});

test("a name that was never found fails as its lookup does, and family is respected", async () => {
  const at = new Setting("EAI_AGAIN");
  assert.equal(await at.connect(), "EAI_AGAIN");
  at.answer = [];
  assert.equal(await at.connect(), "ENOTFOUND");
  at.answer = [NORTH, NORTH_6];
  assert.deepEqual(await at.connect(), ["10.0.0.5", "fd00::5"]);
  assert.deepEqual(await at.connect(6), ["fd00::5"]);
  assert.deepEqual(await at.connect(4), ["10.0.0.5"]);
  assert.deepEqual(at.changes, []);
});

test("[F2] an uplink reaches a known station while the name server is away; an unknown one is told as never sent, with its code", async () => {
  const server = createServer((_message, response) => response.setHeader("connection", "close").end("ok"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const settings = groupSettings([port], { commands: { timeoutMs: 1_000 } });
  const station = { ...settings.stations[0], name: "north", url: `http://north:${port}`, capacityPerSecond: 1 };
  const at = new Setting([{ address: "127.0.0.1", family: 4 }]);
  await using uplink = httpUplink(settings, station, { names: at.names });
  const send = (): Promise<{ status: number }> =>
    uplink.send(
      { method: "GET", target: "/", headers: [["host", "x"]], body: { kind: "none" } },
      { epoch: 1, idempotencyKey: undefined, timeLeftMs: 1_000, signal: new AbortController().signal },
    );
  assert.equal((await send()).status, 200);
  at.answer = "EAI_AGAIN";
  at.nowMs = 60_000;
  for (let time = 0; time < 3; time++) {
    assert.equal((await send()).status, 200);
    await at.settle();
  }
  assert.equal(at.changes.length, 1);
  for (const code of [
    "EAI_AGAIN",
    "ENOTFOUND",
    "EMFILE",
    "ENFILE",
    "ENOBUFS",
    "ENOMEM",
    "EADDRNOTAVAIL",
    "EACCES",
    "EPERM",
  ]) {
    const unknown = new Setting(code);
    await using other = httpUplink(settings, station, { names: unknown.names });
    const error: Error & { code?: string } = await other
      .send(
        { method: "GET", target: "/", headers: [["host", "x"]], body: { kind: "none" } },
        { epoch: 1, idempotencyKey: undefined, timeLeftMs: 1_000, signal: new AbortController().signal },
      )
      .then(
        () => assert.fail("nobody knows the name"),
        (reason: Error) => reason,
      );
    assert.equal(error.code, code);
    assert.ok(wasNeverSent(error), code);
  }
  server.close();
  server.closeAllConnections();
});
