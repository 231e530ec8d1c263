/**
 * The entry point for tests that want a fault proxy in their own process: the proxies and toxics of
 * `gsf proxy`, held by the test.
 *
 * @module @ground-station-failover/gateway/proxy
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { DelayDistribution } from "./distribution.ts";
export type { LoggedEvent } from "./event-log.ts";
export type { FaultProxiesOptions, FaultProxyOptions } from "./fault-proxies.ts";
export { FaultProxies, FaultProxy, FaultToxic } from "./fault-proxies.ts";
export { FaultProxyError } from "./fault-proxy-error.ts";
export type { TlsSettings } from "./managed-proxy.ts";
export type { Protocol } from "./protocols.ts";
export type { ToxicRamp, ToxicSchedule } from "./timed-toxic.ts";
export type { TlsFault } from "./tls/certificates.ts";
export type { ProxyEvent, Stream, StreamCounts } from "./toxic.ts";
export type { CommonToxicOptions, ToxicOptions, ToxicUpdate } from "./toxic-options.ts";
