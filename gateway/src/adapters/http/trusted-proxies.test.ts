/** Which callers are believed, address by address. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAddressRange, TrustedProxies } from "./trusted-proxies.ts";

test("[G6] nobody is trusted by default", () => {
  const none = new TrustedProxies();
  for (const address of ["127.0.0.1", "::1", "10.0.0.1", "unknown", ""]) assert.ok(!none.has(address), address);
});

test("[G6] single addresses and ranges, IPv4, IPv6 and IPv4 as IPv6 shows it", () => {
  const list = new TrustedProxies(["10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::1", "::ffff:172.16.0.0/108"]);
  for (const address of [
    ...["10.1.0.0", "10.1.255.255", "::ffff:10.1.2.3", "::FFFF:10.1.2.3", "192.0.2.7", "::ffff:192.0.2.7"],
    ...["2001:db8::1", "2001:DB8:ffff::", "::1", "172.16.0.1", "172.31.255.255", "2001:db8::1%eth0"],
  ]) {
    assert.ok(list.has(address), address);
  }
  for (const address of [
    ...["10.2.0.0", "10.0.255.255", "192.0.2.8", "::ffff:192.0.2.8", "2001:db9::1", "::2", "172.32.0.0"],
    ...["unknown", "", "10.1.0.0/16", "localhost", "10.1.0.0 ", "0x0a.1.0.0"],
  ]) {
    assert.ok(!list.has(address), address);
  }
  assert.ok(new TrustedProxies(["0.0.0.0/0"]).has("203.0.113.9"));
  assert.ok(!new TrustedProxies(["0.0.0.0/0"]).has("2001:db8::1"));
  assert.ok(new TrustedProxies(["::/0"]).has("2001:db8::1"));
});

test("[G6] what is no address or range is refused", () => {
  for (const text of ["10.0.0.0/33", "::1/129", "10.0.0", "10.0.0.0/", "localhost", "", "/8", "10.0.0.1/-1"]) {
    assert.ok(!isAddressRange(text), text);
    assert.throws(() => new TrustedProxies([text]), RangeError);
  }
  for (const text of ["::ffff:10.0.0.0/95", "fe80::1%eth0", "010.0.0.1"]) assert.ok(!isAddressRange(text), text);
  for (const text of ["10.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0", "::ffff:10.0.0.1"])
    assert.ok(isAddressRange(text), text);
});
