/**
 * Checks which heartbeats may still prove that their sender lives: within a session only those
 * newer than all before, and none of a session that another session has followed, unless two
 * processes send heartbeats under one name. A heartbeat that an adversary has recorded, or that a
 * network delivers twice, fails one of the two rules.
 */
import type { StationBeat } from "../../../gateway/src/fleet/heartbeat-sessions.ts";

export class BeatOrder {
  #session: string | undefined = undefined;
  #sequence = 0;
  /** Sessions that have been followed by others; one for each restart of the station. */
  readonly #over: Set<string> = new Set();
  readonly #mayReturn: boolean;

  /** `mayReturn`: the station has a twin, so that a session comes back beside another. */
  constructor(mayReturn = false) {
    this.#mayReturn = mayReturn;
  }

  /**
   * Takes `beat`, which a gateway has counted. Returns why the gateway should not have counted it.
   */
  note({ session, sequence, challenge }: StationBeat): string | undefined {
    if (challenge === "") return `beat ${sequence} of ${session} counts, and answers no challenge`;
    if (session === this.#session) {
      const newest = this.#sequence;
      this.#sequence = Math.max(newest, sequence);
      return sequence > newest ? undefined : `beat ${sequence} of ${session} counts after beat ${newest}`;
    }
    if (this.#session !== undefined) this.#over.add(this.#session);
    this.#session = session;
    this.#sequence = sequence;
    return this.#over.has(session) && !this.#mayReturn
      ? `beat ${sequence} of ${session} counts, which is over`
      : undefined;
  }
}
