/**
 * The entry point for servers with Express, and any other that takes middleware of its form.
 *
 * @module ground-station-failover/express
 */

/// <reference lib="esnext.disposable" preserve="true" />

export type { DeadlineOptions, Middleware, MiddlewareRequest, MiddlewareResponse, ShedOptions } from "./middleware.ts";
export { requestDeadline, shedLoad } from "./middleware.ts";
