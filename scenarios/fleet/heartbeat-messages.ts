/**
 * Heartbeats on the simulated wire. In production
 * `gateway/src/adapters/heartbeats/heartbeat-codec.ts` puts them into signed bytes; here they
 * travel as they are, so that everything that is not signature and layout is the code that ships. A
 * corrupted one is dropped on the way, as a signature would have it.
 */
import type { StationBeat } from "../../gateway/src/fleet/heartbeat-sessions.ts";

/** Where gateways hear heartbeats, and stations challenges. */
export const HEARTBEAT_PORT = 7071;

/** A heartbeat, or what a gateway answers to one that begins a session. */
export type HeartbeatMessage =
  | { readonly label: string; readonly type: "beat"; readonly beat: StationBeat }
  | { readonly label: string; readonly type: "challenge"; readonly beat: StationBeat; readonly challenge: string };

export function beatMessage(beat: StationBeat): HeartbeatMessage {
  return { label: `beat ${beat.sequence}`, type: "beat", beat };
}

export function challengeMessage(beat: StationBeat, challenge: string): HeartbeatMessage {
  return { label: `challenge to ${beat.sequence}`, type: "challenge", beat, challenge };
}
