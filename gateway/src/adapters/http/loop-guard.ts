/**
 * Whether a request has been here before: a station whose address leads back to a listener of the
 * gateway that sends to it makes each request go round until something gives way. Each hop writes a
 * name of its own into `CDN-Loop` (RFC 8586), and refuses what carries it already. The name is
 * drawn at the start, so that nobody outside knows it; two groups of one process have two, because
 * a group in front of another one is no loop. Probes and questions about keys carry it, too: to the
 * listener that they may reach they are commands.
 */
import { randomBytes } from "node:crypto";
import { RefusedRequest, refusal } from "../../fleet/problem.ts";
import { type RawHeaders, rawValues } from "./http-headers.ts";

export const LOOP_HEADER = "cdn-loop";

export class LoopGuard {
  /** Written to what goes on. */
  readonly name: string;

  constructor(name: string = `gsf-${randomBytes(8).toString("hex")}`) {
    this.name = name;
  }

  /** Throws {@link RefusedRequest} where a request with these fields has been here before. */
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
