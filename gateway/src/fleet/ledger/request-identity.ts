/**
 * What makes two requests with the same idempotency key the same request, and whose key it is.
 *
 * A key belongs to a caller: its digest covers the fields that carry credentials (`Authorization`,
 * `Cookie` and the like, as configured), the subject of its certificate and the host, so that no
 * caller reads the answer of another by guessing its key. Only digests are kept, never a key or a
 * credential.
 *
 * The fingerprint covers the method, path and query as received, the body, and the two fields that
 * say how to read the body: Content-Type and Content-Encoding. Other fields do not count, because
 * clients and proxies change them between two sendings of one request (dates, traces, deadlines).
 */
import type { CommandRequest, HeaderList } from "../uplink.ts";
import type { RequestIdentity } from "./group-keys.ts";

/**
 * A collision-resistant digest of the parts and of their limits, as text of at least 24 characters.
 * The process gives it, because the fleet has no cryptography of its own.
 */
export type Digest = (parts: readonly (string | Uint8Array)[]) => string;

/**
 * Fields in which services expect credentials: those of HTTP, and the names that are most common
 * where a service has its own.
 */
export const CALLER_FIELDS: readonly string[] = ["authorization", "cookie", "x-api-key", "api-key", "x-auth-token"];

const BODY_FIELDS: readonly string[] = ["content-type", "content-encoding"];
const NO_BODY = new Uint8Array();

/**
 * `callerFields`: names of fields that tell callers apart, in lower case. The body of `request` has
 * been read whole.
 */
export function identityOf(
  request: CommandRequest,
  idempotencyKey: string,
  callerFields: readonly string[],
  digest: Digest,
): RequestIdentity {
  const { method, target, headers, body, callerSubject = "" } = request;
  const bytes = body.kind === "bytes" ? body.bytes : NO_BODY;
  return {
    key: digest(["key 1", idempotencyKey, hostOf(headers), callerSubject, ...valuesOf(headers, callerFields)]),
    fingerprint: digest(["request 1", method, target, ...valuesOf(headers, BODY_FIELDS), bytes]),
  };
}

/**
 * The host without its port: the same service is reached at several ports, not at several names.
 */
function hostOf(headers: HeaderList): string {
  const host = headers.find(([name]) => name.length === 4 && name.toLowerCase() === "host")?.[1] ?? "";
  return host.replace(/:\d*$/, "").toLowerCase();
}

/** For each name all of its values, each behind the name's place in `names`. */
function valuesOf(headers: HeaderList, names: readonly string[]): string[] {
  const found: string[] = [];
  for (const [name, value] of headers) {
    const place = names.indexOf(name.toLowerCase());
    if (place >= 0) found.push(`${place} ${value}`);
  }
  return found.length > 1 ? found.sort() : found;
}
