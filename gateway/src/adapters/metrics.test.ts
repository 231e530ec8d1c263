/** What Prometheus is told of a group whose primary falls silent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, VirtualClock } from "ground-station-failover/sim";
import { compose } from "../compose.ts";
import { parseConfiguration } from "../config.ts";
import { GatewayMetrics } from "./metrics.ts";

const SOURCE = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, interval: 50ms, path: / }
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
`;

test("states are read when asked for; declarations, promotions and commands are counted", async () => {
  const { settings } = parseConfiguration(SOURCE, "fleet.yaml", { environment: {}, readFile: () => "" });
  const clock = new VirtualClock();
  const silent = new Set<string>();
  const gateway = compose({
    settings,
    clock,
    random: seededRandom(1),
    newChallenge: () => "unused",
    uplink: (_group, station) => ({
      name: station.name,
      send: () => Promise.reject(new Error("no commands here")),
      probe: () => (silent.has(station.name) ? Promise.reject(new Error("silent")) : Promise.resolve(200)),
    }),
    onCommand: (group, outcome, elapsedMs) => metrics.noteCommand(group, outcome, elapsedMs),
  });
  const metrics = new GatewayMetrics({
    statusOf: () => gateway.status(),
    qualityOf: () => gateway.quality(),
    heartbeats: () => ({ accepted: 7, forged: 2 }),
  });
  gateway.onEvent((event) => metrics.noteEvent(event));
  const stop = new AbortController();
  const running = gateway.run(stop.signal);
  await clock.advanceBy(10_000);
  silent.add("primary");
  await clock.advanceBy(2_000);
  const group = gateway.groups.get("atlantic");
  const request = { method: "POST", target: "/", headers: [], body: { kind: "none" } } as const;
  const terms = { idempotencyKey: undefined, idempotent: false, timeLeftMs: undefined };
  await assert.rejects(clock.runUntilSettled(group?.handle(request, terms, stop.signal) as Promise<unknown>));

  const text = await metrics.text();
  const has = (line: string): void => assert.ok(text.split("\n").includes(line), `${line}\n\n${text}`);
  has('gsf_group_epoch{group="atlantic"} 2');
  has('gsf_station_active{group="atlantic",station="backup"} 1');
  has('gsf_station_active{group="atlantic",station="primary"} 0');
  has('gsf_station_standing{group="atlantic",station="primary",standing="down"} 1');
  has('gsf_station_standing{group="atlantic",station="backup",standing="alive"} 1');
  has('gsf_declarations_total{group="atlantic",station="primary",to="down"} 1');
  has('gsf_promotions_total{group="atlantic",station="backup",cause="failure"} 1');
  has('gsf_station_breaker_state{group="atlantic",station="backup",state="closed"} 1');
  has('gsf_heartbeats_total{result="accepted"} 7');
  const value = (series: string): number =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(series))
        ?.split(" ")[1],
    );
  const backup = 'group="atlantic",station="backup"';
  assert.ok(Math.abs(value(`gsf_station_heartbeat_interval_mean_seconds{${backup}}`) - 0.05) < 1e-6, text);
  assert.ok(value(`gsf_station_heartbeat_interval_deviation_seconds{${backup}}`) < 1e-6);
  for (const quantile of ["0.5", "0.99", "0.999"]) {
    const gap = value(`gsf_station_heartbeat_gap_seconds{${backup},quantile="${quantile}"}`);
    assert.ok(gap >= 0.05 && gap < 0.053, `${quantile}: ${gap}`);
  }
  has(`gsf_station_false_positives_per_day{${backup}} 0`);
  const detection = value('gsf_station_last_detection_seconds{group="atlantic",station="primary"}');
  assert.ok(
    detection >= 0.3 && detection < 1.1,
    `${detection}: no sooner than level 12 may be, no later than the ceiling`,
  );
  assert.ok(!text.includes(`gsf_station_last_detection_seconds{${backup}}`), "never declared down");
  has('gsf_command_duration_seconds_count{group="atlantic"} 1');
  assert.match(text, /gsf_commands_total\{group="atlantic",outcome="[A-Z_]+"\} 1/);
  assert.match(text, /gsf_station_suspicion_level\{group="atlantic",station="primary"\} [\d.e+]+/);
  assert.equal(await metrics.text().then((again) => /accepted"\} 7\n/.test(again)), true, "scraping twice counts once");
  stop.abort();
  await running;
});
