/**
 * Detects requests that have passed through here before. If a station's address leads back to a
 * listener of the gateway that sends to it, each request goes round until some limit is hit. Each
 * listener writes its own name into `CDN-Loop` (RFC 8586) and refuses requests that already carry
 * it. The name is random, so that no outsider knows it. Two groups of one process have two names,
 * because one group in front of another is not a loop. Probes and outcome queries carry the name
 * too: a listener that they reach would take them for commands.
 */
import { randomBytes } from "node:crypto";
import { RefusedRequest, refusal } from "../../fleet/problem.ts";
import { type RawHeaders, rawValues } from "./http-headers.ts";

export const LOOP_HEADER = "cdn-loop";

export class LoopGuard {
  /** The name that is written to forwarded requests. */
  readonly name: string;

  constructor(name: string = `gsf-${randomBytes(8).toString("hex")}`) {
    this.name = name;
  }

  /**
   * Throws {@link RefusedRequest} if a request with these fields has passed through here before.
   */
  refuseReturned(raw: RawHeaders): void {
    for (const value of rawValues(raw, LOOP_HEADER)) {
      if (!value.includes(this.name)) continue;
      // A list; each member may have parameters.
      if (value.split(",").some((member) => member.split(";", 1)[0]?.trim() === this.name)) throw LOOP;
    }
  }
}

const LOOP = new RefusedRequest(
  refusal(508, "LOOP_DETECTED", "this request has been here before: the url of a station leads back to this listener"),
);
