/**
 * Configuration of a group's asynchronous commands: how many are kept, for how long, and how many
 * are on their way at once.
 */
import type { z } from "zod";
import { MAX_EXPIRES_AFTER_MS } from "../fleet/async/async-terms.ts";
import type { GroupSettings } from "../fleet/settings.ts";
import { duration, exactly, section, size, trueOrFalse, wholeNumber } from "./values.ts";

const GIBIBYTE = 1_024 ** 3;

export const asyncCommands: z.ZodType<GroupSettings["asyncCommands"]> = exactly(
  section({
    enabled: trueOrFalse()
      .prefault(true)
      .meta({
        description:
          "A POST, PUT, PATCH or DELETE with `Prefer: respond-async` is answered 202 by the gateway as soon as it is " +
          "durable, and executed later. `false` where the service answers that preference itself: it is then passed " +
          "on as it is. Without a durable store such a request is refused (501)",
      }),
    maxQueued: wholeNumber(1, 1_000_000)
      .prefault(10_000)
      .meta({
        unit: "commands",
        description:
          "Commands that were accepted and have not ended; the next one is refused (503). Telemetry may fill 90 % of " +
          "them, commands 95 %, emergencies all. About 1 KB of memory each; 10000 are an outage of some minutes at " +
          "some ten commands a second",
      }),
    maxResults: wholeNumber(1, 1_000_000)
      .prefault(20_000)
      .meta({
        unit: "results",
        description:
          "Results that are kept. Where there is no room for another one, results that were read are removed before " +
          "their time, the oldest first; results that nobody has read are kept, and new commands are refused (503)",
      }),
    maxBytes: size(64 * 1_024, 64 * GIBIBYTE)
      .prefault("256MiB")
      .meta({
        range: "64KiB … 64GiB",
        description:
          "Requests and results of this group in the store. One request may have up to `limits.replay`, and of an " +
          "answer as much is kept. A quarter of what the store may take by default, so that one group cannot fill it",
      }),
    keepResult: duration(1_000, 30 * 86_400_000)
      .prefault("24h")
      .meta({
        description:
          "How long a result is kept after the command has ended, and for how long the same `Idempotency-Key` leads " +
          "to it: a day, so that a caller that was down overnight still learns what happened",
      }),
    expireAfter: duration(1_000, MAX_EXPIRES_AFTER_MS)
      .prefault("1h")
      .meta({
        range: "1s … 168h",
        description:
          "How long after its acceptance a command may still be sent, where its caller does not say " +
          "(`gsf-expires-after`, in seconds, or its deadline). Longer than most outages; a command that comes much " +
          "later than it was meant can do harm",
      }),
    maxInFlight: wholeNumber(1, 10_000)
      .prefault(16)
      .meta({
        unit: "commands",
        description:
          "How many are on their way at once, besides as many emergencies. Fewer at first after a start or a " +
          "promotion: one, and one more with each that is answered. At 50 ms an answer, 16 are 320 commands a " +
          "second, which is more than most stations take beside their live commands",
      }),
  })
    .transform(({ enabled, keepResult, expireAfter, ...rest }) =>
      enabled ? { ...rest, keepResultMs: keepResult, expireAfterMs: expireAfter } : undefined,
    )
    .prefault({})
    .meta({ description: "Commands that are answered 202 and executed later (`Prefer: respond-async`)" }),
);
