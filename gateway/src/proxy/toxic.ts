/**
 * What every part of the fault proxy means by a toxic and by a proxy that is open. The names are
 * Toxiproxy's, because its clients read them. A toxic belongs to one proxy and one direction; the
 * toxics of a direction form a chain, in the order in which they were added.
 */

import type { Clock, Random } from "ground-station-failover";

/** The direction of the data: from the client to the upstream server, or back. */
export type Stream = "upstream" | "downstream";

/** Both directions, in the order in which Toxiproxy lists toxics. */
export const STREAMS: readonly Stream[] = ["upstream", "downstream"];

/** A toxic whose attributes have been checked: each one that its type knows is there. */
export interface Toxic {
  readonly name: string;
  readonly type: string;
  readonly stream: Stream;
  /** The share of connections (TCP) or sessions (UDP) that it is applied to, 0 to 1. */
  readonly toxicity: number;
  readonly attributes: Readonly<Record<string, number | string>>;
}

/** Bytes and datagrams that a proxy has read and written so far, by direction. */
export interface StreamCounts {
  receivedBytes: number;
  sentBytes: number;
}

/** What a proxy did to one connection or session, for the event log. */
export interface ProxyEvent {
  /** For example "connection-opened", "connection-closed", "toxic-applied", "datagram-lost". */
  readonly type: string;
  /** The number of the connection (TCP) or session (UDP), from 1. */
  readonly connection?: number;
  readonly stream?: Stream;
  readonly toxic?: string;
  readonly detail?: string;
}

/** What a proxy needs in order to open; the same for every protocol. */
export interface OpenProxyOptions {
  /** A host name or address; undefined: every address of this machine. */
  readonly host: string | undefined;
  /** 0: any free port. */
  readonly port: number;
  /** host:port. It is looked up for each connection or session, and may not exist yet. */
  readonly upstream: string;
  /** The toxics that are in force from the first connection on. */
  readonly toxics: readonly Toxic[];
  readonly clock: Clock;
  /** Of this proxy alone; each connection or session forks its own stream from it. */
  readonly random: Random;
  readonly onEvent: (event: ProxyEvent) => void;
}

/**
 * Rejects with the error of the operating system if it cannot listen; `code` says why
 * ("EADDRINUSE").
 */
export type OpenProxyFunction = (options: OpenProxyOptions) => Promise<OpenProxy>;

/**
 * A proxy that is listening. Its owner keeps the list of toxics and the name; it only carries data.
 * No method waits for a peer, so a peer that does not read cannot hold the control API up.
 */
export interface OpenProxy {
  /** host:port, resolved: where it listens. */
  readonly address: string;
  readonly counts: Readonly<Record<Stream, StreamCounts>>;
  readonly connections: number;
  /**
   * Replaces the toxics: those of live connections too. `toxics` holds both directions, in order.
   * `change` "ramp": an attribute has moved by a small step; what is held keeps its place, where
   * another update would release it. Resolves when the toxics are in force.
   */
  setToxics(toxics: readonly Toxic[], change?: "ramp"): void | Promise<void>;
  /** Closes the listener and every connection; resolves when the port is free again. */
  close(): Promise<void>;
}
