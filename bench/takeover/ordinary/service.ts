/**
 * An ordinary HTTP service as a process: a health page, work that takes a while, error pages on
 * request, an upload that counts its bytes. It is always well; whatever goes wrong in these checks
 * is the callers' or the gateway's own doing. It says its port on standard output and ends with the
 * process that started it.
 */
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const HOST = "127.0.0.1";
const name = process.argv[2] ?? "service";
let received = 0;

function send(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  if (response.destroyed) return;
  const text = JSON.stringify({ station: name, ...body });
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

async function bytesOf(request: IncomingMessage): Promise<number> {
  let bytes = 0;
  for await (const chunk of request) bytes += (chunk as Buffer).length;
  return bytes;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://service");
  if (url.pathname !== "/health" && url.pathname !== "/received") received++;
  const bytes = await bytesOf(request);
  const waitMs = Number(url.searchParams.get("ms") ?? 0);
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  switch (url.pathname) {
    case "/health":
      return send(response, 200, { status: "ok" });
    case "/received":
      return send(response, 200, { received });
    case "/upload":
      return send(response, 200, { status: "ok", bytes });
    case "/work":
      // A service that closes after each answer makes every request need a new connection.
      return send(response, 200, { status: "ok" }, url.searchParams.has("close") ? { connection: "close" } : {});
    case "/graphql":
      return send(response, 200, { data: null, errors: [{ message: "There is no such pass." }] });
    case "/error": {
      const retryAfter = url.searchParams.get("retry-after");
      const headers = retryAfter === null ? {} : { "retry-after": retryAfter };
      return send(response, Number(url.searchParams.get("status")), { status: "error" }, headers);
    }
    default:
      return send(response, 404, { status: "error" });
  }
}

const server = http.createServer((request, response) => {
  request.on("error", () => {});
  response.on("error", () => {});
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 120_000;
server.requestTimeout = 0;
server.listen({ port: 0, host: HOST, backlog: 1024 }, () => {
  process.stdout.write(`READY ${(server.address() as AddressInfo).port}\n`);
});
process.stdin.on("error", () => {});
process.stdin.on("end", () => process.exit(0)).resume();
