/**
 * What a group's timing budget assumes because no other field says it: `assume` of a group. The
 * defaults are those of the library; whoever knows better says so here. They change nothing but the
 * check: no detector and no limit reads them.
 */
import type { Surroundings } from "ground-station-failover/core";
import { USUAL_SURROUNDINGS } from "ground-station-failover/core";
import type { z } from "zod";
import type { FieldPath } from "./field-path.ts";
import { decimal, duration, section, shownDuration, wholeNumber } from "./values.ts";

const HOUR_MS = 3_600_000;
const { pathMs, lostInRow, stallMs, answerMs, callIntervalMs, loadRatio } = USUAL_SURROUNDINGS;

/** The field of each assumption, below the group. */
export const ASSUMPTION_FIELDS: Readonly<Record<Exclude<keyof Surroundings, "callDelayMs">, FieldPath>> = {
  pathMs: ["assume", "path"],
  lostInRow: ["assume", "lostHeartbeats"],
  stallMs: ["assume", "pause"],
  answerMs: ["assume", "answer"],
  callIntervalMs: ["assume", "commandEvery"],
  loadRatio: ["assume", "load"],
};

export const assume: z.ZodType<Surroundings> = section({
  path: duration(0, HOUR_MS)
    .prefault(shownDuration(pathMs))
    .meta({ description: "A message between two machines takes at most this long. A wide-area path" }),
  lostHeartbeats: wholeNumber(0, 1_000).prefault(lostInRow).meta({
    unit: "heartbeats",
    description: "So many heartbeats of a healthy backup are lost in a row at most (`kind: udp`)",
  }),
  pause: duration(0, HOUR_MS)
    .prefault(shownDuration(stallMs))
    .meta({
      description:
        "The gateway's own process stands still for at most this long at a time, and three times in a row at most: a " +
        "busy machine",
    }),
  answer: duration(0, HOUR_MS)
    .prefault(shownDuration(answerMs))
    .meta({
      description:
        "99 of 100 answers come within this time. A station that hangs is found by the answer times that the gateway " +
        "learns, and this stands for them",
    }),
  commandEvery: duration(1, HOUR_MS)
    .prefault(shownDuration(callIntervalMs))
    .meta({
      description:
        "Commands come at most this far apart. Where only commands show a fault, it takes so many of them; two " +
        "a second is a quiet service",
    }),
  load: decimal(0, 1)
    .prefault(loadRatio)
    .meta({
      description:
        "The usual load as a share of what a backup can take: half, for a backup that can take twice the usual load. " +
        "It decides how soon what waited during a takeover is served",
    }),
})
  .transform(
    ({ path, lostHeartbeats, pause, answer, commandEvery, load }): Surroundings => ({
      pathMs: path,
      lostInRow: lostHeartbeats,
      stallMs: pause,
      answerMs: answer,
      callIntervalMs: commandEvery,
      callDelayMs: 0,
      loadRatio: load,
    }),
  )
  .prefault({})
  .meta({
    description:
      "What [`gsf check`](timing-budget.md) assumes because no other field says it. Nothing else reads it; say here " +
      "what you know better",
  });
