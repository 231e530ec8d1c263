/** Describes events of asynchronous commands, as `event-sentence.ts` does the others. */
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
