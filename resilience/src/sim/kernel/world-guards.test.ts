/**
 * What a world notices although the code in it swallows everything, and what it must not take for a
 * mistake.
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { connect } from "node:net";
import { test } from "node:test";
import { asTask } from "./microtasks.ts";
import type { NodeEnv, Program } from "./node.ts";
import type { Violation, WorldOptions } from "./world.ts";
import { World } from "./world.ts";

/** Drained by hand, and one task of the event loop for each step. */
const WAYS: readonly Partial<WorldOptions>[] = [{}, { taskPerStep: true }];

/** What is found wrong when `program` runs as "a", beside an idle "b". */
async function violationsOf(program: Program, options: Partial<WorldOptions> = {}): Promise<readonly Violation[]> {
  const world = new World({ seed: 1, ...options });
  world.node("b", () => undefined).start();
  world.at(1, () => world.node("a", program).start());
  world.at(500, () => assert.deepEqual(world.violations, [], "the run stops at once"));
  await world.run(1_000);
  return world.violations;
}

const soon = (env: NodeEnv, run: () => void): void => void env.clock.at(env.clock.nowMs() + 10, run);
const fail = (): never => {
  throw new Error("the disk is round");
};

const UNCAUGHT: Readonly<Record<string, Program>> = {
  "a program that throws": fail,
  "a program that rejects at once": async () => fail(),
  "a program that rejects later": async (env) => {
    await env.clock.sleepUntil(env.clock.nowMs() + 10);
    fail();
  },
  "a timer": (env) => soon(env, fail),
  "a datagram's reader": (env) => {
    env.network.onDatagram(7, fail);
    env.network.send({ node: "a", port: 7 }, "hello");
  },
  "a connection's reader": (env) => {
    env.network.listen(80, (connection) => connection.onMessage(fail));
    void env.network.connect({ node: "a", port: 80 }).then((connection) => connection.send("hello"));
  },
  "an async function that nobody waits for": (env) => soon(env, () => void (async () => fail())()),
  "a disk operation that nobody waits for": (env) => void env.disk.read("nowhere").then(fail, fail),
  "a microtask": () => queueMicrotask(fail),
  "a next tick": () => process.nextTick(fail),
  "a listener of a signal": (env) => {
    const controller = new AbortController();
    controller.signal.addEventListener("abort", fail);
    soon(env, () => controller.abort());
  },
};

for (const options of WAYS) {
  test(`an error that nobody catches is found: ${JSON.stringify(options)}`, async () => {
    const events = ["unhandledRejection", "uncaughtException"] as const;
    const listeners = () => events.map((event) => process.rawListeners(event as "unhandledRejection"));
    const before = listeners();
    for (const [where, program] of Object.entries(UNCAUGHT)) {
      const [first, ...others] = await violationsOf(program, options);
      assert.deepEqual([first?.invariant, others], ["uncaught-error", []], where);
      assert.match(first?.detail ?? "", /^a: Error: the disk is round\n/, where);
    }
    assert.deepEqual(listeners(), before);
  });
}

test("what the world's own events throw is found as well", async () => {
  const world = new World({ seed: 1 });
  world.at(1, async () => fail());
  await world.run(10);
  assert.match(world.violations[0]?.detail ?? "", /^world: Error: the disk is round/);
  const throwing = (): never => {
    throw "not even an error";
  };
  for (const way of [throwing, () => queueMicrotask(throwing), () => process.nextTick(throwing)]) {
    const other = new World({ seed: 1 });
    other.node("a", (env) => env.clock.sleepUntil(env.clock.nowMs() + 0.5)).start();
    other.at(1, way);
    await other.run(10);
    assert.equal(other.violations[0]?.detail, "world: not even an error");
  }
});

test("an error that is caught is none, also when it is caught in a later microtask of the event", async () => {
  const program: Program = async (env) => {
    const failing = (async () => fail())();
    await undefined;
    await failing.catch(() => undefined);
    await assert.rejects(env.disk.read("nowhere"));
    const [outcome] = await Promise.allSettled([Promise.reject(new Error("looked at"))]);
    assert.equal(outcome.status, "rejected");
  };
  assert.deepEqual(await violationsOf(program), []);
});

const REAL: Readonly<Record<string, () => unknown>> = {
  setTimeout: () => setTimeout(() => undefined, 1),
  setInterval: () => setInterval(() => undefined, 1),
  setImmediate: () => setImmediate(() => undefined),
  "Date.now": () => Date["now"](),
  "new Date": () => new Date(),
  "Math.random": () => Math["random"](),
  "performance.now": () => performance.now(),
  "crypto.randomUUID": () => crypto["randomUUID"](),
  "AbortSignal.timeout": () => AbortSignal["timeout"](1),
  fetch: () => fetch("http://localhost"),
  "net.connect": () => connect(1, "localhost"),
};

for (const options of WAYS) {
  test(`[S1] code that reaches for the real world is found, however it swallows: ${JSON.stringify(options)}`, async () => {
    for (const [what, reach] of Object.entries(REAL)) {
      const swallow = async (): Promise<void> => {
        try {
          await reach();
        } catch {}
      };
      const programs: Program[] = [
        () => void swallow(),
        async (env) => {
          await env.clock.sleepUntil(env.clock.nowMs() + 5);
          await swallow();
        },
      ];
      for (const program of programs) {
        const violations = await violationsOf(program, options);
        assert.deepEqual(
          violations.map(({ invariant }) => invariant),
          ["no-real-world"],
          what,
        );
        assert.match(violations[0]?.detail ?? "", /world-guards\.test\.ts/, `${what}: the stack says where`);
      }
    }
    assert.ok(Date["now"]() > 0 && Math["random"]() < 1, "it is there again for the host");
  });
}

test("without traps the real world is there", async () => {
  assert.deepEqual(await violationsOf(() => void Date["now"](), { traps: false }), []);
});

/** What a variable of a module would be: it outlives processes, and leads from one into another. */
const shared: { env: NodeEnv | undefined } = { env: undefined };

const LEAKS: Readonly<Record<string, (env: NodeEnv) => unknown>> = {
  "its timers": (env) => env.clock.at(0, () => undefined),
  "its sleep": (env) => env.clock.sleepUntil(0),
  "its network": (env) => env.network.send({ node: "a", port: 7 }, "hello"),
  "its ports": (env) => env.network.onDatagram(7, () => undefined),
  "its disk": (env) => env.disk.list(),
  "its trace": (env) => env.note("here"),
};

for (const [what, use] of Object.entries(LEAKS)) {
  test(`a process that uses what another was given is found: ${what}`, async () => {
    for (const when of ["at once", "after a wait", "after a promise"]) {
      const world = new World({ seed: 1 });
      world
        .node("b", (env) => {
          shared.env = env;
        })
        .start();
      const swallow = async (env: NodeEnv): Promise<void> => {
        if (when === "after a promise") await undefined;
        if (when === "after a wait") await env.clock.sleepUntil(env.clock.nowMs() + 10);
        try {
          await use(shared.env as NodeEnv);
        } catch {}
      };
      world.node("a", (env) => void swallow(env)).start();
      await world.run(100);
      assert.deepEqual(
        world.violations.map(({ invariant, detail }) => [invariant, detail.split("\n")[0]]),
        [["processes-share-nothing", "a used what was given to b"]],
        when,
      );
      assert.match(world.violations[0]?.detail ?? "", /world-guards\.test\.ts/, "the stack says where");
    }
  });
}

for (const options of WAYS) {
  test(`what is no leak is not taken for one: ${JSON.stringify(options)}`, async () => {
    const world = new World({ seed: 1, ...options });
    const tenant = new AsyncLocalStorage<string>();
    const controller = new AbortController();
    const envs: NodeEnv[] = [];
    const seen: string[] = [];
    const program: Program = async (env) => {
      envs.push(env);
      // Resolved by an event of the network.
      const message = new Promise<string>((resolve) => {
        env.network.onDatagram(7, (payload) => resolve(String(payload)));
      });
      await tenant.run(`tenant of ${env.name}`, async () => {
        await env.clock.sleepUntil(env.clock.nowMs() + 5);
        env.network.send({ node: env.name === "a" ? "b" : "a", port: 7 }, `from ${env.name}`);
        await env.disk.write(env.name, new Uint8Array(1));
        env.note("tenant", tenant.getStore());
      });
      seen.push(await message);
      // Ended by the world, which belongs to nobody.
      await env.clock.sleepUntil(Number.POSITIVE_INFINITY, controller.signal).catch(() => undefined);
      await env.disk.sync(env.name);
      env.note("tenant", String(tenant.getStore()));
    };
    for (const name of ["a", "b"]) world.node(name, program).start();
    world.at(500, async () => {
      for (const env of envs) env.note("a look from outside", String(await env.disk.list()));
      await world.clock.sleepUntil(600);
      controller.abort();
      for (const env of envs) env.clock.at(env.clock.nowMs() + 1, () => env.note("a timer from outside"));
    });
    await world.run(1_000);
    assert.deepEqual(world.violations, []);
    assert.deepEqual(seen.sort(), ["from a", "from b"]);
    const notes = world.trace.records.filter(({ kind }) => /tenant|outside/.test(kind));
    const detailsOf = (name: string) =>
      notes
        .filter(({ node }) => node === name)
        .map(({ detail }) => detail)
        .sort();
    assert.deepEqual(detailsOf("a"), ["", "a", "tenant of a", "undefined"]);
    assert.deepEqual(detailsOf("b"), ["", "b", "tenant of b", "undefined"]);
    assert.equal(tenant.getStore(), undefined);
  });
}

test("a loop of events without a delay is found", async () => {
  const loop: Program = async (env) => {
    for (;;) await env.clock.sleepUntil(env.clock.nowMs());
  };
  const violations = await violationsOf(loop, { maxStepsPerInstant: 500 });
  assert.deepEqual(
    violations.map(({ invariant, detail, step }) => [invariant, detail, step]),
    [["time-passes", "500 events at 1 ms: a loop without a delay", 501]],
  );
  const patient: Program = async (env) => {
    for (let round = 0; round < 900; round++) await env.clock.sleepUntil(env.clock.nowMs() + (round % 2));
  };
  assert.deepEqual(await violationsOf(patient, { maxStepsPerInstant: 400 }), []);
});

for (const options of WAYS) {
  test(`a loop that waits for time within one event is found: ${JSON.stringify(options)}`, async () => {
    const loops: Program[] = [
      (env) => {
        const untilMs = env.clock.nowMs() + 10;
        while (env.clock.nowMs() < untilMs);
      },
      async (env) => {
        const untilMs = env.clock.nowMs() + 10;
        while (env.clock.nowMs() < untilMs) await undefined;
      },
    ];
    for (const loop of loops) {
      const [first] = await violationsOf(loop, options);
      assert.equal(first?.invariant, "time-passes");
      assert.match(first?.detail ?? "", /^a read its clock 250000 times in one event/);
    }
  });
}

test("checks may read clocks as often as they like, from step to step", async () => {
  const world = new World({ seed: 1 });
  const envs: NodeEnv[] = [];
  world.node("a", (env) => void envs.push(env)).start();
  const beat = (): void => void world.at(world.nowMs + 1, beat);
  beat();
  world.always("reads", () => {
    for (let count = 0; count < 200_000; count++) envs[0]?.clock.nowMs();
    return undefined;
  });
  await world.run(4);
  assert.deepEqual(world.violations, []);
});

test("a run leaves the async context of its host as it was", async () => {
  const tenant = new AsyncLocalStorage<string>();
  const program: Program = async (env) => {
    for (let round = 0; round < 5; round++) await env.clock.sleepUntil(env.clock.nowMs() + 1);
  };
  await tenant.run("host", async () => {
    assert.deepEqual(await violationsOf(program), []);
    assert.equal(tenant.getStore(), "host");
  });
  assert.equal(await asTask(() => tenant.getStore()), undefined);
});
