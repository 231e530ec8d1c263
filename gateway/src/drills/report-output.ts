/** Writes a report where a person asked for it: into a file, or on standard output. */
import { writeFileSync } from "node:fs";
import { extname } from "node:path";
import { UserError } from "../adapters/process/exit-codes.ts";

export const FORMATS = ["markdown", "json", "html"] as const;
export type Format = (typeof FORMATS)[number];

/** `--format`; without it, what the ending of `--out` says; without that, Markdown. */
export function formatOf(asked: Format | undefined, out: string | undefined): Format {
  if (asked !== undefined) return asked;
  const ending = extname(out ?? "").toLowerCase();
  if (ending === ".html" || ending === ".htm") return "html";
  return ending === ".json" ? "json" : "markdown";
}

export function writeReport(text: string, out: string | undefined): void {
  if (out === undefined) {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(out, text);
  } catch (error) {
    throw new UserError("usage", `${out} cannot be written: ${(error as Error).message}`);
  }
  process.stderr.write(`written: ${out}\n`);
}
