/**
 * What a station's word on a key means. Only what rules out a second execution counts: the command
 * was executed and its answer is known, or it was not and never will be. Anything else is unknown,
 * and so is every answer that cannot be read: a command that may still arrive must not be sent to
 * another station.
 *
 * | executed | and                                         | means                          |
 * | -------- | ------------------------------------------- | ------------------------------ |
 * | true     | there is an answer                          | it ran; the answer is the reply |
 * | true     | there is none                               | unknown: nobody can be answered |
 * | false    | cancelled true                              | it did not run and will not    |
 * | false    | GET, inFlight false, and the GET is trusted | it did not run and will not    |
 * | else     |                                             | unknown                        |
 */
import type { KeyStatus } from "ground-station-failover";
import type { KeyStatusSettings } from "./settings.ts";
import type { CommandReply } from "./uplink.ts";

/** Reads `said`, the parsed JSON of a station's answer. */
export function keyStatusOf(settings: KeyStatusSettings, said: unknown): KeyStatus<CommandReply> {
  const executed = fieldOf(said, settings.executed);
  if (executed === true) {
    const answer = fieldOf(said, settings.answer);
    return answer === undefined || answer === null ? "unknown" : { ran: true, result: replyOf(answer) };
  }
  if (executed !== false) return "unknown";
  if (fieldOf(said, settings.cancelled) === true) return { ran: false };
  const isTrusted = settings.method === "GET" && settings.trustGet;
  return isTrusted && fieldOf(said, settings.inFlight) === false ? { ran: false } : "unknown";
}

/** Where to ask for `key`. */
export function keyStatusPath({ path }: KeyStatusSettings, key: string): string {
  return path.replace("{key}", () => encodeURIComponent(key));
}

function replyOf(answer: unknown): CommandReply {
  return {
    status: 200,
    statusText: "OK",
    headers: [["content-type", "application/json"]],
    body: { kind: "bytes", bytes: new TextEncoder().encode(JSON.stringify(answer)) },
    json: answer,
    trailers: [],
  };
}

/** The field at `place`; undefined where there is none on the way. */
function fieldOf(document: unknown, place: string): unknown {
  let at: unknown = document;
  for (const name of place.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}
