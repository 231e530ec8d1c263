/**
 * `state`: where the gateway keeps what outlives its process, or that it keeps nothing. Without a
 * word in the file it is kept: beside the file, or where systemd says. The file system is not
 * touched here, so that a file can be checked on another machine.
 */
import { basename, delimiter, dirname, extname, join, resolve } from "node:path";
import { z } from "zod";
import type { GatewaySettings } from "../fleet/settings.ts";
import { section, size, text } from "./values.ts";

const MEBIBYTE = 1_024 ** 2;

/** As written. */
export type WrittenState = "none" | { readonly directory?: string | undefined; readonly maxSize: number };

const fields = section({
  directory: text("the path of a directory")
    .optional()
    .meta({
      range: "a directory (relative to this file)",
      byDefault: "`$STATE_DIRECTORY` (systemd), else the name of this file with `.state` as its ending",
      description:
        "Where the files of the state are. One gateway uses it at a time. On a disk of this machine: network file " +
        "systems do not keep locks and syncs as promised",
    }),
  maxSize: size(MEBIBYTE, 1_024 ** 2 * MEBIBYTE)
    .prefault("1GiB")
    .meta({
      description:
        "What the records may take on the disk, beside a log of some 20 MiB. 1 GiB: a million answers of a kilobyte, " +
        "and a small part of any disk. Commands that have to be stored are refused while it is used up; all others " +
        "go on",
    }),
});

/** `state`; a section, or the word `none`. */
export const state: z.ZodType<WrittenState> = z
  .unknown()
  .transform((given, context): WrittenState => {
    if (given === "none") return "none";
    const read = fields.safeParse(given);
    if (read.success) return read.data;
    for (const issue of read.error.issues) {
      const isWhole = issue.code !== "unrecognized_keys" && issue.path.length === 0;
      const message = isWhole ? `${issue.message}; or none` : issue.message;
      context.issues.push({ ...issue, message, input: given } as z.core.$ZodRawIssue);
    }
    return z.NEVER;
  })
  .prefault({})
  .meta({
    type: ["object", "string"],
    pattern: "^none$",
    additionalProperties: false,
    properties: z.toJSONSchema(fields, { io: "input", target: "draft-7" })["properties"],
    description:
      "What outlives the process: [epochs, answers to keys, accepted commands](durable-state.md). `state: none` keeps " +
      "nothing: nothing has to be writable, and a gateway that restarts knows no key any more",
  });

/** The settings; `file`: the path of the configuration. */
export function stateOf(
  written: WrittenState,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): GatewaySettings["state"] {
  if (written === "none") return undefined;
  const beside = dirname(resolve(file));
  // systemd names several directories if the unit asks for several.
  const [given = ""] = (environment["STATE_DIRECTORY"] ?? "").split(delimiter);
  const usual = given === "" ? join(beside, `${basename(file, extname(file))}.state`) : given;
  return { directory: resolve(beside, written.directory ?? usual), maxBytes: written.maxSize };
}
