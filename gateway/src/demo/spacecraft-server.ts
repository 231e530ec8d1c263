/**
 * The spacecraft as an HTTP server, as the demo runs it: `POST /command` with
 * `{"command": "name"}`, `GET /ledger`, and `GET /` for checks of the path. It is a toy, but it
 * refuses as a real service would: a bad request gets a sentence and changes nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { EPOCH_HEADER, EPOCH_SEEN_HEADER } from "../fleet/uplink.ts";
import type { CommandArrival, Spacecraft } from "./spacecraft.ts";

/** A larger command is refused with 413. */
const LARGEST_COMMAND_BYTES = 65_536;

/** A server that is not yet listening. */
export function spacecraftServer(spacecraft: Spacecraft): Server {
  return createServer((request, response) => {
    answer(spacecraft, request, response).catch((error: unknown) => {
      // The sender hung up in the middle of its request, so there is no answer to send.
      if (!response.headersSent) refuse(response, 400, String(error));
    });
  });
}

async function answer(spacecraft: Spacecraft, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split("?")[0];
  if (path === "/command") {
    if (request.method === "POST") return execute(spacecraft, request, response);
    response.setHeader("allow", "POST");
    return refuse(response, 405, `${request.method} is not allowed here; POST a command`);
  }
  request.resume();
  if (path === "/ledger") return reply(response, 200, spacecraft.ledger);
  if (path === "/" || path === "/healthz") return reply(response, 200, { status: "ok" });
  refuse(response, 404, `there is no ${path}; there are POST /command and GET /ledger`);
}

async function execute(spacecraft: Spacecraft, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await read(request);
  if (body === undefined) return refuse(response, 413, `a command has at most ${LARGEST_COMMAND_BYTES} bytes`);
  const arrival = arrivalOf(body, request);
  if (typeof arrival === "string") return refuse(response, 400, arrival);
  const outcome = await spacecraft.receive(arrival);
  if (outcome.type === "stale") {
    response.setHeader(EPOCH_SEEN_HEADER, String(outcome.epochSeen));
    return refuse(response, 412, `epoch ${arrival.epoch} is over; the newest seen is ${outcome.epochSeen}`);
  }
  if (outcome.type === "replayed") response.setHeader("gsf-replayed", "true");
  reply(response, 200, outcome.result);
}

/** The command in a request, or a sentence that says what is wrong with it. */
function arrivalOf(body: string, request: IncomingMessage): CommandArrival | string {
  const command = commandNameIn(body);
  if (command === undefined) return 'a command is JSON with its name, for example {"command": "c-17"}';
  const key = request.headers["idempotency-key"];
  const epoch = request.headers[EPOCH_HEADER];
  if (epoch !== undefined && !/^\d{1,15}$/.test(String(epoch))) {
    return `${EPOCH_HEADER}: "${String(epoch).slice(0, 40)}" is no epoch; allowed is a whole number`;
  }
  return {
    command,
    idempotencyKey: key === undefined ? undefined : String(key),
    epoch: epoch === undefined ? undefined : Number(epoch),
  };
}

function commandNameIn(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    const name = typeof parsed === "object" && parsed !== null && "command" in parsed ? parsed.command : undefined;
    return typeof name === "string" && name !== "" && name.length <= 256 ? name : undefined;
  } catch {
    return undefined;
  }
}

/** The whole body, or undefined if it is too large. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= LARGEST_COMMAND_BYTES) chunks.push(chunk);
  }
  return bytes > LARGEST_COMMAND_BYTES ? undefined : Buffer.concat(chunks).toString("utf8");
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

function refuse(response: ServerResponse, status: number, detail: string): void {
  response
    .writeHead(status, { "content-type": "application/problem+json" })
    .end(`${JSON.stringify({ title: "refused", status, detail })}\n`);
}
