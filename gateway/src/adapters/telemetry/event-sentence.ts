/**
 * Describes an event of a group in one sentence with its numbers: for the log, for the event feed,
 * and for the operator on call. Programs read the event itself, which is sent along with it.
 */
import type { Evidence } from "ground-station-failover";
import type { AsyncEvent, GroupEvent as Happened } from "../../fleet/group-events.ts";
import type { StateEvent } from "../storage/gateway-state.ts";
import { asyncSentenceOf, isAsyncEvent } from "./async-sentence.ts";
import { ledgerSentence } from "./ledger-sentence.ts";
import { isOfState, stateSentence } from "./state-sentence.ts";
import { visible } from "./visible.ts";

/** An event of a group. */
export type GroupEvent = Happened & { readonly group: string };

/** Also what happens to the whole gateway. */
export type ToldEvent = GroupEvent | StateEvent;

/** How urgent the event is for a person. */
export type Severity = "info" | "warn" | "error";

export function severityOf(event: ToldEvent): Severity {
  switch (event.type) {
    case "no-eligible-station":
    case "state-full":
    case "state-failed":
      return "error";
    case "promoted":
    case "abstention":
    case "name-conflict":
      return "warn";
    case "overload":
      // If no call waits and none was refused, the cause is that the callers leave.
      return event.waiting > 0 || event.refused > 0 ? "error" : "warn";
    case "doubted":
    case "spillover-begun":
    case "local-shortage":
    case "capacity-learned":
    case "epoch-refused":
    case "memory-used-up":
    case "ledger-trouble":
    case "epoch-unstored":
    case "async-refused":
    case "async-expired":
      return "warn";
    case "streams-cut":
      return event.reason === "down" ? "warn" : "info";
    case "declaration":
      return event.to === "alive" ? "info" : "warn";
    case "breaker":
      return event.transition.to === "open" ? "warn" : "info";
    case "probe":
      return event.isWell ? "info" : "warn";
    case "certificate-expiring":
      return event.leftMs > DAY_MS ? "warn" : "error";
    default:
      return "info";
  }
}

const DAY_MS = 86_400_000;

/** Always one line, even if a reason or a station's answer contains line breaks. */
export function sentenceOf(event: ToldEvent): string {
  return visible(sentenceOfPart(event));
}

type OfAPart =
  | AsyncEvent["type"]
  | StateEvent["type"]
  | "epoch-unstored"
  | "ledger-trouble"
  | "certificate-expiring"
  | "order";

function sentenceOfPart(event: ToldEvent): string {
  if (isOfState(event)) return stateSentence(event);
  if (isAsyncEvent(event)) return asyncSentenceOf(event);
  if (event.type === "certificate-expiring") return expiring(event);
  if (event.type === "order") return ordered(event);
  return event.type === "ledger-trouble" ? ledgerSentence(event) : told(event);
}

function told(event: Exclude<ToldEvent, { type: OfAPart }>): string {
  switch (event.type) {
    case "declaration":
      return `${event.node} is ${event.to} (was ${event.from}): ${event.rule}`;
    case "abstention":
      return abstained(event);
    case "heartbeats-missing":
    case "heartbeats-back":
      return heard(event);
    case "name-conflict":
    case "name-conflict-ended":
      return named(event);
    case "probe":
      return `the health page of ${event.station} is ${event.isWell ? "well again" : "not well"}: ${event.text}`;
    case "promoted":
      return (
        `${event.station} is active in place of ${event.from} (${event.cause}), epoch ${event.epoch}: ` +
        `${because(event.evidence)}; ${event.waiting} commands waiting, ${event.inFlight} still out at ${event.from}`
      );
    case "no-eligible-station":
      return `nobody is eligible; ${event.station} stays active: ${because(event.evidence)}`;
    case "breaker":
      return `circuit of ${event.station} is ${event.transition.to}: ${event.transition.rule}`;
    case "handover-begun":
      return `handing over to ${event.station} (${event.cause}): ${event.reason}`;
    case "handover-ended":
      return `handover to ${event.station} ended: ${event.reason}`;
    case "maintenance":
      return event.reason === undefined
        ? `maintenance of ${event.station} ended`
        : `${event.station} is in maintenance: ${event.reason}`;
    case "epoch-refused":
      return `a station says that it has seen epoch ${event.epoch}, which cannot be: not believed; who sends commands past this gateway?`;
    case "epoch-adopted":
      return `a station has seen epoch ${event.epoch}; it is ours from now on`;
    case "doubted":
    case "trusted":
    case "spillover-begun":
    case "spillover-ended":
      return rerouted(event);
    case "overload":
      return overloaded(event);
    case "overload-ended":
      return `${event.answered} of ${event.ended} commands that ended were answered well again`;
    case "capacity-learned":
      return limited(event);
    case "patience-learned":
      return patient(event);
    case "retry-refused":
      return (
        `retries at ${event.station} are refused by its budget: ${event.used} of ${event.allowed} extra attempts used ` +
        `for ${event.calls} commands; what failed is delivered as it is`
      );
    case "memory-used-up":
      return (
        `commands are refused for want of memory (${event.refused} since this was last told): ` +
        `${event.heldBytes} of ${event.maxBytes} bytes are held, ${event.callerBytes} of them for ${event.caller}`
      );
    case "streams-cut":
      return cut(event);
    case "settings-changed":
      return `settings changed: ${event.changes.join("; ")}`;
    case "unread-body":
      return `${event.station} answered with a body that was not read: ${event.reason}`;
    case "local-shortage":
      return `commands to ${event.station} cannot be sent: this machine lacks a resource (${event.code})`;
  }
}

function named(event: Extract<GroupEvent, { type: "name-conflict" | "name-conflict-ended" }>): string {
  if (event.type === "name-conflict-ended")
    return `only one process sends heartbeats as ${event.station} again: they count`;
  return (
    `two processes send heartbeats as ${event.station}, from ${event.between.join(" and ")}: ` +
    "neither proves that it lives; stop the one that is not this station, or give it its own --name"
  );
}

type Rerouting = "doubted" | "trusted" | "spillover-begun" | "spillover-ended";

function rerouted(event: Extract<GroupEvent, { type: Rerouting }>): string {
  switch (event.type) {
    case "doubted":
      return `new commands avoid ${event.station} for the moment: ${event.reason}`;
    case "trusted":
      return `new commands go to ${event.station} again: ${event.reason}`;
    case "spillover-begun":
      return `${event.station} takes fewer commands than usual: another station takes the rest`;
    case "spillover-ended":
      return `${event.station} is the only one to take new commands again`;
  }
}

function heard(event: Extract<GroupEvent, { type: "heartbeats-missing" | "heartbeats-back" }>): string {
  const how = event.type === "heartbeats-back" ? "there again" : "missing";
  return `heartbeats of ${event.station} are ${how}: phi ${shownLevel(event.level)}`;
}

/** `holder`: `control`, a group, or `group/station`. */
export function expiring(event: {
  readonly holder: string;
  readonly subject: string;
  readonly expiresAt: string;
  readonly leftMs: number;
}): string {
  const { holder, subject, expiresAt, leftMs } = event;
  const what = `the certificate of ${holder} (${subject})`;
  if (leftMs <= 0) return `${what} expired on ${expiresAt}; renew it: files that change are read again`;
  const days = leftMs / DAY_MS;
  const left = days >= 2 ? `${Math.floor(days)} days` : `${Math.ceil(days * 24)} hours`;
  return `${what} expires in ${left}, on ${expiresAt}; renew it: files that change are read again`;
}

function cut({ streams, station, reason }: Extract<GroupEvent, { type: "streams-cut" }>): string {
  const why = reason === "down" ? "it is down" : "another station serves in its place";
  return `${streams} replies that ${station} was streaming were cut: ${why}`;
}

/** Who, what, why, and until when. */
function ordered(event: Extract<GroupEvent, { type: "order" }>): string {
  const { order, outcome, station, reason, by, refusal, untilUnixMs } = event;
  const what = station === undefined ? `${order} of the group` : `${order} of ${station}`;
  const name = by.name ?? (by.token === undefined ? "an operator" : `token ${by.token}`);
  const proof = by.name !== undefined && by.token !== undefined ? `token ${by.token}, ` : "";
  const until = untilUnixMs === undefined ? "" : `, until ${new Date(untilUnixMs).toISOString()}`;
  const why = refusal === undefined ? "" : `; refused: ${refusal}`;
  return `order of ${name} (${proof}${by.address}): ${what} ${outcome}${until}: ${reason}${why}`;
}

function overloaded(event: Extract<GroupEvent, { type: "overload" }>): string {
  return (
    `only ${event.answered} of ${event.ended} commands that ended in ${Math.round(event.windowMs)} ms were answered well ` +
    `(${event.failed} failed, ${event.refused} refused, ${event.expired} out of time, ${event.hungUp} hung up); ` +
    `${event.waiting} wait, ${event.inFlight} are at ${event.station}, limit ${shownLimit(event.limit)}` +
    (event.patienceMs === undefined ? "" : `, callers wait ${Math.round(event.patienceMs)} ms`)
  );
}

function patient(event: Extract<GroupEvent, { type: "patience-learned" }>): string {
  return event.patienceMs === undefined
    ? "callers wait longer than was believed; how long is unknown again"
    : `callers are believed to hang up after ${Math.round(event.patienceMs)} ms; ` +
        "where commands have to wait, one that could not be answered within that time is refused at once";
}

function limited(event: Extract<GroupEvent, { type: "capacity-learned" }>): string {
  return (
    `${event.station} takes no more for the moment: it is given ${shownLimit(event.limit)} commands at once` +
    (event.ratePerSecond < Number.POSITIVE_INFINITY ? `, ${shownLimit(event.ratePerSecond)} a second` : "")
  );
}

function shownLimit(limit: number): string {
  return limit < Number.POSITIVE_INFINITY ? String(Math.round(limit * 10) / 10) : "none";
}

/** Levels above 10^15 mean a silence longer than the ceiling; the number itself says nothing. */
function shownLevel(level: number): string {
  return level > 1e15 ? "beyond measure" : level.toFixed(1);
}

/**
 * The evidence against a station. If there is none (a person decided), the evidence for another
 * station.
 */
function because(evidence: readonly Evidence[]): string {
  const against = evidence.filter((piece) => piece.verdict === "ineligible");
  return (against.length > 0 ? against : evidence).map((piece) => piece.detail).join("; ");
}

function abstained({ reason, lateByMs, atMs, untilMs, error }: Extract<GroupEvent, { type: "abstention" }>): string {
  const forMs = Math.round(untilMs - atMs);
  switch (reason) {
    case "observer-stall":
      return `this process woke ${Math.round(lateByMs)} ms late and accuses nobody for ${forMs} ms`;
    case "observer-isolated":
      return `nobody at all is heard: this process doubts itself first, and declares nobody down for ${forMs} ms unless somebody is heard before`;
    case "own-shortage":
      return "this machine has no descriptors, ports or memory left to ask for heartbeats: nobody is accused while that lasts";
    case "detector-error":
      return `the failure detector throws (${String(error)}): nobody is accused while that lasts`;
  }
}
