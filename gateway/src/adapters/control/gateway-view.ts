/**
 * A gateway as an operator sees it: status, events and switchover of one group through the control
 * listener. Programs that watch a gateway, such as the demo and the stage of a drill, use no other
 * information about it.
 */
import type { FailoverEvent, FailoverStatus } from "ground-station-failover";
import { Agent, request } from "undici";

/** As sent by the gateway: JSON has no Infinity, so an infinite level is null. */
type StationView = Omit<FailoverStatus["stations"][number], "level"> & { readonly phi: number | null };
export type GroupView = Omit<FailoverStatus, "stations"> & { readonly stations: readonly StationView[] };
export type EventView = FailoverEvent & { readonly id: string; readonly sentence: string };

export interface Listening {
  /** Events after this one are wanted, also those that have happened already. Default: from now. */
  readonly after?: string | undefined;
  /** Called when the stream ends, for any reason. */
  readonly onEnd?: () => void;
}

export class GatewayView implements AsyncDisposable {
  readonly #control: string;
  readonly #group: string;
  /** A gateway that does not answer within a second counts as not answering. */
  readonly #agent: Agent = new Agent({ headersTimeout: 1_000, bodyTimeout: 0 });

  /** `control`: base address of the control listener. */
  constructor(control: string, group: string) {
    this.#group = group;
    this.#control = control.replace(/\/$/, "");
  }

  async status(): Promise<GroupView> {
    const { statusCode, body } = await request(`${this.#control}/v1/status`, { dispatcher: this.#agent });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`GET /v1/status answered ${statusCode}: ${text.slice(0, 200)}`);
    const group = (JSON.parse(text) as { groups: Record<string, GroupView> }).groups[this.#group];
    if (group === undefined) throw new Error(`GET /v1/status knows no group ${this.#group}: ${text.slice(0, 200)}`);
    return group;
  }

  /**
   * Requests that `station` becomes active. Returns undefined if it has, otherwise why it was
   * refused.
   */
  async switchover(station: string, reason: string): Promise<string | undefined> {
    const { statusCode, body } = await request(`${this.#control}/v1/groups/${this.#group}/switchover`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ to: station, reason }),
      dispatcher: this.#agent,
      // A switchover is done at once, but a machine that is busy may need longer.
      headersTimeout: 10_000,
    });
    const text = await body.text();
    return statusCode === 200 ? undefined : `${statusCode}: ${text.slice(0, 300)}`;
  }

  /**
   * Calls `listener` for the gateway's events as they happen. Resolves once the stream of events is
   * open.
   */
  async listen(listener: (event: EventView) => void, { after, onEnd }: Listening = {}): Promise<void> {
    const { statusCode, body } = await request(`${this.#control}/v1/events`, {
      dispatcher: this.#agent,
      headers: after === undefined ? {} : { "last-event-id": after },
    });
    if (statusCode !== 200) throw new Error(`GET /v1/events answered ${statusCode}`);
    let pending = "";
    body.setEncoding("utf8");
    body.on("data", (chunk: string) => {
      const blocks = `${pending}${chunk}`.split("\n\n");
      pending = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = eventIn(block);
        if (event !== undefined) listener(event);
      }
    });
    // The stream ends with the gateway; a reader that minds is told.
    body.on("error", () => undefined);
    if (onEnd !== undefined) body.once("close", onEnd);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

/**
 * The event in one block of a server-sent event stream; undefined for a comment or another block.
 */
function eventIn(block: string): EventView | undefined {
  const data = block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart());
  const event = data.length === 0 ? undefined : (JSON.parse(data.join("\n")) as Partial<EventView>);
  return event?.type === undefined ? undefined : (event as EventView);
}
