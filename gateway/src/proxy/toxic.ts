/**
 * What every part of the fault proxy means by a toxic and by a proxy that is open. The names are
 * Toxiproxy's, because its clients read them. A toxic belongs to one proxy and one direction; the
 * toxics of a direction form a chain, in the order in which they were added.
 */

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
   */
  setToxics(toxics: readonly Toxic[]): void;
  /** Closes the listener and every connection; resolves when the port is free again. */
  close(): Promise<void>;
}
