/**
 * The way to the service behind a station, for its relay and its checks alike. The service's name
 * is looked up once in half a minute, and its last address is used while no name server answers;
 * without that, five checks a second would each take one of the few threads that lookups have.
 */
import { systemClock } from "ground-station-failover";
import { buildConnector } from "undici";
import { NameCache } from "../adapters/stations/name-cache.ts";
import { NameLookup } from "../adapters/stations/name-lookup.ts";

const names: NameCache = new NameCache({
  nowMs: () => systemClock.nowMs(),
  // The check of the service says what follows from it.
  onChange: () => undefined,
  resolve: new NameLookup({ clock: systemClock }).resolve,
});

/** For `net.connect`. */
export const lookupService: NameCache["lookup"] = names.lookup;

/** For undici. `timeoutMs`: how long a connection may take. Default: undici's 10 s. */
export function connectService(timeoutMs?: number): buildConnector.connector {
  return buildConnector({
    allowH2: false,
    lookup: lookupService,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
  });
}
