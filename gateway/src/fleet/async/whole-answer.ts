/**
 * Reads the reply of a station whole, so that it can be kept for the caller of an asynchronous
 * command. A longer body than is kept is cut off: the command was executed all the same, and its
 * status and fields are kept.
 */
import type { CommandReply } from "../uplink.ts";
import type { StoredAnswer } from "./command-record.ts";

/** An answer; `isOmitted`: without its body, which is too long. */
export type WholeAnswer = StoredAnswer & { readonly isOmitted: boolean };

/** Undefined if the reply broke off. `maxBytes`: the longest body that is kept. */
export async function wholeAnswer(reply: CommandReply, maxBytes: number): Promise<WholeAnswer | undefined> {
  const { status, statusText, headers, body } = reply;
  const head = { status, statusText, headers };
  if (body.kind === "bytes") return { ...head, trailers: reply.trailers, body: body.bytes, isOmitted: false };
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of body.stream) {
      length += piece.length;
      if (length > maxBytes) {
        body.stream.destroy(new Error("the answer is longer than what is kept"));
        return { ...head, trailers: [], body: new Uint8Array(), isOmitted: true };
      }
      pieces.push(piece);
    }
  } catch {
    return undefined;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return { ...head, trailers: body.trailers(), body: whole, isOmitted: false };
}
