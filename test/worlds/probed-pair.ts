/**
 * The gateway of one group, `atlantic`, in virtual time and without a socket: two stations whose
 * health pages are asked for. For tests of what shows or ends what such a gateway does.
 */
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { compose, type Gateway, type GatewayParts } from "../../gateway/src/compose.ts";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import type { Uplink } from "../../gateway/src/fleet/uplink.ts";

const SOURCE = `
groups:
  - name: atlantic
    listen: 127.0.0.1:0
    heartbeat: { kind: http, interval: 50ms, path: / }
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
`;

export interface ProbedPair {
  readonly gateway: Gateway;
  readonly clock: VirtualClock;
  /** Names of the stations whose health pages do not answer. */
  readonly silent: Set<string>;
}

/** `send`: what a station answers to a command. Default: there are none. */
export function probedPair(
  send: (station: string, ...sent: Parameters<Uplink["send"]>) => ReturnType<Uplink["send"]> = () =>
    Promise.reject(new Error("no commands here")),
  parts: Pick<GatewayParts, "onCommand" | "initialActive"> = {},
): ProbedPair {
  const { settings } = parseConfiguration(SOURCE, "fleet.yaml", { environment: {}, readFile: () => "" });
  const clock = new VirtualClock();
  const silent = new Set<string>();
  const gateway = compose({
    settings,
    clock,
    random: seededRandom(1),
    challengeOf: () => "unused",
    uplink: (_group, { name }) => ({
      name,
      send: (...sent) => send(name, ...sent),
      probe: () => (silent.has(name) ? Promise.reject(new Error("silent")) : Promise.resolve(200)),
    }),
    ...parts,
  });
  return { gateway, clock, silent };
}
