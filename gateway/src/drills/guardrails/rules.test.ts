/** Blast radius, lower environment, on-call, incident and settings: attempts to get past each. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { JsonObject } from "../experiment/experiment.ts";
import type { Target } from "../injection.ts";
import { STORE } from "../store.ts";
import { type BlastRadius, breachesOf, outageBreach, targetsHash } from "./blast-radius.ts";
import { incidentState } from "./incident.ts";
import { missingPass } from "./lower-environment.ts";
import { staffing } from "./on-call.ts";
import { readSettings } from "./settings.ts";

const directory = mkdtempSync(join(tmpdir(), "gsf-rules-"));
after(() => rmSync(directory, { recursive: true, force: true }));

const FILLED_IN_LATER = ["$", "{control}"].join("");

function target(name: string, more: Partial<Target> = {}): Target {
  return { kind: "station", name, isStation: true, share: 1, ...more };
}

describe("blast radius", () => {
  const usual: BlastRadius = { maxTargets: 1, maxShare: 1, never: ["lease-store"], allowTotalOutage: false };
  const rules = (radius: Partial<BlastRadius>, ...targets: Target[]): string[] =>
    breachesOf({ ...usual, ...radius }, [{ activity: "a", targets }]).map(({ rule }) => rule);

  test("one target → allowed; two, or none → not", () => {
    assert.deepEqual(rules({}, target("a")), []);
    assert.deepEqual(rules({}, target("a"), target("b")), ["max-targets"]);
    assert.deepEqual(rules({}), ["empty-target"]);
    assert.deepEqual(rules({ maxTargets: 2 }, target("a"), target("b")), []);
  });

  test("two injections with one target each → counted together, the same one once", () => {
    const injections = (...names: string[]) => names.map((name) => ({ activity: name, targets: [target(name)] }));
    assert.equal(breachesOf(usual, injections("a", "b")).length, 1);
    assert.equal(breachesOf(usual, injections("a", "A ")).length, 0);
  });

  test("a name in never, in any spelling → refused", () => {
    for (const name of ["lease-store", "Lease-Store", " lease-store ", "ｌease-store"])
      assert.deepEqual(rules({}, target(name)), ["never"], name);
    assert.deepEqual(rules({}, target("lease-store-2")), []);
  });

  test("share above the limit, or no number → refused", () => {
    assert.deepEqual(rules({ maxShare: 0.3 }, target("a", { share: 0.31 })), ["max-share"]);
    assert.deepEqual(rules({ maxShare: 0.3 }, target("a", { share: 0.3 })), []);
    assert.deepEqual(rules({}, target("a", { share: Number.NaN })), ["max-share"]);
    assert.deepEqual(rules({ maxShare: 0.3 }, target("a", { share: 0.1 }), target("a", { share: 0.9 })), ["max-share"]);
    assert.deepEqual(rules({}, target("a", { share: Number.NaN }), target("a", { share: 0.9 })), ["max-share"]);
  });

  test("last healthy station → refused, unless a total outage is allowed", () => {
    const outage = (healthy: readonly string[] | string, ...targets: Target[]): boolean =>
      outageBreach(usual, [{ activity: "a", targets }], healthy) !== undefined;
    assert.equal(outage(["a", "b"], target("a")), false);
    assert.equal(outage(["a"], target("a")), true);
    assert.equal(outage(["A"], target("a")), true);
    assert.equal(outage([], target("b")), true);
    assert.equal(outage("no answer", target("a")), true);
    assert.equal(outage("no answer", target("a", { isStation: false })), false);
    assert.equal(outage(["a", "b"], target("a"), target("b", { share: 0.1 })), true);
    const allowed = { ...usual, allowTotalOutage: true };
    assert.equal(outageBreach(allowed, [{ activity: "a", targets: [target("a")] }], []), undefined);
  });

  test("hash: of the set, whatever its order", () => {
    assert.equal(targetsHash([target("a"), target("b")]), targetsHash([target("b"), target("a"), target("a")]));
    assert.notEqual(targetsHash([target("a")]), targetsHash([target("a", { share: 0.5 })]));
  });
});

describe("passed in a lower environment", () => {
  const wallMs = Date.parse("2026-12-01T00:00:00Z");
  const dayMs = 86_400_000;
  let runs = 0;
  const storeWith = (...journals: ReadonlyArray<readonly [daysAgo: number, gsf: JsonObject | string]>): string => {
    const store = mkdtempSync(join(directory, "store-"));
    mkdirSync(join(store, STORE.journals));
    for (const [daysAgo, gsf] of journals) {
      const end = new Date(wallMs - daysAgo * dayMs).toISOString();
      const text = typeof gsf === "string" ? gsf : JSON.stringify({ gsf, end });
      writeFileSync(join(store, STORE.journals, `${String(++runs).padStart(6, "0")}.json`), text);
    }
    return store;
  };
  const held = { specHash: "abc", environment: "staging", outcome: "held" };
  const isMissing = (store: string): boolean =>
    missingPass(store, { specHash: "abc", environment: "staging", maxAgeMs: 30 * dayMs, wallMs }) !== undefined;

  test("held there, not long ago → passed", () => {
    assert.equal(isMissing(storeWith([3, held])), false);
    assert.equal(isMissing(storeWith([30, held])), false);
  });

  test("no journal, another text, another environment, too old, of tomorrow → not passed", () => {
    assert.equal(isMissing(join(directory, "nothing")), true);
    assert.equal(isMissing(storeWith()), true);
    assert.equal(isMissing(storeWith([3, { ...held, specHash: "abd" }])), true);
    assert.equal(isMissing(storeWith([3, { ...held, environment: "local" }])), true);
    assert.equal(isMissing(storeWith([30.01, held])), true);
    assert.equal(isMissing(storeWith([-1, held])), true);
  });

  test("deviated, aborted, dirty or without an effect → not passed, also where it held before", () => {
    for (const outcome of ["deviated", "aborted", "dirty", "invalid"]) {
      assert.equal(isMissing(storeWith([3, { ...held, outcome }])), true, outcome);
      assert.equal(isMissing(storeWith([3, held], [2, { ...held, outcome }])), true, outcome);
      assert.equal(isMissing(storeWith([3, { ...held, outcome }], [2, held])), false, outcome);
    }
  });

  test("skipped or interrupted after it held → says nothing", () => {
    for (const outcome of ["skipped", "interrupted"])
      assert.equal(isMissing(storeWith([3, held], [2, { ...held, outcome }])), false);
  });

  test("journals that cannot be read → no proof, and no hindrance", () => {
    for (const text of ["", "{", "null", "[]", '{"gsf":null,"end":"x"}', '{"gsf":{"specHash":"abc"}}'])
      assert.equal(isMissing(storeWith([1, text])), true, text);
    assert.equal(isMissing(storeWith([3, held], [1, "{"])), false);
  });
});

describe("on call and incidents", () => {
  const bodies = new Map<string, readonly [status: number, body: string]>([
    ["/ana", [200, "Ana Ruiz\nand more"]],
    ["/json", [200, '{"who":"Ben"}']],
    ["/empty", [200, ""]],
    ["/nobody", [200, '{"who":""}']],
    ["/broken", [500, "Ana"]],
    ["/none", [200, "[]"]],
    ["/closed", [200, '{"open":false}']],
    ["/open", [200, '{"open":true}']],
    ["/one", [200, '[{"id":7}]']],
    ["/strange", [200, '{"open":"no"}']],
    ["/page", [200, "<html>all is well</html>"]],
  ]);
  const server = createServer((request, response) => {
    const found = bodies.get(request.url as string);
    if (found === undefined) return;
    response.statusCode = found[0];
    response.end(found[1]);
  });
  const listening = new Promise<string>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  );
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test("2xx with a name → staffed; another answer, no name, no answer → not", async () => {
    const who = async (path: string): Promise<string | false> => {
      const found = await staffing({ url: `${await listening}${path}` }, Date.now());
      return found.isStaffed && found.who;
    };
    assert.equal(await who("/ana"), "Ana Ruiz");
    assert.equal(await who("/json"), "Ben");
    for (const path of ["/empty", "/nobody", "/broken"]) assert.equal(await who(path), false, path);
    assert.equal((await staffing({ url: "http://127.0.0.1:1/" }, 0)).isStaffed, false);
  });

  test("program: exit code 0 and a name → staffed", async () => {
    const isStaffed = async (...command: string[]): Promise<boolean> => (await staffing({ command }, 0)).isStaffed;
    assert.equal(await isStaffed("echo", "Ana"), true);
    assert.equal(await isStaffed("sh", "-c", "echo Ana; exit 1"), false);
    assert.equal(await isStaffed("true"), false);
    assert.equal(await isStaffed(join(directory, "nothing")), false);
  });

  test("file: fresh and with a name → staffed; old, of the future, empty, missing → not", async () => {
    const file = join(directory, "on-call");
    const isStaffed = async (ageMs: number, text = "Ana"): Promise<boolean> => {
      writeFileSync(file, text);
      utimesSync(file, 1_000_000, 1_000_000 - ageMs / 1_000);
      return (await staffing({ file, maxAgeMs: 60_000 }, 1_000_000_000)).isStaffed;
    };
    assert.equal(await isStaffed(59_000), true);
    assert.equal(await isStaffed(61_000), false);
    assert.equal(await isStaffed(-120_000), false);
    assert.equal(await isStaffed(0, " \n"), false);
    rmSync(file);
    assert.equal((await staffing({ file, maxAgeMs: 60_000 }, 0)).isStaffed, false);
  });

  test("incidents: only a clear no is no", async () => {
    const kind = async (path: string): Promise<string> =>
      (await incidentState({ url: `${await listening}${path}` })).kind;
    assert.deepEqual(await Promise.all(["/none", "/closed"].map(kind)), ["none", "none"]);
    assert.deepEqual(await Promise.all(["/open", "/one"].map(kind)), ["open", "open"]);
    assert.deepEqual(await Promise.all(["/strange", "/page", "/broken"].map(kind)), ["unknown", "unknown", "unknown"]);
    assert.equal((await incidentState({ url: "http://127.0.0.1:1/" })).kind, "unknown");
    const file = join(directory, "incident");
    assert.equal((await incidentState({ file })).kind, "none");
    writeFileSync(file, "\n");
    assert.equal((await incidentState({ file })).kind, "none");
    writeFileSync(file, "INC-7 uplink down");
    assert.equal((await incidentState({ file })).kind, "open");
    assert.equal((await incidentState({ file: directory })).kind, "unknown");
  });
});

describe("settings", () => {
  const places = (given: unknown): string[] =>
    (readSettings(given as JsonObject).problems ?? []).map((sentence) => sentence.split(":")[0] as string);

  test("nothing said → the safe defaults", () => {
    const { settings } = readSettings({});
    assert.ok(settings !== undefined);
    assert.deepEqual(settings.blastRadius, { maxTargets: 1, maxShare: 1, never: [], allowTotalOutage: false });
    assert.equal(settings.requirePassedIn, "previous");
    assert.equal(settings.baselineMs, 30_000);
  });

  test("each kind of mistake → told at its field", () => {
    assert.deepEqual(places({ blastRadius: { maxTarget: 1 } }), ["guardrails.blastRadius.maxTarget"]);
    assert.deepEqual(places({ baseLineMs: 1 }), ["guardrails.baseLineMs"]);
    assert.deepEqual(places({ baselineMs: "30s", blindAfterMs: 10 }).sort(), [
      "guardrails.baselineMs",
      "guardrails.blindAfterMs",
    ]);
    assert.deepEqual(places({ stop: ["a > 0", "b >", "c ! 1"] }), [
      "guardrails.stop.1, column 4",
      "guardrails.stop.2, column 3",
    ]);
    assert.deepEqual(places({ signals: { a: { url: "http://x/" } } }), ["guardrails.signals.a"]);
    assert.deepEqual(places({ signals: { a: { url: "ftp://x/", jsonpath: "$.a" } } }), ["guardrails.signals.a.url"]);
    assert.deepEqual(places({ signals: { a: { url: "http://x/", jsonpath: "a[" } } }), [
      "guardrails.signals.a.jsonpath",
    ]);
    assert.deepEqual(places({ businessHours: { timezone: "Europe/Bonn" } }), ["guardrails.businessHours.timezone"]);
    assert.deepEqual(places({ businessHours: { timezone: "UTC", from: "9" } }), ["guardrails.businessHours.from"]);
    assert.deepEqual(places({ onCall: { url: "http://x/", file: "y" } }), ["guardrails.onCall"]);
    assert.deepEqual(places({ schedule: { cron: "61 * * * *" } }), ["guardrails.schedule.cron"]);
    assert.deepEqual(places({ requirePassedIn: "stagin" }), ["guardrails.requirePassedIn"]);
    assert.deepEqual(places({ protectedPasses: [{ from: "2026-12-01T10:00:00Z", to: "2026-12-01T09:00:00Z" }] }), [
      "guardrails.protectedPasses.0",
    ]);
    assert.deepEqual(places({ protectedPasses: [{ from: "tomorrow", to: "2026-12-01T09:00:00Z" }] }), [
      "guardrails.protectedPasses.0.from",
    ]);
    assert.deepEqual(places({ environments: ["a", "a"] }), ["guardrails.environments"]);
    assert.deepEqual(places([]), ["guardrails"]);
  });

  test("addresses that are yet to be filled in → read", () => {
    const given = {
      stations: { url: `${FILLED_IN_LATER}/v1/status`, jsonpath: "$..name" },
      incident: { url: FILLED_IN_LATER },
    };
    assert.deepEqual(places(given), []);
  });
});
