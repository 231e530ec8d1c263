/**
 * The toxics as a program writes them: type and attributes side by side, instead of the nested
 * object of the control API. The attributes' names, units and defaults are Toxiproxy's. Unlike the
 * API, which leaves unknown names out as Toxiproxy does, a misspelt one is refused here.
 */
import { nearestName } from "ground-station-failover/core";
import type { DelayDistribution } from "./distribution.ts";
import { badBody } from "./fault-proxy-error.ts";
import type { ToxicRamp, ToxicSchedule } from "./timed-toxic.ts";
import type { Stream } from "./toxic.ts";
import type { ToxicTypes } from "./toxic-type.ts";

/** What every toxic may have. */
export interface CommonToxicOptions {
  /** Default: `<type>_<stream>`. */
  readonly name?: string;
  /** "both" makes one toxic for each direction. Default "downstream". */
  readonly stream?: Stream | "both";
  /** Share of connections that it applies to, from 0 to 1. Default 1: all. */
  readonly toxicity?: number;
  /** Moves one number over a time. Default: none. */
  readonly ramp?: Omit<ToxicRamp, "from"> & Partial<Pick<ToxicRamp, "from">>;
  /** On and off by turns. Default: always on. */
  readonly schedule?: ToxicSchedule;
  /** Removes itself after so many ms, from 1. Default: it stays. */
  readonly expiresAfter?: number;
}

/** A toxic that a proxy is to have. */
export type ToxicOptions = CommonToxicOptions &
  (
    | {
        readonly type: "latency";
        /** ms, from 0. Default 0. */
        readonly latency?: number;
        /** ms, from 0. Default 0. */
        readonly jitter?: number;
        /** Default "uniform". */
        readonly distribution?: DelayDistribution;
      }
    | {
        readonly type: "bandwidth";
        /** KB/s, a KB is 1000 bytes; from 0. Default 0, which stalls. */
        readonly rate?: number;
        /** UDP only: bytes that may wait, from 0. Default 65,536. */
        readonly queue?: number;
      }
    | {
        readonly type: "slow_close";
        /** ms, from 0. Default 0. */
        readonly delay?: number;
      }
    | {
        readonly type: "timeout" | "reset_peer";
        /** ms, from 0. Default 0: `timeout` never closes, `reset_peer` resets at once. */
        readonly timeout?: number;
      }
    | {
        readonly type: "slicer";
        /** Bytes, from 0. Default 0: single bytes. */
        readonly average_size?: number;
        /** Bytes, from 0. Default 0. */
        readonly size_variation?: number;
        /** Microseconds, from 0. Default 0. */
        readonly delay?: number;
      }
    | {
        readonly type: "limit_data";
        /** Bytes, from 0. Default 0: closes at the first data. */
        readonly bytes?: number;
      }
    | { readonly type: "noop" | "refuse" | "stall_accept" }
    | {
        readonly type: "loss" | "duplicate" | "reorder" | "corrupt";
        /** UDP only: share of datagrams, from 0 to 1. Default 0. */
        readonly rate?: number;
        /** The other attributes of these types: see the guide. */
        readonly [attribute: string]: unknown;
      }
  );

/** What of a toxic may be changed. */
export type ToxicUpdate = Omit<CommonToxicOptions, "name" | "stream"> & Readonly<Record<string, unknown>>;

const COMMON = ["name", "type", "stream", "toxicity", "ramp", "schedule", "expiresAfter"] as const;

/** The body that the control API takes for it. Throws a `FaultProxyError` for an unknown name. */
export function toxicBody(
  given: Readonly<Record<string, unknown>>,
  type: string,
  types: ToxicTypes,
): Readonly<Record<string, unknown>> {
  const common: Record<string, unknown> = {};
  const attributes: Record<string, unknown> = {};
  const known = Object.keys((Object.hasOwn(types, type) ? types[type] : undefined) ?? {});
  for (const [name, value] of Object.entries(given)) {
    if (COMMON.some((one) => one === name)) common[name] = value;
    else if (known.includes(name) || !Object.hasOwn(types, type)) attributes[name] = value;
    else {
      const allowed = [...known, ...COMMON];
      const near = nearestName(name, allowed);
      const hint = near === undefined ? `allowed is one of ${allowed.join(", ")}` : `did you mean ${near}?`;
      throw badBody(`a toxic of type ${type} has no "${name}"; ${hint}`);
    }
  }
  return { ...common, attributes };
}
