/** Business hours and schedules over the changes between winter and summer time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type BusinessHours, DAYS, isInHours, isTimezone, shownOnWall, timeOfDay } from "./hours.ts";
import { passWithin } from "./protected-passes.ts";
import { nextRun } from "./schedule.ts";

const BERLIN: BusinessHours = {
  timezone: "Europe/Berlin",
  days: ["mon", "tue", "wed", "thu", "fri"],
  from: "09:00",
  to: "16:00",
};

function within(hours: BusinessHours, ...instants: readonly string[]): boolean[] {
  return instants.map((at) => isInHours(hours, new Date(at)));
}

test("the same UTC hour in winter and in summer → another hour on the wall", () => {
  // 08:30 in January, 09:30 in July.
  assert.deepEqual(within(BERLIN, "2026-01-13T07:30:00Z", "2026-07-14T07:30:00Z"), [false, true]);
  // 15:30 in January, 16:30 in July.
  assert.deepEqual(within(BERLIN, "2026-01-13T14:30:00Z", "2026-07-14T14:30:00Z"), [true, false]);
});

test("first minute counts, last one does not; weekends do not", () => {
  const instants = ["2026-01-13T07:59:59Z", "2026-01-13T08:00:00Z", "2026-01-13T14:59:59Z", "2026-01-13T15:00:00Z"];
  assert.deepEqual(within(BERLIN, ...instants), [false, true, true, false]);
  assert.deepEqual(within(BERLIN, "2026-01-17T10:00:00Z", "2026-01-18T10:00:00Z"), [false, false]);
});

test("day of the zone, not of UTC", () => {
  const auckland = { ...BERLIN, timezone: "Pacific/Auckland" };
  // Sunday 20:30 UTC is Monday 09:30 there; Friday 20:30 UTC is Saturday.
  assert.deepEqual(within(auckland, "2026-01-11T20:30:00Z", "2026-01-16T20:30:00Z"), [true, false]);
});

test("hour that is left out in spring, and the one that is repeated in autumn", () => {
  const night = { ...BERLIN, days: DAYS, from: "02:00", to: "03:00" };
  // 29 March 2026: 01:59:59 is followed by 03:00.
  assert.deepEqual(within(night, "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"), [false, false]);
  // 25 October 2026: 02:30 comes twice.
  const twice = ["2026-10-24T23:59:59Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"];
  assert.deepEqual(within(night, ...twice), [false, true, true, false]);
});

test("hours past midnight → belong to the day on which they begin", () => {
  const night: BusinessHours = { ...BERLIN, days: ["fri"], from: "22:00", to: "02:00" };
  const instants = ["2026-01-16T20:30:00Z", "2026-01-16T21:30:00Z", "2026-01-17T00:30:00Z", "2026-01-17T01:30:00Z"];
  assert.deepEqual(within(night, ...instants), [false, true, true, false]);
  // Thursday night, which is Friday's first hour.
  assert.deepEqual(within(night, "2026-01-15T23:30:00Z"), [false]);
});

test("whole day → each minute of it; every minute of a year of changes is in one of two halves", () => {
  const whole = { ...BERLIN, days: DAYS, from: "00:00", to: "24:00" };
  const [day, night] = [
    { ...whole, from: "06:00", to: "18:00" },
    { ...whole, from: "18:00", to: "06:00" },
  ];
  for (let at = Date.parse("2026-03-28T00:00:00Z"); at < Date.parse("2026-03-30T00:00:00Z"); at += 60_000) {
    const instant = new Date(at);
    assert.ok(isInHours(whole, instant));
    assert.notEqual(isInHours(day, instant), isInHours(night, instant), instant.toISOString());
  }
});

test("zones and times of day that do not exist → known", () => {
  assert.ok(isTimezone("Europe/Berlin") && isTimezone("UTC"));
  assert.ok(!isTimezone("Europe/Bonn") && !isTimezone(""));
  assert.deepEqual(
    ["00:00", "24:00", "24:01", "9:00", "12:60", "noon"].map((text) => timeOfDay(text)),
    [0, 1_440, undefined, undefined, undefined, undefined],
  );
  assert.equal(shownOnWall("Europe/Berlin", new Date("2026-07-14T07:05:00Z")), "tue 09:05 Europe/Berlin");
});

test("schedule over the change to summer time → the same time on the wall", () => {
  const schedule = { cron: "0 10 * * 2", timezone: "Europe/Berlin", offsetMs: 0 };
  const runs: string[] = [];
  let after = new Date("2026-03-17T00:00:00Z");
  for (let count = 0; count < 3; count++) {
    const next = nextRun(schedule, { after, seed: 1, hours: undefined });
    assert.ok(next !== undefined);
    runs.push(next.at.toISOString());
    after = next.at;
  }
  assert.deepEqual(runs, ["2026-03-17T09:00:00.000Z", "2026-03-24T09:00:00.000Z", "2026-03-31T08:00:00.000Z"]);
});

test("random offset → within its range, the same for the same seed, and not lost after the cron instant", () => {
  const schedule = { cron: "0 10 * * *", timezone: "UTC", offsetMs: 3_600_000 };
  const offsets = new Set<number>();
  for (let seed = 0; seed < 50; seed++) {
    const asked = { seed, hours: undefined };
    const next = nextRun(schedule, { ...asked, after: new Date("2026-01-12T09:00:00Z") });
    assert.ok(next !== undefined && next.offsetMs >= 0 && next.offsetMs < 3_600_000);
    assert.equal(next.at.getTime() - next.scheduledAt.getTime(), next.offsetMs);
    // Asked again between the cron instant and the run.
    const again = nextRun(schedule, { ...asked, after: new Date(next.at.getTime() - 1) });
    assert.deepEqual(again, next);
    const following = nextRun(schedule, { ...asked, after: next.at });
    assert.ok(following !== undefined && following.at > next.at);
    assert.equal(following.scheduledAt.toISOString(), "2026-01-13T10:00:00.000Z");
    offsets.add(next.offsetMs);
  }
  assert.ok(offsets.size > 45);
});

test("schedule outside of the hours → left out until one lies in them, or none at all", () => {
  const hourly = { cron: "30 * * * *", timezone: "UTC", offsetMs: 0 };
  const next = nextRun(hourly, { after: new Date("2026-01-16T16:00:00Z"), seed: 1, hours: BERLIN });
  // Friday evening → Monday 09:30 in Berlin.
  assert.equal(next?.at.toISOString(), "2026-01-19T08:30:00.000Z");
  const nightly = { cron: "0 3 * * *", timezone: "Europe/Berlin", offsetMs: 0 };
  assert.equal(nextRun(nightly, { after: new Date("2026-01-16T16:00:00Z"), seed: 1, hours: BERLIN }), undefined);
});

test("contact pass: inside, in the margin before it, and the drill that reaches into it → found", () => {
  const passes = [{ name: "AOS 7", from: "2026-12-01T10:00:00+01:00", to: "2026-12-01T10:12:00+01:00" }];
  const found = (from: string, to: string, marginMs: number): boolean =>
    passWithin(passes, Date.parse(from), Date.parse(to), marginMs) !== undefined;
  assert.ok(found("2026-12-01T09:05:00Z", "2026-12-01T09:06:00Z", 0));
  assert.ok(found("2026-12-01T08:00:00Z", "2026-12-01T09:00:00Z", 0));
  assert.ok(found("2026-12-01T08:00:00Z", "2026-12-01T08:50:00Z", 600_000));
  assert.ok(!found("2026-12-01T08:00:00Z", "2026-12-01T08:49:59Z", 600_000));
  assert.ok(!found("2026-12-01T09:12:00Z", "2026-12-01T09:30:00Z", 600_000));
});
