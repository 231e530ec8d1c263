/**
 * A station that speaks WebSocket (RFC 6455), as far as tests need it: it says each text message
 * again, with its own name in front, and tells which connections it has.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export class WebSocketStation implements AsyncDisposable {
  readonly name: string;
  readonly server: ReturnType<typeof createServer> = createServer((_message, response) => {
    response.writeHead(426, { "content-type": "text/plain" }).end("only WebSocket here");
  });
  readonly sockets: Set<Duplex> = new Set();
  readonly heads: IncomingMessage[] = [];

  private constructor(name: string) {
    this.name = name;
    this.server.on("upgrade", (message: IncomingMessage, socket: Duplex, early: Buffer) => {
      this.heads.push(message);
      this.#serve(message, socket, early);
    });
  }

  static async start(name: string): Promise<WebSocketStation> {
    const station = new WebSocketStation(name);
    station.server.listen(0, "127.0.0.1");
    await once(station.server, "listening");
    return station;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  #serve(message: IncomingMessage, socket: Duplex, early: Buffer): void {
    if (message.url === "/refused") {
      socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
      return;
    }
    const accept = createHash("sha1").update(`${message.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    this.sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => this.sockets.delete(socket));
    let rest = early;
    socket.on("data", (piece: Buffer) => {
      rest = Buffer.concat([rest, piece]);
      for (;;) {
        const frame = read(rest);
        if (frame === undefined) return;
        rest = rest.subarray(frame.bytes);
        if (frame.opcode === 8) return void socket.end(Buffer.from([0x88, 0]));
        if (frame.opcode === 1) socket.write(written(`${this.name}: ${frame.payload.toString()}`));
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, "close");
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly bytes: number;
}

/** The masked frame at the beginning of `data`, if it is whole. */
function read(data: Buffer): Frame | undefined {
  if (data.length < 6) return undefined;
  let length = (data[1] as number) & 0x7f;
  let at = 2;
  if (length === 126) {
    length = data.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (data.length < 10) return undefined;
    length = Number(data.readBigUInt64BE(2));
    at = 10;
  }
  const end = at + 4 + length;
  if (data.length < end) return undefined;
  const mask = data.subarray(at, at + 4);
  const payload = Buffer.from(data.subarray(at + 4, end));
  for (let place = 0; place < payload.length; place++)
    payload[place] = (payload[place] as number) ^ (mask[place % 4] as number);
  return { opcode: (data[0] as number) & 0x0f, payload, bytes: end };
}

function written(text: string): Buffer {
  const payload = Buffer.from(text);
  const head =
    payload.length < 126
      ? Buffer.from([0x81, payload.length])
      : payload.length < 65_536
        ? Buffer.from([0x81, 126, payload.length >> 8, payload.length & 0xff])
        : Buffer.concat([Buffer.from([0x81, 127, 0, 0, 0, 0]), uint32(payload.length)]);
  return Buffer.concat([head, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
