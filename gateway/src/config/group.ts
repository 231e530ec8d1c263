/**
 * From a group as written to its settings: defaults that depend on other fields, and the health
 * page of each station. The other defaults stand in `schema.ts`.
 */

import type { GroupSettings, HeartbeatSettings, StationSettings } from "../fleet/settings.ts";
import { healthPageOf } from "./heartbeat.ts";
import type { WrittenGroup } from "./schema.ts";

type Kind = HeartbeatSettings["kind"];

/** The settings of a group in which nothing is wrong. */
export function groupOf(written: WrittenGroup): GroupSettings {
  const { model, windowSize, threshold, logThreshold, ...rest } = written.detector;
  const { minDeviationMs, ceilingMs: writtenCeilingMs, gracePeriodMs, ...supervisor } = rest;
  const { kind, intervalMs } = written.heartbeat;
  const ceilingMs = writtenCeilingMs ?? ceilingOf(kind, intervalMs);
  const { objective: _checked, ...others } = written;
  return {
    ...others,
    stations: stationsOf(written),
    heartbeat: heartbeatOf(written),
    detector: {
      model,
      ...(windowSize === undefined ? {} : { windowSize }),
      threshold,
      logThreshold,
      minDeviationMs: minDeviationMs ?? leastDeviationMs(model, intervalMs),
      ceilingMs,
    },
    supervisor: { ...supervisor, gracePeriodMs: gracePeriodMs ?? gracePeriodOf(kind, ceilingMs) },
    probePath: written.probePath,
  };
}

function stationsOf({ stations, heartbeat }: WrittenGroup): StationSettings[] {
  return stations.map(({ heartbeat: own, secretFile: _files, secretEnv: _variables, ...station }) => {
    const page = heartbeat.kind === "http" ? healthPageOf(station.url, heartbeat.page, own) : undefined;
    return page === undefined ? station : { ...station, healthPage: page };
  });
}

function heartbeatOf({ heartbeat }: WrittenGroup): HeartbeatSettings {
  if (heartbeat.kind === "udp") return heartbeat;
  const { kind, intervalMs, timeoutMs, page } = heartbeat;
  return { kind, intervalMs, timeoutMs, path: page.path };
}

/**
 * Silence that is always declared. A station that misses so many heartbeats serves nobody
 * meanwhile, alive or not; so it is no use to learn that it happens. Datagrams are lost one by one:
 * 20 intervals. A probe that is lost on the way is sent again by TCP, so that five which stay
 * unanswered are no accident. A second at least: shorter stalls are ordinary.
 */
export function ceilingOf(kind: Kind, intervalMs: number): number {
  return Math.max(1_000, (kind === "http" ? 5 : 20) * intervalMs);
}

/**
 * How long a station may be never heard from. One that pushes needs time to start beside the
 * gateway. One that is probed is declared about as soon right after the start as later: within two
 * ceilings.
 */
function gracePeriodOf(kind: Kind, ceilingMs: number): number {
  return kind === "http" ? Math.min(5_000, Math.max(2_000, 2 * ceilingMs)) : 5_000;
}

/**
 * A process on a busy machine stalls for a tenth of a second now and then, however regular its
 * heartbeats are meant to be, and so does this one. Rare stalls are learned late: so the adaptive
 * model, which reaches level 8 after ten of these at the soonest, does not before an interval and
 * 150 ms are over (200 ms at 50 ms heartbeats; 300 ms for level 12). For the normal model level 8
 * lies 5.6 deviations out, so that 50 ms bear a stall of 280 ms, and at 50 ms heartbeats a silence
 * of 330 ms is declared; at long intervals it is a share of them, as in the library.
 */
function leastDeviationMs(model: GroupSettings["detector"]["model"], intervalMs: number): number {
  return model === "adaptive" ? Math.max(20, (intervalMs + 150) / 10) : Math.max(50, intervalMs / 4);
}
