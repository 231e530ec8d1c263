/**
 * `GET /v1/groups/{group}/explain`, with `?request=ID` for one request: the explanation as JSON,
 * each instant as a time of day, too. The stories behind it are told to {@link Explainer} as events
 * happen, and read back from the history after a restart.
 */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { CallHistory } from "../../fleet/call-history.ts";
import { type EventHistory, timeOfEvent } from "../../fleet/event-history.ts";
import { explain } from "../../fleet/explain/explain.ts";
import type { Explanation } from "../../fleet/explain/explanation.ts";
import { GoverningSettings, type WrittenPlaces } from "../../fleet/explain/governing-settings.ts";
import { GroupStories } from "../../fleet/explain/group-story.ts";
import type { Group } from "../../fleet/group.ts";
import type { GatewaySettings } from "../../fleet/settings.ts";
import { type GroupEvent, sentenceOf } from "../telemetry/event-sentence.ts";

export interface ExplainerOptions {
  readonly settings: GatewaySettings;
  readonly calls: CallHistory;
  readonly history: EventHistory;
  /** Where the settings are written. Default: not known. */
  readonly written?: WrittenPlaces | undefined;
  /** Time of day, in milliseconds since 1970. */
  readonly timeOfDayMs: () => number;
}

/** Events of before a restart that are read back. */
const READ_BACK = 2_000;
const READ_AT_ONCE = 500;

export class Explainer {
  readonly history: EventHistory;
  #options: ExplainerOptions;
  readonly #stories: GroupStories;

  constructor(options: ExplainerOptions) {
    this.history = options.history;
    this.#options = options;
    this.#stories = new GroupStories({ groups: options.settings.groups.length });
  }

  /** Explains by these settings from now on. */
  follow(settings: GatewaySettings, written: WrittenPlaces | undefined): void {
    this.#options = { ...this.#options, settings, written };
  }

  /** Reads the newest stored events. Call it before the first event. Never rejects. */
  async readBack(): Promise<void> {
    const { history } = this;
    const found: { readonly id: string; readonly text: string }[] = [];
    while (found.length < READ_BACK) {
      const read = await history.before(found.at(-1)?.id, READ_AT_ONCE);
      found.push(...read);
      if (read.length < READ_AT_ONCE) break;
    }
    for (const { id, text } of found.reverse()) {
      const { group, sentence, ...event } = JSON.parse(text) as GroupEvent & { readonly sentence: string };
      if (group !== undefined)
        this.#stories.note(group, { id, unixMs: timeOfEvent(id), sentence, event: event as GroupEvent });
    }
  }

  /** An event has happened; `id` is that of the history. */
  note(id: string, event: GroupEvent): void {
    this.#stories.note(event.group, { id, unixMs: timeOfEvent(id), sentence: sentenceOf(event), event });
  }

  explain(group: Group, requestId?: string): Explanation {
    const { settings, calls, written, timeOfDayMs } = this.#options;
    const present = {
      status: group.status,
      nowMs: group.nowMs(),
      unixMs: timeOfDayMs(),
      settings: new GoverningSettings(settings, group.settings, written),
    };
    return explain({ group: group.name, story: this.#stories.of(group.name), calls, present }, requestId);
  }
}

const MAX_ID = 128;

/** The answer to a request for an explanation. Throws an `HTTPException` if its query is wrong. */
export function explanation(context: Context, explainer: Explainer, group: Group): Response {
  const given = context.req.queries();
  for (const name of Object.keys(given))
    if (name !== "request") throw refused(`there is no parameter ${name.slice(0, 40)}; allowed is request`);
  const [request, ...others] = given["request"] ?? [];
  if (others.length > 0) throw refused(`request stands ${others.length + 1} times; give it once`);
  if (request !== undefined && (request === "" || request.length > MAX_ID))
    throw refused(`request: an id has 1 to ${MAX_ID} characters; this one has ${request.length}`);
  return context.json(withTimes(explainer.explain(group, request)), 200, { "cache-control": "no-store" });
}

/** Adds the time of day to each instant. */
function withTimes(found: Explanation): object {
  const timed = <At extends { readonly unixMs: number | undefined }>(one: At): At & { readonly at: string | null } => ({
    at: one.unixMs === undefined ? null : new Date(one.unixMs).toISOString(),
    ...one,
  });
  return {
    ...timed(found),
    chapters: found.chapters.map(({ steps, next, ...chapter }) => ({
      ...chapter,
      steps: steps.map(timed),
      next: next.map(timed),
    })),
  };
}

function refused(message: string): HTTPException {
  return new HTTPException(400, { message });
}
