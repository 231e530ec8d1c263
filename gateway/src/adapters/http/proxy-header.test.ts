/** [G6] PROXY headers of both versions, whole and split at every byte, right and wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fastCheck from "fast-check";
import { crc32c, MAX_PROXY_BYTES, type ProxyHeader, readProxyHeader } from "./proxy-header.ts";

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

function v2(command: number, family: number, body: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([SIGNATURE, Buffer.from([0x20 | command, family]), length, body]);
}

const FOUR = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0xdd, 0xd5, 0x01, 0xbb]);
const SIX = Buffer.concat([
  Buffer.from("20010db8000000000000000000000007", "hex"),
  Buffer.from("20010db8000000000000000000000001", "hex"),
  Buffer.from([0xdd, 0xd5, 0x01, 0xbb]),
]);
const MAPPED = Buffer.concat([Buffer.from("00000000000000000000ffffc0000207", "hex"), SIX.subarray(16)]);

const caller = (address: string, port = 56_789): ProxyHeader => ({ type: "caller", address, port });
const local: ProxyHeader = { type: "local" };

/** `body` with a checksum behind it. */
function withChecksum(family: number, body: Buffer, change = 0): Buffer {
  const whole = v2(1, family, Buffer.concat([body, Buffer.from([0x03, 0, 4, 0, 0, 0, 0])]));
  whole.writeUInt32BE((crc32c(whole) ^ change) >>> 0, whole.length - 4);
  return whole;
}

const RIGHT: readonly (readonly [string, Buffer, ProxyHeader])[] = [
  ["TCP4", Buffer.from("PROXY TCP4 192.0.2.7 10.0.0.1 56789 443\r\n"), caller("192.0.2.7")],
  ["TCP6", Buffer.from("PROXY TCP6 2001:db8::7 2001:db8::1 56789 443\r\n"), caller("2001:db8::7")],
  ["unknown", Buffer.from("PROXY UNKNOWN\r\n"), local],
  ["unknown with more", Buffer.from("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), local],
  ["binary IPv4", v2(1, 0x11, FOUR), caller("192.0.2.7")],
  ["binary IPv6", v2(1, 0x21, SIX), caller("2001:db8:0:0:0:0:0:7")],
  ["binary IPv4 in IPv6", v2(1, 0x21, MAPPED), caller("192.0.2.7")],
  [
    "binary with TLVs",
    v2(1, 0x11, Buffer.concat([FOUR, Buffer.from([1, 0, 2, 104, 50, 4, 0, 0])])),
    caller("192.0.2.7"),
  ],
  ["binary with a checksum", withChecksum(0x11, FOUR), caller("192.0.2.7")],
  ["binary local", v2(0, 0, Buffer.alloc(0)), local],
  ["binary local with addresses", v2(0, 0x11, FOUR), local],
  ["binary of a socket of Unix", v2(1, 0x31, Buffer.alloc(216)), local],
];

test("[G6] a header, split at every byte → read once it is whole, and what follows is left", () => {
  for (const [name, bytes, header] of RIGHT) {
    const followed = Buffer.concat([bytes, Buffer.from("GET / HTTP/1.1\r\n")]);
    for (let length = 0; length < bytes.length; length++)
      assert.deepEqual(readProxyHeader(followed.subarray(0, length)), { type: "more" }, `${name}: ${length}`);
    for (let length = bytes.length; length <= followed.length; length++)
      assert.deepEqual(readProxyHeader(followed.subarray(0, length)), { type: "header", header, bytes: bytes.length });
  }
});

test("[G6] what is no header → refused at the first byte that is wrong", () => {
  const wrong: readonly Buffer[] = [
    ...["GET / HTTP/1.1\r\n", "PROXX", "proxy TCP4", "\r\n\r\nX", "\x16\x03\x01"].map((text) => Buffer.from(text)),
    ...[
      "PROXY TCP4 192.0.2.7 10.0.0.1 56789\r\n",
      "PROXY TCP4 192.0.2.7 10.0.0.1 56789 443 \r\n",
      "PROXY TCP4 192.0.2.700 10.0.0.1 56789 443\r\n",
      "PROXY TCP4 2001:db8::7 2001:db8::1 56789 443\r\n",
      "PROXY TCP6 192.0.2.7 10.0.0.1 56789 443\r\n",
      "PROXY TCP4 192.0.2.7 10.0.0.1 056789 443\r\n",
      "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
      "PROXY UDP4 192.0.2.7 10.0.0.1 56789 443\r\n",
      "PROXY TCP4 192.0.2.7\n10.0.0.1 56789 443\r\n",
      `PROXY UNKNOWN ${"x".repeat(100)}`,
    ].map((text) => Buffer.from(text)),
    v2(2, 0x11, FOUR),
    v2(1, 0x13, FOUR),
    v2(1, 0x11, FOUR.subarray(1)),
    v2(1, 0x21, FOUR),
    v2(1, 0x11, Buffer.concat([FOUR, Buffer.from([1, 0])])),
    v2(1, 0x11, Buffer.concat([FOUR, Buffer.from([1, 0, 9, 0])])),
    v2(1, 0x11, Buffer.concat([FOUR, Buffer.from([3, 0, 2, 0, 0])])),
    withChecksum(0x11, FOUR, 1),
    Buffer.concat([SIGNATURE, Buffer.from([0x11, 0x11, 0, 12]), FOUR]),
    Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff])]),
  ];
  for (const bytes of wrong) assert.equal(readProxyHeader(bytes).type, "refused", bytes.toString("latin1"));
});

test("[G6] the checksum is CRC-32C", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("[G6] any bytes → an answer, and no more than the longest header is ever waited for", () => {
  const starts = fastCheck.constantFrom(
    Buffer.alloc(0),
    SIGNATURE,
    Buffer.from("PROXY "),
    v2(1, 0x21, Buffer.alloc(0)),
  );
  fastCheck.assert(
    fastCheck.property(starts, fastCheck.uint8Array({ maxLength: 300 }), (start, rest) => {
      const reading = readProxyHeader(Buffer.concat([start, rest]));
      if (reading.type === "header") assert.ok(reading.bytes <= start.length + rest.length);
    }),
  );
  for (const [, bytes] of RIGHT)
    assert.notEqual(readProxyHeader(Buffer.concat([bytes, Buffer.alloc(MAX_PROXY_BYTES)])).type, "more");
});
