/**
 * The gateway as an operator sees it: status, events and switchover through its control listener.
 * The demo uses no other information about the gateway.
 */
import type { FailoverEvent, FailoverStatus } from "ground-station-failover";
import { Agent, request } from "undici";
import { GROUP } from "./fleet-processes.ts";

/** As sent by the gateway: JSON has no Infinity, so an infinite level is null. */
type StationView = Omit<FailoverStatus["stations"][number], "level"> & { readonly phi: number | null };
export type GroupView = Omit<FailoverStatus, "stations"> & { readonly stations: readonly StationView[] };
export type EventView = FailoverEvent & { readonly sentence: string };

export class GatewayView implements AsyncDisposable {
  readonly #control: string;
  /** A gateway that does not answer within a second counts as not answering. */
  readonly #agent: Agent = new Agent({ headersTimeout: 1_000, bodyTimeout: 0 });

  /** `control`: base address of the control listener. */
  constructor(control: string) {
    this.#control = control.replace(/\/$/, "");
  }

  async status(): Promise<GroupView> {
    const { statusCode, body } = await request(`${this.#control}/v1/status`, { dispatcher: this.#agent });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`GET /v1/status answered ${statusCode}: ${text.slice(0, 200)}`);
    const group = (JSON.parse(text) as { groups: Record<string, GroupView> }).groups[GROUP];
    if (group === undefined) throw new Error(`GET /v1/status knows no group ${GROUP}: ${text.slice(0, 200)}`);
    return group;
  }

  /**
   * Requests that `station` becomes active. Returns undefined if it has, otherwise why it was
   * refused.
   */
  async switchover(station: string, reason: string): Promise<string | undefined> {
    const { statusCode, body } = await request(`${this.#control}/v1/groups/${GROUP}/switchover`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ to: station, reason }),
      dispatcher: this.#agent,
      // A switchover is done at once, but a machine that is busy with the demo may need longer.
      headersTimeout: 10_000,
    });
    const text = await body.text();
    return statusCode === 200 ? undefined : `${statusCode}: ${text.slice(0, 300)}`;
  }

  /**
   * Calls `listener` for the gateway's events as they happen. Resolves once the stream of events is
   * open.
   */
  async listen(listener: (event: EventView) => void): Promise<void> {
    const { statusCode, body } = await request(`${this.#control}/v1/events`, { dispatcher: this.#agent });
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
    // The stream ends with the gateway, whose end is noticed elsewhere.
    body.on("error", () => undefined);
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
