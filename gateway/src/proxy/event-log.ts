/**
 * What was injected, and to which connection: the last events, for `GET /events`, and lines for a
 * file if one was asked for. It never blocks and never grows: the oldest events give way, and a
 * reader of the file that does not read loses lines.
 */
import type { ProxyEvent } from "./toxic.ts";

/** An event as it is written down. */
export interface LoggedEvent extends ProxyEvent {
  /** Counts up from 1; a gap is what was lost. */
  readonly number: number;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly proxy: string;
}

/** Some minutes of a lively drill. */
const MAX_EVENTS = 5_000;

export interface EventLogOptions {
  /** Takes each line, with its newline; must not block. Default: none. */
  readonly write?: ((line: string) => void) | undefined;
  /** The calendar. Default: the system's. */
  readonly now?: () => Date;
}

export class EventLog {
  readonly #write: ((line: string) => void) | undefined;
  readonly #now: () => Date;
  #events: LoggedEvent[] = [];
  #number = 0;

  constructor({ write, now = () => new Date() }: EventLogOptions = {}) {
    this.#write = write;
    this.#now = now;
  }

  note(proxy: string, event: ProxyEvent): void {
    const logged: LoggedEvent = { number: ++this.#number, at: this.#now().toISOString(), proxy, ...event };
    this.#events.push(logged);
    // In lumps, since moving the whole list for each event would cost more than the event.
    if (this.#events.length >= 2 * MAX_EVENTS) this.#events = this.#events.slice(-MAX_EVENTS);
    this.#write?.(`${JSON.stringify(logged)}\n`);
  }

  /** The events behind number `after` that are still kept, oldest first. */
  since(after: number): readonly LoggedEvent[] {
    return this.#events.slice(-MAX_EVENTS).filter(({ number }) => number > after);
  }
}
