/**
 * The promotion ramp: how much may be offered to a station that has just become active. After ten seconds of outage
 * every queued command, every retry and every new call is there at once, and sent at once they drown the backup, which
 * is how a take-over of seconds became an outage of eight minutes. The ramp opens as the station proves itself: a few
 * calls at first, one more for each that succeeds (doubling per round trip, as TCP's slow start, RFC 5681), half as
 * many after a failure; and it never offers more a second than the station declares it can take, ramp or no ramp.
 * Calls are counted in flight from admission on, attempts against the declared capacity when they are sent.
 */
import { COUNT, checked } from "./options.ts";
import { RateWindow } from "./rate-window.ts";

export interface RampOptions {
  /** Most attempts that may be sent in any second; at least 1. Default `Infinity`: not declared. */
  readonly capacityPerSecond?: number;
  /** Calls that may be in flight when the ramp begins; at least 1. Default 10. */
  readonly initialConcurrent?: number;
  /** With so many in flight the ramp is fully open and ends. Default 1,000. */
  readonly fullConcurrent?: number;
}

const SECOND_MS = 1_000;
const SLICES = 20;
const SLICE_MS = SECOND_MS / SLICES;

export class RampMachine {
  readonly capacityPerSecond: number;
  readonly #initialConcurrent: number;
  readonly #fullConcurrent: number;
  /** One slice longer than a second, so that no exact second holds more than is counted. */
  readonly #offered = new RateWindow(SECOND_MS + SLICE_MS, SLICES + 1, 1);
  /** While the ramp is on, a second's worth is spread over its slices instead of offered in one burst. */
  readonly #offeredInSlice = new RateWindow(SLICE_MS, 1, 1);
  #limit = Number.POSITIVE_INFINITY;
  #inFlight = 0;

  constructor(options: RampOptions = {}) {
    this.capacityPerSecond = checked(
      "ramp",
      "capacityPerSecond",
      options.capacityPerSecond ?? Number.POSITIVE_INFINITY,
      {
        min: 1,
        max: Number.POSITIVE_INFINITY,
      },
    );
    this.#initialConcurrent = checked("ramp", "initialConcurrent", options.initialConcurrent ?? 10, COUNT);
    this.#fullConcurrent = checked(
      "ramp",
      "fullConcurrent",
      options.fullConcurrent ?? Math.max(1_000, this.#initialConcurrent),
      {
        ...COUNT,
        min: this.#initialConcurrent,
      },
    );
  }

  /** The station has just become active: begin with a few (default: `initialConcurrent`). */
  begin(concurrent: number = this.#initialConcurrent): void {
    this.#limit = concurrent;
  }

  /** Is the ramp still limiting? */
  get ramping(): boolean {
    return this.#limit < Number.POSITIVE_INFINITY;
  }

  /** How many may be in flight now; `Infinity` once the ramp is over. */
  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** May one more call be offered now? */
  admits(nowMs: number): boolean {
    return this.#inFlight < this.#limit && this.#withinCapacity(nowMs);
  }

  /** A call is let in; it must {@link leave}. */
  enter(): void {
    this.#inFlight++;
  }

  /** Does the station declare what it can take? Otherwise {@link charge} always says yes. */
  get declared(): boolean {
    return this.capacityPerSecond < Number.POSITIVE_INFINITY;
  }

  /** An attempt of a call that is in is about to be sent: false where it would go beyond the declared capacity. */
  charge(nowMs: number): boolean {
    if (!this.declared) return true;
    if (!this.#withinCapacity(nowMs)) return false;
    this.#offered.add(0, nowMs);
    this.#offeredInSlice.add(0, nowMs);
    return true;
  }

  /** A call has ended. */
  leave(outcome: "success" | "failure" | "ignored"): void {
    this.#inFlight--;
    if (!this.ramping || outcome === "ignored") return;
    if (outcome === "success") this.#limit++;
    else this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    if (this.#limit >= this.#fullConcurrent) this.#limit = Number.POSITIVE_INFINITY;
  }

  /** When time alone could let the next one in; `Infinity` where one has to leave first. */
  nextAdmitMs(nowMs: number): number {
    if (this.#inFlight >= this.#limit) return Number.POSITIVE_INFINITY;
    return this.#withinCapacity(nowMs) ? nowMs : (Math.floor(nowMs / SLICE_MS) + 1) * SLICE_MS;
  }

  #withinCapacity(nowMs: number): boolean {
    if (!this.declared) return true;
    if (this.#offered.total(0, nowMs) + 1 > this.capacityPerSecond) return false;
    return !this.ramping || this.#offeredInSlice.total(0, nowMs) < Math.ceil(this.capacityPerSecond / SLICES);
  }
}
