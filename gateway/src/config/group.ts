/**
 * Turns a group as written into its settings: fills in defaults that depend on other fields, and
 * the health page of each station. The other defaults are in `schema.ts`.
 */

import type { GroupSettings, HeartbeatSettings, StationSettings } from "../fleet/settings.ts";
import { healthPageOf } from "./heartbeat.ts";
import type { WrittenGroup } from "./schema.ts";

type Kind = HeartbeatSettings["kind"];

/** The settings of a group that has no errors. */
export function groupOf(written: WrittenGroup): GroupSettings {
  const { model, windowSize, threshold, logThreshold, ...rest } = written.detector;
  const { minDeviationMs, ceilingMs: writtenCeilingMs, gracePeriodMs, ...supervisor } = rest;
  const { kind, intervalMs } = written.heartbeat;
  const ceilingMs = writtenCeilingMs ?? ceilingOf(kind, intervalMs);
  const { objective: _checked, assume: _assumed, async: asyncCommands, ...others } = written;
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
    asyncCommands,
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
 * Length of silence that is always declared, in ms. A station that misses this many heartbeats
 * serves no caller meanwhile, so the detector must not learn such silences as normal. Datagrams are
 * lost independently: 20 intervals. A probe lost on the network is sent again by TCP, so five
 * unanswered probes are no accident: 5 intervals. At least one second, because shorter stalls are
 * common.
 */
export function ceilingOf(kind: Kind, intervalMs: number): number {
  return Math.max(1_000, (kind === "http" ? 5 : 20) * intervalMs);
}

/**
 * How long a station may remain unheard after the start, in ms. A station that pushes heartbeats
 * needs time to start beside the gateway. A station that is probed is declared about as soon after
 * the start as later: within two ceilings.
 */
export function gracePeriodOf(kind: Kind, ceilingMs: number): number {
  return kind === "http" ? Math.min(5_000, Math.max(2_000, 2 * ceilingMs)) : 5_000;
}

/**
 * Least standard deviation of the heartbeats' spacing, in ms. A process on a busy machine stalls
 * for a tenth of a second now and then, however regular its heartbeats are meant to be; so does the
 * gateway. A detector learns rare stalls only late. Therefore:
 *
 * - The adaptive model reaches level 8 after ten of these deviations at the earliest. So it reaches
 *   it only after an interval and 150 ms (200 ms at 50 ms heartbeats; 300 ms for level 12).
 * - For the normal model, level 8 is 5.6 deviations out. So 50 ms tolerate a stall of 280 ms, and
 *   at 50 ms heartbeats a silence of 330 ms is declared. At long intervals it is a part of the
 *   interval, as in the library.
 */
function leastDeviationMs(model: GroupSettings["detector"]["model"], intervalMs: number): number {
  return model === "adaptive" ? Math.max(20, (intervalMs + 150) / 10) : Math.max(50, intervalMs / 4);
}
