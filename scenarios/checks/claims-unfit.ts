/**
 * For the tests of the checks: makes the running gateway of `fleet` report each of its stations as
 * ineligible, whatever it knows about them.
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
