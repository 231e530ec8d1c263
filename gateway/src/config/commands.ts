/**
 * Configuration of a group's commands: their times and limits, the header that carries their
 * deadline, and how a station is asked about the outcome of a key.
 */
import type { z } from "zod";
import type { GroupSettings, KeyStatusSettings } from "../fleet/settings.ts";
import { idempotency } from "./idempotency.ts";
import {
  duration,
  exactly,
  FRAMING,
  fieldPlace,
  headerName,
  keyedPath,
  oneOf,
  section,
  trueOrFalse,
  wholeNumber,
} from "./values.ts";

const HOUR_MS = 3_600_000;

/** Fields that already have another meaning, for this gateway or in general. */
const TAKEN: ReadonlySet<string> = new Set([
  ...FRAMING,
  ...["x-time-left-ms", "grpc-timeout", "idempotency-key", "gsf-epoch", "gsf-epoch-seen", "gsf-station", "gsf-outcome"],
  ...["prefer", "gsf-priority", "gsf-expires-after"],
]);

const deadlineHeader = section({
  name: headerName(TAKEN)
    .prefault("gsf-deadline")
    .meta({
      description:
        "The header field that carries an instant: from then on the station must not begin to execute the command. " +
        "(The time left is in `x-time-left-ms`.) The instant is the command's deadline, with one exception: with " +
        "`keyStatus`, a keyed command that is not answered goes to the other station, so the first one must not " +
        "begin it after that. Its instant is then the deadline, or three times the time in which all but one in a " +
        "thousand answers come (at least 1 s) after it was sent, whichever is earlier. Why an instant: the time left " +
        "means nothing to a process that was stopped before it read it; an instant does, if the machines agree on " +
        "the time of day",
    }),
  format: oneOf("epoch-ms", "epoch-s", "rfc3339")
    .prefault("epoch-ms")
    .meta({
      description:
        "Milliseconds since 1970; seconds with three decimals; or `2026-11-28T17:13:20.250Z`. Milliseconds need no " +
        "parser and lose nothing",
    }),
})
  .prefault({})
  .meta({ description: "How a station is told until when a command may be executed" });

const keyStatus = section({
  path: keyedPath().meta({ description: "Where a station is asked; the key stands there percent-encoded" }),
  method: oneOf("DELETE", "GET")
    .prefault("DELETE")
    .meta({
      description:
        "DELETE cancels a command that was not executed. A GET only tells, and the command may still arrive later: " +
        "only a station that cancels the key can promise that it will not",
    }),
  executed: fieldPlace().prefault("executed").meta({
    description: "True there, with an answer: the caller gets that answer (200, JSON)",
  }),
  answer: fieldPlace().prefault("answer").meta({ description: "The answer that the command got" }),
  cancelled: fieldPlace()
    .prefault("cancelled")
    .meta({
      description:
        "True there, with `executed: false`: the command goes to the other station. Anything else is unknown, as if " +
        "the station had not been asked",
    }),
  inFlight: fieldPlace().prefault("inflight").meta({
    description: "False there, with a trusted GET (`trustGet`): nothing of the command is on its way any more",
  }),
  timeout: duration(1, 60_000)
    .prefault("250ms")
    .meta({
      description:
        "How long the station's word is waited for. Short, because the station may be dead, and its commands wait no " +
        "longer for an answer",
    }),
  trustGet: trueOrFalse()
    .prefault(false)
    .meta({
      description:
        'With GET: `executed: false` and `inFlight: false` count as "will not be executed". Only where nothing can be ' +
        "on its way any more",
    }),
}).transform(({ timeout, ...rest }): KeyStatusSettings => ({ ...rest, timeoutMs: timeout }));

export const commands: z.ZodType<GroupSettings["commands"]> = exactly(
  section({
    timeout: duration(1, HOUR_MS)
      .optional()
      .meta({
        range: "1ms … `deadline`",
        byDefault: "the deadline",
        description:
          "One attempt at one station; the time in which a body is uploaded does not count. Nothing needs it: a " +
          "station that does not answer is found by its learned answer times. Set it where an attempt must not last " +
          "as long as the command",
      }),
    deadline: duration(1, HOUR_MS)
      .prefault("30s")
      .meta({
        description:
          "A command in all, waits and re-sends included, where its caller sets no deadline. Longer than most " +
          "endpoints take and than people wait; how long callers really wait is learned from those who hang up",
      }),
    maxWait: duration(0, HOUR_MS).optional().meta({
      byDefault: "`15s`, or `deadline` where that is less",
      description:
        "How long a command waits for a station to take it: half of the 30 s that a take-over may take by default",
    }),
    maxWaiting: wholeNumber(0, 1_000_000)
      .prefault(10_000)
      .meta({
        unit: "commands",
        description:
          "How many commands may wait; the next one is refused. Far fewer wait under overload, because what cannot " +
          "be answered in time is refused early; 10000 are ten seconds of a thousand commands a second",
      }),
    maxConcurrent: wholeNumber(1, 1_000_000)
      .optional()
      .meta({
        unit: "commands",
        byDefault: "256, and 10000 with those that take long",
        description:
          "Commands at one station at once; the next ones wait. A number of your own is for all commands. By default " +
          "256 bound what a station is given before it has shown what it takes, and do not count a command that has " +
          "been out for 100 ms or four usual answer times and is of a caller and route that is never answered " +
          "sooner, as long polls are. A poll that is answered at once now and then counts: where callers hold more " +
          "than 200 of those open, set a number well above theirs",
      }),
    ambiguousKeyed: oneOf("resend", "report")
      .prefault("resend")
      .meta({
        description:
          "What happens to keyed commands that a lost station had in hand. `resend` where the service executes a key " +
          "once; `report` where it does not. With `report`, a command that reached one station, or was answered with " +
          "an error there, goes to no other; where that station falls silent, the command waits for its answer, for " +
          "at most `maxWait`, before its caller is told that the outcome is unknown",
      }),
    errorBody: trueOrFalse().prefault(true).meta({
      description: "A 2xx whose JSON body reports an error is a failure: a service that answers only that is not well",
    }),
    deadlineHeader,
    keepAlive: duration(1, HOUR_MS)
      .optional()
      .meta({
        byDefault: "as long as the station says, or `4s`",
        description:
          "For how long an idle connection to a station is kept, at most. `Keep-Alive: timeout=5` of a station is " +
          "followed, less half a second; 4 s where it says nothing, because most servers keep 5 s. A command that " +
          "may be sent once only takes no connection that has been idle for more than half of what others have " +
          "survived; any other is sent again, once, where a used connection ends without a byte of an answer. So " +
          "this needs to be set only where something between drops idle connections silently",
      }),
    keyStatus: keyStatus.optional().meta({
      byDefault: "none: stations cannot be asked",
      description: "How a station is asked what became of a command that was out when the station was lost",
    }),
    idempotency: idempotency
      .prefault({})
      .meta({ description: "Which answers are kept under their `Idempotency-Key`, and for how long" }),
  })
    .transform(({ timeout, deadline, maxWait, maxConcurrent, keepAlive, keyStatus: asked, ...rest }) => ({
      timeoutMs: timeout ?? deadline,
      deadlineMs: deadline,
      maxWaitMs: maxWait ?? Math.min(15_000, deadline),
      ...(maxConcurrent === undefined ? { maxConcurrent: 10_000, maxWorking: 256 } : { maxConcurrent }),
      ...rest,
      ...(keepAlive === undefined ? {} : { keepAliveMs: keepAlive }),
      keyStatus: asked,
    }))
    .prefault({})
    .meta({ description: "Times, numbers and headers of commands" }),
);
