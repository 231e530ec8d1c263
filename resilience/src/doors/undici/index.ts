/**
 * The entry point for undici. `interceptor.ts` says what is inside an attempt.
 *
 * @module ground-station-failover/undici
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { InterceptorOptions, UndiciInterceptor, UndiciPolicies } from "./interceptor.ts";
export { resilientInterceptor } from "./interceptor.ts";
