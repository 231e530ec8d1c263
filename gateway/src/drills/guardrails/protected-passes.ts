/**
 * Contact passes in which nobody experiments. A drill may begin if the time that it can take lies
 * outside of each pass and of a margin before it, in which the operators prepare. A pass that began
 * unforeseen, or a drill that was slow, is the watchdog's business.
 */
import { z } from "zod";
import { readUpTo } from "./durable-file.ts";
import { reasonOf } from "./inverse.ts";

/** Most bytes of a file of passes, 1 MiB, and most passes in it. */
const MAX_BYTES = 2 ** 20;
const MAX_PASSES = 10_000;

export interface ContactPass {
  readonly name: string;
  /** RFC 3339. */
  readonly from: string;
  /** RFC 3339. */
  readonly to: string;
}

const INSTANT = "an instant in RFC 3339, such as 2026-12-01T09:00:00Z";

/** A list of passes, as settings and files hold it. */
export const passList: z.ZodType<readonly ContactPass[]> = z
  .array(
    z
      .strictObject({
        name: z.string().min(1).max(200).default("a pass"),
        from: z.iso.datetime({ offset: true, error: `allowed is ${INSTANT}` }),
        to: z.iso.datetime({ offset: true, error: `allowed is ${INSTANT}` }),
      })
      .refine(({ from, to }) => !(Date.parse(from) >= Date.parse(to)), { error: "it ends before it begins" }),
  )
  .max(MAX_PASSES);

/** The first pass that [fromMs, toMs], in ms since 1970, comes within `marginMs` of. */
export function passWithin(
  passes: readonly ContactPass[],
  fromMs: number,
  toMs: number,
  marginMs: number,
): ContactPass | undefined {
  return passes.find(({ from, to }) => toMs >= Date.parse(from) - marginMs && fromMs < Date.parse(to));
}

/** The passes in a file (a JSON list), or why they cannot be known. */
export function passesInFile(path: string): readonly ContactPass[] | string {
  try {
    const bytes = readUpTo(path, MAX_BYTES);
    if (typeof bytes === "string")
      return `${path} is ${bytes === "absent" ? "not there" : `larger than ${MAX_BYTES} bytes`}`;
    const read = passList.safeParse(JSON.parse(bytes.toString("utf8")));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    return `${path}: ${issue?.path.join(".")}: ${issue?.message}`;
  } catch (error) {
    return `${path}: ${reasonOf(error)}`;
  }
}
