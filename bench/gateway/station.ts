/**
 * The service behind the fronts, a process of its own: small answers, a kept order, 64 KiB at once
 * and in pieces. Prints its address and ends with its parent.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const LONG: Buffer = Buffer.alloc(65_536, "x");
const PIECES = 16;

const server = createServer((request, response) => {
  request.resume();
  if (request.url === "/long") {
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": LONG.length }).end(LONG);
  } else if (request.url === "/stream") {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    for (let piece = 0; piece < PIECES; piece++) response.write(LONG.subarray(0, LONG.length / PIECES));
    response.end();
  } else {
    const body = Buffer.from('{"status":"nominal","craft":"seven","pass":1204}');
    const more = { "content-type": "application/json", "content-length": body.length };
    request.once("end", () => response.writeHead(request.method === "POST" ? 201 : 200, more).end(body));
  }
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`READY ${(server.address() as AddressInfo).port}`));
process.stdin.resume().once("end", () => process.exit(0));
