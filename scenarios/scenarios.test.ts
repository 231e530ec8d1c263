/**
 * Each named scenario from a few seeds, and the incident on both gateways from many. The swarm has
 * a test of its own, and so has the sweep over all faults.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runOnce } from "ground-station-failover/sim";
import type { IncidentTimelines } from "./incident/both-systems.ts";
import { oldAndOurs } from "./incident/both-systems.ts";
import { LEGACY_SETTINGS } from "./incident/legacy-gateway.ts";
import { STEADY_WITHIN_MS } from "./incident/recorder.ts";
import { incidentCn2702003 } from "./incident-cn-2702-003.ts";
import { scenarioOf, scenarios } from "./index.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioText } from "./scenario.ts";

const SEEDS: readonly number[] = [1, 2, 3];
const MINUTE_MS = 60_000;

for (const scenario of scenarios.filter(({ name }) => !name.endsWith("swarm") && name !== "fault-sweep")) {
  test(`[S2] ${scenario.name}: ${scenario.story}`, async () => {
    for (const seed of SEEDS) await assertHolds(scenario, seed);
  });
}

async function assertHolds(scenario: Scenario, seed: number): Promise<void> {
  const { violation } = await runOnce(scenario, { seed });
  if (violation === undefined) return;
  const again = `npm run sim -- --scenario ${scenario.name} --first-seed ${seed} --seeds 1`;
  assert.fail(`seed ${seed}: ${violation.invariant}: ${violation.detail}\n${again}`);
}

test("[S4] the incident: the old settings take about eight minutes, ours seconds, from the same seed", async () => {
  const steadyMs: number[] = [];
  for (let seed = 1; seed <= 20; seed++) {
    const { old, ours } = await oldAndOurs(seed);
    steadyMs.push(old.steadyMs);
    const about = `seed ${seed}: npm run sim -- --scenario incident-cn-2702-003 --first-seed ${seed} --seeds 1`;
    assertThatDay(old, about);
    assert.ok((ours.promotedMs ?? Number.POSITIVE_INFINITY) < 5_000, about);
    // The first command after the fault may itself come later than the fault by a gap; it then
    // takes what it always takes.
    assert.ok(ours.steadyMs < 30_000, `${about}\nours was steady after ${ours.steadyMs} ms`);
    assert.ok(ours.slowestMs < 5_000 && ours.givenUp === 0, about);
    assert.ok(ours.offeredPeakPerSecond <= ours.capacityPerSecond + 1, about);
  }
  const medianMs = steadyMs.sort((one, other) => one - other)[steadyMs.length / 2] as number;
  assert.ok(medianMs > 7 * MINUTE_MS && medianMs < 9 * MINUTE_MS, `median ${medianMs} ms`);
});

/** Eight minutes, give or take what an unlucky storm takes, for the three reasons. */
function assertThatDay(old: IncidentTimelines["old"], about: string): void {
  const { declaredMs = Number.POSITIVE_INFINITY, promotedMs } = old;
  assert.ok(old.steadyMs > 6 * MINUTE_MS && old.steadyMs < 11 * MINUTE_MS, `${about}\n${old.steadyMs} ms`);
  assert.ok(declaredMs >= 4 * MINUTE_MS && declaredMs < 4.2 * MINUTE_MS, `${about}\ndeclared after ${declaredMs} ms`);
  assert.equal(promotedMs, declaredMs, about);
  assert.ok(old.failuresAtDeclaration > 0 && old.failuresAtDeclaration < LEGACY_SETTINGS.failuresToOpen, about);
  assert.ok(old.backlog > 50 && old.offeredPeakPerSecond >= old.backlog, `${about}\nbacklog ${old.backlog}`);
  // A storm, and not only a queue: the backlog itself would be gone in two minutes.
  assert.ok(
    old.attempts > 1.5 * old.backlog && old.attempts > 2.5 * old.commands,
    `${about}\n${old.attempts} attempts`,
  );
  assert.ok(old.steadyMs - declaredMs > 1_000 * (old.backlog / old.capacityPerSecond) + STEADY_WITHIN_MS, about);
  assert.ok(old.givenUp > 10, about);
}

test("[S4] the incident is told side by side, with the three reasons and their numbers", async () => {
  const text = (await incidentCn2702003.present?.(7)) ?? "";
  for (const part of [/as it was that day +ours/, /1\. The detector/, /2\. The breaker/, /3\. The retry storm/]) {
    assert.match(text, part);
  }
  assert.match(text, /120 timeouts of 2 s in a row/);
  assert.match(text, /\d+ of 50 failures/);
});

test("every scenario can be read before it is run, and found by its name", () => {
  for (const scenario of scenarios) {
    assert.equal(scenarioOf(scenario.name), scenario);
    assert.ok(scenario.story.length > 20 && scenario.expected.length > 0, scenario.name);
    assert.match(scenarioText(scenario), /expected:/);
    const instants = scenario.timeline.map(({ atMs }) => atMs);
    assert.deepEqual(
      instants,
      instants.toSorted((left, right) => left - right),
      scenario.name,
    );
  }
  assert.throws(() => scenarioOf("nothing"), /there are incident-cn-2702-003, /);
});
