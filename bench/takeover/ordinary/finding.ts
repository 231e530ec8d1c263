/**
 * What a check found: a sentence of what was looked at, what was found, what was allowed, and
 * whether that is kept.
 */
import { quantile } from "../figures.ts";
import type { Reply } from "./client.ts";
import { type LogLine, Stage } from "./stage.ts";

export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly bound: string;
  readonly isKept: boolean;
}

/** A check by its name: it opens a stage of its own and says what it found. */
export interface Check {
  readonly name: string;
  readonly run: (gateway: string) => Promise<readonly Finding[]>;
}

export function atMost(what: string, found: number, bound: number, unit = ""): Finding {
  return { what, found: `${shown(found)}${unit}`, bound: `≤ ${shown(bound)}${unit}`, isKept: found <= bound };
}

export function isTrue(what: string, isKept: boolean, found = isKept ? "yes" : "no"): Finding {
  return { what, found, bound: "yes", isKept };
}

/** Replies that are not as they should be: how many, and what came instead. */
export function allAre(what: string, replies: readonly Reply[], isRight: (reply: Reply) => boolean): Finding {
  const wrong = replies.filter((reply) => !isRight(reply));
  const kinds = new Map<string, number>();
  for (const reply of wrong) kinds.set(kindOf(reply), (kinds.get(kindOf(reply)) ?? 0) + 1);
  const told = [...kinds].map(([kind, count]) => `${count} × ${kind}`).join(", ");
  const found =
    wrong.length === 0 ? `all ${replies.length}` : `${replies.length - wrong.length} of ${replies.length}; ${told}`;
  return { what, found, bound: "all", isKept: replies.length > 0 && wrong.length === 0 };
}

export function slowest(replies: readonly Reply[], ratio = 1): number {
  return (
    quantile(
      replies.map(({ tookMs }) => tookMs),
      ratio,
    ) ?? Number.POSITIVE_INFINITY
  );
}

/** What holds in every check: the stations are well, so nobody is replaced and somebody is fit. */
async function roles(stage: Stage): Promise<Finding[]> {
  const changes = await stage.roleChanges();
  // A shortage of the gateway's own may be told as an error; it is no event of the group.
  const isSerious = ({ level, event }: LogLine): boolean =>
    level === "fatal" || (level === "error" && event !== undefined && event !== "local-shortage");
  const serious = stage.log().filter(isSerious);
  const circuits = stage.log().filter(({ event, msg }) => event === "breaker" && /\bis open\b/.test(msg));
  const last = serious.at(-1)?.msg;
  return [
    atMost("role changes", changes, 0),
    {
      what: "nobody fit, or another event of level error",
      found: last ?? "none",
      bound: "none",
      isKept: last === undefined,
    },
    atMost("circuits opened", circuits.length, 0),
  ];
}

/** Answers of the gateway itself have a code; the others come from a station. */
export function codeOf({ body }: Reply): string | undefined {
  try {
    const { code } = JSON.parse(body) as { code?: unknown };
    return typeof code === "string" ? code : undefined;
  } catch {
    return undefined;
  }
}

function kindOf(reply: Reply): string {
  if (reply.status === 0) return reply.failure ?? "no answer";
  return [reply.status, codeOf(reply)].filter((part) => part !== undefined).join(" ");
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 1 : 0);
}

/** Opens a stage, adds what holds in every check, and closes it whatever happens. */
export async function staged(
  gateway: string,
  play: (stage: Stage) => Promise<readonly Finding[]>,
  options: { readonly descriptorLimit?: number; readonly hasNames?: boolean } = {},
): Promise<readonly Finding[]> {
  const stage = await Stage.open({ gateway, ...options });
  try {
    const found = await play(stage);
    return [...found, ...(await roles(stage))];
  } finally {
    await stage.close();
  }
}
