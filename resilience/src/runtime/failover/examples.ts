/**
 * Objects that exist only for V8, so that calls stay as quick as they have become. V8 compiles code
 * for the classes that it has met. It discards that code if one of them changes: when a field that
 * has held only whole numbers gets a fraction (for some fields after half a second, for some at the
 * first promotion), or when a full collection finds no live object of a class, which happens to
 * calls whenever none is in flight. The next calls would then be several times as slow, and take
 * half as much memory again. So one object of each class is kept, and its numbers are fractions.
 */
import { Admission } from "../../core/failover/admission/admission.ts";
import { Crowding } from "../../core/failover/admission/crowding.ts";
import { Attempt, Call } from "../../core/failover/call.ts";
import { AnswerTimes } from "../../core/failover/learned/answer-times.ts";
import { CallSource } from "../../core/failover/learned/call-sources.ts";
import { Lull } from "../../core/failover/learned/lull.ts";
import { Slowness } from "../../core/failover/learned/slowness.ts";
import type { Station } from "../../core/failover/station.ts";
import type { NamedStation } from "./options.ts";
import { FailoverAttempt, FailoverRequest, type RequestOwner } from "./request.ts";

/** No call has this id. */
export const NOBODY = 0;

/** One object of each class that a call needs. */
export function callExamples<S extends NamedStation>(owner: RequestOwner): readonly unknown[] {
  const source = new CallSource(1);
  // The answer times differ much, so that the number of answers in a mean is a fraction.
  for (let answer = 0; answer < 100; answer++) {
    const tookMs = answer % 2 === 0 ? 0.5 : 50.5;
    source.noteServed(0, tookMs, answer + 0.5);
    source.noteTook(0, tookMs, answer + 0.5, false, "idle");
  }
  const terms = { deadline: 0.5, idempotencyKey: undefined, isRepeatable: true, isIdempotent: true, source };
  const nothing = (): void => {};
  const request = new FailoverRequest<S, unknown>(nothing, nothing, nothing);
  const call = new Call(NOBODY, terms, 0.5, request);
  call.dueAtMs = 0.5;
  const attempt = new Attempt(call, {} as Station, 1, 0.5);
  return [call, attempt, new FailoverAttempt(attempt, {} as S, "primary", owner)];
}

/**
 * The objects by which a station is judged, after a few calls that were served and refused at odd
 * times. They must be created before the stations, so that V8 gives the stations the same classes
 * from the start.
 */
export function stationExamples(): readonly unknown[] {
  const admission = new Admission();
  const crowding = new Crowding();
  const lull = new Lull();
  const slowness = new Slowness();
  const times = new AnswerTimes();
  admission.begin(1.5, 0.5, 0.5, 0.5);
  crowding.restart(0.5);
  for (let nowMs = 0.5; nowMs < 5_000; nowMs += 150.25) {
    admission.note("finished", 10.25, nowMs, crowding);
    // Twice, because only the first refusal restarts its measurements.
    if (nowMs < 1_000)
      for (let refusal = 0; refusal < 2; refusal++) admission.note("overloaded", 10.25, nowMs, crowding);
    crowding.noteSent();
    crowding.noteTook(3.25, 3.125, 20.25);
    crowding.noteServed(nowMs);
    crowding.look(1.25, 1, nowMs - 5, nowMs);
    lull.noteEnded(1, nowMs);
    slowness.look(1.25, Math.floor(nowMs), nowMs);
    times.add(10.25);
  }
  return [admission, crowding, lull, slowness, times];
}
