/**
 * How soon the silence of a probed station is declared with a configuration that says only the
 * health page: in a steady state, right after the start, and for a station that was never there. On
 * the virtual clock, to the millisecond.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { compose, type GatewayEvent } from "../../gateway/src/compose.ts";
import { parseConfiguration } from "../../gateway/src/config/config.ts";

const SOURCE = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, path: /healthz }
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
`;

interface Run {
  /** From the primary's end until it was declared down; undefined where it was not. */
  readonly declaredAfterMs: number | undefined;
  /** Declarations against stations that were alive. */
  readonly mistakes: number;
  readonly active: string;
}

/** The primary answers within `answerMs`, or never, and ends at `endMs`, in its own way. */
async function run(endMs: number, how: "refuses" | "hangs", answerMs: () => number, lastMs: number): Promise<Run> {
  const clock = new VirtualClock();
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const gateway = compose({
    settings: parseConfiguration(SOURCE, "fleet.yaml", { environment: {}, readFile: () => "" }).settings,
    clock,
    random: seededRandom(1),
    challengeOf: () => "unused",
    uplink: (_group, { name }) => ({
      name,
      send: () => Promise.reject(new Error("no commands here")),
      async probe(_page, signal) {
        const isDead = (): boolean => name === "primary" && clock.nowMs() >= endMs;
        if (isDead() && how === "refuses") throw refused;
        await clock.sleepUntil(clock.nowMs() + answerMs());
        if (!isDead()) return 200;
        return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    }),
  });
  const events: GatewayEvent[] = [];
  gateway.onEvent((event) => events.push(event));
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  await clock.advanceTo(lastMs);
  const active = gateway.groups.get("atlantic")?.activeStation as string;
  stop.abort();
  await running;
  const down = events.flatMap((event) => (event.type === "declaration" && event.to === "down" ? [event] : []));
  const own = down.find((event) => event.node === "primary" && event.atMs >= endMs);
  return {
    declaredAfterMs: own === undefined ? undefined : own.atMs - endMs,
    mistakes: down.length - (own === undefined ? 0 : 1),
    active,
  };
}

for (const how of ["refuses", "hangs"] as const) {
  test(`probed station dies and ${how} → declared within 1.2 s in steady state, 2 s right after the start`, async () => {
    const random = seededRandom(how);
    const answerMs = (): number => 2 + 6 * random.next();
    const afterMs = async (endMs: number): Promise<number> => {
      const { declaredAfterMs, mistakes, active } = await run(endMs, how, answerMs, endMs + 20_000);
      assert.deepEqual([mistakes, active], [0, "backup"], `dead at ${endMs} ms`);
      return declaredAfterMs as number;
    };
    const steady = await Promise.all([60_010, 120_090, 180_170, 600_050].map(afterMs));
    const early = await Promise.all([0, 100, 350, 1_010, 1_190, 2_050, 3_100, 5_170].map(afterMs));
    const shown = `steady ${steady.map(Math.round)}, early ${early.map(Math.round)} ms`;
    assert.ok(Math.max(...steady) <= 1_200, shown);
    assert.ok(Math.max(...early) <= 2_001, shown);
    assert.ok(Math.max(...early) <= 2 * Math.max(1_000, ...steady), shown);
  });
}

test("probed stations that answer within 0.3 s and now and then within 0.7 s → never declared in an hour", async () => {
  const random = seededRandom("slow pages");
  const answerMs = (): number => (random.next() < 0.01 ? 700 * random.next() : 300 * random.next());
  const { mistakes, active } = await run(3_600_000, "refuses", answerMs, 3_600_000);
  assert.deepEqual([mistakes, active], [0, "primary"]);
});
