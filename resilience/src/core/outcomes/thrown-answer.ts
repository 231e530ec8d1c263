/**
 * Finds the HTTP answer that an error was thrown for. Clients that throw for a status put it in
 * many places: as `response.status` (axios, ky), `response.statusCode` (got), the error's own
 * `status` (superagent, SDKs), `$metadata.httpStatusCode` (the AWS SDK v3), `meta.statusCode`
 * (Elasticsearch), `output.statusCode` (Boom), `data.httpStatus` (tRPC). Callers throw the
 * `Response` itself, wrap any of these as the `cause` of an error of their own, or get several at
 * once in an `AggregateError`. If a thrown object is no error and has no headers, it is not taken
 * for an answer, because it may be a body.
 */

import { propertyOf } from "../unknown-value.ts";
import type { Classification } from "./classification.ts";
import { isError, membersOf } from "./error-evidence.ts";

/** Maximum depth in a chain of causes, or of errors in errors. */
const MAX_DEPTH = 5;
/** Maximum number of errors read in total. */
const MAX_LINKS = 256;

/** Properties in which errors keep an answer, or parts of it. */
const PLACES = ["response", "res", "$response", "meta", "$metadata", "output"];
/** Names of the status there, and on errors themselves. */
const STATUS_NAMES = ["status", "statusCode", "httpStatusCode", "httpStatus"];

/** The parts of an answer that were found. */
interface ThrownAnswer {
  readonly status: number;
  readonly headers: unknown;
}

/** The status of an answer, under any of the usual names. */
export function statusOf(answer: unknown): number | undefined {
  const status = propertyOf(answer, "status");
  if (isStatus(status)) return status;
  const statusCode = propertyOf(answer, "statusCode");
  return isStatus(statusCode) ? statusCode : undefined;
}

/** From 100 to 999: the range of a status by RFC 9110, 15. */
export function isStatus(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 100 && value <= 999;
}

/**
 * The answer that `link` is or was thrown for; undefined if there is none. `isThrown`: it was
 * thrown itself, and is not a cause.
 */
export function thrownAnswerOf(link: object, isThrown: boolean): ThrownAnswer | undefined {
  const own = propertyOf(link, "headers");
  for (const place of PLACES) {
    const at = propertyOf(link, place);
    const status = thrownStatusOf(at);
    if (status !== undefined) return { status, headers: propertyOf(at, "headers") ?? own };
  }
  const hasHeaders = typeof own === "object" && own !== null;
  if (isThrown && !hasHeaders && !isError(link)) return undefined;
  // `code` has many meanings; together with headers it is the status of an answer (Kubernetes).
  const status =
    thrownStatusOf(link) ??
    toStatus(propertyOf(propertyOf(link, "data"), "httpStatus")) ??
    (hasHeaders ? toStatus(propertyOf(link, "code")) : undefined);
  return status === undefined ? undefined : { status, headers: own };
}

function thrownStatusOf(answer: unknown): number | undefined {
  for (const name of STATUS_NAMES) {
    const status = toStatus(propertyOf(answer, name));
    if (status !== undefined) return status;
  }
  return undefined;
}

/** Some clients give the text of the status line. */
function toStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return isStatus(status) ? status : undefined;
}

/**
 * The verdict on one link of a chain of errors; undefined if there is none. `isThrown`: it is the
 * outermost link.
 */
type Says = (link: object, isThrown: boolean) => Classification | undefined;

/**
 * The verdict on `error` itself; else the verdict that its members share; else that on its cause;
 * undefined if there is none. Members that disagree (one was refused, one answered 404) give no
 * verdict.
 */
export function judgeLinks(error: unknown, says: Says): Classification | undefined {
  return new Chain(says).judge(error, 0);
}

class Chain {
  readonly #says: Says;
  #left = MAX_LINKS;

  constructor(says: Says) {
    this.#says = says;
  }

  judge(link: unknown, depth: number): Classification | undefined {
    if (typeof link !== "object" || link === null || depth >= MAX_DEPTH || this.#left-- <= 0) return undefined;
    const said = this.#says(link, depth === 0);
    if (said !== undefined) return said;
    const members = membersOf(link);
    if (members !== undefined) return this.#agreed(members, depth);
    return this.judge(propertyOf(link, "cause"), depth + 1) ?? this.judge(propertyOf(link, "networkError"), depth + 1);
  }

  #agreed(members: readonly unknown[], depth: number): Classification | undefined {
    const judged = members.map((member) => this.judge(member, depth + 1));
    const first = judged[0];
    if (!judged.every((judgement) => judgement?.outcome === first?.outcome)) return undefined;
    // If any member may be retried, a retry may help.
    return judged.find((judgement) => judgement?.retry !== false) ?? first;
  }
}
