import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "ground-station-failover";
import { request } from "undici";
import { EPOCH_PROOF_HEADER, EpochProofs } from "../adapters/stations/epoch-proof.ts";
import { ArrivalClock } from "./arrival-clock.ts";
import { StationRelay } from "./relay.ts";
import { RelayFaults } from "./relay-faults.ts";

const SECRET = Buffer.from("the secret of the station north");
const proofs = new EpochProofs({ shared: [SECRET], own: new Map() });

/** What a gateway sends with a command of `epoch`. */
function ofEpoch(epoch: number): Record<string, string> {
  return {
    "gsf-epoch": `${epoch}`,
    [EPOCH_PROOF_HEADER]: proofs.of({ group: "atlantic", station: "north" }, epoch) ?? "",
  };
}

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

interface Setting {
  readonly url: string;
  readonly faults: RelayFaults;
  /** What reached the service behind the station. */
  readonly seen: Seen[];
  readonly service: Server;
  readonly relay: StationRelay;
}

async function listenOn(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A station that relays to a service that answers as `status` and `headers` say. */
async function setting(context: TestContext, status = 200, headers: Record<string, string> = {}): Promise<Setting> {
  const seen: Seen[] = [];
  const service = createServer(async (message, response) => {
    let body = "";
    for await (const chunk of message) body += chunk;
    seen.push({ method: message.method ?? "", url: message.url ?? "", headers: message.headers, body });
    response.writeHead(status, headers).end("done");
  });
  const relayTo = new URL("/base/", await listenOn(service));
  const arrivals = new ArrivalClock(systemClock);
  const faults = new RelayFaults("north", systemClock);
  const relay = new StationRelay({
    group: "atlantic",
    name: "north",
    secrets: [SECRET],
    relayTo,
    clock: systemClock,
    arrivals,
    faults,
  });
  const url = await listenOn(relay.server);
  context.after(async () => {
    arrivals[Symbol.dispose]();
    await relay.close();
    service.close();
    service.closeAllConnections();
  });
  return { url, faults, seen, service, relay };
}

test("a command goes on as it came: method, path, query, body and key; headers of one connection stay behind", async (t) => {
  const { url, seen } = await setting(t);
  const answer = await request(`${url}/a/b?c=d`, {
    method: "PUT",
    headers: {
      "idempotency-key": "k-1",
      ...ofEpoch(3),
      "x-own": "kept",
      te: "trailers",
      "proxy-connection": "keep-alive",
    },
    body: "payload",
  });
  assert.equal(answer.statusCode, 200);
  assert.equal(await answer.body.text(), "done");
  assert.equal(answer.headers["x-served-by"], "north");
  const [first] = seen as [Seen];
  assert.deepEqual(
    { method: first.method, url: first.url, body: first.body },
    { method: "PUT", url: "/base/a/b?c=d", body: "payload" },
  );
  assert.equal(first.headers["idempotency-key"], "k-1");
  assert.equal(first.headers["gsf-epoch"], "3");
  assert.equal(first.headers[EPOCH_PROOF_HEADER], undefined);
  assert.equal(first.headers["x-own"], "kept");
  assert.equal(first.headers["te"], undefined);
  assert.equal(first.headers["proxy-connection"], undefined);
});

test("[R4] the time left that goes on is less than what came, and grpc-timeout says the same", async (t) => {
  const { url, seen } = await setting(t);
  const headers = { "x-time-left-ms": "60000", "grpc-timeout": "90S" };
  const answer = await request(url, { headers });
  await answer.body.dump();
  const leftMs = Number(seen[0]?.headers["x-time-left-ms"]);
  assert.ok(leftMs > 30_000 && leftMs <= 60_000, `${leftMs}`);
  assert.notEqual(seen[0]?.headers["grpc-timeout"], "90S");
});

test("[F3] an older epoch than the newest seen is refused with 412 and the newest, and is not relayed", async (t) => {
  const { url, seen } = await setting(t);
  for (const [epoch, status] of [
    [5, 200],
    [4, 412],
    [5, 200],
  ] as const) {
    const answer = await request(url, { headers: ofEpoch(epoch) });
    await answer.body.dump();
    assert.equal(answer.statusCode, status);
    if (status === 412) assert.equal(answer.headers["gsf-epoch-seen"], "5");
  }
  assert.equal(seen.length, 2);
});

test("[F3] a refusal of the service behind is passed on, and its epoch is known here from then on", async (t) => {
  const { url, seen } = await setting(t, 412, { "gsf-epoch-seen": "9" });
  for (let round = 0; round < 2; round++) {
    const answer = await request(url, { headers: ofEpoch(8) });
    await answer.body.dump();
    assert.equal(answer.statusCode, 412);
    assert.equal(answer.headers["gsf-epoch-seen"], "9");
  }
  assert.equal(seen.length, 1, "the second was refused here");
});

test("[F3] a newer epoch without its proof is refused with 403, and the gateway's commands go on", async (t) => {
  const { url, seen } = await setting(t);
  const ask = async (headers: Record<string, string>): Promise<number> => {
    const answer = await request(url, { headers });
    await answer.body.dump();
    return answer.statusCode;
  };
  assert.equal(await ask({ "gsf-epoch": "1000000" }), 403, "a fresh relay");
  assert.equal(await ask(ofEpoch(1)), 200);
  for (const epoch of ["2", "1000000", "999999999999999"])
    for (const proof of [undefined, "", ofEpoch(1)[EPOCH_PROOF_HEADER] as string])
      assert.equal(await ask({ "gsf-epoch": epoch, ...(proof !== undefined && { [EPOCH_PROOF_HEADER]: proof }) }), 403);
  assert.equal(seen.length, 1, "none of these reached the service");
  for (const epoch of [1, 2, 1_000_002, 999_999_999_999_999]) assert.equal(await ask(ofEpoch(epoch)), 200, `${epoch}`);
});

test("[F4] a command whose deadline has passed is dropped and never reaches the service", async (t) => {
  const { url, seen } = await setting(t);
  const answer = await request(url, { headers: { "x-time-left-ms": "0" } });
  assert.equal(answer.statusCode, 504);
  assert.match(await answer.body.text(), /deadline/);
  assert.equal(seen.length, 0);
});

test("[G6] a header that is no number is refused by name, and the station stays up", async (t) => {
  const { url, seen } = await setting(t);
  for (const name of ["gsf-epoch", "x-time-left-ms"]) {
    const answer = await request(url, { headers: { [name]: "soon" } });
    assert.equal(answer.statusCode, 400);
    assert.match(await answer.body.text(), new RegExp(name));
  }
  assert.equal(seen.length, 0);
  assert.equal((await request(`${url}/healthz`)).statusCode, 200);
});

test("a station whose service is away says so, and its health is not good", async (t) => {
  const { url, service } = await setting(t);
  service.close();
  service.closeAllConnections();
  const answer = await request(url, { method: "POST", body: "x" });
  assert.deepEqual([answer.statusCode, answer.headers["gsf-outcome"]], [502, "not-sent"]);
  await answer.body.dump();
  const health = await request(`${url}/healthz`);
  assert.equal(health.statusCode, 503);
  assert.match(await health.body.text(), /ECONNREFUSED/);
});

test("[H] errors: every command fails, some before and some after it was executed; health says so, and none ends it", async (t) => {
  const { url, seen, faults } = await setting(t);
  faults.set("errors");
  for (let place = 0; place < 20; place++) {
    const answer = await request(url, { method: "POST", body: `${place}` });
    assert.equal(answer.statusCode, 500);
    await answer.body.dump();
  }
  assert.ok(seen.length > 0 && seen.length < 20, `${seen.length} of 20 were executed (seed: the name "north")`);
  assert.equal((await request(`${url}/healthz`)).statusCode, 503);
  faults.set("none");
  assert.equal((await request(`${url}/healthz`)).statusCode, 200);
});

test("[H] lying-200: every command is answered 200 with an error in the body, executed or not; health is not fooled", async (t) => {
  const { url, seen, faults } = await setting(t);
  faults.set("lying-200");
  for (let place = 0; place < 20; place++) {
    const answer = await request(url, { method: "POST", body: `${place}` });
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(await answer.body.json(), { error: "uplink lost" });
  }
  assert.ok(seen.length > 0 && seen.length < 20, `${seen.length} of 20 were executed (seed: the name "north")`);
  assert.equal((await request(`${url}/healthz`)).statusCode, 503);
});

test("[H] slow: commands are executed at once and answered late; health gives up on it; ending the fault lets answers go", async (t) => {
  const { url, seen, faults } = await setting(t);
  faults.set("slow");
  let answered = false;
  const slow = request(url, { method: "POST", body: "x" }).then((answer) => {
    answered = true;
    return answer;
  });
  const health = await request(`${url}/healthz`);
  assert.equal(health.statusCode, 503);
  assert.match(await health.body.text(), /no answer within 1000 ms/);
  assert.equal(answered, false);
  assert.equal(seen.filter(({ body }) => body === "x").length, 1);
  faults.set("none");
  assert.equal((await slow).statusCode, 200);
});

test("callers hang up while their answers are awaited → the station goes on with the others", async (t) => {
  const { url, faults, seen, relay } = await setting(t);
  faults.set("slow");
  const left = new AbortController();
  const calls = Array.from({ length: 3 }, () => request(url, { method: "POST", body: "x", signal: left.signal }));
  const ends = Promise.allSettled(calls);
  while (seen.length < calls.length) await setTimeout(5);
  left.abort();
  await ends;
  while (relay.counts.inFlight > 0) await setTimeout(5);
  faults.set("none");
  const answer = await request(url);
  assert.deepEqual([answer.statusCode, await answer.body.text()], [200, "done"]);
});

test("[G1] interim replies of the service are skipped, and one that cannot be read is a 502 that says why", async (t) => {
  let said = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone";
  const { url, service } = await setting(t);
  service.removeAllListeners("request").on("request", ({ socket }: IncomingMessage) => socket.write(said, "latin1"));
  for (let count = 0; count < 2; count++) {
    const answer = await request(url);
    assert.deepEqual([answer.statusCode, await answer.body.text()], [200, "done"]);
  }
  for (const bad of ["HTTP/1.1 200 OK\r\nx-a: \x01\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n"]) {
    said = bad;
    const answer = await request(url, { method: "POST", body: "x" });
    assert.equal(answer.statusCode, 502);
    assert.match(await answer.body.text(), /the service's reply cannot be read/);
  }
});

test("[G7] an answer that breaks off, or is cut when the relay ends → a reset, also for a caller of HTTP/1.0", async (t) => {
  for (const how of ["breaks off", "cut"]) {
    const { url, service, relay } = await setting(t);
    const begun = Promise.withResolvers<ServerResponse>();
    service.removeAllListeners("request").on("request", (_message, response: ServerResponse) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n");
      begun.resolve(response);
    });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    const ended = once(socket, "close");
    socket.write("GET / HTTP/1.0\r\n\r\n");
    await once(socket, "data");
    if (how === "cut") await relay.close();
    else (await begun.promise).socket?.resetAndDestroy();
    socket.resume();
    await assert.rejects(ended, { code: "ECONNRESET" }, how);
  }
});
