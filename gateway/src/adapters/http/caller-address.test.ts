import assert from "node:assert/strict";
import { test } from "node:test";
import { callerOf, plainAddress } from "./caller-address.ts";

test("an IPv4 address is a caller of its own, however a socket writes it", () => {
  assert.equal(callerOf("10.0.0.7"), "10.0.0.7");
  assert.equal(callerOf("::ffff:10.0.0.7"), "10.0.0.7");
  assert.equal(plainAddress("::FFFF:10.0.0.7"), "10.0.0.7");
});

test("IPv6 addresses of one network are one caller", () => {
  for (const address of ["2001:db8:0:1::5", "2001:db8:0:1:ffff::1", "2001:0db8:0000:0001:2:3:4:5"])
    assert.equal(callerOf(address), "2001:db8:0:1::/64", address);
  assert.equal(callerOf("2001:db8:0:2::5"), "2001:db8:0:2::/64");
  assert.equal(callerOf("::1"), "0:0:0:0::/64");
  assert.equal(callerOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(callerOf("2001:db8::"), "2001:db8:0:0::/64");
});

test("a socket that is gone has no address", () => {
  assert.equal(callerOf(undefined), "unknown");
  assert.equal(plainAddress("2001:db8::1"), "2001:db8::1");
});
