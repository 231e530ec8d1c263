/**
 * What Prometheus is told: of a group whose primary falls silent, and of one that nobody has used
 * yet.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { StationStatus } from "ground-station-failover";
import { probedPair } from "../../../../test/worlds/probed-pair.ts";
import type { GroupStatus } from "../../fleet/group.ts";
import { HeldMemory } from "../../fleet/held-memory.ts";
import type { RecordStoreStatus } from "../../fleet/record-store.ts";
import { GatewayMetrics } from "./metrics.ts";

test("states are read when asked for; declarations, promotions and commands are counted", async () => {
  const { gateway, clock, silent } = probedPair(undefined, {
    onCommand: (group, outcome, elapsedMs) => metrics.noteCommand(group, outcome, elapsedMs),
  });
  const metrics = new GatewayMetrics({
    groups: gateway.groups,
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
  has('gsf_station_liveness{group="atlantic",station="primary",liveness="down"} 1');
  has('gsf_station_liveness{group="atlantic",station="backup",liveness="alive"} 1');
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

/**
 * Metrics of a gateway that nobody has used yet, a way to read one series of them, and to change
 * the status.
 */
function unused() {
  const { gateway } = probedPair();
  const now: { group: Partial<GroupStatus>; station: Partial<StationStatus> } = { group: {}, station: {} };
  const group = {
    get status(): GroupStatus {
      const status = gateway.status()["atlantic"] as GroupStatus;
      return { ...status, ...now.group, stations: status.stations.map((one) => ({ ...one, ...now.station })) };
    },
    quality: () => gateway.groups.get("atlantic")?.quality() ?? {},
  };
  const memory = new HeldMemory({ maxBytes: 1_000 });
  const listeners = {
    atlantic: {
      unserved: { refused: 1, caller: 2, failed: 0 },
      connections: { open: 3, max: Number.POSITIVE_INFINITY },
      tooSlow: { head: 4, body: 5 },
    },
  };
  const metrics = new GatewayMetrics({
    groups: new Map([["atlantic", group]]),
    heartbeats: () => ({}),
    memory: () => memory.status,
    listeners: () => listeners,
    state: () => STATE,
  });
  const read = async (series: string): Promise<number | undefined> => {
    const lines = (await metrics.text()).split("\n");
    const value = lines.find((line) => line.startsWith(`${series} `))?.split(" ")[1];
    return value === undefined ? undefined : Number(value === "+Inf" ? "Infinity" : value);
  };
  return { metrics, now, memory, read };
}

const FROM_THE_START = [
  'gsf_declarations_total{group="atlantic",station="primary",to="down"}',
  'gsf_promotions_total{group="atlantic",station="backup",cause="failure"}',
  'gsf_promotions_total{group="atlantic",station="primary",cause="failback"}',
  'gsf_breaker_transitions_total{group="atlantic",station="primary",to="half-open"}',
  'gsf_doubted_total{group="atlantic",station="primary"}',
  'gsf_capacity_learned_total{group="atlantic",station="backup"}',
  'gsf_name_conflicts_total{group="atlantic",station="primary"}',
  'gsf_station_name_conflict{group="atlantic",station="primary"}',
  'gsf_streams_cut_total{group="atlantic",station="primary",reason="down"}',
  'gsf_streams_cut_total{group="atlantic",station="backup",reason="replaced"}',
  'gsf_abstentions_total{group="atlantic",reason="observer-stall"}',
  'gsf_nobody_fit_total{group="atlantic"}',
  'gsf_overload_total{group="atlantic"}',
  'gsf_local_shortage_total{group="atlantic",code="EMFILE"}',
  'gsf_local_shortage_total{group="atlantic",code="other"}',
  'gsf_commands_total{group="atlantic",outcome="OVERLOADED"}',
  'gsf_commands_total{group="atlantic",outcome="AMBIGUOUS_OUTCOME"}',
  'gsf_commands_ended_total{group="atlantic",how="refused"}',
  'gsf_attempts_total{group="atlantic",why="hedge"}',
  'gsf_attempts_total{group="atlantic",why="elsewhere"}',
  'gsf_command_duration_seconds_count{group="atlantic"}',
];

test("every code that a caller can get at the end of a command has a series of its own", async () => {
  const { metrics, read } = unused();
  const table =
    readFileSync(new URL("../../fleet/problem.ts", import.meta.url), "utf8").match(/^ \* \| [A-Z_]{4,} /gm) ?? [];
  const codes = table.map((row) => row.replace(/[ *|]/g, ""));
  assert.ok(codes.length >= 11 && codes.includes("UNREADABLE_REPLY"), codes.join());
  for (const code of [...codes, "REQUEST_TOO_SLOW", "REQUEST_TOO_LARGE", "CALL_ABORTED"]) {
    const series = `gsf_commands_total{group="atlantic",outcome="${code}"}`;
    assert.equal(await read(series), 0, code);
    metrics.noteCommand("atlantic", code, 1);
    assert.equal(await read(series), 1, code);
  }
  assert.equal(await read('gsf_commands_total{group="atlantic",outcome="other"}'), 0);
});

test("a gateway that nobody has used → every counter exists at 0", async () => {
  const { read } = unused();
  for (const series of FROM_THE_START) assert.equal(await read(series), 0, series);
});

const STATE: RecordStoreStatus = {
  state: "open",
  bytes: 1,
  maxBytes: 2,
  pendingCommits: 0,
  pendingBytes: 0,
  lastCommitMs: 3,
  damagedRecords: 0,
};

test("every series is in the guide, and the guide names no other", async () => {
  const { metrics } = unused();
  const guide = readFileSync(new URL("../../../../docs/guide/configuration.md", import.meta.url), "utf8");
  const told = new Set(guide.match(/\bgsf_[a-z_]+\b/g));
  const shown = new Set((await metrics.text()).match(/(?<=^# TYPE )gsf_[a-z_]+/gm));
  assert.ok(shown.size > 30);
  assert.deepEqual([...told].sort(), [...shown].sort());
});

test("each event is counted where its series began", async () => {
  const { metrics, read } = unused();
  const at = { group: "atlantic", station: "primary", atMs: 0 } as const;
  const figures = { windowMs: 1_000, offered: 9, ended: 9, answered: 1, failed: 0, refused: 8, expired: 0, hungUp: 0 };
  metrics.noteEvent({ ...at, type: "doubted", reason: "silent" });
  metrics.noteEvent({ ...at, type: "capacity-learned", limit: 5, ratePerSecond: 60 });
  metrics.noteEvent({ ...at, type: "name-conflict", between: ["10.0.0.1:1", "10.0.0.2:2"] });
  metrics.noteEvent({ ...at, type: "name-conflict-ended", between: ["10.0.0.1:1", "10.0.0.2:2"] });
  metrics.noteEvent({ ...at, type: "streams-cut", reason: "down", streams: 3 });
  assert.equal(await read('gsf_streams_cut_total{group="atlantic",station="primary",reason="down"}'), 3);
  metrics.noteEvent({ ...at, type: "local-shortage", code: "EMFILE" });
  metrics.noteEvent({ ...at, type: "local-shortage", code: "E_NEVER_HEARD_OF" });
  metrics.noteEvent({
    ...at,
    ...figures,
    type: "overload",
    waiting: 3,
    inFlight: 5,
    limit: 5,
    ratePerSecond: 60,
    patienceMs: undefined,
  });
  metrics.noteCommand("atlantic", "OVERLOADED", 3);
  for (const series of [
    'gsf_doubted_total{group="atlantic",station="primary"}',
    'gsf_capacity_learned_total{group="atlantic",station="primary"}',
    'gsf_name_conflicts_total{group="atlantic",station="primary"}',
    'gsf_local_shortage_total{group="atlantic",code="EMFILE"}',
    'gsf_local_shortage_total{group="atlantic",code="other"}',
    'gsf_overload_total{group="atlantic"}',
    'gsf_commands_total{group="atlantic",outcome="OVERLOADED"}',
  ])
    assert.equal(await read(series), 1, series);
  assert.equal(await read('gsf_doubted_total{group="atlantic",station="backup"}'), 0);
});

test("[G10] what callers take is shown, and what was refused to them", async () => {
  const { memory, read } = unused();
  for (const reason of ["total", "caller", "too-large"])
    assert.equal(await read(`gsf_memory_refused_total{reason="${reason}"}`), 0);
  const room = memory.roomFor("10.0.0.1");
  room.take("requests", 500);
  room.takeAnyway("replies", 100);
  memory.roomFor("10.0.0.2").take("requests", 700);
  assert.equal(await read('gsf_memory_held_bytes{kind="requests"}'), 500);
  assert.equal(await read('gsf_memory_held_bytes{kind="replies"}'), 100);
  assert.equal(await read('gsf_memory_held_bytes{kind="events"}'), 0);
  assert.equal(await read("gsf_memory_max_bytes"), 1_000);
  assert.equal(await read('gsf_memory_refused_total{reason="total"}'), 1);
  assert.equal(await read('gsf_group_connections{group="atlantic"}'), 3);
  assert.equal(await read('gsf_group_connections_max{group="atlantic"}'), Number.POSITIVE_INFINITY);
  assert.equal(await read('gsf_connections_unserved_total{group="atlantic",reason="caller"}'), 2);
  assert.equal(await read('gsf_requests_too_slow_total{group="atlantic",part="body"}'), 5);
});

test("what was learned is shown in seconds, and not while it is unknown", async () => {
  const { now, read } = unused();
  const patience = 'gsf_group_caller_patience_seconds{group="atlantic"}';
  const ofPrimary = (name: string): Promise<number | undefined> =>
    read(`gsf_station_${name}{group="atlantic",station="primary"}`);
  assert.equal(await read(patience), undefined);
  assert.equal(await ofPrimary("usual_answer_seconds"), undefined);
  assert.equal(await ofPrimary("overdue_after_seconds"), undefined);
  assert.equal(await ofPrimary("ramp_rate_per_second"), Number.POSITIVE_INFINITY);
  assert.equal(await ofPrimary("doubted"), 0);
  assert.equal(await read('gsf_group_overloaded{group="atlantic"}'), 0);

  now.group = { patienceMs: 1_940, overloaded: true };
  now.station = {
    doubted: true,
    usualAnswerMs: 80,
    overdueAfterMs: 120,
    ramp: { ramping: true, limit: 5, ratePerSecond: 60, inFlight: 5 },
  };
  assert.equal(await read(patience), 1.94);
  assert.equal(await read('gsf_group_overloaded{group="atlantic"}'), 1);
  assert.equal(await ofPrimary("usual_answer_seconds"), 0.08);
  assert.equal(await ofPrimary("overdue_after_seconds"), 0.12);
  assert.equal(await ofPrimary("ramp_limit"), 5);
  assert.equal(await ofPrimary("ramp_rate_per_second"), 60);
  assert.equal(await ofPrimary("doubted"), 1);

  now.group = { patienceMs: undefined };
  assert.equal(await read(patience), undefined, "callers wait longer than was believed");
});

test("[G10] a thousand groups → others are served while the page is written, and each metric is named once", async () => {
  const { gateway } = probedPair();
  const group = gateway.groups.get("atlantic");
  assert.ok(group);
  const groups = new Map(Array.from({ length: 1_000 }, (_, number) => [`group-${number}`, group] as const));
  const metrics = new GatewayMetrics({ groups, heartbeats: () => ({}) });
  let [turns, isOver] = [0, false];
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const lines = (await metrics.text()).split("\n");
  isOver = true;
  assert.ok(turns >= 10, `${turns} turns of the event loop`);
  const named = lines.filter((line) => line.startsWith("# TYPE "));
  assert.equal(named.length, new Set(named).size);
  assert.equal(lines.filter((line) => line.startsWith("gsf_group_epoch{")).length, 1_000);
  assert.equal(lines.filter((line) => line === "").length, named.length, "one blank line behind each metric");
});

test("[G4] a group that has left, and whose commands are not over → no series of it comes back", async () => {
  const { gateway } = probedPair();
  const group = gateway.groups.get("atlantic");
  assert.ok(group);
  const groups = new Map([
    ["atlantic", group],
    ["pacific", group],
  ]);
  const metrics = new GatewayMetrics({ groups, heartbeats: () => ({}) });
  groups.delete("pacific");
  await metrics.follow();
  const abstention = { type: "abstention", reason: "observer-stall", atMs: 0, lateByMs: 90, untilMs: 90 } as const;
  for (const name of ["pacific", "atlantic"]) {
    metrics.noteEvent({ ...abstention, group: name });
    metrics.noteCommand(name, "2xx", 5);
  }
  const text = await metrics.text();
  assert.equal(text.includes("pacific"), false);
  assert.match(text, /^gsf_abstentions_total\{group="atlantic",reason="observer-stall"\} 1$/m);
  assert.match(text, /^gsf_commands_total\{group="atlantic",outcome="2xx"\} 1$/m);
});
