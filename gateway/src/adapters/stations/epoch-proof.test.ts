/**
 * Proofs of epochs: what a station believes, and that secrets can be replaced without a refused
 * command.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HeartbeatSecrets } from "../../fleet/settings.ts";
import { EpochProofs, EpochVerifier } from "./epoch-proof.ts";

const OLD = Buffer.from("the old secret of atlantic");
const NEW = Buffer.from("the new secret of atlantic");
const NORTH = { group: "atlantic", station: "north" };

const shared = (...secrets: Uint8Array[]): HeartbeatSecrets => ({ shared: secrets, own: new Map() });

test("[F3] a proof is for one group, one station, one epoch and one secret", () => {
  const proof = new EpochProofs(shared(OLD)).of(NORTH, 7);
  const believes = (epoch: number, at: typeof NORTH, secret: Uint8Array): boolean =>
    new EpochVerifier(at, [secret]).isProven(epoch, proof);
  assert.equal(believes(7, NORTH, OLD), true);
  assert.equal(believes(8, NORTH, OLD), false);
  assert.equal(believes(7, { ...NORTH, station: "south" }, OLD), false);
  assert.equal(believes(7, { ...NORTH, group: "pacific" }, OLD), false);
  assert.equal(believes(7, { group: "atlantic/north", station: "" }, OLD), false);
  assert.equal(believes(7, NORTH, NEW), false);
});

test("[F3] what is no proof is not believed, and throws nothing", () => {
  const verifier = new EpochVerifier(NORTH, [OLD]);
  const proof = new EpochProofs(shared(OLD)).of(NORTH, 7) as string;
  for (const text of [undefined, "", ",", "=", "7", proof.slice(1), `${proof}A`, "x".repeat(100_000), "\u00e9"])
    assert.equal(verifier.isProven(7, text), false, text?.slice(0, 60));
});

test("[F3] a secret is replaced at either side first → every epoch is believed meanwhile", () => {
  const proofs = new EpochProofs(shared(OLD));
  const verifier = new EpochVerifier(NORTH, [OLD]);
  const isBelieved = (): boolean => verifier.isProven(7, proofs.of(NORTH, 7));
  assert.ok(isBelieved());
  proofs.use(shared(OLD, NEW));
  assert.ok(isBelieved(), "the gateway has both");
  verifier.use([NEW]);
  assert.ok(isBelieved(), "the station has the new one");
  proofs.use(shared(NEW));
  assert.ok(isBelieved(), "both have the new one");
  verifier.use([OLD]);
  assert.equal(isBelieved(), false);
});

test("[F3] a station's own secret is used in place of the shared one; without any there is no proof", () => {
  const proofs = new EpochProofs({ shared: [OLD], own: new Map([["atlantic/north", [NEW]]]) });
  assert.ok(new EpochVerifier(NORTH, [NEW]).isProven(1, proofs.of(NORTH, 1)));
  const south = { ...NORTH, station: "south" };
  assert.ok(new EpochVerifier(south, [OLD]).isProven(1, proofs.of(south, 1)));
  assert.equal(new EpochProofs(shared()).of(NORTH, 1), undefined);
});
