/**
 * Describes events of asynchronous commands, as `event-sentence.ts` does the others, and their
 * queue in one line.
 */
import type { AsyncStatus } from "../../fleet/async/command-queue.ts";
import { agoInWords } from "../../fleet/failure-words.ts";
import type { AsyncEvent } from "../../fleet/group-events.ts";

export function isAsyncEvent<Event extends { readonly type: string }>(event: Event): event is Event & AsyncEvent {
  return event.type.startsWith("async-");
}

export function asyncSentenceOf(event: AsyncEvent): string {
  switch (event.type) {
    case "async-refused":
      return `asynchronous commands are refused (${event.reason}): ${event.refused} since this was last told`;
    case "async-expired":
      return `${event.expired} asynchronous commands expired before a station had answered them`;
    case "async-restored":
      return (
        `${event.commands} asynchronous commands of before the start are carried on` +
        (event.damaged > 0 ? `; ${event.damaged} records cannot be read, and were left where they are` : "")
      );
  }
}

/** `12 wait (1 emergency, 11 command), 4 on their way, the oldest of 2 min ago, 310 results`. */
export function asyncLine({ queued, running, oldestAgeMs, kept }: AsyncStatus): string {
  const counts = Object.entries(queued).filter(([, count]) => count > 0);
  const waiting = counts.reduce((sum, [, count]) => sum + count, 0);
  const kinds = counts.map(([priority, count]) => `${count} ${priority}`).join(", ");
  const facts = [
    `${waiting} asynchronous commands wait${kinds === "" ? "" : ` (${kinds})`}`,
    `${running} on their way`,
    ...(oldestAgeMs === undefined ? [] : [`the oldest of ${agoInWords(oldestAgeMs)}`]),
    `${kept} results kept`,
  ];
  return facts.join(", ");
}
