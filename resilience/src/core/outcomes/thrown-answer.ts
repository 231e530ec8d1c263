/**
 * The HTTP answer that an error was thrown for. Clients that throw for a status say it in many
 * places: as `response.status` (axios, ky), `response.statusCode` (got), the error's own `status`
 * (superagent, SDKs), `$metadata.httpStatusCode` (the AWS SDK v3), `meta.statusCode`
 * (Elasticsearch), `output.statusCode` (Boom), `data.httpStatus` (tRPC). Callers throw the
 * `Response` itself, wrap any of these as the `cause` of an error of their own, or get several at
 * once in an `AggregateError`. An object that is no error and has no headers is no answer, when it
 * is thrown: it may be a body.
 */

import { propertyOf } from "../unknown-value.ts";
import type { Classification } from "./classification.ts";
import { isError, membersOf } from "./error-evidence.ts";

/** How far down a chain of causes, or of errors in errors, is looked. */
const MAX_DEPTH = 5;
/** How many errors are looked at in all. */
const MAX_LINKS = 256;

/** Where errors keep an answer, or what they know of it. */
const PLACES = ["response", "res", "$response", "meta", "$metadata", "output"];
/** What its status is called there, and on errors themselves. */
const STATUS_NAMES = ["status", "statusCode", "httpStatusCode", "httpStatus"];

/** An answer as far as it was found. */
interface ThrownAnswer {
  readonly status: number;
  readonly headers: unknown;
}

/** The status of an answer, whichever of the usual names it has. */
export function statusOf(answer: unknown): number | undefined {
  const status = propertyOf(answer, "status");
  if (isStatus(status)) return status;
  const statusCode = propertyOf(answer, "statusCode");
  return isStatus(statusCode) ? statusCode : undefined;
}

/** From 100 to 999: what RFC 9110, 15, takes for a status. */
export function isStatus(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 100 && value <= 999;
}

/**
 * The answer that `link` is, or was thrown for; undefined where it says nothing of one. `isThrown`:
 * as it is, and not as a cause.
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
  // A `code` means many things; beside headers it is the answer's (Kubernetes).
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

/** Some clients hand on the text of the status line. */
function toStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
  return isStatus(status) ? status : undefined;
}

/**
 * What one link of a chain of errors says; undefined where it says nothing. `isThrown`: it is the
 * outermost one.
 */
type Says = (link: object, isThrown: boolean) => Classification | undefined;

/**
 * What `error` says itself, else what its members say where they agree, else what its cause says;
 * undefined where nothing is said. Members that disagree (one was refused, one answered 404) say
 * nothing together.
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
    // One of them can be mended by trying again.
    return judged.find((judgement) => judgement?.retry !== false) ?? first;
  }
}
