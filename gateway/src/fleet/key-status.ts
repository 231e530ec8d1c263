/**
 * Interprets a station's answer about a key. Only two answers rule out a second execution: the
 * command was executed and its reply is known, or it was not executed and never will be. Everything
 * else is unknown, including an answer that cannot be read, because a command that may still arrive
 * must not be sent to another station.
 *
 * | executed | and                                         | means                               |
 * | -------- | ------------------------------------------- | ----------------------------------- |
 * | true     | there is an answer                          | it ran; the answer is the reply     |
 * | true     | there is no answer                          | unknown: there is no reply to give  |
 * | false    | cancelled true                              | it did not run and will not         |
 * | false    | GET, inFlight false, and the GET is trusted | it did not run and will not         |
 * | else     |                                             | unknown                             |
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

/** Path for asking about `key`. */
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

/** The field at `place`; undefined if the path does not exist. */
function fieldOf(document: unknown, place: string): unknown {
  let at: unknown = document;
  for (const name of place.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}
