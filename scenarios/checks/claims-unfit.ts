/**
 * For tests of the checks: has the running gateway of `fleet` say of each of its stations that it
 * is ineligible, whatever it knows.
 */
import type { Fleet } from "../fleet/fleet.ts";

export function claimsUnfit(fleet: Fleet, claims: { readonly doubted?: boolean } = {}): void {
  for (const group of fleet.gateway?.gateway.groups.values() ?? []) {
    const status = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(group) as object, "status")?.get;
    Object.defineProperty(group, "status", {
      get: () => {
        const now = status?.call(group) as typeof group.status;
        const stations = now.stations.map((station) => ({
          ...station,
          assessment: { ...station.assessment, eligible: false },
          doubted: claims.doubted === true ? station.active : station.doubted,
        }));
        return { ...now, stations };
      },
    });
  }
}
