/**
 * Parsers of the gateway that files and outsiders reach, each with valid inputs and what must hold
 * for any input: only the documented error, and what was read can be written and read again.
 */
import assert from "node:assert/strict";
import { HeartbeatCodec } from "../../gateway/src/adapters/heartbeats/heartbeat-codec.ts";
import { readDeadline } from "../../gateway/src/adapters/http/deadline-header.ts";
import { isHost, targetOf } from "../../gateway/src/adapters/http/http-headers.ts";
import { RequestIds } from "../../gateway/src/adapters/http/request-id.ts";
import { isAddressRange, TrustedProxies } from "../../gateway/src/adapters/http/trusted-proxies.ts";
import { UserError } from "../../gateway/src/adapters/process/exit-codes.ts";
import { parseConfiguration } from "../../gateway/src/config/config.ts";
import {
  encodeRequest,
  encodeAnswer as encodeStored,
  readAnswer,
  readMeta,
  readRequest,
} from "../../gateway/src/fleet/async/command-record.ts";
import { decodeAnswer, encodeAnswer } from "../../gateway/src/fleet/ledger/kept-answer.ts";
import type { FuzzTarget } from "./fuzzer.ts";

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

const KEPT = encodeAnswer(
  {
    fingerprint: "f",
    reply: {
      status: 200,
      statusText: "OK",
      headers: [["a", "b"]],
      trailers: [],
      body: { kind: "bytes", bytes: Buffer.from("body") },
      json: undefined,
    },
  },
  Buffer.from("body"),
);

const REQUEST = encodeRequest({
  method: "POST",
  target: "/burn",
  headers: [["a", "b"]],
  caller: "::1",
  body: Buffer.from("x"),
});
const ANSWER = encodeStored({ status: 200, statusText: "OK", headers: [], trailers: [], body: Buffer.from("x") });

const record: FuzzTarget = {
  name: "record",
  corpus: [Buffer.from(KEPT), Buffer.from(REQUEST), Buffer.from(ANSWER)],
  check: (input) => {
    // A plain array compares equal with what is encoded.
    const kept = decodeAnswer(Uint8Array.from(input));
    if (kept !== undefined && kept.reply.body.kind === "bytes") {
      assert.deepEqual(decodeAnswer(encodeAnswer(kept, kept.reply.body.bytes)), kept);
    }
    readMeta(input);
    readRequest(input);
    readAnswer(input);
  },
};

export const TARGETS: readonly FuzzTarget[] = [datagram, configuration, field, record];
