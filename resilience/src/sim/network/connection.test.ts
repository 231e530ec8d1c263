/**
 * Connections: ordered and once while they live, and the errors and silences of the real thing when
 * something dies.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../core/random.ts";
import { logUniform, wholeBetween } from "../faults/draws.ts";
import type { NodeEnv } from "../kernel/node.ts";
import { World } from "../kernel/world.ts";
import type { Connection } from "./connection.ts";
import type { LinkConditions } from "./link.ts";

const SERVICE = { node: "server", port: 80 };
const ONE_WAY_MS = 10;

interface Scene {
  readonly world: World;
  /** What happened, each with its instant in whole milliseconds. */
  readonly log: string[];
  /** The two ends, once there are any. */
  readonly client: () => Connection;
  readonly server: () => Connection;
  /** Runs `act` in the client's process, or the server's, at an instant. */
  readonly onClient: (atMs: number, act: (env: NodeEnv) => void) => void;
  readonly onServer: (atMs: number, act: (env: NodeEnv) => void) => void;
  readonly connectAt: (atMs: number) => void;
}

/**
 * A client and a server ten milliseconds apart; the server listens to port 80 and both write down
 * what they hear.
 */
function scene(conditions: Partial<LinkConditions> = {}, seed = "connection"): Scene {
  const world = new World({ seed });
  const log: string[] = [];
  const ends: { client?: Connection; server?: Connection } = {};
  const envs = new Map<string, NodeEnv>();
  const write = (line: string): void => void log.push(`${Math.round(world.nowMs)} ${line}`);
  const hear = (who: "client" | "server", connection: Connection): void => {
    ends[who] = connection;
    write(`${who} open`);
    connection.onMessage((payload) => write(`${who} got ${String(payload)}`));
    connection.onClose((error) => write(`${who} closed ${error?.code ?? "in order"}`));
  };
  world.node("client", (env) => void envs.set("client", env));
  world.node("server", (env) => {
    envs.set("server", env);
    env.network.listen(80, (connection) => hear("server", connection));
  });
  world.network.setDefaults({ delay: { kind: "fixed", ms: ONE_WAY_MS }, ...conditions });
  for (const node of world.nodes.values()) node.start();
  const on = (name: string) => (atMs: number, act: (env: NodeEnv) => void) => {
    world.at(atMs, () => world.nodeOf(name).run(() => act(envs.get(name) as NodeEnv)));
  };
  const connectAt = (atMs: number): void => {
    on("client")(atMs, (env) => {
      env.network.connect(SERVICE).then(
        (connection) => hear("client", connection),
        (error: { code: string }) => write(`client failed ${error.code}`),
      );
    });
  };
  const client = (): Connection => ends.client as Connection;
  const server = (): Connection => ends.server as Connection;
  return { world, log, client, server, onClient: on("client"), onServer: on("server"), connectAt };
}

const OPENED = ["10 server open", "20 client open"];

test("a connection opens after a round trip, carries both ways, and ends in order on both sides", async () => {
  const { world, log, client, server, onClient, onServer, connectAt } = scene();
  connectAt(0);
  onClient(100, () => {
    client().send("question");
    client().close();
    assert.equal(client().open, false);
    client().send("too late");
  });
  onServer(105, () => server().send("sent before it knew"));
  await world.run(1_000);
  assert.deepEqual(log, [
    ...OPENED,
    "110 server got question",
    "110 server closed in order",
    "115 client got sent before it knew",
    "120 client closed in order",
  ]);
  assert.deepEqual(world.violations, []);
});

test("an end knows who is at the other one, and messages wait for whoever reads late", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  world.nodeOf("server").run(() => {});
  const heard: string[] = [];
  world.node("late", (env) => {
    env.network.listen(81, (connection) => {
      assert.equal(connection.peer.node, "client");
      env.clock.at(env.clock.nowMs() + 500, () => {
        connection.onMessage((payload) => heard.push(`${Math.round(world.nowMs)} ${String(payload)}`));
        connection.onClose((error) => heard.push(`${Math.round(world.nowMs)} ${error?.code ?? "in order"}`));
      });
    });
  });
  world.nodeOf("late").start();
  onClient(0, (env) => {
    void env.network.connect({ node: "late", port: 81 }).then((connection) => {
      assert.deepEqual(connection.peer, { node: "late", port: 81 });
      for (const message of ["one", "two", "three"]) connection.send(message);
      connection.close();
    });
  });
  await world.run(2_000);
  assert.deepEqual(heard, ["510 one", "510 two", "510 three", "510 in order"]);
  connectAt(2_000);
  onClient(2_100, () => client().send("still fine"));
  await world.run(3_000);
  assert.deepEqual(log.at(-1), "2110 server got still fine");
});

test("nobody listens: refused after one round trip; by a killed process's machine too", async () => {
  const { world, log, onClient, connectAt } = scene();
  onClient(0, (env) => {
    env.network.connect({ node: "server", port: 81 }).catch((error: { code: string; message: string }) => {
      log.push(`${Math.round(world.nowMs)} ${error.message}`);
    });
  });
  world.at(50, () => world.nodeOf("server").crash("kill"));
  connectAt(100);
  world.at(200, () => world.nodeOf("server").start());
  connectAt(300);
  await world.run(1_000);
  assert.deepEqual(log, [
    "20 connect ECONNREFUSED server:81",
    "120 client failed ECONNREFUSED",
    "310 server open",
    "320 client open",
  ]);
});

test("no power, or a cut in either direction: silence for two minutes, or until it is repaired", async () => {
  const off = scene();
  off.world.nodeOf("server").crash("power");
  off.connectAt(0);
  await off.world.run(300_000);
  assert.deepEqual(off.log, ["120000 client failed ETIMEDOUT"]);
  for (const [from, to] of [
    ["client", "server"],
    ["server", "client"],
  ] as const) {
    const { world, log, connectAt } = scene();
    const cut = world.network.impose(from, to, { cut: true });
    connectAt(0);
    world.at(5_000, () => cut[Symbol.dispose]());
    await world.run(300_000);
    // Tried again after 1, 3 and 7 seconds.
    assert.deepEqual(log.at(-1), "7020 client open", `cut from ${from} to ${to}`);
  }
});

test("a door that refuses, a door that is silent, and the same door afterwards", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  const refuses = world.network.imposeDoor("server", "refuses");
  connectAt(0);
  world.at(50, () => refuses[Symbol.dispose]());
  const silent: Disposable[] = [];
  world.at(60, () => silent.push(world.network.imposeDoor("server", "silent", 80)));
  connectAt(100);
  onClient(200, () => client().send("anybody?"));
  world.at(70_000, () => silent[0]?.[Symbol.dispose]());
  connectAt(80_000);
  await world.run(100_000);
  assert.deepEqual(log, ["20 client failed ECONNREFUSED", "120 client open", "80010 server open", "80020 client open"]);
});

test("a port's door leaves other ports alone", async () => {
  const { world, log, connectAt } = scene();
  world.network.imposeDoor("server", "refuses", 81);
  connectAt(0);
  await world.run(1_000);
  assert.deepEqual(log, OPENED);
});

test("a killed process: its peer reads a reset, behind what was under way", async () => {
  const { world, log, server, onServer, connectAt } = scene();
  connectAt(0);
  onServer(100, () => server().send("last words"));
  world.at(101, () => world.nodeOf("server").crash("kill"));
  await world.run(1_000);
  assert.deepEqual(log, [...OPENED, "110 client got last words", "111 client closed ECONNRESET"]);
});

test("half-open: where the reset is lost nobody hears of the death, until a message finds out", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  connectAt(0);
  const cut: Disposable[] = [];
  world.at(50, () => cut.push(world.network.impose("server", "client", { cut: true })));
  world.at(60, () => world.nodeOf("server").crash("kill"));
  world.at(70, () => cut[0]?.[Symbol.dispose]());
  await world.run(3_600_000);
  assert.deepEqual(log, OPENED);
  assert.equal(client().open, true);
  onClient(3_600_000, () => client().send("anybody?"));
  await world.run(3_601_000);
  assert.deepEqual(log.slice(2), ["3600020 client closed ECONNRESET"]);
});

test("power loss is silence: a sender times out after a minute, or is reset by the machine that has come back", async () => {
  const gone = scene();
  gone.connectAt(0);
  gone.world.at(100, () => gone.world.nodeOf("server").crash("power"));
  gone.onClient(1_000, () => gone.client().send("anybody?"));
  await gone.world.run(600_000);
  // Due at 1,010.
  assert.deepEqual(gone.log.slice(2), ["61010 client closed ETIMEDOUT"]);

  const back = scene();
  back.connectAt(0);
  back.world.at(100, () => back.world.nodeOf("server").crash("power"));
  back.onClient(1_000, () => back.client().send("anybody?"));
  back.world.at(3_000, () => back.world.nodeOf("server").start());
  await back.world.run(600_000);
  // Due at 1,010, tried again 200, 600, 1,400 and 3,000 ms later.
  assert.deepEqual(back.log.slice(2), ["4020 client closed ECONNRESET"]);
});

test("what is sent into a cut arrives after its repair, in order; after a minute the sender gives up", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  connectAt(0);
  const cuts: Disposable[] = [];
  world.at(100, () => cuts.push(world.network.impose("client", "server", { cut: true })));
  for (let message = 0; message < 3; message++) onClient(200 + message * 100, () => client().send(String(message)));
  world.at(1_000, () => cuts[0]?.[Symbol.dispose]());
  world.at(5_000, () => cuts.push(world.network.impose("client", "server", { cut: true })));
  onClient(6_000, () => client().send("never"));
  await world.run(200_000);
  // Due at 210, tried again 200, 600 and 1,400 ms later.
  assert.deepEqual(log.slice(2, 5), ["1610 server got 0", "1610 server got 1", "1610 server got 2"]);
  assert.deepEqual(log.slice(5), ["66010 client closed ETIMEDOUT"]);
});

test("a crash takes what is stuck in a cut with it; only a process's death is told, and only where that gets through", async () => {
  for (const [kind, repairMs, told] of [
    ["kill", 1_001, []],
    ["kill", 999, ["1010 server closed ECONNRESET"]],
    ["power", 999, []],
  ] as const) {
    const { world, log, client, onClient, connectAt } = scene();
    connectAt(0);
    const cuts: Disposable[] = [];
    world.at(100, () => cuts.push(world.network.impose("client", "server", { cut: true })));
    onClient(200, () => {
      client().send("stuck");
      client().close();
    });
    // The next try would come at 1,610.
    world.at(repairMs, () => cuts[0]?.[Symbol.dispose]());
    world.at(1_000, () => world.nodeOf("client").crash(kind));
    await world.run(200_000);
    assert.deepEqual(log.slice(2), told, `${kind}, repaired at ${repairMs}`);
  }
});

test("a machine without power sends nothing again, not even for a connection that had ended", async () => {
  const { world, log, client, server, onClient, onServer, connectAt } = scene();
  connectAt(0);
  const cut: Disposable[] = [];
  world.at(100, () => cut.push(world.network.impose("server", "client", { cut: true })));
  onServer(200, () => server().send("stuck"));
  onClient(300, () => client().close());
  world.at(400, () => world.nodeOf("server").crash("power"));
  world.at(401, () => cut[0]?.[Symbol.dispose]());
  await world.run(200_000);
  assert.deepEqual(log, [...OPENED, "310 server closed in order"]);
});

test("reset by one side is heard by the other and by nobody else", async () => {
  const { world, log, server, onServer, connectAt } = scene();
  connectAt(0);
  onServer(100, () => server().reset());
  await world.run(1_000);
  assert.deepEqual(log, [...OPENED, "110 client closed ECONNRESET"]);
});

test("a connection belongs to its incarnation: the next one knows nothing of it", async () => {
  const { world, log, client, server, onServer, onClient, connectAt } = scene();
  connectAt(0);
  let old: Connection | undefined;
  onServer(50, () => (old = server()));
  world.at(60, () => world.nodeOf("server").crash("power"));
  world.at(61, () => world.nodeOf("server").start());
  onServer(70, () => old?.send("from a process that is gone"));
  onClient(80, () => client().send("to a process that is gone"));
  await world.run(1_000);
  assert.deepEqual(log, [...OPENED, "100 client closed ECONNRESET"]);
});

test("a paused process is connected to, and reads late and in order", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  world.at(1, () => world.nodeOf("server").pause(5_000));
  connectAt(10);
  onClient(100, () => {
    for (const message of ["one", "two"]) client().send(message);
    client().close();
  });
  await world.run(10_000);
  assert.deepEqual(log.slice(0, 1), ["30 client open"]);
  const server = log.filter((line) => line.includes("server"));
  assert.deepEqual(server, [
    "5001 server open",
    "5001 server got one",
    "5001 server got two",
    "5001 server closed in order",
  ]);
});

test("loss on a stream is delay: half of all segments lost, half on time, a quarter once again, an eighth twice", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  connectAt(0);
  world.at(500, () => world.network.impose("client", "server", { lossRate: 0.5 }));
  const count = 800;
  for (let index = 0; index < count; index++) onClient(1_000 + index * 60_000, () => client().send(String(index)));
  await world.run(1_000 + count * 60_000);
  const lateMs = log.slice(2).map((line, index) => Number.parseInt(line, 10) - (1_000 + index * 60_000) - ONE_WAY_MS);
  assert.equal(lateMs.length, count);
  for (const [ms, share] of [
    [0, 1 / 2],
    [200, 1 / 4],
    [600, 1 / 8],
    [1_400, 1 / 16],
  ] as const) {
    // Five deviations of a count: at most 5 × √(800 × ½ × ½) ≈ 71.
    const met = lateMs.filter((late) => late === ms).length;
    assert.ok(Math.abs(met - count * share) < 71, `${met} of ${count} came ${ms} ms late`);
  }
});

test("after a reset of one's own nothing more is heard, not even what had come", async () => {
  const { world, client, onClient, onServer, server, connectAt } = scene();
  connectAt(0);
  const heard: unknown[] = [];
  onServer(100, () => server().send("read by nobody"));
  onClient(105, () => client().onMessage(undefined as never));
  onClient(200, () => {
    client().reset();
    client().onMessage((payload) => heard.push(payload));
    client().onClose((error) => heard.push(error));
  });
  await world.run(1_000);
  assert.deepEqual(heard, []);
});

test("a held stream keeps its messages and delivers them at the release", async () => {
  const { world, log, client, onClient, connectAt } = scene();
  connectAt(0);
  onClient(100, () => client().send("under way"));
  const held: Disposable[] = [];
  world.at(105, () => held.push(world.network.impose("client", "server", { held: true })));
  for (const message of [1, 2, 3]) onClient(110 + message, () => client().send(String(message)));
  world.at(9_000, () => held[0]?.[Symbol.dispose]());
  onClient(9_001, () => client().send("4"));
  await world.run(10_000);
  assert.deepEqual(log.slice(2), [
    "110 server got under way",
    "9000 server got 1",
    "9000 server got 2",
    "9000 server got 3",
    "9011 server got 4",
  ]);
});

test("a connection to one's own machine needs no line", async () => {
  const { world, log, onServer } = scene();
  world.network.impose("*", "*", { cut: true });
  onServer(0, (env) => void env.network.connect(SERVICE).then((connection) => connection.send("myself")));
  await world.run(100);
  assert.deepEqual(log, ["0 server open", "0 server got myself"]);
});

test("in order and exactly once, whatever the line does, in 60 worlds", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const chance = seededRandom(`stream ${seed}`);
    const { world, log, client, onClient, connectAt } = scene({}, `stream ${seed}`);
    connectAt(0);
    for (let fault = 0; fault < 8; fault++) {
      const strength = logUniform(chance, 0.01, 1);
      const conditions: Partial<LinkConditions> = [
        { lossRate: strength * 0.9, corruptRate: strength * 0.5 },
        { delay: { kind: "exponential", minMs: 0, meanMs: strength * 2_000 } } as const,
        { duplicateRate: strength, reorderRate: strength },
        { cut: true },
        { held: true },
        { clogMs: strength * 5_000 },
        { bytesPerSecond: 100 / strength, queueBytes: 100 },
      ][wholeBetween(chance, 0, 6)] as Partial<LinkConditions>;
      const fromMs = chance.next() * 10_000;
      const imposed: Disposable[] = [];
      world.at(fromMs, () => imposed.push(world.network.impose("*", "*", conditions)));
      world.at(fromMs + strength * 10_000, () => imposed[0]?.[Symbol.dispose]());
    }
    let sent = 0;
    for (let atMs = 0; atMs < 15_000; atMs += 75) {
      onClient(atMs, () => {
        if (client()?.open === true) client().send(String(sent++));
      });
    }
    await world.run(120_000);
    const got = log.filter((line) => line.includes("server got")).map((line) => Number(line.split(" ").at(-1)));
    const say = `seed ${seed}: node --conditions=@gsf/source --test resilience/src/sim/network/connection.test.ts`;
    assert.deepEqual(
      got,
      Array.from({ length: sent }, (_, index) => index),
      say,
    );
    assert.ok(sent > 0, say);
    assert.deepEqual(world.violations, [], say);
  }
});

test("[S1] the same seed gives the same hash, with streams too", async () => {
  const run = async (seed: string): Promise<string> => {
    const { world, client, onClient, connectAt } = scene({ lossRate: 0.3 }, seed);
    connectAt(0);
    for (let index = 0; index < 50; index++) onClient(20_000 + index * 10, () => client()?.send(String(index)));
    await world.run(120_000);
    return world.trace.hash;
  };
  assert.equal(await run("1"), await run("1"));
  assert.notEqual(await run("1"), await run("2"));
});
