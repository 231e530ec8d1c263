/** Classes that two copies of this library share: what one makes, the other knows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brand } from "./brand.ts";
import * as ours from "./errors.ts";

/** Another copy, as a second version in the tree or a reset module registry makes one. */
const theirs = (await import(`./errors.ts?${"another-copy"}`)) as typeof ours;

test("an error of another copy → of the same classes as ours, and of no other", () => {
  assert.notEqual(theirs.BulkheadFullError, ours.BulkheadFullError, "else this proves nothing");
  const classes = Object.entries(ours).filter(([, one]) => typeof one === "function") as [
    keyof typeof ours,
    typeof ours.ResilienceError,
  ][];
  assert.equal(classes.length, 18);
  for (const [name, type] of classes) {
    if (["ResilienceError", "LocalRejection", "DownstreamError"].includes(name)) continue;
    const make = (from: object): ours.ResilienceError =>
      new (from as Record<string, new (...args: unknown[]) => ours.ResilienceError>)[name]!("x", () => 0);
    const [own, foreign] = [make(ours), make(theirs)];
    for (const [other, anyType] of classes) {
      assert.equal(foreign instanceof anyType, own instanceof anyType, `${name} of another copy, asked for ${other}`);
      const isAncestor = ours.ResilienceError === anyType || Object.getPrototypeOf(type) === anyType;
      assert.equal(own instanceof anyType, anyType === type || isAncestor, `${name}, asked for ${other}`);
    }
    assert.ok(foreign instanceof Error);
  }
});

test("other values, and what comes over a wire → of none of our classes", () => {
  const error = new ours.BulkheadFullError("full");
  for (const value of [
    undefined,
    null,
    1,
    "x",
    new Error("x"),
    { ...error },
    structuredClone(error),
    () => undefined,
  ]) {
    assert.equal(value instanceof ours.ResilienceError, false);
  }
});

test("a caller's own subclass → its instances only, and they are of the family", () => {
  class ClusterFullError extends ours.BulkheadFullError {}
  assert.equal(new ours.BulkheadFullError("x") instanceof ClusterFullError, false);
  assert.ok(new ClusterFullError("x") instanceof ClusterFullError);
  assert.ok(new ClusterFullError("x") instanceof theirs.LocalRejection);
});

test("a brand is told apart by its kind, and leaves no trace in what is logged or copied", () => {
  class Radio {}
  class Dish {}
  brand(Radio, "test/Radio");
  brand(Dish, "test/Dish");
  assert.ok(new Radio() instanceof Radio && !((new Dish() as Radio) instanceof Radio));
  assert.deepEqual(Reflect.ownKeys(new Radio()), []);
});
