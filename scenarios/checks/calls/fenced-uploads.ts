/**
 * Finds uploads that are refused at their end because of their epoch. The head of a request carries
 * the epoch and is sent before the body. If another station becomes active while the body is still
 * on its way, the executing side must refuse the command at its end: it has seen a newer epoch, and
 * the command did not run. A streamed body cannot be sent a second time. So it is correct to tell
 * the caller that the command has not run, as soon as an answer is due. A body that was read whole
 * (a command with a key) is sent again under the newer epoch, so nothing excuses a refusal of it.
 */
import type { Attempt, Command, FleetObserver, Sending } from "../../fleet/observer.ts";

export class FencedUploads {
  /** When a station last became active, by group, under the gateway process that runs now. */
  readonly #promotedAtMs: Map<string, number> = new Map();
  /**
   * The last attempt of each command that was refused for its epoch, if the role moved while the
   * attempt was out.
   */
  readonly #fenced: Map<Command, Attempt> = new Map();
  /** Events that the check needs; `nowMs`: true time. */
  readonly hears: Required<Pick<FleetObserver, "gatewayStarted" | "gatewayEvent" | "attemptEnded">>;

  constructor(nowMs: () => number) {
    this.hears = {
      gatewayStarted: () => {
        this.#promotedAtMs.clear();
        this.#fenced.clear();
      },
      gatewayEvent: ({ type, group }) => {
        if (type === "promoted") this.#promotedAtMs.set(group, nowMs());
      },
      attemptEnded: (attempt) => {
        const { command, group, outcome, atMs } = attempt;
        const promotedAtMs = this.#promotedAtMs.get(group) ?? Number.NEGATIVE_INFINITY;
        if (outcome === "stale" && promotedAtMs >= atMs) this.#fenced.set(command, attempt);
      },
    };
  }

  /**
   * Whether `sending` was refused, as not executed, because its epoch ended before its streamed
   * body did.
   */
  wasRefused({ command, uploadMs, atMs, end }: Sending): boolean {
    const attempt = this.#fenced.get(command);
    return (
      end === "refused" && uploadMs > 0 && command.kind === "once" && attempt !== undefined && attempt.atMs >= atMs
    );
  }
}
