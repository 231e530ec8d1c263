/**
 * Ordinary errors: pages that a well service answers with 4xx or 5xx, or with a 200 that reports an
 * error. They are the answer to that one request and say nothing about the station, so they come
 * back at once, and however many there are, nobody is replaced and nobody else waits.
 */
import http from "node:http";
import { ask, type Question, type Reply, traffic } from "./client.ts";
import { allAre, atMost, type Check, type Finding, isTrue, slowest, staged } from "./finding.ts";

/**
 * An answer of the station comes back within this, through a gateway that has nothing else to do.
 */
const AT_ONCE_MS = 50;
/** Beside other traffic there may be a little more. */
const SOON_MS = 100;
/** A gateway that has not answered by now has failed the check; waiting longer shows nothing. */
const GIVEN_UP_MS = 2_000;
const REPEATS = 5;
const THOUSAND = 1_000;
/** A thousand errors one after another, each at once, take much less. */
const THOUSAND_WITHIN_MS = 60_000;
const BAD_PER_SECOND = 30;
const GOOD_PER_SECOND = 20;
const BESIDE_MS = 8_000;

interface Kind {
  readonly name: string;
  readonly path: string;
  readonly status: number;
}

const KINDS: readonly Kind[] = [
  ...[500, 501, 502, 503, 504, 429, 408].map((status) => ({
    name: String(status),
    path: `/error?status=${status}`,
    status,
  })),
  { name: "200 with GraphQL errors", path: "/graphql", status: 200 },
];

/** The station's own answer: its status, and its body rather than one of the gateway's. */
function isOwnAnswer({ status }: Kind): (reply: Reply) => boolean {
  return (reply) => reply.status === status && reply.body.includes('"station"');
}

/** GET, and POST with a key: the two that may be repeated. */
function questionsOf({ path }: Kind, number: number): readonly Question[] {
  return [{ path }, { path, method: "POST", bytes: 20, key: `error-${number}` }];
}

export const quietErrors: Check = {
  name: "quiet gateway, an error page",
  run: (gateway) =>
    staged(gateway, async (stage) => {
      const found: Finding[] = [];
      // Connections and compilers are warm, as they are on any day but the first.
      for (let number = 0; number < 20; number++) await ask(stage.address, { path: "/work" });
      for (const [place, kind] of KINDS.entries()) {
        const replies: Reply[] = [];
        for (let repeat = 0; repeat < REPEATS && replies.every(({ status }) => status > 0); repeat++)
          for (const question of questionsOf(kind, REPEATS * place + repeat))
            replies.push(await ask(stage.address, { ...question, timeoutMs: GIVEN_UP_MS }));
        found.push(allAre(`${kind.name}: the station's own answer`, replies, isOwnAnswer(kind)));
        found.push(atMost(`${kind.name}: slowest answer`, slowest(replies), AT_ONCE_MS, " ms"));
      }
      return found;
    }),
};

export const thousandErrors: Check = {
  name: "a thousand error pages for one client",
  run: (gateway) =>
    staged(gateway, async (stage) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const untilMs = performance.now() + THOUSAND_WITHIN_MS;
      const wrong: Reply[] = [];
      const replies: Reply[] = [];
      for (let number = 0; number < THOUSAND && performance.now() < untilMs; number++) {
        const kind = KINDS[number % KINDS.length] as Kind;
        const question = questionsOf(kind, number)[Math.floor(number / KINDS.length) % 2] as Question;
        const reply = await ask(stage.address, { ...question, agent, timeoutMs: GIVEN_UP_MS });
        replies.push(reply);
        if (!isOwnAnswer(kind)(reply)) wrong.push(reply);
      }
      agent.destroy();
      const after = await ask(stage.address, { path: "/work" });
      return [
        isTrue(`a thousand within ${THOUSAND_WITHIN_MS / 1_000} s`, replies.length === THOUSAND, `${replies.length}`),
        allAre("the station's own answer", replies, (reply) => !wrong.includes(reply)),
        atMost("p99", slowest(replies, 0.99), AT_ONCE_MS, " ms"),
        allAre("a good request afterwards", [after], ({ status }) => status === 200),
        atMost("a good request afterwards", after.tookMs, SOON_MS, " ms"),
      ];
    }),
};

function badRoute(name: string, kind: Kind): Check {
  return {
    name: `one route answers ${name}, ${BAD_PER_SECOND}/s, beside ${GOOD_PER_SECOND}/s of others`,
    run: (gateway) =>
      staged(gateway, async (stage) => {
        const [bad, good] = await Promise.all([
          traffic(stage.address, BAD_PER_SECOND, BESIDE_MS, () => ({ path: kind.path })),
          traffic(stage.address, GOOD_PER_SECOND, BESIDE_MS, () => ({ path: "/work?ms=5" })),
        ]);
        return [
          allAre("other requests: 200", good, ({ status }) => status === 200),
          atMost("other requests: p99", slowest(good, 0.99), SOON_MS, " ms"),
          allAre("the route: the station's own answer", bad, isOwnAnswer(kind)),
          atMost("the route: p99", slowest(bad, 0.99), SOON_MS, " ms"),
        ];
      }),
  };
}

export const badRoutes: readonly Check[] = [
  badRoute("500", { name: "500", path: "/error?status=500", status: 500 }),
  badRoute("503, Retry-After: 60", { name: "503", path: "/error?status=503&retry-after=60", status: 503 }),
  badRoute("429, Retry-After: 60", { name: "429", path: "/error?status=429&retry-after=60", status: 429 }),
];
