/**
 * Which events of a gateway are a detection, and of what kind. A detection is a decision or a
 * finding that a program or a person on call could act on. What the gateway only remarks (missing
 * heartbeats below suspicion, a capacity that it has learned) is not one by default: it may be
 * wrong more often, so it would make every quiet run a false alarm. Neither is `gateway-away`,
 * which the stage itself finds, as a monitoring system would. A drill may name its own kinds.
 */

/** Every kind of detection. */
export const DETECTIONS = [
  "suspected",
  "declared-down",
  "circuit-opened",
  "set-aside",
  "promotion",
  "no-eligible-station",
  "overload",
  "local-shortage",
  "memory-used-up",
  "name-conflict",
  "epoch-refused",
  "health-page",
  "heartbeats-missing",
  "capacity-learned",
  "retry-refused",
  "own-stall",
  "gateway-away",
] as const;
export type DetectionKind = (typeof DETECTIONS)[number];

/** The kinds that count unless a drill names its own. */
export const DEFAULT_DETECTIONS: readonly DetectionKind[] = DETECTIONS.filter(
  (kind) => !["heartbeats-missing", "capacity-learned", "retry-refused", "own-stall", "gateway-away"].includes(kind),
);

/** The members of an event of a gateway's feed that are read here. */
export interface FeedEvent {
  readonly type: string;
  readonly sentence?: string;
  readonly station?: string;
  readonly node?: string;
  readonly to?: string;
  readonly isWell?: boolean;
  readonly transition?: { readonly to?: string };
}

/** The kind of detection that an event is; undefined: none. */
export function detectionIn(event: FeedEvent): DetectionKind | undefined {
  switch (event.type) {
    case "declaration":
      return event.to === "down" ? "declared-down" : event.to === "suspected" ? "suspected" : undefined;
    case "breaker":
      return event.transition?.to === "open" ? "circuit-opened" : undefined;
    case "probe":
      return event.isWell === false ? "health-page" : undefined;
    default:
      return BY_TYPE.get(event.type);
  }
}

const BY_TYPE: ReadonlyMap<string, DetectionKind> = new Map<string, DetectionKind>(
  Object.entries({
    doubted: "set-aside",
    "spillover-begun": "set-aside",
    promoted: "promotion",
    "no-eligible-station": "no-eligible-station",
    overload: "overload",
    "local-shortage": "local-shortage",
    "memory-used-up": "memory-used-up",
    "name-conflict": "name-conflict",
    "epoch-refused": "epoch-refused",
    "heartbeats-missing": "heartbeats-missing",
    "capacity-learned": "capacity-learned",
    "retry-refused": "retry-refused",
    abstention: "own-stall",
    "gateway-away": "gateway-away",
  } as const),
);
