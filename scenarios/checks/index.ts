/**
 * All that must hold in the fleet's world, one observer for each layer: a fence further down must
 * not hide a fault further up.
 */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { answeredInTime, sourcesAreTold } from "./calls/answers.ts";
import { badRoutes } from "./calls/bad-routes.ts";
import { deadlines } from "./calls/deadlines.ts";
import { groundTruth } from "./calls/ground-truth.ts";
import { keptAnswers } from "./calls/kept-answers.ts";
import { loneWaits } from "./calls/lone-waits.ts";
import { once } from "./calls/once.ts";
import { ordinaryErrors } from "./calls/ordinary-errors.ts";
import { secondAttempts } from "./calls/second-attempts.ts";
import { abstention } from "./detection/abstention.ts";
import { challenges } from "./detection/challenges.ts";
import { detector } from "./detection/detector.ts";
import { hearing } from "./detection/hearing.ts";
import { pulls } from "./detection/pulls.ts";
import { suspicionFits } from "./detection/suspicion-fits.ts";
import { twins } from "./detection/twins.ts";
import { afterHeal } from "./failover/after-heal.ts";
import { calmNeighbour } from "./failover/calm-neighbour.ts";
import { comparisons } from "./failover/comparisons.ts";
import { coverageWatch } from "./failover/coverage-watch.ts";
import { decisions } from "./failover/decisions.ts";
import { epochs } from "./failover/epochs.ts";
import { faultlessPromotions } from "./failover/faultless-promotions.ts";
import { fitAgain } from "./failover/fit-again.ts";
import { handoverEnds } from "./failover/handover-ends.ts";
import { keptEpochs } from "./failover/kept-epochs.ts";
import { lostCalls } from "./failover/lost-calls.ts";
import { movedCalls } from "./failover/moved-calls.ts";
import { roleChanges } from "./failover/role-changes.ts";
import { takeOver, timingBudget } from "./failover/take-over.ts";
import { trials } from "./failover/trials.ts";
import { breaker } from "./load/breaker.ts";
import { collapseIsTold } from "./load/collapse-is-told.ts";
import { goodput } from "./load/goodput.ts";
import { learnedPatience } from "./load/learned-patience.ts";
import { offeredLoad } from "./load/offered-load.ts";
import { outageOfAll } from "./load/outage-of-all.ts";
import { queues } from "./load/queues.ts";
import { retriesAreSpread } from "./load/retries-are-spread.ts";
import { retriesWithinBudget } from "./load/retries-within-budget.ts";
import { sentInVain } from "./load/sent-in-vain.ts";
import { slots } from "./load/slots.ts";
import { vainWaits } from "./load/vain-waits.ts";

/** The checks of a run, told in this order. */
export function checksOf(fleet: Fleet): FleetObserver[] {
  return [
    groundTruth(fleet),
    once(fleet),
    keptAnswers(fleet),
    epochs(fleet),
    keptEpochs(fleet),
    deadlines(fleet),
    slots(fleet),
    breaker(fleet),
    challenges(fleet),
    twins(fleet),
    detector(fleet),
    suspicionFits(fleet),
    abstention(fleet),
    hearing(fleet),
    pulls(fleet),
    retriesWithinBudget(fleet),
    retriesAreSpread(fleet),
    offeredLoad(fleet),
    queues(fleet),
    loneWaits(fleet),
    decisions(fleet),
    roleChanges(fleet),
    calmNeighbour(fleet),
    answeredInTime(fleet),
    sourcesAreTold(fleet),
    takeOver(fleet),
    timingBudget(fleet),
    handoverEnds(fleet),
    trials(fleet),
    comparisons(fleet),
    secondAttempts(fleet),
    movedCalls(fleet),
    lostCalls(fleet),
    afterHeal(fleet),
    fitAgain(fleet),
    faultlessPromotions(fleet),
    ordinaryErrors(fleet),
    badRoutes(fleet),
    goodput(fleet),
    outageOfAll(fleet),
    vainWaits(fleet),
    sentInVain(fleet),
    learnedPatience(fleet),
    collapseIsTold(fleet),
    coverageWatch(fleet),
  ];
}
