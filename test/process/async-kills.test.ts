/**
 * `kill -9` of a gateway at random instants, while callers post asynchronous commands: nothing that
 * was answered 202 is lost, and nothing takes effect twice. `GSF_KILLS=500` kills so many times;
 * `GSF_KILLS_SEED` begins with other instants.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "ground-station-failover";
import { KeyedService, KilledGateway, PostingCaller } from "./async-rig.ts";

const KILLS = Number(process.env["GSF_KILLS"] ?? 20);
const SEED = process.env["GSF_KILLS_SEED"] ?? "kills";
const CALLERS = 8;
/** A process lives until it has promised so many commands at most, or for so long. */
const MOST_PROMISED = 80;
const LIVES_MS = 3_000;

test(`[G1] kill -9 at ${KILLS} instants under load → nothing acknowledged is lost, nothing is executed twice`, async (context) => {
  const random = seededRandom(SEED);
  await using service = new KeyedService();
  await using gateway = await KilledGateway.of(await service.open());
  const callers = Array.from({ length: CALLERS }, (_, place) => {
    return new PostingCaller(gateway, `c${place}`, random.fork(`caller ${place}`));
  });
  const instants = random.fork("instants");
  let running = gateway.start();
  const posting = callers.map((caller) => caller.run());
  for (let kill = 0; kill < KILLS; kill++) {
    // One in eight does not live to be ready.
    if (instants.next() < 0.125) await pause(instants.next() * 400);
    else {
      await running.saying(/gsf ready/);
      const until = promisedBy(callers) + instants.next() * MOST_PROMISED;
      const startedMs = performance.now();
      while (promisedBy(callers) < until && performance.now() - startedMs < LIVES_MS) await pause(5);
      await pause(instants.next() * 20);
    }
    await gateway.kill();
    running = gateway.start();
  }
  await running.saying(/gsf ready/);
  await pause(500);
  for (const caller of callers) caller.stop();
  await Promise.all(posting);
  const promised = callers.flatMap((caller) => [...caller.promised]);
  assert.ok(promised.length > KILLS, `${promised.length} acknowledged`);
  for (const [id, location] of promised) assert.equal(await endOf(gateway, location), "done", id);
  for (const [id] of promised) assert.equal(service.executions.get(id), 1, id);
  const twice = [...service.executions].filter(([, times]) => times !== 1);
  assert.deepEqual(twice, []);
  context.diagnostic(
    `${promised.length} acknowledged of ${callers.reduce((sum, { posted }) => sum + posted, 0)} posted; ` +
      `${service.executions.size} executed, ${service.repeated} repetitions answered by their key`,
  );
});

function promisedBy(callers: readonly PostingCaller[]): number {
  return callers.reduce((sum, { promised }) => sum + promised.size, 0);
}

async function endOf(gateway: KilledGateway, location: string): Promise<string> {
  for (let tries = 0; tries < 1_500; tries++) {
    const reply = await gateway.ask(location);
    if (reply?.status !== 200) return `status ${reply?.status}`;
    const { state } = JSON.parse(reply.text) as { state: string };
    if (state !== "queued" && state !== "running") return state;
    await pause(20);
  }
  return "never";
}

test("[G1] the store is full → 503 and never 202, live commands go on; room again → accepted again", async () => {
  await using service = new KeyedService();
  const stations = await service.open();
  await using gateway = await KilledGateway.of(stations, "state: { maxSize: 1MiB }\n");
  await gateway.start().saying(/gsf ready/);
  const opening = Promise.withResolvers<void>();
  service.gate = opening.promise;
  const statuses: number[] = [];
  const locations: string[] = [];
  for (let place = 0; place < 60 && statuses.at(-1) !== 503; place++) {
    const body = `fill-${place}`.padEnd(64 * 1_024);
    const reply = await gateway.ask("/burn", "POST", { prefer: "respond-async" }, body);
    statuses.push(reply?.status ?? 0);
    if (reply?.status === 202) locations.push(String(reply.location));
    else assert.equal((JSON.parse(reply?.text ?? "{}") as { code: string }).code, "STORE_FULL");
  }
  assert.equal(statuses.at(-1), 503);
  assert.ok(locations.length >= 2, statuses.join());
  assert.equal((await gateway.ask("/state"))?.status, 200);
  opening.resolve();
  for (const location of locations) assert.equal(await endOf(gateway, location), "done");
  let again = 0;
  for (let tries = 0; tries < 500 && again !== 202; tries++) {
    again = (await gateway.ask("/burn", "POST", { prefer: "respond-async" }, "again"))?.status ?? 0;
    if (again !== 202) await pause(20);
  }
  assert.equal(again, 202);
  assert.ok([...service.executions.values()].every((times) => times === 1));
});
