import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { seededRandom, systemClock } from "ground-station-failover";
import { Agent, request } from "undici";
import { Executors } from "./executors.ts";
import { StageService } from "./service.ts";
import type { ServiceMode } from "./settings.ts";
import { readModeChange } from "./settings-schema.ts";

function modeOf(written: Partial<ServiceMode>): ServiceMode {
  const read = readModeChange({ ...written });
  if ("problems" in read) throw new Error(read.problems.join());
  return read.value.mode;
}

async function served(context: TestContext, written: Partial<ServiceMode> = {}) {
  const executed: string[] = [];
  const executors = new Executors({ clock: systemClock, kind: "shared", onExecuted: (name) => executed.push(name) });
  const service = new StageService({
    ...{ name: "north", mode: modeOf(written), clock: systemClock, random: seededRandom(1) },
    backend: {
      execute: (command) => executors.execute(command),
      ask: async (station, key, cancel) => executors.ask(station, key, cancel),
    },
  });
  service.server.listen(0, "127.0.0.1");
  await once(service.server, "listening");
  const url = `http://127.0.0.1:${(service.server.address() as AddressInfo).port}`;
  const dispatcher = new Agent();
  context.after(async () => {
    service.server.closeAllConnections();
    service.server.close();
    await dispatcher.destroy();
  });
  const post = async (key: string, signal?: AbortSignal) => {
    const { statusCode, headers, body } = await request(`${url}/command`, {
      ...{ method: "POST", dispatcher, body: JSON.stringify({ command: key }), headers: { "idempotency-key": key } },
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: statusCode, headers, text: await body.text() };
  };
  const status = async (path: string): Promise<number> => {
    const { statusCode, body } = await request(`${url}${path}`, { dispatcher });
    await body.dump();
    return statusCode;
  };
  return { service, executed, url, post, status };
}

test("a service in order → executes a key once and answers with its name", async (context) => {
  const { post, executed, status } = await served(context);
  assert.deepEqual(JSON.parse((await post("c")).text), { station: "north", command: "c", place: 0 });
  await post("c");
  assert.deepEqual(executed, ["c"]);
  assert.equal(await status("/healthz"), 200);
  assert.equal(await status("/read"), 200);
});

test("errors, a lying 200 and a refusal → are answered so, unexecuted, while the health page is fine", async (context) => {
  const { service, post, executed, status } = await served(context);
  service.setMode(modeOf({ answer: "error", status: 502 }), undefined);
  assert.equal((await post("a")).status, 502);
  service.setMode(modeOf({ answer: "error-body" }), undefined);
  const lying = await post("b");
  assert.deepEqual([lying.status, JSON.parse(lying.text).status], [200, "error"]);
  service.setMode(modeOf({ answer: "refuse", retryAfterSeconds: 7 }), undefined);
  const refused = await post("c");
  assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "7"]);
  assert.deepEqual([executed, service.counts.spoiled], [[], 3]);
  assert.equal(await status("/healthz"), 200);
});

test("half an answer and an unreadable one → the caller has no answer; the command ran where told so", async (context) => {
  const { service, post, executed } = await served(context);
  service.setMode(modeOf({ answer: "half", executes: true }), undefined);
  await assert.rejects(post("a"));
  service.setMode(modeOf({ answer: "unreadable" }), undefined);
  await assert.rejects(post("b"));
  assert.deepEqual(executed, ["a"]);
});

test("silence → no answer until the caller leaves", async (context) => {
  const { service, post } = await served(context, { answer: "silent" });
  const leave = new AbortController();
  const waiting = post("a", leave.signal);
  while (service.counts.spoiled === 0) await systemClock.sleepUntil(systemClock.nowMs() + 5);
  leave.abort();
  await assert.rejects(waiting);
});

test("a share of a half → about half of many are spoiled, the same ones for the same seed", async (context) => {
  const spoiled = async () => {
    const { post } = await served(context, { answer: "error", share: 0.5 });
    const answers: number[] = [];
    for (let place = 0; place < 60; place++) answers.push((await post(`c${place}`)).status);
    return answers;
  };
  const first = await spoiled();
  const errors = first.filter((status) => status === 500).length;
  assert.ok(errors > 15 && errors < 45, `${errors}`);
  assert.deepEqual(await spoiled(), first);
});

test("more commands than its capacity → they wait, or are refused; never more in work", async (context) => {
  const { service, post } = await served(context, { capacity: 2, delayMs: 10 });
  const waited = await Promise.all(Array.from({ length: 20 }, (_, place) => post(`w${place}`)));
  assert.ok(waited.every(({ status }) => status === 200));
  assert.equal(service.counts.maxInWork, 2);
  service.setMode(modeOf({ capacity: 2, delayMs: 50, aboveCapacity: "refuse" }), undefined);
  const refused = await Promise.all(Array.from({ length: 20 }, (_, place) => post(`r${place}`)));
  assert.deepEqual(new Set(refused.map(({ status }) => status)), new Set([200, 503]));
  assert.equal(service.counts.maxInWork, 2);
});

test("the limit is taken away while commands wait → all of them go on", async (context) => {
  const { service, post } = await served(context, { capacity: 1, delayMs: 20 });
  const answers = Array.from({ length: 10 }, (_, place) => post(`c${place}`));
  while (service.counts.commands < 10) await systemClock.sleepUntil(systemClock.nowMs() + 5);
  service.setMode(modeOf({}), undefined);
  assert.ok((await Promise.all(answers)).every(({ status }) => status === 200));
});

test("a mode with an end → the one of the start returns by itself", async (context) => {
  const { service, post } = await served(context, { answer: "error-body" });
  service.setMode(modeOf({ answer: "error" }), 30);
  assert.equal((await post("a")).status, 500);
  while (service.mode.answer === "error") await systemClock.sleepUntil(systemClock.nowMs() + 5);
  assert.equal((await post("b")).status, 200);
});

test("a question about a key → executed, or cancelled for good", async (context) => {
  const { post, url, executed } = await served(context);
  await post("done");
  const ask = async (key: string) => (await request(`${url}/commands/${key}`, { method: "DELETE" })).body.json();
  assert.deepEqual(await ask("done"), { executed: true, inflight: false, answer: { command: "done", place: 0 } });
  assert.deepEqual(await ask("late"), { executed: false, inflight: false, cancelled: true });
  assert.equal((await post("late")).status, 409);
  assert.deepEqual(executed, ["done"]);
});
