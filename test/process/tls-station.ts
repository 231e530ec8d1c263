/** A station with TLS that answers every request with "ok". */
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { KeyPair } from "../../gateway/src/adapters/tls/certificates.ts";

const ok: RequestListener = (_message, response) => response.end("ok");

export class TlsStation implements AsyncDisposable {
  readonly server: ReturnType<typeof createServer>;

  private constructor(options: ServerOptions, serve: RequestListener) {
    this.server = createServer(options, serve);
  }

  static async start({ certificate: cert, key }: KeyPair, serve: RequestListener = ok): Promise<TlsStation> {
    const station = new TlsStation({ cert, key }, serve);
    station.server.listen(0, "127.0.0.1");
    await once(station.server, "listening");
    return station;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
