/** A queue whose oldest go first although their time is over is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { claimsUnfit } from "../claims-unfit.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { SLOW, widePlan } from "../wide-world.ts";
import { sentInVain } from "./sent-in-vain.ts";

const INVARIANT = "nobody-is-sent-in-vain";

/**
 * Twenty commands with 2 s of time wait, and are sent after `waitsMs`; the work of one takes 100
 * ms.
 */
async function run(
  waitsMs: number,
  answers = 20,
  group: Parameters<typeof widePlan>[0] = {},
  begin: (made: Scripted) => void = (made) => made.starts(),
): Promise<Scripted> {
  const made = new Scripted(widePlan({ ...group, group: { patienceMs: 2_000, ...group.group } }), sentInVain);
  begin(made);
  for (let answer = 0; answer < answers; answer++) made.ends(made.sends(made.command(), "primary"), "reply", 200);
  await made.at(40_000);
  const commands = Array.from({ length: 20 }, () => made.command({ patienceMs: 2_000 }));
  for (const command of commands) made.arrives(command, 2_000);
  await made.at(40_000 + waitsMs);
  for (const command of commands) made.sends(command, "primary");
  return made;
}

test("[F11] all are sent while they can be answered → nothing is wrong", async () => {
  const { violated, world } = await run(1_900);
  assert.deepEqual(violated, []);
  assert.ok((world.met.get(`judged: ${INVARIANT}`) ?? 0) > 0);
});

test("[F11] all are sent when their time is as good as over → violated", async () => {
  assert.ok((await run(1_950)).violated.includes(INVARIANT));
});

test("[F11] its gateway calls every station ineligible → an excuse only where something failed there", async () => {
  for (const hasFailed of [true, false]) {
    const { violated } = await run(1_950, 20, {}, (made) => {
      startGateway(made);
      claimsUnfit(made.fleet);
      for (const name of ["primary", "backup"]) {
        made.declared(name, "suspected", "alive");
        if (hasFailed) made.ends(made.sends(made.command(), name), "reply", 500);
      }
    });
    assert.equal(violated.includes(INVARIANT), !hasFailed, `failed: ${hasFailed}`);
  }
});

test("[F11] not judged: who is sent at once, who knows no answers, who has other routes", async () => {
  assert.deepEqual((await run(10)).violated, []);
  assert.deepEqual((await run(1_950, 10)).violated, []);
  assert.deepEqual((await run(1_950, 20, { group: { routes: [SLOW] } })).violated, []);
});
