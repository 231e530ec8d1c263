/**
 * Configuration of the idempotency ledger of a group: which answers are kept under their keys, for
 * how long, and whose key a key is.
 */
import type { z } from "zod";
import { CALLER_FIELDS } from "../fleet/ledger/request-identity.ts";
import type { IdempotencySettings } from "../fleet/settings.ts";
import { duration, fieldName, list, section, size, trueOrFalse, wholeNumber } from "./values.ts";

const GIBIBYTE = 1_024 ** 3;
const MONTH_MS = 31 * 86_400_000;

export const idempotency: z.ZodType<IdempotencySettings | undefined, object> = section({
  keepAnswers: trueOrFalse()
    .prefault(true)
    .meta({
      description:
        "The answer to a command with an `Idempotency-Key` is kept, on disk, before its caller gets it; the same " +
        "command gets it again, also after a restart. `false`: nothing is kept and every command goes to a station. " +
        "Choose that where answers must not be on a disk, or where the service remembers keys and no caller needs more",
    }),
  retention: duration(1_000, MONTH_MS)
    .prefault("24h")
    .meta({
      description:
        "How long a key is remembered. A day, because callers that try again on their own have given up by then, and " +
        "a person who repeats an order does so within a day",
    }),
  maxAnswer: size(0, 16 * 1_024 ** 2)
    .prefault("64KiB")
    .meta({
      description:
        "A longer answer is passed on and not kept: the answer to an order is short, and a long one would push out " +
        "hundreds of others",
    }),
  maxKeys: wholeNumber(1, 10_000_000)
    .prefault(1_000_000)
    .meta({
      unit: "keys",
      description:
        "For more keys than this the oldest are forgotten before their time. Each takes about 110 bytes of memory; a " +
        "million are a day of eleven commands a second",
    }),
  maxStored: size(0, 64 * GIBIBYTE)
    .prefault("256MiB")
    .meta({
      description:
        "Answers beyond this size, all together, push out the oldest: room for 400000 answers of half a kilobyte. The " +
        "store of the gateway has a bound of its own for everything",
    }),
  callerFields: list(fieldName(), "names of header fields", 0)
    .prefault([...CALLER_FIELDS])
    .meta({
      range: "list of names of header fields",
      byDefault: CALLER_FIELDS.map((name) => `\`${name}\``).join(", "),
      description:
        "A key belongs to the caller that these fields name, so that nobody gets the answer of another by its key. Only " +
        "a digest of them is kept. A caller whose field changes between two sendings (a token was renewed) is another " +
        "caller: its command goes to the station again, under the same key",
    }),
}).transform(({ keepAnswers, retention, maxAnswer, maxKeys, maxStored, callerFields }) =>
  keepAnswers
    ? {
        retentionMs: retention,
        maxAnswerBytes: maxAnswer,
        maxKeys,
        maxBytes: maxStored,
        callerFields: callerFields.map((name) => name.toLowerCase()),
      }
    : undefined,
);
