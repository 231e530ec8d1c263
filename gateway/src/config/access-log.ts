/**
 * Configuration of the access log: `accessLog`. By default only requests that failed, were refused,
 * moved, waited or were slow are written, so that a healthy gateway writes nothing and an operator
 * still finds the request that a caller complains about.
 */
import type { z } from "zod";
import type { AccessLogSettings } from "../fleet/settings.ts";
import { decimal, duration, section, value } from "./values.ts";

const HOUR_MS = 3_600_000;

export const accessLog: z.ZodType<AccessLogSettings> = section({
  to: logTarget()
    .prefault("stderr")
    .meta({
      description:
        "Where a JSON line for a request goes: beside the log of events, to standard output, to a file (its path, " +
        "relative to this file, with a `/` in it), or `off`. A file that was renamed is opened anew within a second. " +
        '`stderr`, because that is where a supervisor looks already; each line has `"log":"access"`',
    }),
  sample: decimal(0, 1)
    .prefault(0)
    .meta({
      description:
        "Share of all requests that get a line, by chance; 1: all. Without regard to it, requests that failed, were " +
        "refused, moved, waited for more than 100 ms or were slow get one, at most 1,000 a second. 0, because a line " +
        "for each request costs time and room that most never look at",
    }),
  slowAfter: duration(0, HOUR_MS)
    .prefault("1s")
    .meta({
      description:
        "A request is slow if the head of its answer comes later than this; streams are judged by their head. A " +
        "person notices a second",
    }),
})
  .transform(({ slowAfter, ...rest }): AccessLogSettings => ({ ...rest, slowAfterMs: slowAfter }))
  .prefault({})
  .meta({ description: "Which requests get a line in the log, and where" });

/** Where a log goes. A path needs a slash, so that a misspelt word is not taken for a file. */
function logTarget(): z.ZodType<string> {
  const allowed = "off, stderr, stdout, or the path of a file with a / in it, such as ./access.log";
  return value(
    allowed,
    { type: "string", pattern: "\\S", range: "`off`, `stderr`, `stdout`, or a path with a `/`" },
    (given) =>
      typeof given === "string" && /^(off|stderr|stdout|[^\0]*\/[^\0]*[^/\0])$/.test(given) ? given : undefined,
  );
}
