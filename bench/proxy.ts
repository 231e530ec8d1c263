/**
 * What the fault proxy costs without toxics: bytes per second through it, against a bare pipe of
 * two of Node's sockets. Both stand in one process of their own, between the same client and the
 * same server; they take turns in short rounds, and the median of the rounds' ratios is judged.
 * Ends with 1 if it is below the floor. Run it with `npm run bench:proxy`, or with `--rounds N`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { parseArgs } from "node:util";
import { FaultProxies } from "@ground-station-failover/gateway/proxy";

const FLOOR = 0.7;
const ROUND_BYTES = 192 * 1_024 ** 2;
const PIECE: Buffer = Buffer.alloc(65_536, 7);

/** The child: a pipe and a proxy before the port that it is given. */
async function standBetween(upstreamPort: number): Promise<void> {
  const pipe = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: "127.0.0.1", port: upstreamPort, noDelay: true });
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
    client.pipe(upstream);
    upstream.pipe(client);
  });
  pipe.listen(0, "127.0.0.1");
  await once(pipe, "listening");
  const proxies = await FaultProxies.start();
  const proxy = await proxies.create({ upstream: `127.0.0.1:${upstreamPort}` });
  process.send?.({ pipe: (pipe.address() as AddressInfo).port, proxy: proxy.port });
  process.once("disconnect", () => process.exit(0));
}

/** Bytes per second that a client gets through `port`. */
async function throughput(port: number): Promise<number> {
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  const beganAt = performance.now();
  let received = 0;
  socket.on("data", (bytes: Buffer) => {
    received += bytes.length;
  });
  await once(socket, "end");
  if (received !== ROUND_BYTES) throw new Error(`${received} of ${ROUND_BYTES} bytes arrived`);
  socket.destroy();
  return (received / (performance.now() - beganAt)) * 1_000;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] as number;
}

async function judge(rounds: number): Promise<void> {
  const server = createServer((socket) => {
    let left = ROUND_BYTES;
    socket.on("error", () => undefined);
    const more = (): void => {
      while (left > 0) {
        left -= PIECE.length;
        if (!socket.write(PIECE)) return void socket.once("drain", more);
      }
      socket.end();
    };
    more();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const child = fork(new URL(import.meta.url), ["--upstream", String((server.address() as AddressInfo).port)]);
  const [ports] = (await once(child, "message")) as [{ pipe: number; proxy: number }];
  for (const port of [ports.pipe, ports.proxy]) await throughput(port);
  const figures: Array<{ readonly pipe: number; readonly proxy: number }> = [];
  for (let round = 0; round < rounds; round++) {
    const isPipeFirst = round % 2 === 0;
    const first = await throughput(isPipeFirst ? ports.pipe : ports.proxy);
    const second = await throughput(isPipeFirst ? ports.proxy : ports.pipe);
    figures.push(isPipeFirst ? { pipe: first, proxy: second } : { pipe: second, proxy: first });
  }
  child.disconnect();
  server.close();
  const shown = (value: number): string => `${Math.round(value / 1e6)} MB/s`;
  const ratios = figures.map(({ pipe, proxy }) => proxy / pipe);
  const ratio = median(ratios);
  console.log(`bare pipe    ${shown(median(figures.map(({ pipe }) => pipe)))}`);
  console.log(`fault proxy  ${shown(median(figures.map(({ proxy }) => proxy)))}, no toxics`);
  console.log(
    `ratio        ${ratio.toFixed(2)} (median of ${rounds} rounds; ${ratios.map((one) => one.toFixed(2)).join(" ")})`,
  );
  if (ratio < FLOOR) {
    console.log(`below ${FLOOR}`);
    process.exitCode = 1;
  }
}

const { values } = parseArgs({ options: { upstream: { type: "string" }, rounds: { type: "string", default: "9" } } });
if (values.upstream === undefined) await judge(Number(values.rounds));
else await standBetween(Number(values.upstream));
