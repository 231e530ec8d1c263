/** What differs between two settings, what of it needs a restart, and that no secret is shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { groupSettings } from "../../../test/process/proxy-rig.ts";
import type { GatewaySettings } from "./settings.ts";
import { changeInWords, changesOf, isSame, needingRestart } from "./settings-change.ts";

function settings(more: Partial<GatewaySettings> = {}): GatewaySettings {
  return {
    groups: [groupSettings([1, 2])],
    control: { host: "127.0.0.1", port: 7070 },
    heartbeats: { listen: { host: "127.0.0.1", port: 7071 }, secrets: secrets("a secret of sixteen bytes") },
    callers: {
      maxMemoryBytes: undefined,
      maxConnections: undefined,
      addressRatio: 0.75,
      minUploadBytesPerSecond: 1_024,
      maxUploadPauseMs: 30_000,
    },
    drainDelayMs: 5_000,
    drainMs: 10_000,
    ...more,
  };
}

function secrets(text: string): NonNullable<GatewaySettings["heartbeats"]>["secrets"] {
  return { shared: [Buffer.from(text)], own: new Map([["atlantic/north", [Buffer.from(`${text} of north`)]]]) };
}

const words = (more: Partial<GatewaySettings>): string[] => changesOf(settings(), settings(more)).map(changeInWords);

test("[G4] equal settings, made twice → no change", () => {
  assert.equal(isSame(settings(), settings()), true);
});

test("[G4] values, stations and their order change → each is named, stations by their names", () => {
  const [north, south] = groupSettings([1, 2]).stations as [
    GatewaySettings["groups"][0]["stations"][0],
    GatewaySettings["groups"][0]["stations"][0],
  ];
  const group = {
    ...groupSettings([1, 2], { commands: { deadlineMs: 9_000 } }),
    stations: [south, { ...north, url: "http://other" }],
  };
  assert.deepEqual(words({ groups: [group], drainMs: 1 }), [
    "groups.atlantic.stations.north.url: http://127.0.0.1:1 → http://other",
    "groups.atlantic.stations.(order): north, south → south, north",
    "groups.atlantic.commands.deadlineMs: 20000 → 9000",
    "drainMs: 10000 → 1",
  ]);
});

test("[G6] a secret, or a header of a health page, changes → that it did, and nothing of it", () => {
  const listen = { host: "127.0.0.1", port: 7071 };
  assert.deepEqual(words({ heartbeats: { listen, secrets: secrets("another secret, as long") } }), [
    "heartbeats.secrets: (not shown) → (not shown)",
  ]);
  const page = { path: "/", headers: [["authorization", "Bearer x"]] as const, expect: [[200, 399]] as const };
  const [north, south] = groupSettings([1, 2]).stations;
  const stations = [{ ...north, healthPage: page }, south] as GatewaySettings["groups"][0]["stations"];
  const changed = { ...page, headers: [["authorization", "Bearer y"]] as const };
  const before = settings({ groups: [{ ...groupSettings([1, 2]), stations }] });
  const after = settings({
    groups: [
      { ...groupSettings([1, 2]), stations: [{ ...stations[0], healthPage: changed }, south] as typeof stations },
    ],
  });
  assert.doesNotMatch(changesOf(before, after).map(changeInWords).join(), /Bearer/);
  assert.equal(isSame(before, after), false);
});

test("[G4] a setting that nothing knows changes → it needs a restart", () => {
  const after = { ...settings(), unknown: 1 } as GatewaySettings;
  assert.deepEqual(
    needingRestart(settings(), after).map(({ way }) => way),
    [["unknown"]],
  );
  const group = { ...groupSettings([1, 2]), unknown: 1 } as GatewaySettings["groups"][0];
  assert.equal(needingRestart(settings(), settings({ groups: [group] })).length, 1);
  assert.equal(needingRestart(settings(), settings({ groups: [], drainMs: 3 })).length, 0);
});
