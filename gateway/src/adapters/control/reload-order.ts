/**
 * The order to read the configuration again, as the control listener takes and answers it: what has
 * changed and what is not carried over, or why the file was refused while the old settings stay in
 * force.
 */
import { STATUS_CODES } from "node:http";
import { PROBLEM_TYPE } from "../http/problem.ts";

export const RELOAD_PATH = "/v1/reload";

/** Which configuration is in force; part of the status. */
export interface ConfigurationStatus {
  readonly file: string;
  /** Beginning of the SHA-256 of the file as it was read, in hexadecimal digits. */
  readonly digest: string;
  /** When it was read, as a date and time of RFC 3339. */
  readonly loadedAt: string;
  /** True if the file is another one now, or cannot be read. */
  readonly hasChangedOnDisk: boolean;
  /** Number of changes since the start, and of files that were refused. */
  readonly reloads: number;
  readonly refused: number;
  /** The last refusal, if no file was accepted since. */
  readonly lastRefusal: { readonly at: string; readonly detail: string } | undefined;
}

/** What became of an order. */
export type ReloadOutcome =
  | {
      readonly type: "done";
      /** In words, one for each value. Empty if nothing has changed. */
      readonly changes: readonly string[];
      /** What is not carried over, in sentences. */
      readonly lost: readonly string[];
      readonly warnings: readonly string[];
      readonly configuration: ConfigurationStatus;
    }
  | {
      readonly type: "refused";
      /** `invalid`: the file is to blame; `not-now`: it cannot be followed at present. */
      readonly why: "invalid" | "not-now";
      readonly detail: string;
      readonly problems: readonly object[];
    };

/** The answer of a gateway whose settings come from no file. */
export const NO_FILE: ReloadOutcome = {
  type: "refused",
  why: "not-now",
  detail: "this gateway was not started from a file",
  problems: [],
};

export interface ReloadControl {
  reload(): Promise<ReloadOutcome>;
  readonly status: ConfigurationStatus;
}

/** 422: the file is wrong; 409: it is right, and cannot be followed at present. */
export function reloadAnswer(outcome: ReloadOutcome): Response {
  if (outcome.type === "done") {
    const { type: _done, ...answer } = outcome;
    return Response.json(answer, { headers: { "cache-control": "no-store" } });
  }
  const { why, detail, problems } = outcome;
  const status = why === "invalid" ? 422 : 409;
  const body = { type: "about:blank", title: STATUS_CODES[status], status, detail, problems };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": PROBLEM_TYPE, "cache-control": "no-store" },
  });
}
