/**
 * Slow callers, callers who leave, and slow endpoints, in front of services that are well: whatever
 * takes long here is the caller's doing or the nature of the work, so nobody is replaced, and who
 * is served beside them does not notice.
 */
import { sleep } from "../processes.ts";
import { ask, type Reply, traffic } from "./client.ts";
import { allAre, atMost, type Check, codeOf, type Finding, isTrue, slowest, staged } from "./finding.ts";

const MEBIBYTE = 1_048_576;
const SOON_MS = 100;
const UPLOADS = 6;
/**
 * Larger than what the gateway keeps for sending again (1 MiB), and at this pace longer than any
 * usual timeout.
 */
const UPLOAD_BYTES = 5 * MEBIBYTE;
const TRICKLED_PER_SECOND = 15;
const TRICKLED_BYTES = 30;
const TRICKLED_FOR_MS = 12_000;
const CUT_UPLOADS = 16;
const CUT_BYTES = 10_000_000;
const CUT_AFTER_MS = 1_000;
const IMPATIENCE_MS = 300;
const IMPATIENT_PER_SECOND = 8;
const IMPATIENT_FOR_MS = 12_000;
const SLOW_MS = 5_000;

function slowUploads(isKeyed: boolean): Check {
  return {
    name: `${UPLOADS} ${isKeyed ? "keyed" : "unkeyed"} uploads of 5 MiB at 1 MiB/s beside quick requests`,
    run: (gateway) =>
      staged(gateway, async (stage) => {
        const upload = (number: number): Promise<Reply> =>
          ask(stage.address, {
            path: "/upload",
            method: "POST",
            bytes: UPLOAD_BYTES,
            bytesPerSecond: MEBIBYTE,
            ...(isKeyed && { key: `upload-${number}` }),
          });
        const [uploads, quick] = await Promise.all([
          Promise.all(Array.from({ length: UPLOADS }, (_, number) => upload(number))),
          traffic(stage.address, 5, 6_000, () => ({ path: "/work?ms=5" })),
        ]);
        const isWhole = ({ status, body }: Reply): boolean =>
          status === 200 && body.includes(`"bytes":${UPLOAD_BYTES}`);
        return [
          allAre("uploads: 200, every byte", uploads, isWhole),
          allAre("quick requests: 200", quick, ({ status }) => status === 200),
          atMost("quick requests: p99", slowest(quick, 0.99), SOON_MS, " ms"),
        ];
      }),
  };
}

const trickled: Check = {
  name: `${TRICKLED_PER_SECOND}/s of bodies in chunks, ${TRICKLED_BYTES} bytes in 3 s, beside quick requests`,
  run: (gateway) =>
    staged(gateway, async (stage) => {
      const [posts, quick] = await Promise.all([
        traffic(stage.address, TRICKLED_PER_SECOND, TRICKLED_FOR_MS, () => ({
          path: "/upload",
          method: "POST",
          isChunked: true,
          bytes: TRICKLED_BYTES,
          bytesPerSecond: TRICKLED_BYTES / 3,
        })),
        traffic(stage.address, 10, TRICKLED_FOR_MS, () => ({ path: "/work?ms=5" })),
      ]);
      const isWhole = ({ status, body }: Reply): boolean =>
        status === 200 && body.includes(`"bytes":${TRICKLED_BYTES}`);
      return [
        allAre("bodies: 200, every byte", posts, isWhole),
        allAre("quick requests: 200", quick, ({ status }) => status === 200),
        atMost("quick requests: p99", slowest(quick, 0.99), SOON_MS, " ms"),
      ];
    }),
};

const cutUploads: Check = {
  name: `${CUT_UPLOADS} uploads of 10 MB cut by their callers after 1 s`,
  run: (gateway) =>
    staged(gateway, async (stage) => {
      const upload = (): Promise<Reply> =>
        ask(stage.address, {
          path: "/upload",
          method: "POST",
          bytes: CUT_BYTES,
          bytesPerSecond: MEBIBYTE,
          timeoutMs: CUT_AFTER_MS,
        });
      const uploads = await Promise.all(Array.from({ length: CUT_UPLOADS }, upload));
      const next = await ask(stage.address, { path: "/work" });
      await sleep(1_000);
      return [
        allAre("uploads: cut by their callers, not answered before", uploads, ({ failure }) => failure === "left"),
        allAre("the next request: 200", [next], ({ status }) => status === 200),
        atMost("the next request", next.tookMs, SOON_MS, " ms"),
      ];
    }),
};

function impatient(workMs: number): Check {
  const isServed = workMs < IMPATIENCE_MS;
  return {
    name: `callers with 300 ms of patience, ${IMPATIENT_PER_SECOND}/s, work of ${workMs} ms`,
    run: (gateway) =>
      staged(gateway, async (stage) => {
        const replies = await traffic(stage.address, IMPATIENT_PER_SECOND, IMPATIENT_FOR_MS, () => ({
          path: `/work?ms=${workMs}`,
          timeoutMs: IMPATIENCE_MS,
        }));
        const patient = await ask(stage.address, { path: `/work?ms=${workMs}` });
        const isHonest = ({ status, failure, tookMs }: Reply): boolean =>
          isServed ? status === 200 : failure === "left" || (status === 503 && tookMs < SOON_MS);
        return [
          allAre(isServed ? "all are served" : "nobody is told of a lost station", replies, isHonest),
          allAre("a patient caller afterwards: 200", [patient], ({ status }) => status === 200),
          atMost("a patient caller afterwards", patient.tookMs, workMs + SOON_MS, " ms"),
        ];
      }),
  };
}

const slowEndpoint: Check = {
  name: "an endpoint of 5 s",
  run: (gateway) =>
    staged(gateway, async (stage) => {
      const path = `/work?ms=${SLOW_MS}`;
      const [gets, post, once, quick] = await Promise.all([
        Promise.all([ask(stage.address, { path }), ask(stage.address, { path })]),
        ask(stage.address, { path, method: "POST", bytes: 20, key: "slow" }),
        ask(stage.address, { path, method: "POST", bytes: 20 }),
        traffic(stage.address, 10, SLOW_MS, () => ({ path: "/work?ms=5" })),
      ]);
      const repeatable = [...gets, post];
      const slow = [...repeatable, once];
      const received = (await stage.received()) - quick.length;
      const found: Finding[] = [
        allAre("200, or 504 that says it took too long", slow, isHonestAboutTime),
        isTrue(
          "no answer speaks of a lost station",
          slow.every(({ body }) => !/\blost\b/.test(body)),
        ),
        atMost("slowest", slowest(slow), SLOW_MS + 500, " ms"),
        allAre("quick requests beside it: 200", quick, ({ status }) => status === 200),
      ];
      // A new route is worth a second attempt after a second, where it may run twice; what may not
      // is sent once.
      if (slow.every(({ status }) => status === 200))
        found.push(atMost("requests at the stations", received, 2 * repeatable.length + 1));
      return found;
    }),
};

function isHonestAboutTime(reply: Reply): boolean {
  return reply.status === 200 || (reply.status === 504 && /TIMEOUT|DEADLINE/.test(codeOf(reply) ?? ""));
}

export const slowChecks: readonly Check[] = [
  slowUploads(false),
  slowUploads(true),
  trickled,
  cutUploads,
  impatient(80),
  impatient(500),
  slowEndpoint,
];
