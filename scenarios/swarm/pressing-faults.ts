/**
 * Faults for a group under pressure: several stations that fail some calls and delay others for a
 * long time, all of them at once, a process that crashes in the middle of it, heartbeats that come
 * and go, a gateway that stands still. The outcome depends on how each single attempt ends.
 */
import type { Random } from "ground-station-failover";
import type { LinkFault, PauseFault } from "ground-station-failover/sim";
import { between, logUniform, pick, wholeBetween } from "ground-station-failover/sim";
import type { FleetFault, ServiceFault } from "../fleet/plan.ts";
import { GATEWAY, stationNode } from "../fleet/plan.ts";
import type { Stage } from "./faults.ts";
import {
  drawEngineFaults,
  drawOperator,
  drawStation,
  drawSurges,
  drawTimes,
  family,
  MODES,
  milliseconds,
  stationsOf,
} from "./faults.ts";

const MOSTLY_SLOW: readonly ServiceFault["mode"][] = [...MODES, "slow", "slow"];

export function drawPressingFaults(random: Random, stage: Stage): FleetFault[] {
  const service = random.fork("service");
  const count = wholeBetween(service, 2, 10);
  return [
    ...Array.from({ length: count }, (): ServiceFault => {
      const mode = pick(service, MOSTLY_SLOW);
      const delayMs = milliseconds(logUniform(service, 50, 5_000));
      const rate = Math.round(between(service, 0.1, 1) * 100) / 100;
      const times = drawTimes(service, stage);
      const forMs = Math.min(Math.max(times.forMs, 2_000), stage.untilMs - times.atMs);
      const at = drawStation(service, stage);
      return { kind: "service", ...at, atMs: times.atMs, forMs, mode, rate, ...(mode === "slow" ? { delayMs } : {}) };
    }),
    ...family(random.fork("blackout"), (draws) => drawBlackout(draws, stage)),
    ...family(random.fork("stalls"), (draws) => drawStalls(draws, stage)),
    ...family(random.fork("flutter"), (draws) => drawFlutter(draws, stage)),
    ...family(random.fork("stumbles"), (draws) => drawStumbles(draws, stage)),
    ...family(random.fork("lines"), (draws) =>
      drawEngineFaults(draws, stage).filter((fault) => fault.kind !== "drift" && fault.kind !== "wall-step"),
    ).slice(0, 12),
    ...family(random.fork("operator"), (draws) => drawOperator(draws, stage, [])),
    ...family(random.fork("surge"), (draws) => drawSurges(draws, stage)),
  ];
}

/**
 * Every station of every group hangs at the same time, and recovers at about the same time: a queue
 * is left behind.
 */
function drawBlackout(random: Random, stage: Stage): ServiceFault[] {
  const atMs = milliseconds(between(random, stage.fromMs, stage.untilMs - 4_000));
  const mode = pick(random, ["hang", "hang", "errors"] as const);
  return stage.groups.flatMap(({ name }) =>
    stationsOf(stage.configuration, name).map((station): ServiceFault => {
      const forMs = Math.min(milliseconds(between(random, 500, 6_000)), stage.untilMs - atMs);
      return { kind: "service", group: name, station, atMs, forMs, mode, rate: 1 };
    }),
  );
}

/** The gateway stands still at times, with commands whose time runs out meanwhile. */
function drawStalls(random: Random, stage: Stage): PauseFault[] {
  return Array.from({ length: wholeBetween(random, 1, 5) }, () => ({
    kind: "pause",
    node: GATEWAY,
    atMs: milliseconds(between(random, stage.fromMs, stage.untilMs - 100)),
    forMs: milliseconds(logUniform(random, 30, 6_000)),
  }));
}

/**
 * The heartbeats of one station come and go: silences of a few heartbeats, and single heartbeats
 * between them.
 */
function drawFlutter(random: Random, stage: Stage): LinkFault[] {
  const { group, station } = drawStation(random, stage);
  const beatMs = logUniform(random, 50, 1_000);
  const cuts: LinkFault[] = [];
  let atMs = between(random, stage.fromMs, (stage.fromMs + stage.untilMs) / 2);
  for (let cut = 0; cut < 12 && atMs < stage.untilMs - 100; cut++) {
    const forMs = milliseconds(Math.min(beatMs * between(random, 2, 9), stage.untilMs - atMs));
    const conditions = { cut: true };
    cuts.push({
      kind: "link",
      from: stationNode(group, station),
      to: GATEWAY,
      conditions,
      atMs: milliseconds(atMs),
      forMs,
    });
    atMs += forMs + beatMs * between(random, 0.5, 2);
  }
  return cuts;
}

/**
 * One station fails whatever it is sent, and its process crashes again and again: refusals between
 * other failures.
 */
function drawStumbles(random: Random, stage: Stage): FleetFault[] {
  const { group, station } = drawStation(random, stage);
  const lastsMs = between(random, 1_500, 6_000);
  const atMs = milliseconds(between(random, stage.fromMs, Math.max(stage.fromMs + 1, stage.untilMs - lastsMs)));
  const untilMs = Math.min(atMs + lastsMs, stage.untilMs - 200);
  const everyMs = logUniform(random, 50, 400);
  const mode = pick(random, ["errors", "busy", "lying-200"] as const);
  const faults: FleetFault[] = [
    { kind: "service", group, station, atMs, forMs: milliseconds(untilMs - atMs), mode, rate: 1 },
  ];
  for (let fallsMs = atMs + everyMs / 2; fallsMs < untilMs; fallsMs += everyMs * between(random, 0.5, 1.5)) {
    const forMs = milliseconds(Math.min(logUniform(random, 15, 150), everyMs / 2));
    faults.push({ kind: "crash", node: stationNode(group, station), how: "kill", atMs: milliseconds(fallsMs), forMs });
  }
  return faults;
}
