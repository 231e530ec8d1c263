/**
 * The protocols of a proxy: for each one the types of toxic that it knows, and how it is opened.
 * Everything else (names, the list of toxics, the control API) is the same for all.
 */
import { openTcpProxy } from "./tcp/tcp-proxy.ts";
import { TCP_TOXIC_TYPES } from "./tcp/toxic-types.ts";
import type { OpenProxyFunction } from "./toxic.ts";
import type { ToxicTypes } from "./toxic-type.ts";
import { UDP_TOXIC_TYPES } from "./udp/toxic-types.ts";
import { openUdpProxy } from "./udp/udp-proxy.ts";

export type Protocol = "tcp" | "udp";

export interface ProtocolParts {
  readonly types: ToxicTypes;
  /** TLS is given to TCP's alone. */
  readonly open: OpenProxyFunction;
}

export const PROTOCOLS: Readonly<Record<Protocol, ProtocolParts>> = {
  tcp: { types: TCP_TOXIC_TYPES, open: openTcpProxy },
  udp: { types: UDP_TOXIC_TYPES, open: openUdpProxy },
};
