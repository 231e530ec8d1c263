/**
 * `/v1/groups/{group}/stations/{station}/active`: the page that a load balancer checks to learn
 * whether it should send traffic to a station. It answers 200 for the station that serves, and 503
 * for every other one. GET, HEAD and OPTIONS are alike, because HAProxy checks with OPTIONS unless
 * it is told otherwise. No token is needed: health checks seldom have one, and the page tells one
 * bit, to those who know the names. It names no other station and gives no reasons.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Problem, refusal } from "../../fleet/problem.ts";
import type { DutyGroup } from "../../fleet/station-duty.ts";
import { isServing } from "../../fleet/station-duty.ts";
import { targetOf } from "../http/http-headers.ts";

export interface AskedStation {
  readonly group: string;
  readonly station: string;
}

const PAGE = /^\/v1\/groups\/([^/?]+)\/stations\/([^/?]+)\/active(?:\?|$)/;
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const HEADERS = { "content-type": "application/json", "cache-control": "no-store" };
const ACTIVE = JSON.stringify({ status: "active" });
const NOT_ACTIVE: Problem = refusal(
  503,
  "STATION_NOT_ACTIVE",
  "another station serves, or none does: send nothing here",
);
const UNKNOWN: Problem = refusal(
  404,
  "UNKNOWN_STATION",
  "there is no such group or station; `gsf status` lists those that there are",
);

/** The station that is asked about; undefined if this is another page. */
export function askedStation({ method = "", url = "" }: IncomingMessage): AskedStation | undefined {
  if (!METHODS.has(method)) return undefined;
  // Most requests are for other pages, and are not read any further.
  const path = url.startsWith("/") ? url : targetOf(method, url)?.target;
  const [, group, station] = (path !== undefined && PAGE.exec(path)) || [];
  return group === undefined || station === undefined ? undefined : { group, station };
}

/** Answers with 200, or returns the problem to be answered. */
export function answerActive(
  response: ServerResponse,
  { group: name, station }: AskedStation,
  groups: ReadonlyMap<string, DutyGroup>,
): Problem | undefined {
  const group = groups.get(name);
  if (group === undefined || !group.settings.stations.some((one) => one.name === station)) return UNKNOWN;
  if (!isServing(group, station)) return NOT_ACTIVE;
  response.writeHead(200, HEADERS).end(ACTIVE);
  return undefined;
}
