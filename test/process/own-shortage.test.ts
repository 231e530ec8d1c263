/**
 * A gateway that is short of file descriptors: callers beyond what it can serve are refused and
 * said so, and nothing of it is taken for a fault of the stations.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { Folder, GsfProcess } from "./gsf-process.ts";
import { ask } from "./proxy-rig.ts";

async function station(context: TestContext): Promise<string> {
  const server = createServer((message, response) => void message.resume().on("end", () => response.end("done")));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A caller who keeps its connection; resolves with whether it was answered, or closed unserved. */
async function caller(port: number, context: TestContext): Promise<{ answered: boolean; socket: Socket }> {
  const socket = connect(port, "127.0.0.1");
  context.after(() => socket.destroy());
  socket.on("error", () => undefined).write("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
  // A connection that is closed unserved may be reset: that is an answer too, and no error of the
  // test's.
  const answered = await new Promise<boolean>((resolve) => {
    socket.once("data", (bytes) => resolve(String(bytes).startsWith("HTTP/1.1 200")));
    socket.once("close", () => resolve(false));
  });
  return { answered, socket };
}

test("with 60 descriptors a gateway refuses callers beyond its bound, stays up, and changes no role", async (t) => {
  using folder = new Folder();
  const [primary, backup] = [await station(t), await station(t)];
  const config = folder.file(
    "fleet.yaml",
    `groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, path: / }
    stations: [{ name: primary, url: "${primary}" }, { name: backup, url: "${backup}" }]
control: { listen: 127.0.0.1:0 }
`,
  );
  await using gateway = new GsfProcess(["run", "--json", "--config", config], {}, 60);
  const ready = JSON.parse((await gateway.saying(/\{"ready".*\}/))[0]);
  const port = Number(new URL(ready.groups.atlantic.address).port);
  const control = Number(new URL(ready.control).port);
  await gateway.saying(/few file descriptors/);
  await gateway.saying(/primary is alive/);
  await gateway.saying(/backup is alive/);

  const callers = await Promise.all(Array.from({ length: 100 }, () => caller(port, t)));
  const answered = callers.filter((one) => one.answered).length;
  assert.ok(answered >= 2 && answered <= 15, `${answered} of 100 were answered`);
  await gateway.saying(/a caller's connection was refused: its address has its share of them/);
  const status = JSON.parse((await ask(control, "/v1/status")).body.toString());
  assert.deepEqual([status.groups.atlantic.active, status.groups.atlantic.epoch], ["primary", 1]);
  const metrics = (await ask(control, "/metrics")).body.toString();
  const refused = metrics.matchAll(
    /^gsf_connections_unserved_total\{group="atlantic",reason="(?:refused|caller)"\} (\d+)$/gm,
  );
  assert.equal(
    [...refused].reduce((sum, [, count]) => sum + Number(count), 0),
    100 - answered,
  );

  for (const { socket } of callers) socket.destroy();
  let again = { answered: false };
  while (!again.answered) again = await caller(port, t);
  assert.doesNotMatch(gateway.stderr, /promoted|EMFILE|is down/);
  assert.equal(gateway.child.exitCode, null);
});
