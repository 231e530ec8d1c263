/**
 * Promise [F10]: what this process sleeps through is nobody's failure. A real service in a process
 * of its own answers each request after 5 ms, while this process computes for longer than any
 * timeout. Whether the machine is quick enough for every answer to be in time afterwards is its own
 * business; that nothing counts against the service is not.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { CircuitBreaker, ResilientClient } from "ground-station-failover";
import { CLIENT, TwoStations } from "../worlds/two-stations.ts";

const SERVICE = `
  const server = require("node:http").createServer((_request, reply) => setTimeout(() => reply.end("answer"), 5));
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
`;
const service = spawn(process.execPath, ["--eval", SERVICE], { stdio: ["ignore", "pipe", "inherit"] });
after(() => service.kill());
const [port] = await once(service.stdout, "data");
const url = `http://127.0.0.1:${Number(port)}/`;

const ask = async (signal: AbortSignal | null = null): Promise<string> => (await fetch(url, { signal })).text();

/** This process does nothing else for `ms`. */
function compute(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

async function answersOf(calls: readonly Promise<string>[]): Promise<number> {
  const ends = await Promise.allSettled(calls);
  return ends.filter(({ status }) => status === "fulfilled").length;
}

test("[F10] [B6] 30 calls are out and their process computes for longer than their timeout → the circuit stays closed", async () => {
  const breaker = {
    slowCallDurationMs: 800,
    minimumVolume: 1,
    failureRateThreshold: 0.01,
    slowCallRateThreshold: 0.01,
  };
  const client = new ResilientClient<string>({ name: "uplink", timeoutMs: 1_000, retry: false, breaker });
  for (const round of ["connections have yet to be made", "connections are open"]) {
    const calls = Array.from({ length: 30 }, () => client.call(({ signal }) => ask(signal)));
    compute(1_200);
    assert.ok((await answersOf(calls)) > 0, `${round}: the service answers`);
    assert.deepEqual(
      [client.breaker?.state, client.breaker?.status.failures, client.breaker?.status.slow],
      ["closed", 0, 0],
    );
  }
});

test("[B6] CircuitBreaker.execute: 30 calls are out and their process computes for a second → none is slow", async () => {
  const breaker = new CircuitBreaker({ slowCallDurationMs: 900, minimumVolume: 1, slowCallRateThreshold: 0.01 });
  const calls = Array.from({ length: 30 }, () => breaker.execute(() => ask()));
  compute(1_000);
  assert.equal(await answersOf(calls), 30);
  assert.deepEqual([breaker.state, breaker.status.slow], ["closed", 0]);
});

test("[F10] [B6] calls through a failover are out and its process stands still → none is slow, the role stays", async () => {
  const at = await TwoStations.begin({
    client: { ...CLIENT, breaker: { minimumVolume: 5, slowCallDurationMs: 100, slowCallRateThreshold: 0.5 } },
  });
  at.north.answerMs = 5;
  const outcomes = Array.from({ length: 20 }, () => at.send());
  await at.clock.advanceBy(1);
  at.process.stall(400);
  await at.clock.advanceBy(1_000);
  assert.ok(outcomes.every(({ answer }) => answer?.body.by === "north"));
  assert.equal(at.failover.currentActive, "primary");
  assert.equal(at.failover.status.stations[0]?.breaker?.slow, 0);
  await at.stop();
});
