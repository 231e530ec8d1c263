/**
 * Records of the store, which a disk may damage, an older program may have written, and somebody
 * may have changed: read as what they are, or not at all. What is read can be sent as it stands.
 */
import assert from "node:assert/strict";
import { validateHeaderName, validateHeaderValue } from "node:http";
import {
  COMMANDS_TABLE,
  encodeRequest,
  encodeAnswer as encodeStored,
  putMeta,
  readAnswer,
  readMeta,
  readRequest,
} from "../../gateway/src/fleet/async/command-record.ts";
import { isEventId, timeOfEvent } from "../../gateway/src/fleet/event-history.ts";
import { decodeAnswer, encodeAnswer } from "../../gateway/src/fleet/ledger/kept-answer.ts";
import { readRecordKey, recordKeyOf } from "../../gateway/src/fleet/ledger/place.ts";
import { readOrder, readOrderedStation, readTrailEntry, written } from "../../gateway/src/fleet/order-records.ts";
import type { HeaderList } from "../../gateway/src/fleet/uplink.ts";
import type { FuzzTarget } from "./fuzzer.ts";

const HEAD = { status: 200, statusText: "OK", headers: [["a", "b"]], trailers: [] } as const;
const BODY = { kind: "bytes", bytes: Buffer.from("body") } as const;

function checkFields(fields: HeaderList): void {
  for (const [name, value] of fields) {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  }
}

function checkHead({ status, headers, trailers }: { status: number; headers: HeaderList; trailers: HeaderList }): void {
  assert.ok(status >= 200 && status <= 999);
  checkFields(headers);
  checkFields(trailers);
}

const keptAnswer: FuzzTarget = {
  name: "kept-answer",
  corpus: [
    Buffer.from(encodeAnswer({ fingerprint: "f", reply: { ...HEAD, body: BODY, json: undefined } }, BODY.bytes)),
  ],
  check: (input) => {
    // A plain array compares equal with what is encoded.
    const kept = decodeAnswer(Uint8Array.from(input));
    if (kept === undefined || kept.reply.body.kind !== "bytes") return;
    checkHead(kept.reply);
    assert.deepEqual(decodeAnswer(encodeAnswer(kept, kept.reply.body.bytes)), kept);
  },
};

const REQUEST: Parameters<typeof encodeRequest>[0] = {
  method: "POST",
  target: "/burn",
  headers: [["a", "b"]],
  caller: "::1",
  body: Buffer.from("x"),
};

const commandFrames: FuzzTarget = {
  name: "command-frames",
  corpus: [Buffer.from(encodeRequest(REQUEST)), Buffer.from(encodeStored({ ...HEAD, body: Buffer.from("x") }))],
  check: (input) => {
    const plain = Uint8Array.from(input);
    const request = readRequest(plain);
    if (request !== undefined) {
      assert.match(request.target, /^\S+$/);
      validateHeaderName(request.method);
      checkFields(request.headers);
      assert.deepEqual(readRequest(encodeRequest(request)), request);
    }
    const answer = readAnswer(plain);
    if (answer === undefined) return;
    checkHead(answer);
    assert.deepEqual(readAnswer(encodeStored(answer)), answer);
  },
};

const META = {
  ...{ id: "i", key: "k", owner: "o", digest: "d", method: "POST", target: "/", priority: "command", state: "queued" },
  ...{ acceptedAtMs: 1, expiresAtMs: 2, sequence: 3, requestBytes: 4, attempts: 0 },
};

const commandState: FuzzTarget = {
  name: "command-state",
  corpus: [Buffer.from(JSON.stringify({ version: 1, ...META }))],
  check: (input) => {
    const meta = readMeta(input);
    if (meta === undefined) return;
    for (const text of [meta.id, meta.key, meta.digest]) assert.equal(typeof text, "string");
    for (const number of [meta.acceptedAtMs, meta.expiresAtMs, meta.sequence, meta.attempts, meta.requestBytes])
      assert.ok(number >= 0);
    const change = putMeta("g", meta);
    assert.ok(change.type === "put" && change.table === COMMANDS_TABLE);
    assert.deepEqual(readMeta(change.value), meta);
  },
};

const orders: FuzzTarget = {
  name: "orders",
  corpus: [
    Buffer.from(
      '{"kind":"drain","group":"g","reason":"r","by":{"address":"::1","name":"n"},"keepsStreams":true,"givenUnixMs":1,"forMs":2,"untilUnixMs":3}',
    ),
    Buffer.from('{"order":"failback","group":"g","reason":"r","by":{"address":"::1"},"number":1,"unixMs":2,"atMs":3}'),
    Buffer.from('{"station":"north"}'),
  ],
  check: (input) => {
    const order = readOrder(input);
    if (order !== undefined) {
      assert.ok(order.forMs >= 0 && order.untilUnixMs >= 0);
      assert.deepEqual(readOrder(written(order)), order);
    }
    const entry = readTrailEntry(input);
    if (entry !== undefined) assert.deepEqual(readTrailEntry(written(entry)), entry);
    readOrderedStation(input);
  },
};

const keys: FuzzTarget = {
  name: "record-keys",
  corpus: [Buffer.from("00000000a.00000001.z.digest.group"), Buffer.from("000000a-000001")],
  check: (input) => {
    const text = input.toString("utf8");
    const read = readRecordKey(text);
    if (read !== undefined) assert.equal(recordKeyOf(read.group, read), text);
    if (isEventId(text)) assert.ok(timeOfEvent(text) >= 0);
  },
};

export const RECORD_TARGETS: readonly FuzzTarget[] = [keptAnswer, commandFrames, commandState, orders, keys];
