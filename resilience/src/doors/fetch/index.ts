/**
 * The entry point for a guarded `fetch`. `resilient-fetch.ts` says what is inside an attempt.
 *
 * @module ground-station-failover/fetch
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { FetchCallOptions, FetchOptions, FetchPolicies, ResilientFetch, ResilientRequestInit } from "./options.ts";
export { resilientFetch } from "./resilient-fetch.ts";
