/**
 * The gateway of the incident, built in a common way: a heartbeat timeout, a counting breaker, a
 * retry loop. Each part works as designed. The faults are the settings, and what is missing: no
 * retry budget, no ramp after a promotion, no deadline, no check for callers that have hung up.
 *
 *   command ──► circuit closed? ──yes──► attempt at the active station ──answered──► reply
 *                  │ no: wait                   │ error, or 2 minutes: count it, try again at once
 *                  └──◄──────────────────◄──────┘
 *
 * It replaces the real gateway, on the same node with the same sources, stations and network. It
 * reports its attempts to the checks' observers, so that one recorder can watch both.
 */
import { FixedHeartbeatDetector } from "ground-station-failover";
import type { NodeEnv, Program } from "ground-station-failover/sim";
import type { GroupSettings } from "../../gateway/src/fleet/settings.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { HeartbeatMessage } from "../fleet/heartbeat-messages.ts";
import { HEARTBEAT_PORT } from "../fleet/heartbeat-messages.ts";
import { groupPort } from "../fleet/plan.ts";
import { SimUplink } from "../fleet/sim-uplink.ts";
import type { WireReply, WireRequest } from "../fleet/wire.ts";
import { serveWire } from "../fleet/wire.ts";
import type { SystemEvents } from "./recorder.ts";

/** Its settings at the time of the incident. */
export const LEGACY_SETTINGS = {
  /** Of the cross-region path. */
  heartbeatMs: 500,
  timeoutMs: 2_000,
  /**
   * This many timeouts in a row count as an outage: that path was known to come back after two or
   * three minutes.
   */
  timeoutsToDeclare: 120,
  /** Failures since the count began; only an opening of the circuit resets the count. */
  failuresToOpen: 50,
  openMs: 30_000,
  /** Nobody had set a timeout: this is the one of TCP connections. */
  attemptTimeoutMs: 120_000,
} as const;

export function legacyGateway(fleet: Fleet, events: SystemEvents): Program {
  return (env) => {
    const [settings] = fleet.settings.groups as [GroupSettings];
    const gateway = new LegacyGateway(fleet, env, settings, events);
    env.network.onDatagram(HEARTBEAT_PORT, (payload) => {
      const message = payload as HeartbeatMessage;
      if (message.type === "beat") gateway.detector.noteHeartbeat(message.beat.station);
    });
    serveWire(env, groupPort(0), (request) => gateway.deliver(request));
    gateway.watch();
  };
}

class LegacyGateway {
  readonly detector: FixedHeartbeatDetector;
  readonly #env: NodeEnv;
  readonly #events: SystemEvents;
  readonly #stations: readonly SimUplink[];
  #active = 0;
  #timeouts = 0;
  #failures = 0;
  #openUntilMs = Number.NEGATIVE_INFINITY;
  /** Ends every attempt at the station that was active. */
  #moved = new AbortController();
  #held = 0;

  constructor(fleet: Fleet, env: NodeEnv, settings: GroupSettings, events: SystemEvents) {
    const { heartbeatMs, timeoutMs } = LEGACY_SETTINGS;
    this.#env = env;
    this.#events = events;
    this.#stations = settings.stations.map((station) => new SimUplink(fleet, env, settings, station));
    this.detector = new FixedHeartbeatDetector({ clock: env.clock, intervalMs: heartbeatMs, timeoutMs });
  }

  /** Checks the heartbeats once in each timeout. */
  watch(): void {
    const { clock } = this.#env;
    const { timeoutMs, timeoutsToDeclare } = LEGACY_SETTINGS;
    clock.at(clock.nowMs() + timeoutMs, () => this.watch());
    const station = this.#stations[this.#active] as SimUplink;
    this.#timeouts = this.detector.status(station.name) === "down" ? this.#timeouts + 1 : 0;
    if (this.#timeouts < timeoutsToDeclare || this.#active + 1 === this.#stations.length) return;
    this.#events.declared(`${this.#timeouts} timeouts of ${timeoutMs / 1_000} s in a row`);
    this.#active++;
    this.#timeouts = 0;
    this.#events.promoted(this.#held);
    this.#moved.abort(new Error("another station is active"));
    this.#moved = new AbortController();
  }

  /** Tries until the command is answered: none must be lost. */
  async deliver(request: WireRequest): Promise<WireReply> {
    this.#held++;
    try {
      for (;;) {
        const { clock } = this.#env;
        while (clock.nowMs() < this.#openUntilMs) await clock.sleepUntil(this.#openUntilMs);
        const moved = this.#moved;
        try {
          return await this.#attempt(request, moved);
        } catch {
          if (moved === this.#moved) this.#failed();
        }
      }
    } finally {
      this.#held--;
    }
  }

  async #attempt({ method, target, idempotencyKey }: WireRequest, moved: AbortController): Promise<WireReply> {
    const { clock } = this.#env;
    const over = new AbortController();
    const end = (): void => over.abort(new Error("given up"));
    const timer = clock.at(clock.nowMs() + LEGACY_SETTINGS.attemptTimeoutMs, end);
    moved.signal.addEventListener("abort", end, { once: true });
    try {
      const uplink = this.#stations[this.#active] as SimUplink;
      const request = { method, target, headers: [], body: { kind: "none" } } as const;
      const context = { epoch: 0, idempotencyKey, timeLeftMs: Number.POSITIVE_INFINITY, signal: over.signal };
      const { status, json } = await uplink.send(request, context);
      if (status >= 500) throw new Error(`${uplink.name} answered ${status}`);
      return { label: String(status), status, json };
    } finally {
      timer[Symbol.dispose]();
      moved.signal.removeEventListener("abort", end);
    }
  }

  /**
   * The breaker: it counts failures. After a fixed number it lets no call through for a while, and
   * then every call.
   */
  #failed(): void {
    const { failuresToOpen, openMs } = LEGACY_SETTINGS;
    this.#events.counted(++this.#failures);
    if (this.#failures < failuresToOpen) return;
    this.#events.circuitOpened();
    this.#failures = 0;
    this.#openUntilMs = this.#env.clock.nowMs() + openMs;
  }
}
