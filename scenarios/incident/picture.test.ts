/** The picture of the incident in the README is what the simulation gives. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { incidentPicture, PICTURE } from "./picture.ts";

test("the incident, drawn anew → the committed picture", async () => {
  assert.equal(await incidentPicture(), readFileSync(PICTURE, "utf8"), "draw it anew with: npm run incident:picture");
});
