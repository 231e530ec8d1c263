/**
 * `kill -9` at seeded instants, a few of them; `npm run kills -- --kills 500` plays more.
 */
import { test } from "node:test";
import { killCommitter } from "./commit-kills.ts";
import { killGateway } from "./epoch-kills.ts";

const SEED = Number(process.env["SEED"] ?? 1);

test("[G1] a committing process is killed 50 times → no acknowledged commit lost, none by half", async () => {
  await killCommitter({ kills: 50, seed: SEED });
});

test("[G1] [F3] a gateway that promotes is killed 5 times → no epoch is used again", async () => {
  await killGateway({ kills: 5, seed: SEED });
});
