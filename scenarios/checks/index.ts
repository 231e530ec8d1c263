/** All that must hold in the fleet's world, one observer for each layer: a fence further down must not hide a fault further up. */
import type { Fleet } from "../fleet/fleet.ts";
import type { FleetObserver } from "../fleet/observer.ts";
import { abstention } from "./abstention.ts";
import { afterHeal } from "./after-heal.ts";
import { answeredInTime, sourcesAreTold } from "./answers.ts";
import { badRoutes } from "./bad-routes.ts";
import { breaker } from "./breaker.ts";
import { calmNeighbour } from "./calm-neighbour.ts";
import { challenges } from "./challenges.ts";
import { collapseIsTold } from "./collapse-is-told.ts";
import { comparisons } from "./comparisons.ts";
import { deadlines } from "./deadlines.ts";
import { decisions } from "./decisions.ts";
import { detector } from "./detector.ts";
import { epochs } from "./epochs.ts";
import { faultlessPromotions } from "./faultless-promotions.ts";
import { fitAgain } from "./fit-again.ts";
import { goodput } from "./goodput.ts";
import { handoverEnds } from "./handover-ends.ts";
import { hearing } from "./hearing.ts";
import { learnedPatience } from "./learned-patience.ts";
import { loneWaits } from "./lone-waits.ts";
import { lostCalls } from "./lost-calls.ts";
import { movedCalls } from "./moved-calls.ts";
import { offeredLoad } from "./offered-load.ts";
import { once } from "./once.ts";
import { ordinaryErrors } from "./ordinary-errors.ts";
import { outageOfAll } from "./outage-of-all.ts";
import { pulls } from "./pulls.ts";
import { queues } from "./queues.ts";
import { retriesAreSpread } from "./retries-are-spread.ts";
import { retriesWithinBudget } from "./retries-within-budget.ts";
import { roleChanges } from "./role-changes.ts";
import { secondAttempts } from "./second-attempts.ts";
import { sentInVain } from "./sent-in-vain.ts";
import { situationWatch } from "./situation-watch.ts";
import { slots } from "./slots.ts";
import { suspicionFits } from "./suspicion-fits.ts";
import { takeOver } from "./take-over.ts";
import { trials } from "./trials.ts";
import { truth } from "./truth.ts";
import { twins } from "./twins.ts";
import { vainWaits } from "./vain-waits.ts";

/** The checks of a run, told in this order. */
export function checksOf(fleet: Fleet): FleetObserver[] {
  return [
    truth(fleet),
    once(fleet),
    epochs(fleet),
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
    situationWatch(fleet),
  ];
}
