/**
 * Errors of the simulated network, with the codes and words that Node gives on Linux, so that
 * production code that distinguishes them is tested unchanged. Silence has no error of its own: one
 * side has to give up first.
 */
import type { Address } from "./direction.ts";

/**
 * `ECONNREFUSED`: the machine is up, but no process listens. `ECONNRESET`: the other end no longer
 * exists. `ETIMEDOUT`: no answer came. `EADDRINUSE`: another listener has this port.
 */
export type NetworkErrorCode = "ECONNREFUSED" | "ECONNRESET" | "ETIMEDOUT" | "EADDRINUSE";

/**
 * An error of the simulated network.
 *
 * @example
 * ```ts
 * import { NetworkError, World } from "ground-station-failover/sim";
 *
 * const world = new World({ seed: 7 });
 * let code = "";
 * world.node("south", () => {}).start();
 * const north = world.node("north", async ({ network }) => {
 *   const connection = network.connect({ node: "south", port: 80 });
 *   const error = await connection.catch((reason: unknown) => reason);
 *   if (error instanceof NetworkError) code = error.code;
 * });
 * north.start();
 * await world.run(1_000);
 * console.log(code); // ECONNREFUSED
 * ```
 */
export class NetworkError extends Error {
  readonly code: NetworkErrorCode;

  constructor(code: NetworkErrorCode, during: string, address: Address) {
    super(`${during} ${code} ${address.node}:${address.port}`);
    this.name = "NetworkError";
    this.code = code;
  }
}
