/**
 * Faults of a station's own relay, for demos and drills. A fault acts either on the way up, and the
 * command is not executed; or on the way down, and the command is executed but its sender is told
 * otherwise. A repeated command must then not be executed twice. The faults are injected with the
 * library's chaos, seeded by the station's name, and end when `none` is set.
 *
 * | fault     | half of the commands, on the way up  | the others, on the way down                  |
 * | --------- | ------------------------------------ | -------------------------------------------- |
 * | errors    | 500, not executed                    | executed, reported as 500                    |
 * | lying-200 | 200 with an error body, not executed | executed, reported as 200 with an error body |
 * | slow      |                                      | all: executed at once, answered 3 s later    |
 */
import type { Readable } from "node:stream";
import { type Clock, seededRandom } from "ground-station-failover";
import { Chaos } from "ground-station-failover/chaos";

export const STATION_FAULTS = ["none", "errors", "lying-200", "slow"] as const;
export type StationFault = (typeof STATION_FAULTS)[number];

/** An answer on its way back to the sender of the command. */
export interface RelayAnswer {
  readonly status: number;
  /** Names and values alternating. */
  readonly headers: readonly string[];
  readonly body: string | (Readable & { dump(): Promise<void> });
}

/** In ms. Longer than the timeout of an attempt. */
const SLOW_MS = 3_000;

export class RelayFaults {
  readonly #up: Chaos;
  readonly #down: Chaos;
  #fault: StationFault = "none";

  /** The same `station` gets the same faults in the same order. */
  constructor(station: string, clock: Clock) {
    const random = seededRandom(station);
    this.#up = new Chaos({ clock, random: random.fork("up") });
    this.#down = new Chaos({ clock, random: random.fork("down") });
  }

  get fault(): StationFault {
    return this.#fault;
  }

  /** Replaces the fault that was set before; delays that it caused end. */
  set(fault: StationFault): void {
    this.#fault = fault;
    this.#up.off();
    this.#down.off();
    if (fault === "errors") {
      this.#up.setErrors({ probability: 0.5 });
      this.#down.setErrors();
    } else if (fault === "lying-200") {
      this.#up.setLyingSuccess({ probability: 0.5, answer: lie });
      this.#down.setLyingSuccess({ answer: lie });
    } else if (fault === "slow") {
      this.#down.setLatency({ ms: SLOW_MS });
    }
  }

  /** Runs `send` with the current fault. */
  async around(send: () => Promise<RelayAnswer>, signal: AbortSignal): Promise<RelayAnswer> {
    const answer = await this.#up.wrap(send)({ signal });
    try {
      const told = await this.#down.wrap(() => answer)({ signal });
      if (told !== answer) discard(answer);
      return told;
    } catch (error) {
      discard(answer);
      throw error;
    }
  }
}

function lie(): RelayAnswer {
  return {
    status: 200,
    headers: ["content-type", "application/json"],
    body: '{"error":"uplink lost"}\n',
  };
}

/** Frees the connection of an answer that has no reader. */
function discard(answer: RelayAnswer): void {
  // The answer is discarded, so errors while reading it do not matter.
  if (typeof answer.body !== "string") answer.body.dump().catch(() => undefined);
}
