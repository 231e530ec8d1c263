/**
 * Uploads that are refused for their epoch at their end. The head of a request carries the epoch,
 * and goes out before its body. If another station becomes active while the body is still on its
 * way, whatever executes the command refuses it at its end, as it has to: it has seen a newer
 * epoch, and the command did not run. A body that was streamed cannot be sent a second time. So it
 * is right if its caller is told that the command has not run, as soon as an answer is due. A body
 * that was read whole (a keyed one) is sent again under the newer epoch: nothing excuses a refusal
 * there.
 */
import type { Attempt, Command, FleetObserver, Sending } from "../../fleet/observer.ts";

export class FencedUploads {
  /** When a station last became active, by group: of the gateway process that runs now. */
  readonly #promotedAtMs: Map<string, number> = new Map();
  /**
   * The last attempt of each command that was refused for its epoch, where the role moved while it
   * was out.
   */
  readonly #fenced: Map<Command, Attempt> = new Map();
  /** Told to those who ask; `nowMs`: true time. */
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
   * Was `sending` refused, as not executed, because its epoch was over when its streamed body was?
   */
  wasRefused({ command, uploadMs, atMs, end }: Sending): boolean {
    const attempt = this.#fenced.get(command);
    return (
      end === "refused" && uploadMs > 0 && command.kind === "once" && attempt !== undefined && attempt.atMs >= atMs
    );
  }
}
