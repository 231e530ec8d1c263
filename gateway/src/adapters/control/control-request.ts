/**
 * Requests of the command line to the control listener of a running gateway. The answer is the
 * gateway's JSON; what a user can correct (no gateway there, a refusal, a wrong token) is an error
 * with a sentence and an exit code.
 */
import { userInfo } from "node:os";
import type { Command } from "commander";
import { Agent, request } from "undici";
import { UserError } from "../process/exit-codes.ts";
import { visibleLines } from "../telemetry/visible.ts";
import { type ControlAddress, tokenOf, withControlAddress } from "./control-address.ts";

export interface ControlFlags extends ControlAddress {
  readonly json: boolean;
}

/** Requests are answered at once, but a busy gateway may need longer. */
const ANSWER_WITHIN_MS = 30_000;
const CONNECT_WITHIN_MS = 3_000;

/** Adds the options of commands that ask a running gateway. */
export function withControl(command: Command): Command {
  return withControlAddress(command).option("--json", "print the gateway's answer as it is", false);
}

/** The name of the user of this machine, for the trail of orders; undefined if there is none. */
export function ownName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/**
 * The gateway's answer. If there is none, or if it is a refusal, throws an error with what the user
 * needs to know.
 */
export async function askControl(
  options: ControlAddress,
  method: "GET" | "POST" | "DELETE",
  path: string,
  order?: object,
): Promise<unknown> {
  const at = new URL(path, options.control);
  const token = tokenOf(options);
  const agent = new Agent({
    connect: { timeout: CONNECT_WITHIN_MS },
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
  });
  try {
    const { statusCode, body } = await request(at, {
      method,
      dispatcher: agent,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(order === undefined ? {} : { "content-type": "application/json" }),
      },
      body: order === undefined ? null : JSON.stringify(order),
    });
    return answerIn(at, statusCode, await body.text());
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = (error as Error).message;
    throw new UserError(
      "unreachable",
      `no answer from ${at.origin}: ${reason}; is the gateway running? (--control names another one)`,
    );
  } finally {
    await agent.destroy();
  }
}

function answerIn(at: URL, status: number, text: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new UserError(
      "unreachable",
      `${at.origin} answered ${status} and no JSON: is it a gateway's control listener?`,
    );
  }
  if (status === 200) return answer;
  const { detail, problems } = answer as { detail?: string; problems?: unknown };
  const ending = status === 401 || status === 403 ? "usage" : status === 422 ? "configuration" : "promiseBroken";
  const Refusal = Array.isArray(problems) && problems.length > 0 ? FileRefused : UserError;
  throw new Refusal(ending, `the gateway refused (${status}): ${detail ?? text}`);
}

/** The problems of a file, each on its line. */
class FileRefused extends UserError {
  override get shown(): string {
    return visibleLines(this.message.split("\n"));
  }
}
