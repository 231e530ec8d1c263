/**
 * The HTTP face of asynchronous commands (RFC 7240, `Prefer: respond-async`) on a group's listener:
 * it accepts them, and serves what became of them below `/.gsf/commands/`. Everything below
 * `/.gsf/` is the gateway's own while asynchronous commands are enabled, however it is spelled: no
 * station gets a request for it. The id cannot be guessed and is all that is needed to read the
 * result or to cancel.
 */
import type { IncomingMessage } from "node:http";
import type { AsyncCommands } from "../../fleet/async/async-commands.ts";
import { ASYNC_UNAVAILABLE, NO_SUCH_COMMAND, STORE_UNREADABLE } from "../../fleet/async/async-problems.ts";
import { type AsyncTerms, asyncTermsOf } from "../../fleet/async/async-terms.ts";
import type { CommandView } from "../../fleet/async/command-view.ts";
import { type Problem, RefusedRequest, refusal } from "../../fleet/problem.ts";
import { RecordStoreError } from "../../fleet/record-store.ts";
import type { CommandRequest, HeaderList } from "../../fleet/uplink.ts";
import { type ProblemRequest, problemAnswer, titleOf } from "../http/problem.ts";
import { soundHead } from "../http/request-head.ts";

/** An answer of the gateway itself, or one that it has kept. */
export interface DoorAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
  readonly trailers: HeaderList;
  readonly body: { readonly bytes: Uint8Array };
  /** Set if the request is refused. */
  readonly problem?: Problem;
}

/** Why a request is refused, with further fields of the answer. */
interface DoorRefusal {
  readonly problem: Problem;
  readonly more: HeaderList;
}

const OWN_PATH = "/.gsf/commands/";
/** The path `/.gsf` and what is below it, with slashes and percent-encodings that stations may overlook. */
const OWN_SPELLINGS =
  /^(?:https?:\/\/[^/?#]*)?(?:\/|%2f)+(?:\.|%2e)(?:g|%[46]7)(?:s|%[57]3)(?:f|%[46]6)(?:[/?#]|%2f|$)/i;
const ALLOWED = { command: "GET, HEAD, DELETE", result: "GET, HEAD" } as const;
/** When to ask again for a command that has not ended. */
const POLL_S = "1";

export class AsyncDoor {
  readonly #isEnabled: boolean;
  readonly #commands: AsyncCommands | undefined;

  /** `isEnabled`: the group serves the preference. `commands`: undefined if there is no store. */
  constructor(isEnabled: boolean, commands: AsyncCommands | undefined) {
    this.#isEnabled = isEnabled;
    this.#commands = commands;
  }

  /** Is `message` a request to the gateway itself? */
  isOwn({ url = "" }: IncomingMessage): boolean {
    return this.#commands !== undefined && OWN_SPELLINGS.test(url);
  }

  /**
   * The terms of a request that is to be answered asynchronously. Throws {@link RefusedRequest}.
   */
  termsOf({ method = "", headers, rawHeaders }: IncomingMessage): AsyncTerms | undefined {
    if (headers["prefer"] === undefined || !this.#isEnabled || headers.upgrade !== undefined) return undefined;
    const terms = asyncTermsOf(method, listOf(rawHeaders));
    if (terms === undefined) return undefined;
    if ("field" in terms) throw new RefusedRequest(refusal(400, "BAD_HEADER", `${terms.field}: ${terms.detail}`));
    if (this.#commands === undefined) throw new RefusedRequest(ASYNC_UNAVAILABLE);
    return terms;
  }

  /**
   * Accepts `request` and answers 202, or with the answer if there is one within the time wished.
   */
  async accept(
    request: CommandRequest,
    terms: AsyncTerms,
    caller: AbortSignal,
    about: ProblemRequest,
  ): Promise<DoorAnswer> {
    return answerOf(await this.#accept(request, terms, caller), about);
  }

  async #accept(request: CommandRequest, terms: AsyncTerms, caller: AbortSignal): Promise<DoorAnswer | DoorRefusal> {
    const commands = this.#commands as AsyncCommands;
    const acceptance = await commands.accept(request, terms);
    if (acceptance.type === "problem") return refused(acceptance.problem);
    const { id } = acceptance.view;
    const waited = terms.waitMs > 0 ? await commands.settled(id, terms.waitMs, caller) : undefined;
    const view = waited ?? acceptance.view;
    if (terms.waitMs > 0 && view.state === "done") {
      const answer = await storedAnswer(commands, view);
      if (answer !== undefined) return { ...answer, headers: [...answer.headers, applied(terms)] };
    }
    const location: HeaderList = [["location", urlOf(id)], applied(terms)];
    return jsonReply(view.endedAtMs === undefined ? 202 : 200, view, await this.#document(view), location);
  }

  /** Answers a request to the gateway itself. Throws {@link RefusedRequest}. */
  async answer(message: IncomingMessage, about: ProblemRequest): Promise<DoorAnswer> {
    return answerOf(await this.#answer(message), about);
  }

  async #answer(message: IncomingMessage): Promise<DoorAnswer | DoorRefusal> {
    const commands = this.#commands as AsyncCommands;
    const { method, target } = soundHead(message);
    const parts = /^\/\.gsf\/commands\/([\w-]{1,64})(\/result)?\/?$/.exec(target.split("?", 1)[0] as string);
    if (parts === null) return refused(NO_SUCH_COMMAND);
    const [, id = "", result] = parts;
    const isRead = method === "GET" || method === "HEAD";
    if (!isRead && (method !== "DELETE" || result !== undefined)) {
      const allow = result === undefined ? ALLOWED.command : ALLOWED.result;
      const problem = refusal(405, "METHOD_NOT_ALLOWED", `Method not allowed; use ${allow}`);
      return refused(problem, [["allow", allow]]);
    }
    try {
      if (method === "DELETE") return await cancelled(commands, id);
      const view = await commands.view(id);
      if (view === undefined) return refused(NO_SUCH_COMMAND);
      if (result === undefined) return jsonReply(200, view, await this.#document(view));
      return await resultOf(commands, view);
    } catch (error) {
      if (error instanceof RecordStoreError) return refused(STORE_UNREADABLE);
      throw error;
    }
  }

  async #document(view: CommandView): Promise<object> {
    const commands = this.#commands as AsyncCommands;
    const kept = view.state === "done" ? await commands.answer(view.id).catch(() => undefined) : undefined;
    if (view.endedAtMs !== undefined) commands.noteFetched(view.id);
    return {
      ...describe(view),
      ...(view.status === undefined
        ? {}
        : {
            answer: {
              status: view.status,
              ...(kept === undefined
                ? { bodyOmitted: true }
                : { headers: kept.headers, bytes: kept.body.length, result: `${urlOf(view.id)}/result` }),
            },
          }),
    };
  }
}

/** A command in words and instants of the calendar, for callers and operators. */
export function describe(view: CommandView): Record<string, unknown> {
  const { id, state, priority, method, target, acceptedAtMs, expiresAtMs, attempts, endedAtMs, keptUntilMs } = view;
  return {
    ...{ id, url: urlOf(id), state, priority, method, target, attempts },
    acceptedAt: instant(acceptedAtMs),
    expiresAt: instant(expiresAtMs),
    endedAt: instant(endedAtMs),
    keptUntil: instant(keptUntilMs),
    reason: view.reason,
    ...(view.outcomeUnknown ? { outcomeUnknown: true } : {}),
  };
}

async function cancelled(commands: AsyncCommands, id: string): Promise<DoorAnswer | DoorRefusal> {
  const cancellation = await commands.cancel(id);
  if (cancellation === undefined) return refused(NO_SUCH_COMMAND);
  const { type, view } = cancellation;
  if (type === "cancelled") return jsonReply(200, view, describe(view));
  const why = view.endedAtMs === undefined ? "it may have reached a station" : `it has ended: ${view.state}`;
  return refused(refusal(409, "TOO_LATE_TO_CANCEL", why));
}

async function resultOf(commands: AsyncCommands, view: CommandView): Promise<DoorAnswer | DoorRefusal> {
  const { state } = view;
  if (view.endedAtMs === undefined) {
    const pending = { ...refusal(409, "COMMAND_PENDING", `there is no answer yet: ${state}`), retryAfterMs: 1_000 };
    return refused(pending);
  }
  const answer = await storedAnswer(commands, view);
  if (answer !== undefined) return answer;
  const why =
    state === "done" ? "its answer was too long to be kept, or there was no room" : `${state}: ${view.reason ?? ""}`;
  return refused(refusal(409, "NO_ANSWER", why));
}

async function storedAnswer(commands: AsyncCommands, view: CommandView): Promise<DoorAnswer | undefined> {
  const answer = await commands.answer(view.id);
  if (answer === undefined) return undefined;
  commands.noteFetched(view.id);
  return { ...answer, body: { bytes: answer.body } };
}

function applied({ waitMs }: AsyncTerms): readonly [string, string] {
  return ["preference-applied", waitMs > 0 ? `respond-async, wait=${waitMs / 1_000}` : "respond-async"];
}

function jsonReply(status: number, view: CommandView, document: object, more: HeaderList = []): DoorAnswer {
  const isPending = view.endedAtMs === undefined;
  return {
    status,
    statusText: titleOf(status),
    headers: [
      ["content-type", "application/json"],
      ["cache-control", "no-store"],
      ...(isPending ? [["retry-after", POLL_S] as const] : []),
      ...more,
    ],
    trailers: [],
    body: { bytes: Buffer.from(`${JSON.stringify(document)}\n`) },
  };
}

function refused(problem: Problem, more: HeaderList = []): DoorRefusal {
  return { problem, more };
}

function answerOf(given: DoorAnswer | DoorRefusal, about: ProblemRequest): DoorAnswer {
  if (!("more" in given)) return given;
  const { problem, more } = given;
  const { headers, body } = problemAnswer(problem, about);
  return {
    problem,
    status: problem.status,
    statusText: titleOf(problem.status),
    headers: [...listOf(headers), ...more],
    trailers: [],
    body: { bytes: body },
  };
}

function listOf(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) list.push([flat[at] as string, flat[at + 1] as string]);
  return list;
}

function urlOf(id: string): string {
  return `${OWN_PATH}${id}`;
}

function instant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
