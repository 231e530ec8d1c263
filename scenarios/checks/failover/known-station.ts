/**
 * One station as its gateway can know it, tracked from outside: the declarations, its circuit, its
 * calls, the requests of operators, and when it was replaced. If the check cannot see whether a
 * gateway knew something, there is one method for "surely" and one for "perhaps". A check uses the
 * one that can accuse no gateway wrongly.
 */
import { CommandPathTally } from "../calls/command-path-tally.ts";
import type { UsualAnswers } from "../calls/usual-answers.ts";
import type { Liveness } from "../detection/silence.ts";
import type { DocumentedGroup } from "../documented.ts";

/** `FailoverOptions.cooldownMs`, and where its doubling ends. */
const DOUBT_MS = 5_000;
const LONGEST_DOUBT_MS = 80_000;
/** After it has served this many calls meanwhile, its cooldown ends. */
const SERVES_AGAIN = 8;
/** Two instants on one axis differ by rounding. */
const ROUNDING_MS = 0.001;

export class KnownStation {
  readonly tally: CommandPathTally;
  readonly #probes: boolean;
  readonly #openDurationMs: number;
  liveness: Liveness = "unknown";
  circuit: "closed" | "open" | "half-open" = "closed";
  #openUntilMs = Number.NEGATIVE_INFINITY;
  /** Until when it is out of service on request, on the gateway's clock; -Infinity if it is not. */
  restsUntilMs: number = Number.NEGATIVE_INFINITY;
  /** When its last heartbeat counted, and since when it has been suspected or down. */
  lastBeatMs: number = Number.NEGATIVE_INFINITY;
  silentSinceMs: number | undefined = undefined;
  /** Whether it was replaced for failing, and no probe of it has succeeded since. */
  unproven = false;
  lastProbe: "well" | "ill" | undefined = undefined;
  /** Since when a failback tries it out; undefined while none does. */
  #triedFromMs: number | undefined = undefined;
  #replaced = 0;
  #replacedAtMs: number | undefined = undefined;
  #perhapsInDoubtUntilMs = Number.NEGATIVE_INFINITY;
  #surelyInDoubtUntilMs = Number.NEGATIVE_INFINITY;
  /** How many calls it had served when its doubt began. */
  #servedBefore = 0;

  constructor(settings: DocumentedGroup, usual: UsualAnswers) {
    this.tally = new CommandPathTally(settings, usual);
    this.#probes = settings.probes;
    this.#openDurationMs = settings.breaker.openDurationMs;
  }

  declared(to: Liveness, nowMs: number): void {
    if (this.liveness === "down" && to === "alive") {
      this.tally.startAfresh(nowMs);
      this.#surelyInDoubtUntilMs = Number.NEGATIVE_INFINITY;
      // Its circuit closes with that, which is reported a moment later.
      this.#openUntilMs = Number.NEGATIVE_INFINITY;
    }
    this.liveness = to;
    if (to === "alive") this.silentSinceMs = undefined;
    else this.silentSinceMs ??= nowMs;
  }

  circuitMoved(to: "closed" | "open" | "half-open", atMs: number): void {
    this.circuit = to;
    if (to === "open") this.#openUntilMs = atMs + this.#openDurationMs;
  }

  /** Whether its circuit opened at `nowMs`. */
  opened(nowMs: number): boolean {
    return this.circuit === "open" && Math.abs(this.#openUntilMs - this.#openDurationMs - nowMs) <= ROUNDING_MS;
  }

  /**
   * Called while the station is idle. If calls that it was given may count against it, it may be
   * set aside, as after a replacement.
   */
  lookAtIdle(nowMs: number): void {
    if (nowMs < this.#perhapsInDoubtUntilMs || !this.tally.mayFail(nowMs)) return;
    this.#perhapsSetAside(nowMs);
  }

  /** A failback to it begins, and gives it calls. */
  triedOut(nowMs: number): void {
    this.#triedFromMs = nowMs;
  }

  /**
   * That failback has ended. If the station did not serve a call that it was given, it may be set
   * aside: one call is enough.
   */
  failbackEnded(nowMs: number): void {
    const fromMs = this.#triedFromMs;
    this.#triedFromMs = undefined;
    if (fromMs !== undefined && this.tally.isUnservedSince(fromMs, nowMs)) this.#perhapsSetAside(nowMs);
  }

  /** Another station took its place; `forCalls`: because its calls failed. */
  replaced(cause: string, forCalls: boolean, nowMs: number): void {
    this.tally.startAfresh(nowMs);
    this.#perhapsSetAside(nowMs);
    this.#replacedAtMs = nowMs;
    if (forCalls) this.#surelyInDoubtUntilMs = nowMs + DOUBT_MS;
    this.#servedBefore = this.tally.served;
    if (cause !== "failure") return;
    this.unproven = true;
    this.lastProbe = undefined;
  }

  /**
   * It was made active. Its earlier failures no longer count, even if it was promoted only because
   * no station was eligible.
   */
  becameActive(nowMs: number): void {
    this.#triedFromMs = undefined;
    this.tally.startAfresh(nowMs);
    this.#surelyInDoubtUntilMs = Number.NEGATIVE_INFINITY;
  }

  probed(well: boolean): void {
    this.lastProbe = well ? "well" : "ill";
    if (well) this.unproven = false;
  }

  /**
   * Whether something known counts against it as the active station. A half-open circuit lets no
   * other call pass while its probe is out, and the cause of its opening has not been disproved.
   */
  perhapsUnfit(nowMs: number): boolean {
    if (this.liveness === "down" || this.circuit !== "closed" || nowMs < this.restsUntilMs) return true;
    return nowMs < this.#perhapsInDoubtUntilMs || this.tally.mayFail(nowMs);
  }

  /** Whether it surely must not be made active while another station is eligible. */
  surelyUnfit(nowMs: number): boolean {
    if (this.liveness !== "alive" || this.surelyGivenUp(nowMs)) return true;
    if (this.#probes || this.tally.served - this.#servedBefore >= SERVES_AGAIN) return false;
    return nowMs < this.#surelyInDoubtUntilMs - ROUNDING_MS;
  }

  /** Whether it surely must not stay active while another station is eligible. */
  surelyGivenUp(nowMs: number): boolean {
    if (this.liveness === "down" || nowMs < this.restsUntilMs) return true;
    // The gateway reports a half-open circuit only when it is asked.
    return this.circuit === "open" && nowMs < this.#openUntilMs - ROUNDING_MS;
  }

  /**
   * Whether it may surely be made active. A station that was replaced, and has not served the last
   * call that it was given since, may be set aside for it.
   */
  surelyFit(nowMs: number): boolean {
    const { tally } = this;
    const fromMs = this.#replacedAtMs === undefined ? undefined : Math.max(this.#replacedAtMs, tally.servedFromMs);
    if (fromMs !== undefined && tally.isUnservedSince(fromMs, nowMs)) return false;
    return this.liveness === "alive" && this.circuit === "closed" && !this.perhapsUnfit(nowMs);
  }

  #perhapsSetAside(nowMs: number): void {
    this.#perhapsInDoubtUntilMs = nowMs + Math.min(LONGEST_DOUBT_MS, DOUBT_MS * 2 ** this.#replaced++);
  }
}
