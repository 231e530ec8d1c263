/** Who may ask the control listener: tokens by name and power, and what wrong ones cost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "ground-station-failover/sim";
import { ControlAccess, type ControlToken } from "./control-access.ts";

const TOKENS: readonly ControlToken[] = [
  { name: "sara", may: "operate", value: "an-operator-of-many-bytes" },
  { name: "prometheus", may: "read", value: "a-reader-of-many-bytes" },
];

test("[G6] a right token → its name and its power, whatever else is valid", () => {
  const access = new ControlAccess(TOKENS, new VirtualClock());
  const [sara, prometheus] = TOKENS.map(({ value }) => access.check(`Bearer ${value}`, "10.0.0.1"));
  assert.deepEqual(sara, { type: "granted", token: "sara", may: "operate" });
  assert.deepEqual(prometheus, { type: "granted", token: "prometheus", may: "read" });
  assert.equal(access.check("bearer  an-operator-of-many-bytes ", "10.0.0.1").type, "granted");
});

test("[G6] no token, another scheme, a prefix or a longer one → unknown", () => {
  const access = new ControlAccess(TOKENS, new VirtualClock());
  for (const header of [undefined, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer an operator", "Bearer é"])
    assert.deepEqual(access.check(header, "a"), { type: "unknown", wrong: 0, isTold: false }, header);
  for (const token of ["an-operator-of-many-byte", "an-operator-of-many-bytess", "AN-OPERATOR-OF-MANY-BYTES"])
    assert.equal(access.check(`Bearer ${token}`, "a").type, "unknown", token);
});

test("[G6] a flood of wrong tokens → too many, with a time; the right one from another address passes", async () => {
  const clock = new VirtualClock();
  const access = new ControlAccess(TOKENS, clock);
  const wrong = (): ReturnType<ControlAccess["check"]> => access.check("Bearer wrong", "10.0.0.1");
  for (let guess = 0; guess < 10; guess++) assert.equal(wrong().type, "unknown", `${guess}`);
  assert.deepEqual(wrong(), { type: "too-many", retryAfterMs: 3_000 });
  assert.equal(access.check(`Bearer ${TOKENS[0]?.value}`, "10.0.0.1").type, "too-many");
  assert.equal(access.check(`Bearer ${TOKENS[0]?.value}`, "10.0.0.2").type, "granted");
  assert.equal(access.check(undefined, "10.0.0.1").type, "unknown", "without a token, nothing is guessed");
  await clock.advanceBy(3_000);
  assert.equal(access.check(`Bearer ${TOKENS[0]?.value}`, "10.0.0.1").type, "granted");
  assert.equal(wrong().type, "unknown");
  assert.equal(wrong().type, "too-many");
});

test("[G6] wrong tokens are logged once in ten seconds for each address, with their number", async () => {
  const clock = new VirtualClock();
  const access = new ControlAccess(TOKENS, clock);
  const wrong = (): unknown => access.check("Bearer wrong", "10.0.0.1");
  assert.deepEqual(wrong(), { type: "unknown", wrong: 1, isTold: true });
  assert.deepEqual(wrong(), { type: "unknown", wrong: 2, isTold: false });
  await clock.advanceBy(10_000);
  assert.deepEqual(wrong(), { type: "unknown", wrong: 3, isTold: true });
});

test("[G6] wrong tokens from a million addresses → a bounded number of them is remembered", () => {
  const access = new ControlAccess(TOKENS, new VirtualClock());
  for (let guess = 0; guess < 10; guess++) access.check("Bearer wrong", "first");
  assert.equal(access.check("Bearer wrong", "first").type, "too-many");
  for (let address = 0; address < 4_096; address++) access.check("Bearer wrong", `${address}`);
  assert.equal(access.check("Bearer wrong", "first").type, "unknown", "it was forgotten for a newer one");
});

test("[G6] tokens are replaced while requests come → only the new ones are valid", () => {
  const access = new ControlAccess(TOKENS, new VirtualClock());
  access.useTokens([{ name: "sara", may: "operate", value: "another-of-many-bytes" }]);
  assert.equal(access.check(`Bearer ${TOKENS[0]?.value}`, "a").type, "unknown");
  assert.equal(access.check("Bearer another-of-many-bytes", "a").type, "granted");
});
