import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { WrittenSections } from "../../swarm/written.ts";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { decisions } from "./decisions.ts";

function made(sections: WrittenSections = {}): Scripted {
  const fleet = new Scripted({ configuration: configurationOf([{ name: "atlantic", ...sections }]) }, decisions);
  fleet.starts();
  return fleet;
}

/** `times` attempts at `station`, each of which ends so, 10 ms apart. */
async function ends(
  fleet: Scripted,
  times: number,
  how: "never-sent" | "reply",
  status?: number,
  station = "primary",
): Promise<void> {
  for (let time = 0; time < times; time++) {
    const attempt = fleet.sends(fleet.command(), station);
    await fleet.at(fleet.world.nowMs + 10);
    fleet.ends(attempt, how, status);
  }
}

test("[F1] connections refused in a row speak against a station, and only in a row", async () => {
  const inARow = made();
  await ends(inARow, 2, "never-sent");
  inARow.promoted("backup", "primary", "failure");
  assert.deepEqual(inARow.violated, []);

  const apart = made();
  await ends(apart, 1, "never-sent");
  await ends(apart, 1, "reply", 200);
  await ends(apart, 1, "never-sent");
  apart.promoted("backup", "primary", "failure");
  assert.deepEqual(apart.violated, ["promotes-on-evidence"]);
});

test("[F1] enough failures for long enough speak against a station, and successes clear it", async () => {
  const failing = made();
  await ends(failing, 5, "reply", 500);
  await failing.at(1_100);
  failing.promoted("backup", "primary", "failure");
  assert.deepEqual(failing.violated, []);

  const cleared = made();
  await ends(cleared, 5, "reply", 500);
  await cleared.at(1_100);
  await ends(cleared, 40, "reply", 200);
  cleared.promoted("backup", "primary", "failure");
  assert.deepEqual(cleared.violated, ["promotes-on-evidence"]);
});

/**
 * 30 commands that `primary` serves in 10 ms each; then `times` that are not answered, and `forMs`
 * of silence.
 */
async function fallsSilent(fleet: Scripted, times: number, forMs: number): Promise<void> {
  await ends(fleet, 30, "reply", 200);
  for (let time = 0; time < times; time++) fleet.sends(fleet.command(), "primary");
  await fleet.at(fleet.world.nowMs + forMs);
}

test("[F1] two attempts overdue and nothing answered for 250 ms more speak against a station", async () => {
  const silent = made();
  await fallsSilent(silent, 2, 261);
  silent.promoted("backup", "primary", "failure");
  assert.deepEqual(silent.violated, []);
  for (const [times, forMs] of [
    [1, 2_000],
    [2, 240],
  ] as const) {
    const fleet = made();
    await fallsSilent(fleet, times, forMs);
    fleet.promoted("backup", "primary", "failure");
    assert.deepEqual(fleet.violated, ["promotes-on-evidence"], `${times} attempts for ${forMs} ms`);
  }
  const answers = made();
  await fallsSilent(answers, 2, 200);
  answers.ends(answers.sends(answers.command(), "primary"), "reply", 404);
  await answers.at(answers.world.nowMs + 100);
  answers.promoted("backup", "primary", "failure");
  assert.deepEqual(answers.violated, ["promotes-on-evidence"], "it answers");
});

test("[F10] slow callers, own shortages and errors that every station gives speak against nobody", async () => {
  const uploads = made();
  await ends(uploads, 30, "reply", 200);
  for (const _ of [1, 2, 3])
    uploads.sends(uploads.command(), "primary", { judgedFromLocalMs: Number.POSITIVE_INFINITY });
  await uploads.at(5_000);
  uploads.promoted("backup", "primary", "failure");
  assert.deepEqual(uploads.violated, ["promotes-on-evidence"]);

  const short = made();
  for (const _ of [1, 2, 3]) short.ends(short.sends(short.command(), "primary", { ours: true }), "never-sent");
  short.promoted("backup", "primary", "failure");
  assert.deepEqual(short.violated, ["promotes-on-evidence"]);

  for (const [elsewhere, found] of [
    [200, []],
    [500, ["promotes-on-evidence"]],
  ] as const) {
    const compared = made();
    for (let time = 0; time < 5; time++) {
      const command = compared.command();
      compared.ends(compared.sends(command, "primary"), "reply", 500);
      compared.ends(compared.sends(command, "backup"), "reply", elsewhere);
    }
    compared.promoted("backup", "primary", "failure");
    assert.deepEqual(compared.violated, found, `served elsewhere with ${elsewhere}`);
  }
});

/** Both stations beat, once. */
function beat(fleet: Scripted, ...stations: readonly string[]): void {
  for (const station of stations) fleet.tell("beatCounted", "atlantic", station);
}

test("[F1] so do a declared silence and the doubt after an earlier change", async () => {
  const fleet = made();
  for (const station of ["primary", "backup"]) fleet.declared(station, "suspected", "alive");
  fleet.declared("primary", "alive", "down");
  await fleet.at(10);
  beat(fleet, "backup");
  fleet.promoted("backup", "primary", "failure");
  await fleet.at(2_000);
  fleet.declared("backup", "alive", "down");
  fleet.declared("primary", "down", "alive");
  await fleet.at(2_010);
  beat(fleet, "primary");
  fleet.promoted("primary", "backup", "failure");
  assert.deepEqual(fleet.violated, []);
  await fleet.at(60_000);
  fleet.declared("backup", "down", "alive");
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(fleet.violated, ["promotes-on-evidence"]);
});

test("[F2] who is promoted has been heard of since the other fell silent, and nobody eligible is passed over", async () => {
  const unheard = made();
  for (const station of ["primary", "backup"]) unheard.declared(station, "suspected", "alive");
  beat(unheard, "backup");
  await unheard.at(500);
  unheard.declared("primary", "alive", "down");
  unheard.promoted("backup", "primary", "failure");
  assert.deepEqual(unheard.violated, ["heard-since-is-promoted"]);

  const configuration = configurationOf([{ name: "atlantic", stations: 3 }]);
  const passedOver = new Scripted({ configuration }, decisions);
  passedOver.starts();
  for (const station of ["primary", "backup", "backup-2"]) passedOver.declared(station, "suspected", "alive");
  await ends(passedOver, 2, "never-sent");
  passedOver.promoted("backup-2", "primary", "failure");
  await passedOver.at(passedOver.world.nowMs + 1);
  assert.deepEqual(passedOver.violated, ["promotes-the-first-fit"]);
});

test("[F2] one that has just failed its failback is passed over, and one that served what it was given is not", async () => {
  for (const [isServed, found] of [
    [false, []],
    [true, ["promotes-the-first-fit"]],
  ] as const) {
    const fleet = new Scripted({ configuration: configurationOf([{ name: "atlantic", stations: 3 }]) }, decisions);
    fleet.starts();
    for (const station of ["primary", "backup", "backup-2"]) fleet.declared(station, "suspected", "alive");
    await ends(fleet, 2, "never-sent");
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(20_000);
    const [group, station, reason] = ["atlantic", "primary", "it is well"];
    const begun = { type: "handover-begun", group, station, cause: "failback", reason, atMs: 20_000 } as const;
    fleet.tell("gatewayEvent", begun, 1);
    const first = fleet.sends(fleet.command(), "primary");
    await fleet.at(20_150);
    if (isServed) fleet.ends(first, "reply", 200);
    fleet.tell("gatewayEvent", { type: "handover-ended", group, station, reason: "it is off", atMs: 20_150 }, 1);
    await ends(fleet, 2, "never-sent", undefined, "backup");
    fleet.promoted("backup-2", "backup", "failure");
    await fleet.at(fleet.world.nowMs + 1);
    assert.deepEqual(fleet.violated, found);
  }
});

test("[F7] maintenance lasts as long as it was asked for, and nobody in it is promoted", async () => {
  const fleet = made();
  const asked = {
    kind: "operator",
    group: "atlantic",
    station: "backup",
    action: "maintenance",
    atMs: 0,
    forMs: 5_000,
  } as const;
  fleet.tell(
    "gatewayEvent",
    { type: "maintenance", group: "atlantic", station: "backup", reason: "antenna", untilMs: 5_000, atMs: 0 },
    1,
  );
  fleet.tell("operated", asked);
  assert.deepEqual(fleet.violated, []);
  fleet.tell("operated", { ...asked, forMs: 60_000 });
  assert.deepEqual(fleet.violated, ["maintenance-is-kept"]);
  fleet.declared("backup", "suspected", "alive");
  await ends(fleet, 2, "never-sent");
  fleet.promoted("backup", "primary", "failure");
  assert.deepEqual(fleet.violated, ["maintenance-is-kept", "unfit-is-not-promoted"]);
});

test("[F1] an ineligible active station stays only while a probe of its circuit is out, and nothing else speaks against it", async () => {
  for (const [state, kind, found] of [
    ["half-open", "breaker", []],
    ["open", "breaker", ["fit-is-promoted"]],
    ["half-open", "calls", ["fit-is-promoted"]],
  ] as const) {
    const fleet = made();
    const process = startGateway(fleet);
    const against = [{ kind, verdict: "ineligible", detail: "primary: it speaks against it" }];
    const primary = {
      name: "primary",
      active: true,
      breaker: { state },
      assessment: { eligible: false, evidence: against },
    };
    const well = { eligible: true, confirmed: true, evidence: [] };
    const backup = { name: "backup", active: false, liveness: "alive", assessment: well };
    const status = { active: "primary", preferred: "primary", stations: [primary, backup] };
    fleet.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", { status }]]) } as never };
    await fleet.at(10_000);
    fleet.tell("tick");
    await fleet.at(10_200);
    assert.deepEqual(fleet.violated, found, `${state}, ${kind}`);
  }
});

test("[F1] the active station is given up, and its gateway says that it is eligible, or that the other is not → an excuse only where something failed there", async () => {
  for (const [claimed, hasFailed, found] of [
    [{ primary: false, backup: false }, false, ["fit-is-promoted"]],
    [{ primary: false, backup: false }, true, []],
    [{ primary: true, backup: true }, false, ["fit-is-promoted"]],
    [{ primary: true, backup: false }, true, []],
  ] as const) {
    const fleet = made();
    const process = startGateway(fleet);
    const stations = (["primary", "backup"] as const).map((name) => ({
      ...{ name, active: name === "primary", breaker: undefined, liveness: "alive" },
      assessment: { eligible: claimed[name], confirmed: claimed[name], evidence: [] },
    }));
    const status = { active: "primary", preferred: "primary", stations };
    fleet.fleet.gateway = { ...process, gateway: { groups: new Map([["atlantic", { status }]]) } as never };
    for (const name of ["primary", "backup"]) fleet.declared(name, "suspected", "alive");
    if (hasFailed) await ends(fleet, 2, "never-sent", undefined, "backup");
    fleet.declared("primary", "alive", "down");
    const looks = async (): Promise<readonly string[]> => {
      await fleet.at(fleet.world.nowMs + 10_000);
      fleet.tell("tick");
      await fleet.at(fleet.world.nowMs + 200);
      return fleet.violated;
    };
    if (!claimed.backup) assert.deepEqual(await looks(), [], "the backup has not been heard since");
    beat(fleet, "backup");
    assert.deepEqual(await looks(), found, JSON.stringify([claimed, hasFailed]));
  }
});

describe("[F7] automatic failback, by what is written and what happened", () => {
  const SETTINGS = { failback: { mode: "automatic", holdDown: "2s" } } as const;

  /**
   * The primary falls silent at 1 s and is heard again at 3 s; then time passes, looked at four
   * times a second.
   */
  async function backAgain(
    sections: WrittenSections,
    untilMs: number,
    at: (fleet: Scripted) => void = () => undefined,
  ) {
    const fleet = made(sections);
    startGateway(fleet);
    for (const station of ["primary", "backup"]) fleet.declared(station, "suspected", "alive");
    await fleet.at(1_000);
    fleet.declared("primary", "suspected", "down");
    await fleet.at(1_010);
    fleet.tell("beatCounted", "atlantic", "backup");
    fleet.promoted("backup", "primary", "failure");
    await fleet.at(3_000);
    fleet.declared("primary", "down", "alive");
    for (let nowMs = 3_250; nowMs <= untilMs; nowMs += 250) {
      await fleet.at(nowMs);
      at(fleet);
      fleet.tell("tick");
    }
    return fleet.violated.filter((invariant) => invariant === "failback-comes");
  }
  // A station that was replaced is in doubt for 5 s; then come the hold-down, and the time that
  // what is due may take.
  const DUE_MS = 1_000 + 5_000 + 2_000 + 4_000;

  test("does not come although the primary has been well for its hold-down → violated, whatever the gateway says of itself", async () => {
    assert.deepEqual(await backAgain(SETTINGS, DUE_MS), []);
    assert.deepEqual(await backAgain(SETTINGS, DUE_MS + 1_000), ["failback-comes"]);
  });

  test("a longer one is written, it is manual, or no probe has succeeded → fine", async () => {
    const longer = { failback: { mode: "automatic", holdDown: "60s" } } as const;
    for (const sections of [longer, { failback: { mode: "manual" } }, { ...SETTINGS, probePath: "/ready" }] as const)
      assert.deepEqual(await backAgain(sections, DUE_MS + 10_000), []);
  });

  test("each failure that was told doubles it", async () => {
    let isAgain = false;
    const ended = (fleet: Scripted): void => {
      if (isAgain) return;
      isAgain = true;
      const event = { group: "atlantic", station: "primary", reason: "", atMs: fleet.world.nowMs } as const;
      fleet.tell("gatewayEvent", { type: "handover-begun", cause: "failback", ...event }, 1);
      fleet.tell("gatewayEvent", { type: "handover-ended", ...event }, 1);
    };
    isAgain = false;
    assert.deepEqual(await backAgain(SETTINGS, DUE_MS + 1_000, ended), []);
    isAgain = false;
    assert.deepEqual(await backAgain(SETTINGS, DUE_MS + 3_000, ended), ["failback-comes"]);
  });
});
