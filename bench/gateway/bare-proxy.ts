/**
 * The least that a proxy in Node has to do: Node's HTTP server, undici's `dispatch`, header fields
 * and body passed on as they come. No failover, no deadline, no limits, no metrics: what a gateway
 * adds is measured against it. `node bare-proxy.ts PORT STATION_PORT`.
 */
import { createServer, type ServerResponse } from "node:http";
import { type Dispatcher, Pool } from "undici";

const [port, stationPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${stationPort}`, { connections: 256 });

function answering(response: ServerResponse): Dispatcher.DispatchHandler {
  let controller: Dispatcher.DispatchController;
  return {
    onRequestStart(given) {
      controller = given;
    },
    onResponseStart(_controller, status, headers) {
      response.writeHead(status, headers as Record<string, string>);
    },
    onResponseData(_controller, piece) {
      if (response.write(piece)) return;
      controller.pause();
      response.once("drain", () => controller.resume());
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError(_controller, error) {
      response.destroy(error);
    },
  };
}

createServer((request, response) => {
  const { method = "GET", url = "/", headers } = request;
  const { connection: _connection, ...passedOn } = headers;
  const body = method === "GET" || method === "HEAD" ? null : request;
  const options = { path: url, method: method as Dispatcher.HttpMethod, headers: passedOn, body };
  pool.dispatch(options, answering(response));
}).listen(port, "127.0.0.1", () => console.log("READY"));
process.stdin.resume().once("end", () => process.exit(0));
