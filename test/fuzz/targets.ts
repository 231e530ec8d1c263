/**
 * Parsers of the gateway that files and outsiders reach, each with valid inputs and what must hold
 * for any input: only the documented error, and what was read can be written and read again.
 */
import assert from "node:assert/strict";
import { type IncomingMessage, validateHeaderName, validateHeaderValue } from "node:http";
import { isIP } from "node:net";
import {
  drainOrder,
  failbackOrder,
  maintenanceOrder,
  reloadOrder,
  switchoverOrder,
} from "../../gateway/src/adapters/control/control-routes.ts";
import { HeartbeatCodec } from "../../gateway/src/adapters/heartbeats/heartbeat-codec.ts";
import { readDeadline } from "../../gateway/src/adapters/http/deadline-header.ts";
import { isHost, targetOf, withForwarded } from "../../gateway/src/adapters/http/http-headers.ts";
import { MAX_PROXY_BYTES, readProxyHeader } from "../../gateway/src/adapters/http/proxy-header.ts";
import { deadlineOf, refuseHead, soundHead } from "../../gateway/src/adapters/http/request-head.ts";
import { RequestIds } from "../../gateway/src/adapters/http/request-id.ts";
import { isAddressRange, TrustedProxies } from "../../gateway/src/adapters/http/trusted-proxies.ts";
import { UserError } from "../../gateway/src/adapters/process/exit-codes.ts";
import { parseHosts } from "../../gateway/src/adapters/stations/name-lookup.ts";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import { readExperiment } from "../../gateway/src/drills/experiment/read.ts";
import { readCondition } from "../../gateway/src/drills/guardrails/condition-parser.ts";
import { readStageSettings } from "../../gateway/src/drills/stage/settings-schema.ts";
import { asyncTermsOf, withoutAsyncPreferences } from "../../gateway/src/fleet/async/async-terms.ts";
import { termsOf } from "../../gateway/src/fleet/command.ts";
import { RefusedRequest } from "../../gateway/src/fleet/problem.ts";
import type { CommandRequest } from "../../gateway/src/fleet/uplink.ts";
import type { FuzzTarget } from "./fuzzer.ts";
import { RECORD_TARGETS } from "./record-targets.ts";

const SECRET = Buffer.from("a secret of the fuzzer");
const codec = new HeartbeatCodec({ shared: [SECRET], own: new Map() });
const BEAT = { type: "beat", group: "orbit", station: "lima", session: "s1", challenge: "" } as const;
const ids = new RequestIds("fuzz");

const datagram: FuzzTarget = {
  name: "datagram",
  corpus: [
    codec.encode({ ...BEAT, sequence: 7, sentAtMs: 12.5, epochSeen: 3 }),
    codec.encode({ ...BEAT, type: "challenge", challenge: "c".repeat(22), sequence: 8, sentAtMs: 0, epochSeen: 0 }),
  ],
  check: (input) => {
    const decoded = codec.decode(input);
    if (decoded.type === "message") assert.deepEqual(codec.encode(decoded.message, decoded.key), input);
  },
};

const CONFIGURATION = `groups:
  - name: orbit
    listen: 127.0.0.1:8080
    stations:
      - name: lima
        url: http://127.0.0.1:9001
      - name: osaka
        url: http://127.0.0.1:9002
    heartbeat: { kind: http, path: /healthz }
`;

const configuration: FuzzTarget = {
  name: "configuration",
  corpus: [
    Buffer.from(CONFIGURATION),
    Buffer.from(
      '{"groups":[{"name":"orbit","listen":"127.0.0.1:8080","stations":[{"name":"lima","url":"http://127.0.0.1:9001"},' +
        '{"name":"osaka","url":"http://127.0.0.1:9002"}],"heartbeat":{"kind":"http","path":"/healthz"}}]}',
    ),
  ],
  check: (input) => {
    try {
      parseConfiguration(input.toString("utf8"), "fuzz.yaml", {
        environment: {},
        readFile: () => ({ error: "there is no file here" }) as never,
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  },
};

const field: FuzzTarget = {
  name: "field",
  corpus: [
    "1764350000000",
    "1764350000.250",
    "2026-11-28T17:13:20.250Z",
    "10.0.0.0/8",
    "::ffff:10.0.0.1/104",
    "a.b:80",
    "http://h:1/p?q",
  ].map((text) => Buffer.from(text)),
  check: (input) => {
    const text = input.toString("latin1");
    for (const format of ["epoch-ms", "epoch-s", "rfc3339"] as const) {
      const epochMs = readDeadline(format, text);
      assert.ok(epochMs === undefined || Number.isFinite(epochMs), `${format} read as ${epochMs}`);
    }
    if (isAddressRange(text)) new TrustedProxies([text]).has("10.0.0.1");
    else assert.throws(() => new TrustedProxies([text]), RangeError);
    new TrustedProxies(["10.0.0.0/8"]).has(text);
    assert.match(ids.of(["x-request-id", text]), /^[\x21-\x7e]{1,128}$/);
    isHost(text);
    targetOf("GET", text);
  },
};

const HEAD_LINES = [
  "POST /burn?x=1",
  "host: a.b:80",
  'prefer: respond-async, wait=5; x="y, z"',
  "gsf-priority: emergency",
  "gsf-expires-after: 60",
  "idempotency-key: k-1",
  "x-time-left-ms: 5000",
  "forwarded: for=10.0.0.1;proto=https",
  "x-forwarded-for: 10.0.0.1, ::1",
  "connection: close, x-a",
];
const DEADLINE = { name: "x-deadline", format: "epoch-ms" } as const;

/** A request's head as the HTTP parser gives it: one line for each field. */
const head: FuzzTarget = {
  name: "head",
  corpus: [
    Buffer.from(HEAD_LINES.join("\n")),
    Buffer.from("GET https://a.b/x\nhost: c\nx-deadline: 1764350000000\nexpect: 100-continue"),
    Buffer.from("OPTIONS *\nhost: [::1]:80"),
  ],
  check: (input) => {
    const [first = "", ...lines] = input.toString("latin1").split(/[\r\n]+/);
    const [method = "", url = ""] = first.split(" ");
    const rawHeaders = lines.flatMap((line) => {
      const colon = line.indexOf(":");
      // The HTTP parser refuses what is no name.
      return /^[\w-]+$/.test(line.slice(0, colon)) ? [line.slice(0, colon), line.slice(colon + 1).trim()] : [];
    });
    const message = { method, url, rawHeaders, headers: {}, httpVersion: "1.1" } as unknown as IncomingMessage;
    try {
      refuseHead(message);
      deadlineOf(message, DEADLINE);
      checkSoundHead(message);
    } catch (error) {
      if (!(error instanceof RefusedRequest)) throw error;
    }
  },
};

/** What is passed on is sendable, and reads as what was asked for. */
function checkSoundHead(message: IncomingMessage): void {
  const { method, target, headers } = soundHead(message);
  assert.match(target, /^(?:\/[^ #]*|\*)$/);
  const origin = { caller: "10.0.0.9", protocol: "http", isTrusted: true } as const;
  for (const [name, value] of withForwarded([...headers], origin)) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
  const request: CommandRequest = { method, target, headers, caller: "::1", body: NO_BODY };
  termsOf(request);
  const terms = asyncTermsOf(method, headers);
  if (terms !== undefined && !("field" in terms)) assert.ok(terms.waitMs >= 0 && terms.waitMs <= 60_000);
  // What the stations get asks for nothing that the gateway has served.
  if (terms !== undefined) assert.equal(asyncTermsOf(method, withoutAsyncPreferences(headers)), undefined);
}

const NO_BODY = { kind: "bytes", bytes: Buffer.alloc(0) } as const;

const proxyHeader: FuzzTarget = {
  name: "proxy-header",
  corpus: [
    Buffer.from("PROXY TCP4 10.0.0.1 10.0.0.2 5000 80\r\nGET / HTTP/1.1"),
    Buffer.from("PROXY TCP6 ::1 ::2 1 65535\r\n"),
    Buffer.from("0d0a0d0a000d0a515549540a2111000c0a0000010a00000213880050", "hex"),
    Buffer.from("0d0a0d0a000d0a515549540a200000000d0a", "hex"),
  ],
  check: (input) => {
    const whole = readProxyHeader(input);
    if (whole.type === "header") {
      assert.ok(whole.bytes <= input.length && whole.bytes <= MAX_PROXY_BYTES);
      if (whole.header.type === "caller") assert.ok(isIP(whole.header.address) > 0 && whole.header.port <= 65_535);
    }
    if (whole.type === "more") assert.ok(input.length < MAX_PROXY_BYTES);
    // However the bytes arrive, they mean the same.
    for (let length = 0; length < Math.min(input.length, 64); length++) {
      const part = readProxyHeader(input.subarray(0, length));
      if (part.type !== "more") return assert.deepEqual(part, whole);
    }
  },
};

const certificate: FuzzTarget = {
  name: "certificate",
  corpus: [
    Buffer.from("-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n"),
    Buffer.from("-----BEGIN PRIVATE KEY-----\nMIIBAA==\n-----END PRIVATE KEY-----\n"),
  ],
  check: (input) => {
    const secured = `${CONFIGURATION}    tls: { certificate: a.pem, key: a.key, clientCa: ca.pem }\n`;
    const sources = { environment: {}, readFile: unread, readPem: () => input.toString("latin1") };
    assert.throws(() => parseConfiguration(secured, "fuzz.yaml", sources), UserError);
  },
};

const hosts: FuzzTarget = {
  name: "hosts",
  corpus: [Buffer.from("127.0.0.1 localhost a # comment\n::1\tb\r\n")],
  check: (input) => {
    for (const addresses of parseHosts(input.toString("utf8")).values())
      for (const { address, family } of addresses) assert.equal(isIP(address), family);
  },
};

/** Bodies of orders to the control listener. */
const order: FuzzTarget = {
  name: "order",
  corpus: [
    Buffer.from('{"to":"osaka","reason":"test","by":"me","keepStreams":true}'),
    Buffer.from('{"station":"osaka","reason":"test","forMs":60000}'),
  ],
  check: (input) => {
    const body = json(input);
    for (const schema of [switchoverOrder, failbackOrder, maintenanceOrder, drainOrder, reloadOrder]) {
      const { data } = schema.safeParse(body);
      if (data !== undefined) assert.deepEqual(schema.safeParse(data).data, data);
    }
  },
};

const experiment: FuzzTarget = {
  name: "experiment",
  corpus: [
    Buffer.from(
      '{"title":"t","description":"d","method":[{"type":"probe","name":"p","provider":{"type":"http","url":"http://127.0.0.1:1"}}]}',
    ),
    Buffer.from(
      "title: t\ndescription: d\nmethod:\n  - type: action\n    name: a\n    provider: { type: process, path: echo }\n    pauses: { after: 1 }\n",
    ),
  ],
  check: (input) => {
    for (const name of ["fuzz.json", "fuzz.yaml"]) {
      const read = readExperiment(input.toString("utf8"), name);
      if ("problems" in read) assert.ok(read.problems.length > 0 && read.problems.length <= 100);
    }
  },
};

const condition: FuzzTarget = {
  name: "condition",
  corpus: ["errors > 5 % of calls for 10 s", "p99 < 200 ms and mttd <= 30 s", "a.b == 'c' or not (d != 1)"].map(
    (text) => Buffer.from(text),
  ),
  check: (input) => {
    const { problems } = readCondition(input.toString("utf8"));
    for (const { column } of problems ?? []) assert.ok(column >= 1);
  },
};

const stage: FuzzTarget = {
  name: "stage-settings",
  corpus: [Buffer.from('{"stations":{"primary":{"latencyMs":80}},"load":[{"name":"a","perSecond":20}]}')],
  check: (input) => {
    readStageSettings(json(input) as never);
  },
};

function json(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString("utf8"));
  } catch {
    return {};
  }
}

function unread(): never {
  throw new Error("no file is named in it");
}

export const TARGETS: readonly FuzzTarget[] = [
  ...[datagram, configuration, certificate, field, head, proxyHeader, hosts, order],
  ...[experiment, condition, stage, ...RECORD_TARGETS],
];
