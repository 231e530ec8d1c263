/**
 * Configuration of failure handling and of body limits: `retry`, `breaker`, `commandPath`,
 * `failback` and `limits` of a group.
 */
import type { z } from "zod";
import type { GroupSettings } from "../fleet/settings.ts";
import { decimal, duration, exactly, oneOf, section, size, wholeNumber } from "./values.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KIBIBYTE = 1_024;
const MEBIBYTE = KIBIBYTE ** 2;
const GIBIBYTE = KIBIBYTE ** 3;

export const retry: z.ZodType<GroupSettings["retry"]> = exactly(
  section({
    maxAttempts: wholeNumber(1, 100)
      .prefault(3)
      .meta({
        unit: "attempts",
        description:
          "Attempts of a command at one station, the first included; only what may be repeated is. A failure goes to " +
          "the other station first, which is no retry; the same station is tried again only where no other is " +
          "usable. More than three mend little and cost much",
      }),
    base: duration(1, HOUR_MS)
      .prefault("50ms")
      .meta({
        range: "1ms … below `commands.deadline`, at most 1h",
        description:
          "First back-off (full jitter: it lasts a random part of that), doubled with each attempt: short against " +
          "what a caller notices",
      }),
    budgetRatio: decimal(0, 1)
      .prefault(0.1)
      .meta({
        unit: "attempts a command",
        description:
          "Extra attempts at a station for each command. A tenth, because a healthy service has room for a tenth " +
          "more, and an ill one for no more",
      }),
    budgetWindow: duration(100, HOUR_MS)
      .prefault("10s")
      .meta({
        description:
          "The window over which `budgetRatio` is counted. As many attempts as the ratio gives at ten commands a " +
          "second are always allowed (10 with the defaults, none with a ratio of 0). Short enough that an outage " +
          "cannot spend at once what was saved in quiet minutes",
      }),
  })
    .transform(({ base, budgetWindow, ...rest }) => ({ baseMs: base, budgetWindowMs: budgetWindow, ...rest }))
    .prefault({})
    .meta({ description: "Repeated attempts at the same station" }),
);

export const breaker: z.ZodType<GroupSettings["breaker"]> = exactly(
  section({
    failureRateThreshold: decimal(0.01, 1)
      .prefault(0.5)
      .meta({
        description:
          "Share of failures that opens the circuit of a station: below half, most commands still succeed. What " +
          "counts as a failure: a connection lost after the command was sent; an error that the other station did " +
          "not give for the same command; a failed probe of the circuit. What does not: refused connections, 503 and " +
          "429, errors that both stations give, attempts over `commands.timeout`; other rules judge those",
      }),
    minimumVolume: wholeNumber(1, 1_000_000).prefault(20).meta({
      unit: "commands",
      description: "Commands that the window must hold before it is judged: 5 failures of 5 are an accident",
    }),
    window: duration(100, HOUR_MS)
      .prefault("10s")
      .meta({ description: "Length of the sliding window: long against a burst, short against a take-over" }),
    openDuration: duration(10, HOUR_MS)
      .prefault("5s")
      .meta({
        description:
          "How long the circuit stays open before its next probe. Shorter than the library's 30 s, because there is " +
          "another station, and an idle one is proven again by the first probe",
      }),
  })
    .transform(({ window, openDuration, ...rest }) => ({ windowMs: window, openDurationMs: openDuration, ...rest }))
    .prefault({})
    .meta({ description: "The circuit breaker of each station" }),
);

export const commandPath: z.ZodType<GroupSettings["commandPath"]> = exactly(
  section({
    failingFor: duration(0, HOUR_MS)
      .prefault("1s")
      .meta({
        description:
          "Failures that could not be compared with another station, or commands sent and not answered, are proof " +
          "when nothing succeeded for this long: shorter troubles pass by themselves. Failures that another station " +
          "served need no such wait (5 of the last 20 commands, and 40 % of them)",
      }),
    minFailures: wholeNumber(1, 1_000_000)
      .prefault(5)
      .meta({
        unit: "failures",
        description:
          "How many failures that takes at least: fewer are an accident. Failures count if they are of at least two " +
          "sources (caller, method and path without its numbers and UUIDs), or of one that this station has served " +
          "before",
      }),
    refusalsToDeclare: wholeNumber(1, 1_000_000)
      .prefault(2)
      .meta({
        unit: "refused connections",
        description:
          "Refused connections in a row that are proof at once: no service that listens refuses twice in a row. " +
          "After the first one, new commands already go elsewhere",
      }),
    unansweredAfter: duration(0, HOUR_MS)
      .prefault("250ms")
      .meta({
        description:
          "Proof when two attempts are later than 99 of 100 answers, and nothing has been answered at all for this " +
          "long since: answers that are only late, after a pause of the service or of the network, come within it. " +
          "New commands go elsewhere as soon as two are late",
      }),
  })
    .transform(({ failingFor, unansweredAfter, ...rest }) => ({
      failingForMs: failingFor,
      unansweredAfterMs: unansweredAfter,
      ...rest,
    }))
    .prefault({})
    .meta({ description: "When commands prove that a station is down" }),
);

export const failback: z.ZodType<GroupSettings["failback"]> = exactly(
  section({
    mode: oneOf("manual", "automatic")
      .prefault("manual")
      .meta({
        description:
          "Who decides that a repaired station serves again: a person, or the gateway. `manual`, so that nobody is " +
          "woken by a second outage that the first one's repair caused",
      }),
    holdDown: duration(0, DAY_MS)
      .prefault("30s")
      .meta({
        description:
          "`automatic`: how long a station must be proven healthy before commands go back to it, long enough to " +
          "notice a machine that restarts in a loop; doubles with each failure within 10 minutes. Then one " +
          "repeatable command goes first, then 10, 20, 40 and 80 % of the commands for 250 ms each, then all",
      }),
  })
    .transform(({ mode, holdDown }) => ({ mode, holdDownMs: holdDown }))
    .prefault({})
    .meta({ description: "When a repaired station serves again" }),
);

export const limits: z.ZodType<GroupSettings["limits"]> = exactly(
  section({
    request: size(0, GIBIBYTE)
      .prefault("10MiB")
      .meta({ description: "A larger request is refused with 413. 10 MiB are by far more than a command usually has" }),
    replay: size(0, 64 * MEBIBYTE)
      .prefault("1MiB")
      .meta({
        range: "0 … 64MiB, at most `request`",
        description:
          "A request body up to this size is kept, so that it can be sent again; a larger one is streamed once, so " +
          "that a few large uploads do not use up the memory",
      }),
    reply: size(0, 64 * MEBIBYTE)
      .prefault("64KiB")
      .meta({
        description:
          "A reply up to this size is read whole before it is passed on, so that it can be judged: reports of errors " +
          "fit into 64 KiB, and a larger reply reaches its caller while it is read",
      }),
    tunnelIdle: duration(1_000, DAY_MS)
      .prefault("1h")
      .meta({
        description:
          "A WebSocket, or another upgraded connection, on which nothing has moved for so long is ended. Long, because " +
          "many have nothing to say for minutes, and because the operating system finds dead peers by itself",
      }),
  })
    .transform(({ request, replay, reply, tunnelIdle }) => ({
      requestBytes: request,
      replayBytes: replay,
      replyBytes: reply,
      tunnelIdleMs: tunnelIdle,
    }))
    .prefault({})
    .meta({ description: "Sizes of requests and replies" }),
);
