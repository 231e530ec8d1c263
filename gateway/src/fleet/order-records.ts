/**
 * Orders as records of the store: JSON with every field checked when it is read, because a record
 * may be older than the program or damaged. A record that cannot be read gives undefined; its order
 * is then not in force, and the gateway says so at its start.
 */
import { ORDER_KINDS, type OrderEvent, type OrderGiver, type OrderKind } from "./group-events.ts";

/** An order that stays in force until it is ended or expires. */
export interface StandingOrder {
  readonly kind: "maintenance" | "drain";
  readonly group: string;
  /** Undefined: the whole group. */
  readonly station: string | undefined;
  readonly reason: string;
  readonly by: OrderGiver;
  readonly keepsStreams: boolean;
  readonly givenUnixMs: number;
  /** How long it was given for. */
  readonly forMs: number;
  readonly untilUnixMs: number;
  /** Its end on the clock of this process. */
  readonly endsMs: number;
}

/** An entry of the trail. */
export interface TrailEntry extends OrderEvent {
  /** Rises with each order. */
  readonly number: number;
  readonly group: string;
  readonly unixMs: number;
}

/** What a store holds about orders. */
export interface OrderedState {
  readonly orders: readonly StandingOrder[];
  readonly trail: readonly TrailEntry[];
  /** By group: the station that the last switchover or failback by order made active. */
  readonly initialActive: ReadonlyMap<string, string>;
  /** Records of orders that could not be read. */
  readonly unreadable: number;
}

export function written(record: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

export function readOrder(bytes: Uint8Array): StandingOrder | undefined {
  const { kind, group, station, reason, by, keepsStreams, givenUnixMs, forMs, untilUnixMs } = fieldsOf(bytes);
  const giver = giverOf(by);
  if ((kind !== "maintenance" && kind !== "drain") || typeof group !== "string" || typeof reason !== "string")
    return undefined;
  if (station !== undefined && typeof station !== "string") return undefined;
  if (giver === undefined || !isAmount(givenUnixMs) || !isAmount(forMs) || !isAmount(untilUnixMs)) return undefined;
  if (kind === "maintenance" && station === undefined) return undefined;
  const times = { givenUnixMs, forMs, untilUnixMs, endsMs: Number.NaN };
  return { kind, group, station, reason, by: giver, keepsStreams: keepsStreams === true, ...times };
}

export function readOrderedStation(bytes: Uint8Array): string | undefined {
  const { station } = fieldsOf(bytes);
  return typeof station === "string" ? station : undefined;
}

export function readTrailEntry(bytes: Uint8Array): TrailEntry | undefined {
  const fields = fieldsOf(bytes);
  const { order, group, reason, by, number, unixMs, atMs } = fields;
  const isKnown = ORDER_KINDS.includes(order as OrderKind) && typeof group === "string" && typeof reason === "string";
  const isWhole = giverOf(by) !== undefined && isAmount(number) && isAmount(unixMs) && isAmount(atMs);
  return isKnown && isWhole ? (fields as unknown as TrailEntry) : undefined;
}

function fieldsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function giverOf(value: unknown): OrderGiver | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { token, address, name } = value as Record<string, unknown>;
  if (typeof address !== "string" || !isOptionalText(token) || !isOptionalText(name)) return undefined;
  return { token, address, name };
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function isAmount(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
