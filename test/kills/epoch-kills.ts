/**
 * Kills a gateway at seeded instants while it serves commands and changes stations again and again:
 * no epoch under which one of its processes sent anything is used by a later one.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "ground-station-failover";
import { type Arrival, GatewayRig } from "./gateway-rig.ts";
import type { KillOptions } from "./kill-options.ts";

const CALLERS = 4;

/**
 * Returns how many commands arrived at stations. Throws an `AssertionError` if an epoch is used
 * again.
 */
export async function killGateway({ kills, seed, note = () => undefined }: KillOptions): Promise<number> {
  const random = seededRandom(`gateway ${seed}`);
  await using rig = await GatewayRig.open();
  for (let kill = 1; kill <= kills; kill++) {
    const isEarly = random.next() < 0.2;
    const afterMs = random.next() * (isEarly ? 600 : 20);
    const when = `kill ${kill} of seed ${seed}, ${isEarly ? "while starting, " : ""}after ${afterMs} ms`;
    if (isEarly) rig.launch();
    else {
      await rig.start();
      const stop = { isOver: false };
      const users = [...Array.from({ length: CALLERS }, () => calling(rig, stop)), changing(rig, stop)];
      // Counted in commands, so that a slow machine is not killed before it has done anything.
      for (let left = 1 + Math.floor(random.next() * 150); left > 0; left--) await rig.arrival();
      await sleep(afterMs);
      await rig.kill();
      stop.isOver = true;
      await Promise.all(users);
      refuseReissued(rig.arrivals, when);
      note(`${kill} of ${kills} kills, epoch ${rig.arrivals.at(-1)?.epoch ?? "-"}, none used again`);
      continue;
    }
    await sleep(afterMs);
    await rig.kill();
  }
  return rig.arrivals.length;
}

async function calling(rig: GatewayRig, stop: { readonly isOver: boolean }): Promise<void> {
  while (!stop.isOver && rig.ready !== undefined) await (await rig.send("/command", { method: "POST" }))?.text();
}

async function changing(rig: GatewayRig, stop: { readonly isOver: boolean }): Promise<void> {
  for (let n = 0; !stop.isOver && rig.ready !== undefined; n++) {
    const to = n % 2 === 0 ? "backup" : "primary";
    await (await rig.order("/v1/groups/atlantic/switchover", { to, reason: "to raise the epoch" }))?.text();
  }
}

function refuseReissued(arrivals: readonly Arrival[], when: string): void {
  const runOf = new Map<number, number>();
  for (const { epoch, run } of arrivals) {
    const first = runOf.get(epoch) ?? run;
    runOf.set(epoch, first);
    assert.equal(run, first, `epoch ${epoch} of run ${first} is used again by run ${run}: ${when}`);
  }
}
