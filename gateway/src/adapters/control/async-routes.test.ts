/**
 * What an operator sees of asynchronous commands, and cancels; the queue is real, the store in
 * memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "ground-station-failover";
import { ask, rig } from "../../../../test/process/proxy-rig.ts";
import { CrashingRecords } from "../../../../test/worlds/crashing-records.ts";
import { type AsyncRefusal, commandCancelled, commandsListed } from "./async-routes.ts";

const SETTINGS = {
  ...{ maxQueued: 100, maxResults: 100, maxBytes: 10_000_000, keepResultMs: 60_000 },
  ...{ expireAfterMs: 60_000, maxInFlight: 1 },
};

interface Listed {
  readonly status: { readonly queued: Record<string, number> };
  readonly commands: readonly { readonly id: string; readonly state: string; readonly target: string }[];
}

test("[G2] an operator lists commands and cancels one that waits → the others go on", async () => {
  const records = new CrashingRecords({ clock: systemClock });
  const gate = Promise.withResolvers<void>();
  await using bench = await rig(
    (_message, response) => void gate.promise.then(() => response.end("done")),
    { asyncCommands: SETTINGS },
    {},
    { records },
  );
  const commands = bench.asyncCommands;
  const posts = async (path: string): Promise<string> => {
    const headers = { prefer: "respond-async", "gsf-priority": "telemetry" };
    const { status, headers: answered } = await ask(bench.port, path, { method: "POST", body: "go", headers });
    assert.equal(status, 202);
    return (answered.location ?? "").slice("/.gsf/commands/".length);
  };
  await posts("/first");
  while (bench.stations[0].received() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const second = await posts("/second");
  const listed = (await commandsListed("atlantic", commands, {})) as Listed;
  assert.equal(listed.status.queued["telemetry"], 1);
  assert.deepEqual(
    listed.commands.map(({ target, state }) => `${target} ${state}`),
    ["/second queued", "/first running"],
  );
  assert.ok(!JSON.stringify(listed).includes(second));
  const queued = (await commandsListed("atlantic", commands, { state: "queued", limit: "1" })) as Listed;
  assert.equal(queued.commands.length, 1);
  const shown = queued.commands[0]?.id ?? "";
  assert.equal(shown, second.slice(0, 8));
  assert.equal(((await commandCancelled(commands, shown)) as { state: string }).state, "cancelled");
  const statusOf = async (start: string): Promise<number> =>
    ((await commandCancelled(commands, start)) as AsyncRefusal).status;
  assert.deepEqual([await statusOf("nobody-at-all"), await statusOf("no")], [404, 400]);
  gate.resolve();
});

test("[G2] a wrong question, or a group without a store → refused with what is allowed", async () => {
  const refusal = (await commandsListed("atlantic", undefined, {})) as AsyncRefusal;
  assert.equal(refusal.status, 404);
  const records = new CrashingRecords({ clock: systemClock });
  await using bench = await rig((_message, response) => response.end(), { asyncCommands: SETTINGS }, {}, { records });
  for (const query of [{ state: "lost" }, { limit: "0" }, { limit: "many" }, { limit: "1001" }])
    assert.equal(((await commandsListed("atlantic", bench.asyncCommands, query)) as AsyncRefusal).status, 400);
});
