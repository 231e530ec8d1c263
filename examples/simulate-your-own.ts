/**
 * Somebody's own client and server in a world made from a seed. The client pays, and pays again
 * where it hears nothing; the server books what it is told. Everybody has written this bug once: a
 * reply that is lost at the wrong moment is booked twice. The world finds it, takes away every
 * fault that it does not need, and says which seed shows it.
 */
import type { Fault, NodeEnv, Simulation } from "ground-station-failover/sim";
import { drawFaults, explore, inject, runOnce, sequenceDiagram, shrink } from "ground-station-failover/sim";

// The system under test: it may touch what `env` gives it, and nothing else.

function server({ network }: NodeEnv, book: (payment: string) => void): void {
  network.onDatagram(80, (payment, from) => {
    book(String(payment));
    network.send(from, `booked ${payment}`);
  });
}

function client({ network, clock }: NodeEnv, payments: number): void {
  const pay = (payment: number): void => {
    if (payment > payments) return;
    network.send({ node: "server", port: 80 }, `payment ${payment}`, 4_000);
    const again = clock.at(clock.nowMs() + 1_000, () => pay(payment));
    const heard = network.onDatagram(4_000, () => {
      again[Symbol.dispose]();
      heard[Symbol.dispose]();
      clock.at(clock.nowMs() + 2_000, () => pay(payment + 1));
    });
    clock.at(clock.nowMs() + 999, () => heard[Symbol.dispose]());
  };
  pay(1);
}

// Its world: two machines, faults of the network between them, and what must hold.

const simulation: Simulation<{ readonly faults: readonly Fault[] }> = {
  name: "payments",
  untilMs: 180_000,
  plan: (random) => ({
    faults: drawFaults(random, {
      nodes: ["client", "server"],
      families: ["delay", "loss", "disorder", "cut", "hold", "clog"],
      fromMs: 0,
      untilMs: 30_000,
      foreverRate: 0,
    }),
  }),
  build(world, { faults }) {
    const booked = new Set<string>();
    const book = (payment: string): void => {
      if (booked.has(payment)) world.violate("booked-once", `${payment} was booked twice`);
      booked.add(payment);
    };
    world.node("server", (env) => server(env, book)).start();
    world.node("client", (env) => client(env, 10)).start();
    world.atEnd("all-is-booked", () => (booked.size === 10 ? undefined : `only ${booked.size} of 10 are booked`));
    inject(world, faults);
  },
};

const { failures } = await explore(simulation, { seeds: 100, stopAtFirst: true });
const [failure] = failures;
if (failure === undefined) throw new Error("the bug was not found");
console.log(`seed ${failure.seed}: ${failure.violation.invariant}: ${failure.violation.detail}`);
const { plan, summary } = await shrink(simulation, await runOnce(simulation, failure));
console.log(summary);
const { records } = await runOnce(simulation, { ...failure, plan });
console.log(sequenceDiagram(records));
