import assert from "node:assert/strict";
import { test } from "node:test";
import type { JsonObject } from "../experiment/experiment.ts";
import { addressValues, gatewayConfiguration, planAddresses, portsNeeded, proxyConfiguration } from "./addresses.ts";
import { readStageSettings } from "./settings-schema.ts";

function planned(written: JsonObject) {
  const read = readStageSettings(written);
  if ("problems" in read) throw new Error(read.problems.join());
  const ports = Array.from({ length: portsNeeded(read.value) }, (_, place) => 20_000 + place);
  return { settings: read.value, at: planAddresses(read.value, ports), ports };
}

test("TLS to the stations → their proxies have certificates, and the gateway's file says https", () => {
  const { settings, at } = planned({ proxies: true, tls: true });
  const links = proxyConfiguration(at) as JsonObject[];
  assert.deepEqual(
    links.filter(({ tls }) => tls !== undefined).map(({ name }) => name),
    ["primary", "backup"],
  );
  assert.match(JSON.stringify(gatewayConfiguration(settings, at, "secret")), /"url":"https:/);
});

const STAGES: ReadonlyArray<readonly [string, JsonObject]> = [
  ["a pair", {}],
  ["a pair behind proxies", { proxies: true }],
  ["relays", { heartbeats: "udp" }],
  [
    "four relays behind proxies",
    { heartbeats: "udp", proxies: true, stations: ["a", "b", "c", "d"].map((name) => ({ name })) },
  ],
];
for (const [title, written] of STAGES)
  test(`${title} → every address has a port of its own, within a block of 32`, () => {
    const { settings, at, ports } = planned(written);
    assert.ok(ports.length <= 32);
    const all = [
      ...[at.gateway, at.control, at.heartbeats, at.proxy, ...at.links.map(({ listen }) => listen)],
      ...Object.values(at.stations).flatMap((one) => [one.service, one.serviceControl, one.relay]),
    ].filter((one) => one !== undefined);
    const numbers = all.map((one) => Number(String(one).split(":").at(-1)));
    assert.equal(new Set(numbers).size, numbers.length);
    assert.ok(numbers.every((port) => ports.includes(port)));
    assert.doesNotMatch(JSON.stringify(addressValues(settings, at)), /undefined|NaN/);
  });

test("a pair → the least configuration of the guide, and the lines of the drill beside it", () => {
  const { settings, at } = planned({
    stations: [{ name: "primary", gateway: { capacityPerSecond: 5 } }, { name: "backup" }],
    gateway: { group: { heartbeat: { interval: "100ms" } }, top: { drain: "1s" } },
  });
  const { groups, drain, heartbeats } = gatewayConfiguration(settings, at, "secret") as {
    groups: Array<{ heartbeat: JsonObject; stations: JsonObject[] }>;
    drain: string;
    heartbeats: unknown;
  };
  assert.deepEqual(groups[0]?.heartbeat, { kind: "http", path: "/healthz", interval: "100ms" });
  assert.equal(groups[0]?.stations[0]?.["capacityPerSecond"], 5);
  assert.deepEqual([drain, heartbeats], ["1s", undefined]);
});

test("proxies with relays → one on each link, heartbeats over UDP", () => {
  const { at } = planned({ heartbeats: "udp", proxies: true });
  const links = proxyConfiguration(at) as JsonObject[];
  assert.deepEqual(
    links.map(({ name, protocol }) => [name, protocol]),
    [
      ["primary", undefined],
      ["primary-service", undefined],
      ["primary-heartbeats", "udp"],
      ["backup", undefined],
      ["backup-service", undefined],
      ["backup-heartbeats", "udp"],
      ["callers", undefined],
    ],
  );
});
