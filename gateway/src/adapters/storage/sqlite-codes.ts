/**
 * The result codes of SQLite that lead to different decisions (https://sqlite.org/rescode.html).
 */
export const SQLITE = {
  busy: 5,
  inputOutput: 10,
  corrupt: 11,
  full: 13,
  /** An extended code of `inputOutput`: a write failed, and nothing was committed. */
  write: 778,
  notADatabase: 26,
} as const;

/** The primary result code of an error of SQLite; undefined for any other error. */
export function codeOf(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : undefined;
}
