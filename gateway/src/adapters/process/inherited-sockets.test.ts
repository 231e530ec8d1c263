/** Which inherited socket is for which listener. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressIn, InheritedSockets } from "./inherited-sockets.ts";

test("[G7] addresses as /proc/net writes them → as a person would", () => {
  assert.deepEqual(addressIn("0100007F:1F90"), { host: "127.0.0.1", port: 8080 });
  assert.deepEqual(addressIn("00000000000000000000000000000000:0050"), { host: "::", port: 80 });
  assert.deepEqual(addressIn("B80D0120000000000000000001000000:01BB"), { host: "2001:db8::1", port: 443 });
  for (const text of ["", "0100007F", "0100007F:ZZZZ", "01:1F90"]) assert.equal(addressIn(text), undefined);
});

test("[G7] by address, then by name, each once; every address of the machine is one, however it is spelt", () => {
  const sockets = new InheritedSockets([
    { fd: 3, name: "gsf.socket", kind: "tcp", at: { host: "::", port: 8080 } },
    { fd: 4, name: "pacific", kind: "tcp", at: { host: "10.0.0.1", port: 9000 } },
    { fd: 5, name: "gsf.socket", kind: "udp", at: { host: "127.0.0.1", port: 7071 } },
  ]);
  assert.equal(sockets.take("atlantic", { host: "0.0.0.0", port: 8080 }, "tcp"), 3);
  assert.equal(sockets.take("atlantic", { host: "0.0.0.0", port: 8080 }, "tcp"), undefined);
  assert.equal(sockets.take("heartbeats", { host: "127.0.0.1", port: 7071 }, "tcp"), undefined);
  assert.equal(sockets.take("heartbeats", { host: "127.0.0.1", port: 7071 }, "udp"), 5);
  assert.deepEqual(sockets.unused, [{ host: "10.0.0.1", port: 9000 }]);
  assert.equal(sockets.take("pacific", { host: "127.0.0.1", port: 1 }, "tcp"), 4);
});

test("[G7] variables that are for another process, or make no sense → no sockets", () => {
  for (const environment of [
    {},
    { LISTEN_PID: "1", LISTEN_FDS: "1" },
    { LISTEN_PID: "7", LISTEN_FDS: "0" },
    { LISTEN_PID: "7", LISTEN_FDS: "-1" },
    { LISTEN_PID: "7", LISTEN_FDS: "99999" },
  ])
    assert.equal(InheritedSockets.of(environment, 7), undefined);
});
