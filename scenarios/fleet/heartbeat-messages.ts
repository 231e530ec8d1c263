/**
 * Heartbeats on the simulated wire. In production
 * `gateway/src/adapters/heartbeats/heartbeat-codec.ts` encodes them as signed bytes. Here they
 * travel as objects, so that everything except signature and layout is production code. A corrupted
 * heartbeat is dropped on the way, as the check of its signature would drop it.
 */
import type { StationBeat } from "../../gateway/src/fleet/heartbeat-sessions.ts";

/** The port on which gateways receive heartbeats, and stations receive challenges. */
export const HEARTBEAT_PORT = 7071;

/** A heartbeat, or the gateway's answer to one that begins a session. */
export type HeartbeatMessage =
  | { readonly label: string; readonly type: "beat"; readonly beat: StationBeat }
  | { readonly label: string; readonly type: "challenge"; readonly beat: StationBeat; readonly challenge: string };

export function beatMessage(beat: StationBeat): HeartbeatMessage {
  return { label: `beat ${beat.sequence}`, type: "beat", beat };
}

export function challengeMessage(beat: StationBeat, challenge: string): HeartbeatMessage {
  return { label: `challenge to ${beat.sequence}`, type: "challenge", beat, challenge };
}
