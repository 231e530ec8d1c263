/**
 * Connects a station to the service behind it, for its relay and its checks. The service's name is
 * looked up once in half a minute, and its last address is used while no name server answers.
 * Without this cache, five checks a second would each occupy one of the few threads for lookups.
 */
import { systemClock } from "ground-station-failover";
import { buildConnector } from "undici";
import { NameCache } from "../adapters/stations/name-cache.ts";
import { NameLookup } from "../adapters/stations/name-lookup.ts";

const names: NameCache = new NameCache({
  nowMs: () => systemClock.nowMs(),
  // The result of the service's check already shows the consequences.
  onChange: () => undefined,
  resolve: new NameLookup({ clock: systemClock }).resolve,
});

/** For `net.connect`. */
export const lookupService: NameCache["lookup"] = names.lookup;

/** For undici. `timeoutMs`: longest time for a connection. Default: undici's 10 s. */
export function connectService(timeoutMs?: number): buildConnector.connector {
  return buildConnector({
    allowH2: false,
    lookup: lookupService,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  });
}
