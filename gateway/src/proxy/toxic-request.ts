/**
 * Reads a toxic from a request: a new one, or a change. The order of the checks is Toxiproxy's
 * (JSON, stream, type, name taken, attributes), since clients see which one fails first. Our own
 * members (`ramp`, `schedule`, `expiresAfter`, stream "both") are checked last.
 */

import { MAX_DELAY_MS } from "./distribution.ts";
import { badBody, invalidStream, invalidToxicType, toxicExists } from "./fault-proxy-error.ts";
import { Fields } from "./request-fields.ts";
import type { TimedToxic } from "./timed-toxic.ts";
import {
  MIN_SCHEDULE_MS,
  type ToxicChange,
  type ToxicRamp,
  type ToxicSchedule,
  type ToxicSettings,
} from "./timed-toxic.ts";
import { STREAMS, type Stream } from "./toxic.ts";
import {
  AttributeError,
  type Attributes,
  checkedAttribute,
  defaultAttributes,
  mergedAttributes,
  shownAttributes,
  type ToxicType,
  type ToxicTypes,
} from "./toxic-type.ts";

/**
 * The toxics that a request asks for: one, or one for each direction if its stream is "both". Such
 * a pair is named `<name>_upstream` and `<name>_downstream`. Throws an `FaultProxyError`.
 */
export function newToxicsOf(
  body: unknown,
  types: ToxicTypes,
  isTaken: (name: string) => boolean,
): readonly ToxicSettings[] {
  const fields = new Fields("toxic", body);
  const givenName = fields.text("name") ?? "";
  const type = fields.text("type") ?? "";
  const givenStream = (fields.text("stream") ?? "downstream").toLowerCase();
  const toxicity = fields.number("toxicity") ?? 1;
  const given = fields.record("attributes") ?? {};
  const streams = givenStream === "both" ? STREAMS : STREAMS.filter((stream) => stream === givenStream);
  if (streams.length === 0) throw invalidStream();
  const known = Object.hasOwn(types, type) ? types[type] : undefined;
  if (known === undefined) throw invalidToxicType();
  const nameOf = (stream: Stream): string => {
    if (givenName !== "" && streams.length === 1) return givenName;
    return `${givenName === "" ? type : givenName}_${stream}`;
  };
  if (streams.some((stream) => isTaken(nameOf(stream)))) throw toxicExists();
  const attributes = checkedAttributes(known, defaultAttributes(known), given);
  const ramp = rampOf(fields, known, { attributes, toxicity });
  const schedule = scheduleOf(fields);
  const expiresAfter = expiryOf(fields);
  return streams.map((stream) => ({
    name: nameOf(stream),
    type,
    stream,
    toxicity,
    attributes,
    ...(ramp == null ? {} : { ramp }),
    ...(schedule == null ? {} : { schedule }),
    ...(expiresAfter == null ? {} : { expiresAfter }),
  }));
}

/**
 * What an update asks for; name, type and stream stay whatever it says. Throws an
 * `FaultProxyError`.
 */
export function toxicChangeOf(body: unknown, { settings, type }: TimedToxic): ToxicChange {
  const fields = new Fields("toxic", body);
  const toxicity = fields.number("toxicity") ?? settings.toxicity;
  const attributes = checkedAttributes(type, settings.attributes, fields.record("attributes") ?? {});
  return {
    toxicity,
    attributes,
    ramp: rampOf(fields, type, { attributes, toxicity }),
    schedule: scheduleOf(fields),
    expiresAfter: expiryOf(fields),
  };
}

/** The toxic as clients are shown it; our own members only if they are set. */
export function shownToxic(timed: TimedToxic, nowMs: number): Readonly<Record<string, unknown>> {
  const { name, type, stream, toxicity, attributes } = timed.toxic(nowMs);
  const { ramp, schedule, expiresAfter } = timed.settings;
  return {
    attributes: shownAttributes(timed.type, attributes),
    name,
    type,
    stream,
    toxicity,
    ...(ramp === undefined ? {} : { ramp }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(expiresAfter === undefined ? {} : { expiresAfter }),
  };
}

function checkedAttributes(type: ToxicType, before: Attributes, given: Readonly<Record<string, unknown>>): Attributes {
  try {
    return mergedAttributes(type, before, given);
  } catch (error) {
    throw error instanceof AttributeError ? badBody(error.message) : error;
  }
}

/** Undefined: nothing said; null: there is to be none. */
function rampOf(
  fields: Fields,
  type: ToxicType,
  now: { readonly attributes: Attributes; readonly toxicity: number },
): ToxicRamp | null | undefined {
  if (fields.isNull("ramp")) return null;
  const given = fields.object("ramp");
  if (given === undefined) return undefined;
  const attribute = given.text("attribute") ?? "";
  const rule =
    attribute === "toxicity"
      ? ({ kind: "number", default: 1, min: 0, max: 1 } as const)
      : Object.hasOwn(type, attribute)
        ? type[attribute]
        : undefined;
  if (rule === undefined || rule.kind === "word") {
    const numbers = Object.entries(type).flatMap(([name, { kind }]) => (kind === "word" ? [] : [name]));
    throw badBody(`toxic.ramp.attribute is "${attribute}"; allowed is one of ${[...numbers, "toxicity"].join(", ")}`);
  }
  const checkedEnd = (name: "from" | "to", preset: unknown): number => {
    try {
      return checkedAttribute(`toxic.ramp.${name}`, rule, given.number(name) ?? preset) as number;
    } catch (error) {
      throw error instanceof AttributeError ? badBody(error.message) : error;
    }
  };
  const to = checkedEnd("to", undefined);
  const over = given.milliseconds("over", 1, MAX_DELAY_MS);
  if (over === undefined) throw badBody("toxic.ramp.over is missing; send how many ms the ramp takes");
  const from = checkedEnd("from", attribute === "toxicity" ? now.toxicity : now.attributes[attribute]);
  return { attribute, from, to, over };
}

function scheduleOf(fields: Fields): ToxicSchedule | null | undefined {
  if (fields.isNull("schedule")) return null;
  const given = fields.object("schedule");
  if (given === undefined) return undefined;
  const [on, off] = [
    given.milliseconds("on", MIN_SCHEDULE_MS, MAX_DELAY_MS),
    given.milliseconds("off", MIN_SCHEDULE_MS, MAX_DELAY_MS),
  ];
  if (on === undefined || off === undefined) throw badBody("toxic.schedule needs both on and off, in ms");
  return { on, off };
}

function expiryOf(fields: Fields): number | null | undefined {
  return fields.isNull("expiresAfter") ? null : fields.milliseconds("expiresAfter", 1, MAX_DELAY_MS);
}
