import assert from "node:assert/strict";
import { test } from "node:test";
import { Scripted } from "../scripted.ts";
import { SurelyFit } from "./surely-fit.ts";

function made(): { fleet: Scripted; isFit: () => boolean } {
  let eligible: SurelyFit | undefined;
  const fleet = new Scripted({}, (planned) => {
    eligible = new SurelyFit(planned);
    return eligible.hears;
  });
  fleet.starts();
  return { fleet, isFit: () => eligible?.has("atlantic", "backup") === true };
}

test("a station is surely eligible once it is declared alive, and until it is not", () => {
  const { fleet, isFit } = made();
  assert.equal(isFit(), false, "nothing is known");
  fleet.declared("backup", "suspected", "alive");
  assert.equal(isFit(), true);
  fleet.ends(fleet.sends(fleet.command(), "backup"), "reply", 200);
  assert.equal(isFit(), true);
  fleet.declared("backup", "alive", "suspected");
  assert.equal(isFit(), false);
});

test("what comes to nothing, takes long, or replaces it, may make it ineligible for all that is known here", async () => {
  const marks: readonly ((fleet: Scripted) => unknown)[] = [
    (fleet) => fleet.ends(fleet.sends(fleet.command(), "backup"), "lost"),
    (fleet) => fleet.ends(fleet.sends(fleet.command(), "backup"), "reply", 500),
    (fleet) => fleet.ends(fleet.sends(fleet.command(), "backup"), "aborted"),
    (fleet) => fleet.promoted("primary", "backup", "failback"),
    (fleet) => {
      fleet.sends(fleet.command(), "backup");
      return fleet.at(500);
    },
  ];
  for (const mark of marks) {
    const { fleet, isFit } = made();
    fleet.declared("backup", "suspected", "alive");
    await mark(fleet);
    assert.equal(isFit(), false);
    fleet.starts();
    fleet.declared("backup", "suspected", "alive");
    assert.equal(isFit(), true, "another process knows nothing of it");
  }
});
