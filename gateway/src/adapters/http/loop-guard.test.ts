/** Loops: the field by itself, and gateways that are each other's stations, over sockets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, groupSettings, type Rig, rig } from "../../../../test/process/proxy-rig.ts";
import { RefusedRequest } from "../../fleet/problem.ts";
import { healthPage, UnexpectedStatusError } from "../../fleet/uplink.ts";
import { httpUplink } from "../stations/http-uplink.ts";
import { LoopGuard } from "./loop-guard.ts";

test("[G6] a request that carries this one's name is refused, in whatever list it stands", () => {
  const guard = new LoopGuard("gsf-0123");
  for (const value of ["gsf-0123", "a.example, gsf-0123", "gsf-0123;x=1 , b", " gsf-0123 "])
    assert.throws(() => guard.refuseReturned(["CDN-Loop", value]), RefusedRequest, value);
  assert.throws(() => guard.refuseReturned(["cdn-loop", "a", "Cdn-Loop", "gsf-0123"]), RefusedRequest);
  for (const value of ["gsf-01234", "xgsf-0123", "a;b=gsf-0123", "gsf-4567", ""])
    assert.doesNotThrow(() => guard.refuseReturned(["cdn-loop", value]), value);
  assert.notEqual(new LoopGuard().name, new LoopGuard().name);
});

/** Two gateways each of whose stations passes everything on to the other one's listener. */
async function pair(): Promise<{ one: Rig; other: Rig; hops: () => number } & AsyncDisposable> {
  const ports: number[] = [];
  let hops = 0;
  const towards = (place: number) =>
    rig((message, response) => {
      hops++;
      // As it came: what goes on between two gateways is not ours to say.
      const headers = [...message.rawHeaders];
      ask(ports[place] as number, message.url as string, { method: message.method as string, headers }).then(
        ({ status, body }) => response.writeHead(status, { "content-type": "application/problem+json" }).end(body),
        () => response.destroy(),
      );
    });
  const one = await towards(1);
  const other = await towards(0);
  ports.push(one.port, other.port);
  return {
    one,
    other,
    hops: () => hops,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}

test("[G6] two gateways as each other's stations → 508 within a few hops, also where Connection names the field", async () => {
  await using both = await pair();
  for (const [method, headers] of [
    ["GET", ["host", "a"]],
    ["POST", ["host", "a", "content-length", "0"]],
    ["POST", ["host", "a", "connection", "keep-alive, cdn-loop", "content-length", "0"]],
  ] as const) {
    const before = both.hops();
    const { status, body } = await ask(both.one.port, "/", { method, headers: [...headers] });
    assert.equal(status, 508, body.toString());
    assert.match(body.toString(), /LOOP_DETECTED/);
    assert.ok(both.hops() - before <= 8, `${both.hops() - before} hops`);
  }
});

test("[G6] a probe that leads to a gateway goes no further round than a command", async () => {
  await using both = await pair();
  const settings = groupSettings([both.one.port, both.other.port]);
  await using uplink = httpUplink(settings, settings.stations[0] as (typeof settings.stations)[0], {
    loop: both.one.proxy.loop,
  });
  const probed = await uplink.probe(healthPage("/healthz"), new AbortController().signal).catch((error) => error);
  assert.ok(probed instanceof UnexpectedStatusError && probed.status === 508, String(probed));
  assert.equal(both.hops(), 0);
});
