/**
 * Reading a configuration: what a minimal file means, what each kind of mistake is answered with,
 * and that all of them are told at once, at their lines.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom } from "ground-station-failover";
import { VirtualClock } from "ground-station-failover/sim";
import { UserError } from "../adapters/process/exit-codes.ts";
import { compose } from "../compose.ts";
import type { Configuration } from "./config.ts";
import { loadConfiguration, parseConfiguration } from "./config.ts";
import { ConfigurationProblems } from "./problems.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const files: Record<string, string | Buffer> = {
  "beat.secret": `${SECRET}\n`,
  "short.secret": "hunter2",
  "binary.secret": Buffer.alloc(32, 0x80),
};

const shared = (...secrets: string[]) => ({ shared: secrets.map((secret) => Buffer.from(secret)), own: new Map() });

const MINIMAL = `
groups:
  - name: atlantic
    listen: 127.0.0.1:8080
    stations:
      - { name: primary, url: "http://127.0.0.1:9001" }
      - { name: backup, url: "http://127.0.0.1:9002" }
heartbeats: { secretFile: beat.secret }
`;

function read(source: string, environment: Record<string, string> = {}): Configuration {
  return parseConfiguration(source, "fleet.yaml", {
    environment,
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error("no"), { code: "ENOENT" });
      return text;
    },
  });
}

/** The lines that are told, without the heading. */
function told(source: string, environment: Record<string, string> = {}): string[] {
  try {
    read(source, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigurationProblems, String(error));
    assert.equal(error.ending, "configuration");
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

test("a group needs a name, an address and two stations; everything else has a default", () => {
  const { settings, controlTokens } = read(MINIMAL);
  assert.deepEqual(controlTokens.now, []);
  assert.deepEqual(settings.control, { host: "127.0.0.1", port: 7070 });
  assert.deepEqual(settings.heartbeats, { listen: { host: "127.0.0.1", port: 7071 }, secrets: shared(SECRET) });
  assert.deepEqual([settings.drainDelayMs, settings.drainMs], [5_000, 10_000]);
  assert.deepEqual(settings.callers, {
    maxMemoryBytes: undefined,
    maxConnections: undefined,
    addressRatio: 0.75,
    minUploadBytesPerSecond: 1_024,
    maxUploadPauseMs: 30_000,
  });
  const group = settings.groups[0];
  assert.deepEqual(group?.listen, { host: "127.0.0.1", port: 8080 });
  assert.deepEqual(group?.stations[1], {
    name: "backup",
    url: "http://127.0.0.1:9002",
    capacityPerSecond: Number.POSITIVE_INFINITY,
  });
  assert.deepEqual(group?.heartbeat, { kind: "udp", intervalMs: 50 });
  assert.deepEqual(group?.detector, {
    model: "adaptive",
    threshold: 12,
    logThreshold: 7,
    minDeviationMs: 20,
    ceilingMs: 1_000,
  });
  assert.equal(group?.supervisor.suspectThreshold, 8);
  assert.equal(group?.commands.timeoutMs, 30_000, "as the deadline");
  assert.equal(group?.commands.deadlineMs, 30_000);
  assert.equal(group?.commands.ambiguousKeyed, "resend");
  assert.deepEqual(group?.failback, { mode: "manual", holdDownMs: 30_000 });
  assert.deepEqual(group?.limits, {
    requestBytes: 10_485_760,
    replayBytes: 1_048_576,
    replyBytes: 65_536,
    tunnelIdleMs: 3_600_000,
  });
  assert.equal(group?.probePath, undefined);
});

test("each model has levels and bounds of its own by default", () => {
  const detector = (written: string): unknown => {
    const group = read(MINIMAL.replace("listen: 127.0.0.1:8080", `listen: 127.0.0.1:8080\n    detector: ${written}`));
    const { detector: settings, supervisor } = group.settings.groups[0] ?? {};
    return { ...settings, suspect: supervisor?.suspectThreshold };
  };
  const plain = { logThreshold: 3, minDeviationMs: 50, ceilingMs: 1_000 };
  assert.deepEqual(detector("{ model: normal }"), { model: "normal", threshold: 8, suspect: 5, ...plain });
  assert.deepEqual(detector("{ model: exponential, threshold: 4 }"), {
    model: "exponential",
    threshold: 4,
    suspect: 4,
    ...plain,
  });
  assert.deepEqual(detector("{ threshold: 7.5, ceiling: 2s }"), {
    model: "adaptive",
    threshold: 7.5,
    suspect: 7.5,
    logThreshold: 7,
    minDeviationMs: 20,
    ceilingMs: 2_000,
  });
});

test("durations, sizes and addresses are read as people write them", () => {
  const source = MINIMAL.replace(
    "listen: 127.0.0.1:8080",
    `listen: "[::1]:8080"
    heartbeat: { kind: http, interval: 2s, path: "/healthz?deep=1" }
    commands: { timeout: 1.5s, deadline: 2m, maxWait: 250, keepAlive: 1.5s }
    detector: { model: lognormal, windowSize: 50 }
    limits: { request: 2MiB, replay: 64KiB, reply: 1000 }
    probePath: /ready`,
  );
  const group = read(source).settings.groups[0];
  assert.deepEqual(group?.listen, { host: "::1", port: 8080 });
  assert.deepEqual(group?.heartbeat, { kind: "http", intervalMs: 2_000, path: "/healthz?deep=1", timeoutMs: 2_000 });
  assert.deepEqual(group?.stations[0]?.healthPage, {
    origin: "http://127.0.0.1:9001",
    path: "/healthz?deep=1",
    headers: [],
    expect: [[200, 399]],
  });
  assert.deepEqual(group?.detector, {
    model: "lognormal",
    windowSize: 50,
    threshold: 8,
    logThreshold: 3,
    minDeviationMs: 500,
    ceilingMs: 10_000,
  });
  assert.equal(group?.commands.timeoutMs, 1_500);
  assert.equal(group?.commands.deadlineMs, 120_000);
  assert.equal(group?.commands.maxWaitMs, 250);
  assert.equal(group?.commands.keepAliveMs, 1_500);
  assert.deepEqual(group?.limits, {
    requestBytes: 2_097_152,
    replayBytes: 65_536,
    replyBytes: 1_000,
    tunnelIdleMs: 3_600_000,
  });
  assert.equal(group?.probePath, "/ready");
  assert.deepEqual(read(MINIMAL.replace("127.0.0.1:8080", ":8080")).settings.groups[0]?.listen, {
    host: "0.0.0.0",
    port: 8080,
  });
});

test("JSON is a configuration too, and anchors may be used", () => {
  assert.equal(
    read(
      JSON.stringify(
        JSON.parse(
          JSON.stringify({
            groups: [
              {
                name: "a",
                listen: ":1",
                heartbeat: { kind: "http", path: "/" },
                stations: [
                  { name: "x", url: "http://x:1" },
                  { name: "y", url: "http://y:1" },
                ],
              },
            ],
          }),
        ),
      ),
    ).settings.groups[0]?.name,
    "a",
  );
  const anchored = MINIMAL.replace("stations:", "commands: &slow { timeout: 3s }\n    stations:").replace(
    "heartbeats:",
    `  - name: pacific
    listen: 127.0.0.1:8081
    commands: { <<: *slow, maxWaiting: 5 }
    stations: [{ name: a, url: "http://a:1" }, { name: b, url: "http://b:1" }]
heartbeats:`,
  );
  assert.equal(read(anchored).settings.groups[1]?.commands.timeoutMs, 3_000);
});

test("[G6] every problem is told at once, each with its line, column, field and what is allowed", () => {
  const lines = told(`groups:
  - name: "at lantic"
    listen: 8080
    stattions: []
    stations:
      - { name: primary, url: "ftp://x" }
      - { name: primary, url: "http://127.0.0.1:9002" }
    commands:
      timeout: 10 parsecs
      timeoutMs: 5
    detector: { clearThreshold: 9 }
drane: 1s
heartbeats: { secretFile: beat.secret }
`);
  assert.deepEqual(lines, [
    'fleet.yaml:2:11 groups[0].name: "at lantic" is not allowed; allowed is 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
    "fleet.yaml:3:13 groups[0].listen: 8080 is not allowed; allowed is host:port, such as 127.0.0.1:8080, :8080 (all addresses) or [::1]:8080 (in quotes)",
    "fleet.yaml:4:5 groups[0].stattions: there is no such field (did you mean stations?); allowed are name, listen, tls, proxyProtocol, trustedProxies, stations, objective, assume, heartbeat, detector, commands, retry, breaker, commandPath, failback, probePath, limits, async",
    'fleet.yaml:6:31 groups[0].stations[0].url: "ftp://x" is not allowed; allowed is http://host:port or https://host:port, without path, query or password',
    "fleet.yaml:7:17 groups[0].stations[1].name: groups[0].stations[0].name is the same; names must differ",
    'fleet.yaml:9:16 groups[0].commands.timeout: "10 parsecs" is not allowed; allowed is a duration from 1ms to 1h, such as 50ms, 1s or 2m',
    "fleet.yaml:10:7 groups[0].commands.timeoutMs: there is no such field (did you mean timeout?); allowed are timeout, deadline, maxWait, maxWaiting, maxConcurrent, ambiguousKeyed, errorBody, deadlineHeader, keepAlive, keyStatus, idempotency",
    "fleet.yaml:11:33 groups[0].detector.clearThreshold: 9 is not below detector.suspectThreshold (8): a station would be suspected and cleared at once",
    "fleet.yaml:12:1 drane: there is no such field (did you mean drain?); allowed are groups, control, heartbeats, callers, accessLog, agentCheck, state, drainDelay, drain",
  ]);
});

test("[G10] what callers may take is read, and refused where no body could be kept", () => {
  const callers =
    "callers: { maxMemory: 64MiB, maxConnections: 500, addressRatio: 1, minUploadRate: 4KiB, maxUploadPause: 1m }";
  assert.deepEqual(read(`${MINIMAL}${callers}`).settings.callers, {
    maxMemoryBytes: 67_108_864,
    maxConnections: 500,
    addressRatio: 1,
    minUploadBytesPerSecond: 4_096,
    maxUploadPauseMs: 60_000,
  });
  const limited = MINIMAL.replace("heartbeats:", "    limits: { replay: 8MiB }\nheartbeats:");
  assert.deepEqual(told(`${limited}callers: { maxMemory: 8MiB }`), [
    "fleet.yaml:8:23 groups[0].limits.replay: 8388608 bytes is more than callers.maxMemory and callers.addressRatio leave for one address (6225920 bytes): such a body would always be refused",
  ]);
  assert.deepEqual(
    told(`${MINIMAL}callers: { maxMemory: 1MiB, addressRatio: 0, minUploadRate: 1Gib, maxUploadPause: 0 }`),
    [
      'fleet.yaml:9:23 callers.maxMemory: "1MiB" is not allowed; allowed is a size from 4MiB to 1024GiB, such as 64KiB or 1MiB',
      "fleet.yaml:9:43 callers.addressRatio: 0 is not allowed; allowed is a number from 0.01 to 1",
      'fleet.yaml:9:61 callers.minUploadRate: "1Gib" is not allowed; allowed is a size from 0B to 1MiB, such as 64KiB or 1MiB',
      "fleet.yaml:9:83 callers.maxUploadPause: 0 is not allowed; allowed is a duration from 100ms to 1h, such as 50ms, 1s or 2m",
    ],
  );
});

test("one station is refused: there is nobody to take over", () => {
  const lines = told(MINIMAL.replace(/ {6}- \{ name: backup.*\n/, ""));
  assert.deepEqual(lines, [
    "fleet.yaml:6:7 groups[0].stations: there are 1; allowed is a list of stations (the primary first, then its backups), at least 2",
  ]);
});

for (const [hazard, change, field] of [
  ["a timeout longer than the deadline", "commands: { timeout: 31s }", "groups[0].commands.timeout"],
  [
    "a probe longer than its interval and a second",
    "heartbeat: { kind: http, path: /, timeout: 1001ms }",
    "groups[0].heartbeat.timeout",
  ],
  ["a ceiling below two beats", "detector: { ceiling: 60ms }", "groups[0].detector.ceiling"],
  ["an unknown model", "detector: { model: gaussian }", "groups[0].detector.model"],
  ["a window of a few beats", "detector: { model: normal, windowSize: 9 }", "groups[0].detector.windowSize"],
  ["a window for what has none", "detector: { windowSize: 200 }", "groups[0].detector.windowSize"],
  [
    "suspicion above declaration",
    "detector: { threshold: 4, suspectThreshold: 5 }",
    "groups[0].detector.suspectThreshold",
  ],
  ["a retry after the deadline", "retry: { base: 30s }", "groups[0].retry.base"],
  ["a replay above the limit", "limits: { request: 1KiB }", "groups[0].limits.replay"],
  ["an unknown kind of heartbeat", "heartbeat: { kind: smoke }", "groups[0].heartbeat.kind"],
  ["an empty section", "breaker:", "groups[0].breaker"],
  ["probes of no page", "heartbeat: { kind: http }", "groups[0].heartbeat.path"],
  ["one page for two stations", 'heartbeat: { kind: http, url: "http://h:1/up" }', "groups[0].heartbeat"],
  ["statuses that there are not", "heartbeat: { kind: http, path: /, expect: 299-200 }", "groups[0].heartbeat.expect"],
  ["a field that frames", "heartbeat: { kind: http, path: /, headers: { Host: a } }", "groups[0].heartbeat.headers"],
  ["a host that is a path", "heartbeat: { kind: http, path: /, host: a/b }", "groups[0].heartbeat.host"],
] as const) {
  test(`refused with the field named: ${hazard}`, () => {
    const lines = told(MINIMAL.replace("stations:", `${change}\n    stations:`));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0] as string, /^fleet\.yaml:5:\d+ /);
    assert.ok(lines[0]?.includes(` ${field}: `), lines[0]);
  });
}

test("a station's word on its health page goes before its group's, and both before its address", () => {
  const pages = (group: string, primary: string, backup: string): unknown[] => {
    const source = MINIMAL.replace("stations:", `heartbeat: ${group}\n    stations:`)
      .replace(':9001"', `:9001", heartbeat: ${primary}`)
      .replace(':9002"', `:9002", heartbeat: ${backup}`);
    return read(source).settings.groups[0]?.stations.map((station) => station.healthPage) ?? [];
  };
  const [primary, backup] = pages(
    "{ kind: http, path: /up, port: 9990, host: h, headers: { X-A: 1, X-B: 2 }, expect: [200, 204, 300-399] }",
    '{ url: "https://10.0.0.9/deep?x=1", headers: { x-a: 3 }, expect: 200 }',
    "{ path: /other }",
  );
  assert.deepEqual(primary, {
    origin: "https://10.0.0.9",
    path: "/deep?x=1",
    headers: [
      ["host", "h"],
      ["x-a", "3"],
      ["x-b", "2"],
    ],
    expect: [[200, 200]],
  });
  assert.deepEqual(backup, {
    origin: "http://127.0.0.1:9990",
    path: "/other",
    headers: [
      ["host", "h"],
      ["x-a", "1"],
      ["x-b", "2"],
    ],
    expect: [
      [200, 200],
      [204, 204],
      [300, 399],
    ],
  });
});

test("[G6] a burst goes with a declared capacity, is a whole number, and is refused without one", () => {
  const withStation = (fields: string): string => MINIMAL.replace(':9002"', `:9002", ${fields}`);
  const backup = read(withStation("capacityPerSecond: 240, burst: 48")).settings.groups[0]?.stations[1];
  assert.deepEqual([backup?.capacityPerSecond, backup?.burst], [240, 48]);
  assert.match(
    told(withStation("burst: 48")).join("\n"),
    /groups\[0\]\.stations\[1\]\.burst: it goes beside the pace of capacityPerSecond, and this station declares none/,
  );
  for (const burst of ["0", "1.5", "-1", "many"])
    assert.match(told(withStation(`capacityPerSecond: 240, burst: ${burst}`)).join("\n"), /stations\[1\]\.burst: .*1/);
});

test("[G6] words on a health page that contradict each other are refused at their line", () => {
  const lines = (group: string, primary: string): string =>
    told(
      MINIMAL.replace("stations:", `${group}\n    stations:`).replace(':9001"', `:9001", heartbeat: ${primary}`),
    ).join("\n");
  const pulled = "heartbeat: { kind: http, path: /up }";
  assert.match(
    lines("heartbeat: { kind: udp }", "{ path: /up }"),
    /^fleet\.yaml:7:\d+ groups\[0\]\.stations\[0\]\.heartbeat: stations of this group push/,
  );
  assert.match(
    lines(pulled, '{ url: "http://h:1/x", port: 2, path: /y }'),
    /heartbeat\.port: url says the port already; keep one of them\n.*heartbeat\.path: url says the path/,
  );
  assert.match(
    lines(pulled, '{ url: "http://127.0.0.1:9002/up" }'),
    /9002\/up is the page of stations\[0\] and of stations\[1\]: it cannot tell which/,
  );
  assert.match(lines(pulled, "{ port: 8080 }"), /heartbeat: this is groups\[0\]\.listen: the gateway would ask itself/);
  assert.match(lines(pulled, "{ prot: 8080 }"), /heartbeat\.prot: there is no such field \(did you mean port\?\)/);
});

test("silence of probed stations is declared after five missed probes, and no later right after the start than twice that", () => {
  const timesOf = (heartbeat: string, detector = "{}"): unknown[] => {
    const fields = `objective: 1m\n    heartbeat: ${heartbeat}\n    detector: ${detector}`;
    const source = MINIMAL.replace("stations:", `${fields}\n    stations:`);
    const group = read(source).settings.groups[0];
    const timeoutMs = group?.heartbeat.kind === "http" ? group.heartbeat.timeoutMs : undefined;
    return [group?.heartbeat.intervalMs, timeoutMs, group?.detector.ceilingMs, group?.supervisor.gracePeriodMs];
  };
  assert.deepEqual(timesOf("{ kind: http, path: / }"), [200, 1_000, 1_000, 2_000]);
  assert.deepEqual(timesOf("{ kind: http, path: /, interval: 500ms }"), [500, 1_000, 2_500, 5_000]);
  assert.deepEqual(timesOf("{ kind: http, path: /, interval: 1s }"), [1_000, 1_000, 5_000, 5_000]);
  assert.deepEqual(timesOf("{ kind: http, path: /, interval: 5s }"), [5_000, 5_000, 25_000, 5_000]);
  assert.deepEqual(timesOf("{ kind: http, path: / }", "{ ceiling: 400ms, gracePeriod: 3s }"), [200, 1_000, 400, 3_000]);
  assert.deepEqual(timesOf("{ kind: udp }"), [50, undefined, 1_000, 5_000]);
});

test("the deadline header and the question for a key have defaults; half-told ones are refused", () => {
  const commands = (written: string) =>
    read(MINIMAL.replace("stations:", `commands: ${written}\n    stations:`)).settings.groups[0]?.commands;
  assert.deepEqual(commands("{}")?.deadlineHeader, { name: "gsf-deadline", format: "epoch-ms" });
  assert.equal(commands("{}")?.keyStatus, undefined);
  assert.deepEqual(commands("{ deadlineHeader: { name: X-Deadline, format: rfc3339 } }")?.deadlineHeader, {
    name: "X-Deadline",
    format: "rfc3339",
  });
  assert.deepEqual(commands('{ keyStatus: { path: "/commands/{key}" } }')?.keyStatus, {
    path: "/commands/{key}",
    method: "DELETE",
    executed: "executed",
    answer: "answer",
    cancelled: "cancelled",
    inFlight: "inflight",
    timeoutMs: 250,
    trustGet: false,
  });
  const refused = (written: string): string =>
    told(MINIMAL.replace("stations:", `commands: ${written}\n    stations:`)).join();
  assert.match(
    refused("{ deadlineHeader: { name: Host } }"),
    /:5:\d+ groups\[0\]\.commands\.deadlineHeader\.name: "Host"/,
  );
  assert.match(refused("{ deadlineHeader: { name: x-time-left-ms } }"), /deadlineHeader\.name: /);
  assert.match(refused("{ keyStatus: { path: /commands } }"), /keyStatus\.path: .*\{key\} stands once/);
  assert.match(refused("{ keyStatus: {} }"), /keyStatus\.path: it is missing/);
  assert.match(
    refused('{ keyStatus: { path: "/{key}", answer: a..b } }'),
    /keyStatus\.answer: "a\.\.b" is not allowed/,
  );
  assert.match(
    refused('{ keyStatus: { path: "/{key}", trustGet: true } }'),
    /keyStatus\.trustGet: it says how far a GET is trusted; with method: DELETE/,
  );
});

test("[G6] addresses that nobody can have, or reach, are refused", () => {
  const refused = (field: string, from: string, to: string, source = MINIMAL): void => {
    const lines = told(source.replace(from, to));
    assert.ok(lines[0]?.includes(` ${field}: `) && lines[0].includes("is not allowed"), `${to}: ${lines[0]}`);
  };
  for (const address of ["256.1.1.1:80", "a..b:80", "127.1:80", "0x7f.1:80", '"a\\n:80"']) {
    refused("groups[0].listen", "127.0.0.1:8080", address);
    refused("control.listen", "groups:", `control: { listen: ${address} }\ngroups:`);
    refused("heartbeats.listen", "{ secretFile", `{ listen: ${address}, secretFile`);
  }
  const urls = [
    "http://a:0",
    "http://a..b:80",
    "http://256.1.1.1",
    "http://a\\n:80",
    "http://a\\t",
    "http:a",
    "http://0.0.0.0:9",
    "http://[::]:9",
  ];
  const asked = MINIMAL.replace("stations:", "heartbeat: { kind: http, path: / }\n    stations:");
  for (const url of urls) {
    refused("groups[0].stations[0].url", "http://127.0.0.1:9001", url);
    refused("groups[0].stations[0].heartbeat.url", '9001"', `9001", heartbeat: { url: "${url}" }`, asked);
  }
  for (const host of ["a..b", "256.1.1.1", "a:99999", "a b", ":80"])
    refused("groups[0].heartbeat.host", "path: /", `path: /, host: "${host}"`, asked);
});

test("[G6] values that are never right are refused at their field", () => {
  const group = (more: string): string[] => told(MINIMAL.replace("    stations:", `    ${more}\n    stations:`));
  const name = (field: string): string => `commands: { deadlineHeader: { name: "${field}" } }`;
  const refused = [
    ..."cdn-loop via forwarded x-forwarded-for x-forwarded-any authorization cookie content-type date".split(" "),
    ..."__proto__ x_deadline If-Match Range gsf-foo X-Real-IP proxy-authorization sec-x accept constructor".split(" "),
  ];
  for (const [more, field] of [
    ["probePath: '/a#b'", "probePath"],
    ["commands: { keyStatus: { path: '/{key}#b' } }", "commands.keyStatus.path"],
    ...["100", "100-199", "[200, 101]", "199-299"].map((expect) => [
      `heartbeat: { kind: http, path: /h, expect: ${expect} }`,
      "heartbeat.expect",
    ]),
    ...refused.map((one) => [name(one), "commands.deadlineHeader.name"]),
  ] as [string, string][])
    assert.ok(
      group(more).some((problem) => problem.includes(`groups[0].${field}: `)),
      more,
    );
  for (const one of ["gsf-deadline", "X-Deadline", "x-valid-until", "deadline"])
    assert.deepEqual(group(name(one)), [], one);
});

test("two stations at one address are refused in any spelling, and so is a station that is the gateway", () => {
  const urls = (primary: string, backup: string, listen = "127.0.0.1:8080"): string =>
    told(
      MINIMAL.replace("http://127.0.0.1:9001", primary)
        .replace("http://127.0.0.1:9002", backup)
        .replace("127.0.0.1:8080", `"${listen}"`),
    ).join("\n");
  for (const [primary, backup] of [
    ["http://LOCALHOST:81", "http://localhost:81"],
    ["http://localhost:81", "http://127.0.0.1:81"],
    ["http://localhost.:81", "http://[::1]:81"],
    ["http://A/", "http://a:80"],
    ["http://a.", "http://a"],
    ["http://a:443", "https://a"],
    ["http://[::ffff:127.0.0.1]:81", "http://127.0.0.1:81"],
    ["http://ip6-localhost:81", "http://[::1]:81"],
  ] as const)
    assert.match(
      urls(primary, backup),
      /stations\[1\]\.url: .*stations\[0\]\.url is the same, or leads/,
      `${primary} ${backup}`,
    );
  for (const [primary, backup] of [
    ["http://127.0.0.1:81", "http://127.0.0.2:81"],
    ["http://127.0.0.1:81", "http://[::1]:81"],
    ["http://a:81", "http://a.b:81"],
    ["http://a:81", "https://a"],
  ] as const)
    assert.equal(urls(primary, backup), "", `${primary} ${backup}`);
  for (const [listen, url] of [
    ["127.0.0.1:8080", "http://[::ffff:127.0.0.1]:8080"],
    ["127.0.0.1:8080", "http://localhost.:8080"],
    ["LOCALHOST:8080", "http://127.0.0.1:8080"],
    ["[::]:8080", "http://[::1]:8080"],
    [":8080", "http://127.0.0.9:8080"],
    ["[::ffff:127.0.0.1]:8080", "http://127.0.0.1:8080"],
    ["10.0.0.1:8080", "http://[::ffff:a00:1]:8080"],
  ] as const)
    assert.match(
      urls(url, "http://b:1", listen),
      /this is groups\[0\]\.listen: the gateway would send/,
      `${listen} ${url}`,
    );
  assert.equal(urls("http://127.0.0.2:8080", "http://b:1"), "");
  const control = (listen: string): string => told(`${MINIMAL}control: { listen: "${listen}" }`).join();
  assert.match(control("LocalHost:8080"), /groups\[0\]\.listen: 127\.0\.0\.1:8080 is taken by control\.listen/);
  for (const listen of ["LOCALHOST:7070", "localhost.:7070", "[::ffff:127.0.0.1]:7070"])
    assert.equal(control(listen), "");
});

test("two groups cannot share a name or a port, and no group can have the gateway as its station", () => {
  const second = (text: string): string => MINIMAL.replace("heartbeats:", `  - ${text}\nheartbeats:`);
  const stations = (url: string): string => `stations: [{ name: a, url: "${url}" }, { name: b, url: "http://b:1" }]`;
  assert.match(
    told(second(`{ name: atlantic, listen: ":1", ${stations("http://a:1")} }`)).join(),
    /groups\[1\]\.name: groups\[0\]\.name is the same/,
  );
  assert.match(
    told(second(`{ name: pacific, listen: "localhost:8080", ${stations("http://a:1")} }`)).join(),
    /groups\[1\]\.listen: localhost:8080 is taken by groups\[0\]\.listen/,
  );
  assert.match(
    told(second(`{ name: pacific, listen: ":1", ${stations("http://localhost:8080")} }`)).join(),
    /groups\[1\]\.stations\[0\]\.url: this is groups\[0\]\.listen: the gateway would send commands to itself/,
  );
  assert.match(told(`${MINIMAL}control: { listen: ":8080", allowRemote: true }`).join(), /control: allowRemote needs/);
  assert.match(told(`${MINIMAL}control: { listen: ":8080" }`).join(), /8080 is taken by control\.listen/);
  assert.match(told(`${MINIMAL}control: { listen: ":8080" }`).join(), /0\.0\.0\.0 can be reached from other machines/);
});

test("pushed heartbeats need a listener and a secret", () => {
  assert.match(
    told(MINIMAL.replace(/heartbeats:.*/, "")).join(),
    /:3:5 groups\[0\]: its stations push heartbeats over UDP/,
  );
  assert.match(
    told(MINIMAL.replace("secretFile: beat.secret", "listen: ':7'")).join(),
    /give secretFile .* or secretEnv/,
  );
  assert.match(
    told(MINIMAL.replace("beat.secret", "none")).join(),
    /heartbeats\.secretFile: cannot read none: there is no such file; make it .* \(umask 077; openssl rand -hex 32 > none\)$/,
  );
  assert.match(
    told(MINIMAL.replace("secretFile: beat.secret", "secretEnv: BEATS")).join(),
    /there is no environment variable BEATS; set it to the secret that the stations have, .*export BEATS="\$\(cat heartbeat\.secret\)"/,
  );
  assert.deepEqual(
    read(MINIMAL.replace("secretFile: beat.secret", "secretEnv: BEATS"), { BEATS: SECRET }).settings.heartbeats
      ?.secrets,
    shared(SECRET),
  );
});

test("a misspelt heartbeat section is told once, and not as a section that is missing", () => {
  const misspelt = "    hartbeat: { kind: http, path: /healthz }\n";
  const lines = told(`${MINIMAL.replace(/heartbeats:.*/, "")}${misspelt}`);
  assert.equal(lines.length, 1);
  assert.match(lines.join(), /hartbeat: there is no such field \(did you mean heartbeat\?\)/);
});

test("a secret that can be guessed is refused, and never shown", () => {
  const lines = told(MINIMAL.replace("beat.secret", "short.secret"));
  assert.match(lines.join(), /it has 7 bytes; allowed are at least 16/);
  assert.doesNotMatch(lines.join(), /hunter2/);
});

test("[G6] secrets may be several, and a station's own; those are bytes, and text without the white space around it", () => {
  const next = SECRET.toUpperCase();
  const secrets = (source: string): unknown =>
    read(source, { NEXT: ` ${next} `, OLD: SECRET }).settings.heartbeats?.secrets;
  const binary = Buffer.alloc(32, 0x80);
  assert.deepEqual(secrets(MINIMAL.replace("beat.secret", "[beat.secret, binary.secret]")), {
    shared: [Buffer.from(SECRET), binary],
    own: new Map(),
  });
  const own = MINIMAL.replace("beat.secret", "binary.secret").replace(':9001"', ':9001", secretEnv: [NEXT, OLD]');
  assert.deepEqual(secrets(own), {
    shared: [binary],
    own: new Map([["atlantic/primary", [Buffer.from(next), Buffer.from(SECRET)]]]),
  });
});

test("[G6] where every station has a secret of its own, there need be none for all", () => {
  const source = MINIMAL.replace(':9001"', ':9001", secretFile: beat.secret')
    .replace(':9002"', ':9002", secretFile: [binary.secret]')
    .replace("{ secretFile: beat.secret }", "{ listen: ':7071' }");
  assert.deepEqual(read(source).settings.heartbeats?.secrets, {
    shared: [],
    own: new Map([
      ["atlantic/primary", [Buffer.from(SECRET)]],
      ["atlantic/backup", [Buffer.alloc(32, 0x80)]],
    ]),
  });
  assert.deepEqual(Object.keys(read(source).settings.groups[0]?.stations[0] ?? {}), [
    "name",
    "url",
    "capacityPerSecond",
  ]);
  assert.match(
    told(source.replace(", secretFile: [binary.secret]", "")).join(),
    /heartbeats: heartbeats are signed: give secretFile .* or for each station/,
  );
});

test("[G6] secrets that cannot be meant or used are refused at their field", () => {
  const own = (fields: string, source = MINIMAL): string => source.replace(':9001"', `:9001", ${fields}`);
  const at = "groups\\[0\\]\\.stations\\[0\\]";
  for (const [source, expected] of [
    [own("secretFile: none"), `${at}\\.secretFile: cannot read none`],
    [own("secretFile: [beat.secret, short.secret]"), `${at}\\.secretFile\\[1\\]: it has 7 bytes`],
    [own("secretFile: []"), `${at}\\.secretFile: a list is not allowed; allowed is the path of a file, or a list`],
    [own("secretFile: [a, b, c, d, e]"), `${at}\\.secretFile: a list is not allowed; .* at most 4`],
    [own("secretFile: a, secretEnv: B"), `${at}\\.secretEnv: this station has a secretFile too`],
    [own("secretEnv: LATIN"), `${at}\\.secretEnv: LATIN does not hold text in UTF-8; give a file instead`],
    [
      own("secretFile: beat.secret").replace("stations:", "heartbeat: { kind: http, path: / }\n    stations:"),
      `${at}\\.secretFile: stations of this group are asked`,
    ],
  ] as const) {
    const lines = told(source, { LATIN: "0123456789abcde\uFFFD", B: SECRET }).join("\n");
    assert.match(lines, new RegExp(`^fleet\\.yaml:\\d+:\\d+ ${expected}`, "m"));
    assert.doesNotMatch(lines, /hunter2|0123456789/);
  }
});

test("a control token comes from its file, and must fit into a header", () => {
  const withToken = `${MINIMAL}control: { listen: ":7070", allowRemote: true, tokenEnv: TOKEN }`;
  assert.deepEqual(read(withToken, { TOKEN: SECRET }).controlTokens.now, [
    { name: "operator", may: "operate", value: SECRET },
  ]);
  assert.match(told(withToken, { TOKEN: "sixteen bytes, but blank" }).join(), /may hold only letters, digits/);
});

test("what is not YAML is told with its line; a repeated field too", () => {
  assert.match(told("groups:\n  - name: [").join(), /^fleet\.yaml:2:\d+ this is not YAML: /);
  const twice = "stands twice in the same section; keep one of them";
  assert.deepEqual(told("drain: 1s\ndrain: 2s"), [`fleet.yaml:2:1 drain ${twice}`]);
  assert.deepEqual(told(`{"drain": "1s", "drain": "2s"}`), [`fleet.yaml:1:17 "drain" ${twice}`]);
  assert.match(told("").join(), /allowed is a section with the fields groups/);
  assert.match(told("- 1").join(), /a list is not allowed; allowed is a section/);
});

test("an alias bomb is refused instead of expanded", () => {
  const bomb = ["a: &a [x, x]"];
  for (let place = 0; place < 24; place++) {
    const [name, below] = [String.fromCharCode(98 + place), String.fromCharCode(97 + place)];
    bomb.push(`${name}: &${name} [${Array(10).fill(`*${below}`).join(", ")}]`);
  }
  assert.match(told(bomb.join("\n")).join(), /alias/);
});

test("[G6] a file that stands for more than a configuration can be is refused at once, with the bound", () => {
  const list = (item: string, count: number): string => Array(count).fill(item).join(", ");
  const cases: [source: string, expected: RegExp][] = [
    // 100,000 aliases of a large anchor, and 15 MB of short names, took minutes.
    [
      `x: &a [${list("1", 1_000)}]\ngroups: [${list("*a", 600)}]`,
      /^fleet\.yaml:2:\d+ with its aliases .* 500000 names/,
    ],
    [`x: &a 1\ngroups: [${list("*a", 20_000)}]`, /^fleet\.yaml:2:\d+ it has more than 10000 aliases/],
    [`x: &a { b: [${list("1", 999)}] }\ngroups:\n${"  - { <<: *a }\n".repeat(600)}`, /with its aliases resolved/],
    [
      Array.from({ length: 130_000 }, (_, place) => `k${place}: 1\n`).join(""),
      /^fleet\.yaml it has more than 500000 words/,
    ],
    [`groups: ${"[".repeat(5_000)}${"]".repeat(5_000)}`, /^fleet\.yaml:1:\d+ sections .* more than 32 deep/],
    [Array.from({ length: 200 }, (_, depth) => `${" ".repeat(depth)}a:\n`).join(""), /more than 32 deep/],
    ["groups: &a [*a]", /^fleet\.yaml:1:13 this alias stands inside of what it stands for/],
    ["groups: [*b]", /^fleet\.yaml:1:10 there is no anchor &b before it/],
    ["groups: []\n---\ngroups: []", /^fleet\.yaml:2:1 a second document begins here/],
  ];
  for (const [source, expected] of cases) {
    const [line, ...more] = told(source);
    assert.match(line ?? "", expected);
    assert.equal(more.length, 0, more[0]);
  }
});

test("[G6] of many problems the first hundred are told, and the others counted", () => {
  for (const source of [
    `groups: [${Array(30_000).fill("1").join(", ")}]`,
    `${MINIMAL}${Array.from({ length: 20_000 }, (_, place) => `k${place}: 1\n`).join("")}`,
    "a: 1\n".repeat(1_000),
  ]) {
    const lines = told(source);
    assert.equal(lines.length, 101, lines[0]);
    assert.match(lines.at(-1) as string, /^and \d+ more$/);
  }
});

test("[G6] a slip of YAML with a thousand consequences → the first one is told, and the others counted", () => {
  const lines = told(`groups: [${"]".repeat(1_000)}`);
  assert.equal(lines.length, 1);
  assert.match(
    lines[0] as string,
    /^fleet\.yaml:1:11 this is not YAML: .* \(998 more problems may follow from this one\)$/,
  );
});

test("[G6] anchors may be used in each of thousands of groups", () => {
  const groups = Array.from({ length: 2_000 }, (_, place) => {
    const stations = `[{ name: a, url: "http://a${place}:1" }, { name: b, url: "http://b${place}:1" }]`;
    return `  - { name: g${place}, listen: "127.0.0.1:${place + 1}", stations: ${stations}, commands: *slow, <<: *all }\n`;
  });
  const source = `groups:\n${groups.join("")}`
    .replace("*slow", "&slow { timeout: 3s }")
    .replace("<<: *all", "<<: &all { heartbeat: { kind: http, path: / } }");
  const { settings } = read(source);
  assert.equal(settings.groups.length, 2_000);
  assert.deepEqual(
    [settings.groups[1_999]?.commands.timeoutMs, settings.groups[1_999]?.heartbeat.kind],
    [3_000, "http"],
  );
});

test("a file that cannot be read says why", () => {
  const directory = mkdtempSync(join(tmpdir(), "gsf-config-"));
  try {
    const fails = (path: string, why: RegExp): void => {
      assert.throws(
        () => loadConfiguration(path, {}),
        (error) => error instanceof UserError && error.ending === "configuration" && why.test(error.message),
      );
    };
    fails(join(directory, "none.yaml"), /there is no such file/);
    fails(directory, /it is a directory/);
    writeFileSync(join(directory, "latin.yaml"), Buffer.from([0x61, 0xe4]));
    fails(join(directory, "latin.yaml"), /not text in UTF-8/);
    writeFileSync(join(directory, "fleet.yaml"), MINIMAL);
    writeFileSync(join(directory, "beat.secret"), SECRET);
    chmodSync(join(directory, "beat.secret"), 0o644);
    const loaded = loadConfiguration(join(directory, "fleet.yaml"), {});
    assert.deepEqual(loaded.settings.heartbeats?.secrets, shared(SECRET));
    if (process.platform !== "win32")
      assert.match(loaded.warnings.join(), /can read .*beat\.secret \(mode 0644\): chmod 600/);
    chmodSync(join(directory, "beat.secret"), 0o600);
    assert.deepEqual(loadConfiguration(join(directory, "fleet.yaml"), {}).warnings, []);
    assert.deepEqual(loaded.heartbeatSecrets.files, [join(directory, "beat.secret")]);
    writeFileSync(join(directory, "beat.secret"), Buffer.alloc(20, 0xff));
    assert.deepEqual(loaded.heartbeatSecrets.read().shared, [Buffer.alloc(20, 0xff)]);
    writeFileSync(join(directory, "beat.secret"), "short");
    assert.throws(() => loaded.heartbeatSecrets.read(), /heartbeats\.secretFile: it has 5 bytes/);
    if (process.platform !== "win32") fails("/dev/zero", /has more than \d+ bytes/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("whatever a configuration may say, the library takes", () => {
  const seed = 20_270_203;
  const random = seededRandom(seed);
  const pick = <T>(...values: T[]): T => values[Math.floor(random.next() * values.length)] as T;
  let taken = 0;
  for (let run = 0; run < 1_000; run++) {
    const heartbeat = pick(
      { kind: "udp", interval: pick("5ms", "50ms", "1m") },
      { kind: "http", path: "/", interval: pick("10ms", "1s", "1m") },
      {
        kind: "http",
        path: "/up",
        port: 9990,
        timeout: pick("1ms", "1s"),
        host: "h",
        headers: { a: "b" },
        expect: 200,
      },
    );
    const group = {
      name: "atlantic",
      listen: ":1",
      stations: ["x", "y"].map((name) => ({ name, url: `http://${name}`, capacityPerSecond: pick(1, 1.5, 1e9) })),
      heartbeat,
      detector: {
        ...pick(
          {},
          { model: "adaptive" },
          { model: pick("normal", "lognormal", "exponential"), windowSize: pick(10, 10_000) },
        ),
        threshold: pick(1, 8, 100),
        suspectThreshold: pick(0.1, 5, 100),
        clearThreshold: pick(0.01, 2, 100),
        sustain: pick("0ms", "10m"),
        minDwell: pick("0ms", "1h"),
        gracePeriod: pick("0ms", "1h"),
        ...pick({}, { minDeviation: pick("1ms", "1h"), ceiling: pick("10ms", "10m") }),
      },
      commands: {
        timeout: pick("1ms", "1s", "1h"),
        deadline: pick("1ms", "15s", "1h"),
        maxWait: pick("0ms", "30m"),
        maxWaiting: pick(0, 1_000_000),
        maxConcurrent: pick(1, 1_000_000),
        deadlineHeader: pick({}, { name: "X-Deadline", format: pick("epoch-ms", "epoch-s", "rfc3339") }),
        ...pick({}, { keyStatus: { path: "/{key}", method: pick("GET", "DELETE"), timeout: pick("1ms", "1m") } }),
      },
      retry: {
        maxAttempts: pick(1, 100),
        base: pick("1ms", "1h"),
        budgetRatio: pick(0, 1),
        budgetWindow: pick("100ms", "1h"),
      },
      breaker: {
        failureRateThreshold: pick(0.01, 1),
        minimumVolume: pick(1, 1_000_000),
        window: pick("100ms", "50m"),
        openDuration: pick("10ms", "1h"),
      },
      commandPath: {
        failingFor: pick("0ms", "20m"),
        minFailures: pick(1, 1_000),
        refusalsToDeclare: pick(1, 1_000),
        unansweredAfter: pick("0ms", "20m"),
      },
      failback: { mode: pick("manual", "automatic"), holdDown: pick("0ms", "24h") },
      objective: "1h",
    };
    const source = JSON.stringify({ groups: [group], heartbeats: { secretFile: "beat.secret" } });
    // Contradictions are refused here already; what is not must be taken there.
    if (told(source).length > 0) continue;
    taken++;
    const parts = {
      clock: new VirtualClock(),
      random,
      challengeOf: () => "",
      uplink: () => ({ name: "", send: () => Promise.reject(), probe: () => Promise.reject() }),
    };
    assert.doesNotThrow(
      () => compose({ settings: read(source).settings, ...parts }),
      `run ${run} of seed ${seed}; replay with: node --conditions=@gsf/source --test gateway/src/config/config.test.ts\n${source}`,
    );
  }
  assert.ok(taken >= 50, `only ${taken} of 1,000 were free of contradictions: this proves little`);
});

for (const path of ["README.md", "docs/guide/configuration.md"]) {
  test(`the first file that ${path} shows is valid, and needs no secret`, () => {
    const text = readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");
    const shown = /```yaml\n([^`]+)```/.exec(text)?.[1] ?? "";
    assert.deepEqual(
      read(shown).settings.groups.map(({ name, heartbeat }) => [name, heartbeat.kind]),
      [["atlantic", "http"]],
    );
  });
}

test("the example configuration can be run as it is", () => {
  const path = fileURLToPath(new URL("../../../examples/fleet.yaml", import.meta.url));
  assert.deepEqual(
    loadConfiguration(path, { GSF_HEARTBEAT_SECRET: SECRET }).settings.groups.map((group) => group.name),
    ["atlantic"],
  );
});

test("[G6] a duration or a size without a unit → taken, and told how it was read", () => {
  const source = `${MINIMAL.replace("stations:", "commands: { deadline: 3000, timeout: 0.5s }\n    limits: { replay: 64 }\n    stations:")}drain: 0`;
  const { settings, warnings } = read(source);
  assert.equal(settings.groups[0]?.commands.deadlineMs, 3_000);
  assert.deepEqual(
    warnings.map((warning) => warning.replace(/^fleet\.yaml:\d+:\d+ /, "")),
    [
      "groups[0].commands.deadline: 3000 has no unit and is read as 3000ms; write 3000ms, or 3000s or 3000m if that is meant",
      "groups[0].limits.replay: 64 has no unit and is read as 64B; write 64B, or 64KiB or 64MiB if that is meant",
    ],
  );
  assert.deepEqual(read(MINIMAL.replace('9001"', '9001", capacityPerSecond: 500')).warnings, []);
});

test("[G6] several control tokens → each with its name and power; what cannot be meant is refused at its field", () => {
  const of = (tokens: string, more = ""): string => `${MINIMAL}control: { tokens: [${tokens}]${more} }`;
  const environment = { ONE: "one-token-of-many-bytes", TWO: "two-token-of-many-bytes", SHORT: "short" };
  const pair = "{ name: sara, may: operate, tokenEnv: ONE }, { name: prometheus, tokenEnv: TWO }";
  assert.deepEqual(read(of(pair), environment).controlTokens.now, [
    { name: "sara", may: "operate", value: environment.ONE },
    { name: "prometheus", may: "read", value: environment.TWO },
  ]);
  for (const [source, expected] of [
    [of("{ name: sara }"), "control\\.tokens\\[0\\]: token sara needs tokenFile or tokenEnv"],
    [of("{ name: sara, tokenEnv: SHORT }"), "control\\.tokens\\[0\\]\\.tokenEnv: it has 5 bytes"],
    [of("{ name: sara, tokenFile: f, tokenEnv: ONE }"), "control\\.tokens\\[0\\]\\.tokenEnv: there is tokenFile too"],
    [of("{ name: a, tokenEnv: ONE }, { name: a, tokenEnv: TWO }"), "control\\.tokens\\[1\\]\\.name: another token"],
    [
      of("{ name: a, tokenEnv: ONE }, { name: b, tokenEnv: ONE }"),
      "control\\.tokens\\[1\\]\\.tokenEnv: it is the token of a",
    ],
    [of("{ name: operator, tokenEnv: ONE }", ", tokenEnv: TWO"), "control\\.tokens\\[0\\]\\.name: another token"],
    [
      of("{ name: a, may: write, tokenEnv: ONE }"),
      'control\\.tokens\\[0\\]\\.may: "write" is not allowed; allowed is read or operate',
    ],
    [of("null"), "control\\.tokens\\[0\\]: an empty value is not allowed"],
  ] as const) {
    const lines = told(source, environment).join("\n");
    assert.match(lines, new RegExp(`^fleet\\.yaml:\\d+:\\d+ ${expected}`, "m"));
    assert.doesNotMatch(lines, /-of-many-bytes/);
  }
});
