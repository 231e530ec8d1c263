/**
 * What a request, or a call of the library, is refused with: Toxiproxy's texts and status codes,
 * since its clients compare them. An error that is none of these is answered with 500 and its own
 * text.
 */

/**
 * A fault proxy refuses what it was asked for.
 *
 * @example
 * ```ts
 * import { FaultProxies, FaultProxyError } from "@ground-station-failover/gateway/proxy";
 *
 * await using proxies = await FaultProxies.start();
 * const proxy = await proxies.create({ upstream: "127.0.0.1:9" });
 * try {
 *   await proxy.add({ type: "bandwidth", rate: -1 });
 * } catch (error) {
 *   console.log(error instanceof FaultProxyError && error.status); // 400
 * }
 * ```
 */
export class FaultProxyError extends Error {
  /** The status code of HTTP that the control API answers: 400, 404, 409 or 413. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "FaultProxyError";
    this.status = status;
  }
}

export function badBody(why: string): FaultProxyError {
  return new FaultProxyError(400, `bad request body: ${why}`);
}

export function missingField(what: string): FaultProxyError {
  return new FaultProxyError(400, `missing required field: ${what}`);
}

export const invalidStream = (): FaultProxyError =>
  new FaultProxyError(400, "stream was invalid, can be either upstream or downstream");
export const invalidToxicType = (): FaultProxyError => new FaultProxyError(400, "invalid toxic type");
export const proxyNotFound = (): FaultProxyError => new FaultProxyError(404, "proxy not found");
export const toxicNotFound = (): FaultProxyError => new FaultProxyError(404, "toxic not found");
export const proxyExists = (): FaultProxyError => new FaultProxyError(409, "proxy already exists");
export const toxicExists = (): FaultProxyError => new FaultProxyError(409, "toxic already exists");
