/**
 * Which refusals of uploads are right: of a streamed body, promised as not executed, whose epoch
 * ended while it was sent.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt, Command, FleetObserver, Sending } from "../../fleet/observer.ts";
import { Scripted } from "../scripted.ts";
import { FencedUploads } from "./fenced-uploads.ts";

interface Upload {
  readonly kind?: Command["kind"];
  readonly uploadMs?: number;
  readonly end?: NonNullable<Sending["end"]>;
  readonly outcome?: NonNullable<Attempt["outcome"]>;
  /** When the backup becomes active; the upload lasts from 1 s to 3 s. */
  readonly promotedAtMs?: number;
}

async function wasRefused(upload: Upload): Promise<boolean> {
  const { kind = "once", uploadMs = 2_000, end = "refused", outcome = "stale", promotedAtMs = 2_000 } = upload;
  let uploads: FencedUploads | undefined;
  const made = new Scripted({}, ({ world }): FleetObserver => {
    uploads = new FencedUploads(() => world.nowMs);
    return uploads.hears;
  });
  made.starts();
  const begin = async (): Promise<readonly [Sending, Attempt]> => {
    await made.at(1_000);
    const command = made.command({ kind });
    return [made.begins(command, { uploadMs }), made.sends(command, "primary")];
  };
  const promote = async (): Promise<void> => {
    await made.at(promotedAtMs);
    made.promoted("backup", "primary", "failure");
  };
  if (promotedAtMs < 1_000) await promote();
  const [sending, attempt] = await begin();
  if (promotedAtMs >= 1_000) await promote();
  await made.at(3_000);
  made.ends(attempt, outcome, outcome === "stale" ? 412 : 500);
  made.finishes(sending, end);
  return uploads?.wasRefused(sending) === true;
}

test("[F3] the role moved while a body was streamed, refused as not executed → right", async () => {
  assert.equal(await wasRefused({}), true);
});

test("[F3] anything else that its caller is told → not excused", async () => {
  for (const end of ["failed", "left", "own-error"] as const) assert.equal(await wasRefused({ end }), false, end);
});

test("[F3] a body that was read whole, or none → it is sent again, and no refusal is excused", async () => {
  assert.equal(await wasRefused({ kind: "keyed" }), false);
  assert.equal(await wasRefused({ uploadMs: 0 }), false);
});

test("[F3] no station refused its epoch, or the role did not move meanwhile → not excused", async () => {
  assert.equal(await wasRefused({ outcome: "reply" }), false);
  assert.equal(await wasRefused({ promotedAtMs: 500 }), false);
});
