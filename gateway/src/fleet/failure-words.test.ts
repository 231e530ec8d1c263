import assert from "node:assert/strict";
import { test } from "node:test";
import { agoInWords, failureInWords } from "./failure-words.ts";
import { UnexpectedStatusError, UnreadableReplyError } from "./uplink.ts";

const coded = (code: string, cause?: Error): Error => Object.assign(new Error(`x ${code}`, { cause }), { code });

test("[C] a failed probe says in plain words why, also where the reason is a certificate", () => {
  for (const [error, words] of [
    [coded("ECONNREFUSED"), "connection refused"],
    [coded("CERT_HAS_EXPIRED"), "its certificate has expired"],
    [coded("DEPTH_ZERO_SELF_SIGNED_CERT"), /self-signed; .*NODE_EXTRA_CA_CERTS/],
    [coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), /authority that is not known here/],
    [coded("ERR_TLS_CERT_ALTNAME_INVALID"), /another host name/],
    [coded("ERR_SSL_WRONG_VERSION_NUMBER"), /does not speak TLS there/],
    [coded("UNKNOWN", coded("CERT_NOT_YET_VALID")), /not valid yet/],
    [new AggregateError([coded("EHOSTUNREACH"), coded("ECONNREFUSED")]), "connection refused"],
    [new UnexpectedStatusError("north", "/", 400), "answered 400"],
    [new UnreadableReplyError("north", "it is not HTTP/1.1"), "its answer cannot be read: it is not HTTP/1.1"],
    [new Error("no words of ours"), "no words of ours"],
    ["nonsense", "nonsense"],
  ] as const) {
    if (typeof words === "string") assert.equal(failureInWords(error), words);
    else assert.match(failureInWords(error), words);
  }
});

test("how long ago", () => {
  assert.deepEqual([0.4, 150, 999, 1_600, 61_000].map(agoInWords), [
    ...["0 ms ago", "150 ms ago", "999 ms ago"],
    ...["2 s ago", "61 s ago"],
  ]);
});
