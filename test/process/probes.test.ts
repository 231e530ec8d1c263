/**
 * Probed stations as a user meets them: a real gateway, health pages on ports of their own, one
 * that turns ill, one that is slow, and a gateway that was itself stopped.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Folder, GsfProcess } from "./gsf-process.ts";
import { ask } from "./proxy-rig.ts";

async function server(context: TestContext, serve: RequestListener): Promise<string> {
  const listener = createServer(serve);
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  context.after(() => {
    listener.close();
    listener.closeAllConnections();
  });
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
}

/** A gateway of two stations, whose pages answer as `health` says, once both are alive. */
async function fleet(context: TestContext, health: readonly [RequestListener, RequestListener]) {
  const folder = new Folder();
  const lines: string[] = [];
  for (const [place, page] of health.entries()) {
    const name = ["primary", "backup"][place];
    const url = await server(context, (_message, response) => response.end(name));
    const pageUrl = `${await server(context, page)}/up?deep=1`;
    lines.push(`      - { name: ${name}, url: "${url}", heartbeat: { url: "${pageUrl}" } }`);
  }
  const config = folder.file(
    "fleet.yaml",
    `groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http }
    stations:
${lines.join("\n")}
control: { listen: 127.0.0.1:0 }
`,
  );
  const gateway = new GsfProcess(["run", "--json", "--config", config]);
  context.after(async () => {
    await gateway[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });
  const ready = JSON.parse((await gateway.saying(/\{"ready".*\}/))[0]);
  await gateway.saying(/primary is alive/);
  await gateway.saying(/backup is alive/);
  const control = Number(new URL(ready.control).port);
  const listener = Number(new URL(ready.groups.atlantic.address).port);
  const status = async () => JSON.parse((await ask(control, "/v1/status")).body.toString()).groups.atlantic;
  return { gateway, control, listener, status };
}

const well: RequestListener = (_message, response) => response.end("well");

async function passes(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  await promise;
}

test("a page that turns ill is told with its answer, in the log, in the status and as a metric; the backup takes over", async (t) => {
  let status = 200;
  const {
    gateway,
    control,
    listener,
    status: read,
  } = await fleet(t, [(_message, response) => response.writeHead(status).end(), well]);
  assert.match((await read()).stations[0].lastProbe.text, /^HTTP 200 in \d+ ms$/);
  status = 400;
  await gateway.saying(/"event":"probe".*the health page of primary is not well: answered 400/);
  await gateway.saying(/backup is active in place of primary/);
  const [primary, backup] = (await read()).stations;
  assert.deepEqual(
    [primary.lastProbe.text, primary.lastProbe.isWell, backup.lastProbe.isWell],
    ["answered 400", false, true],
  );
  assert.match((await ask(control, "/metrics")).body.toString(), /^gsf_station_probe_well\{[^}]*"primary"\} 0$/m);
  assert.equal((await ask(listener, "/")).body.toString(), "backup");
  status = 204;
  await gateway.saying(/the health page of primary is well again: HTTP 204/);
  await gateway.saying(/primary is alive \(was down\)/);
});

test("a gateway that was stopped for 3 s, and pages that take 300 ms, are no outage", async (t) => {
  const slow: RequestListener = (_message, response) => void setTimeout(() => response.end("slow"), 300);
  const { gateway, status: read } = await fleet(t, [slow, well]);
  await passes(2_000);
  gateway.child.kill("SIGSTOP");
  await passes(3_000);
  gateway.child.kill("SIGCONT");
  await passes(2_000);
  const { active, stations } = await read();
  assert.deepEqual([active, stations[0].liveness, stations[1].liveness], ["primary", "alive", "alive"]);
  assert.doesNotMatch(gateway.stderr, /is down|"event":"promoted"/);
});
