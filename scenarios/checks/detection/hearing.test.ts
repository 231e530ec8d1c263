/** The check of a gateway that hears nobody at all. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configurationOf } from "../../swarm/written.ts";
import { Scripted } from "../scripted.ts";
import { startGateway } from "../scripted-gateway.ts";
import { hearing } from "./hearing.ts";

const DRAFT = { configuration: configurationOf([{ name: "atlantic", detector: { model: "normal", ceiling: 1_000 } }]) };

function beats(made: Scripted, station: string): void {
  made.tell("beatCounted", "atlantic", station, undefined);
}

function declares(made: Scripted, node: string, to: "alive" | "down", silentForMs: number): void {
  const atMs = made.world.nowMs;
  const from = to === "alive" ? ("unknown" as const) : ("suspected" as const);
  const numbers = { level: 9, silentForMs, rule: "by hand", evidence: [] };
  made.tell("gatewayEvent", { type: "declaration", group: "atlantic", node, from, to, atMs, ...numbers }, 1);
}

function doubts(made: Scripted, untilMs: number): void {
  const atMs = made.world.nowMs;
  made.tell(
    "gatewayEvent",
    { type: "abstention", reason: "observer-isolated", group: "atlantic", atMs, lateByMs: 0, untilMs },
    1,
  );
}

async function silentSince(stations: readonly string[], nowMs: number): Promise<Scripted> {
  const made = new Scripted(DRAFT, hearing);
  startGateway(made);
  for (const station of stations) {
    beats(made, station);
    declares(made, station, "alive", 0);
  }
  return made.at(nowMs);
}

describe("[D7] a gateway that hears nobody", () => {
  test("doubts that first, and keeps to it", async () => {
    const made = await silentSince(["primary", "backup"], 300);
    doubts(made, 600);
    await made.at(600);
    declares(made, "primary", "down", 600);
    assert.deepEqual(made.violated, []);
  });

  test("doubts until the ceiling of the last that it heard → fine; for longer → violated", async () => {
    const made = await silentSince(["primary", "backup"], 300);
    doubts(made, 1_000);
    assert.deepEqual(made.violated, []);
    doubts(made, 1_001);
    assert.deepEqual(made.violated, ["doubt-is-short"]);
  });

  test("declares at once", async () => {
    const made = await silentSince(["primary", "backup"], 300);
    declares(made, "primary", "down", 300);
    assert.deepEqual(made.violated, ["doubts-its-hearing"]);
  });

  test("does not wait for as long as it said", async () => {
    const made = await silentSince(["primary", "backup"], 300);
    doubts(made, 600);
    await made.at(500);
    declares(made, "primary", "down", 500);
    assert.deepEqual(made.violated, ["abstention-is-kept"]);
  });

  test("says so while somebody is heard", async () => {
    const made = await silentSince(["primary", "backup"], 280);
    beats(made, "backup");
    await made.at(300);
    doubts(made, 600);
    assert.deepEqual(made.violated, ["doubts-with-reason"]);
  });

  test("may declare whom it misses while it hears somebody, as soon as it hears somebody, past the ceiling, and one alone", async () => {
    const others = await silentSince(["primary", "backup"], 200);
    beats(others, "backup");
    await others.at(300);
    declares(others, "primary", "down", 300);

    const again = await silentSince(["primary", "backup"], 300);
    doubts(again, 600);
    await again.at(400);
    beats(again, "backup");
    declares(again, "primary", "down", 400);

    const late = await silentSince(["primary", "backup"], 1_000);
    declares(late, "primary", "down", 1_000);

    const alone = await silentSince(["primary"], 300);
    declares(alone, "primary", "down", 300);
    assert.deepEqual(
      [others, again, late, alone].flatMap(({ violated }) => violated),
      [],
    );
  });
});
