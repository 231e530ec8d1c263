/** Addresses: what is one, what only looks like one, and which lead to one place. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  addressOf,
  httpUrlIn,
  isEverywhere,
  isHost,
  isLoopback,
  isSameHost,
  listenAddressIn,
  serviceUrlIn,
  targetAddressIn,
} from "./addresses.ts";

const LONG_NAME = `${"a".repeat(63)}.`.repeat(3);

describe("[G6] addresses", () => {
  test("what can be listened on is read, and nothing else", () => {
    assert.deepEqual(listenAddressIn("127.0.0.1:8080"), { host: "127.0.0.1", port: 8080 });
    assert.deepEqual(listenAddressIn("[::1]:0"), { host: "::1", port: 0 });
    assert.deepEqual(listenAddressIn(":80"), { host: "0.0.0.0", port: 80 });
    for (const text of ["localhost:1", "a.b-c.d_e:65535", "uplink.example.:1", "[::ffff:10.0.0.1]:1", "1password:1"])
      assert.ok(listenAddressIn(text) !== undefined, text);
    for (const text of [
      ...["256.1.1.1:80", "127.1:80", "0x7f.1:80", "2130706433:80", "1.2.3.4.5:80", "01.2.3.4:80", "1.2.3:80"],
      ...["255.255.255.255:80", "224.0.0.1:80", "240.0.0.1:80", "0.0.0.1:80", "[ff02::1]:80", "[fe80::1]:80"],
      ...[
        "a..b:80",
        ".a:80",
        "-a:80",
        "a-:80",
        "a b:80",
        "a\n:80",
        "ä:80",
        `${"a".repeat(64)}:80`,
        `${LONG_NAME}${LONG_NAME}:1`,
      ],
      ...[
        "[]:80",
        "[1.2.3.4]:80",
        "[::g]:80",
        "[fe80::1%eth0]:80",
        "::1:80",
        "[::1]80",
        "a:",
        "a:65536",
        "a:-1",
        "a:1 ",
        "a",
      ],
    ])
      assert.equal(listenAddressIn(text), undefined, JSON.stringify(text));
  });

  test("nobody can be reached at port 0, nor at the address that stands for all", () => {
    assert.deepEqual(targetAddressIn("a:1"), { host: "a", port: 1 });
    for (const text of ["a:0", ":1", "0.0.0.0:1", "[::]:1", "[0::0]:1", "[::ffff:0.0.0.0]:1"])
      assert.equal(targetAddressIn(text), undefined, text);
  });

  test("a URL is taken as it is written, or not at all", () => {
    for (const [text, href] of [
      ["http://a", "http://a/"],
      ["HTTP://A:80/", "http://a/"],
      ["https://[::1]:8443/x?y", "https://[::1]:8443/x?y"],
      ["http://bücher.example", "http://xn--bcher-kva.example/"],
      ["http://u@a/", "http://u@a/"],
    ] as const)
      assert.equal(serviceUrlIn(text)?.href, href);
    for (const text of [
      ...[
        "http://a:0",
        "http://a\n:80",
        "http://a\t/",
        "\nhttp://a",
        "http://a ",
        "http://a/\u0000",
        "http://a/b c",
        "http://\u00a0a",
      ],
      ...[
        "http:\\\\a",
        "http://a\\b",
        "http:a",
        "http:/a",
        "http:///a",
        "http://",
        "http://:80",
        "ftp://a",
        "a:80",
        "//a",
      ],
      ...[
        "http://a..b",
        "http://256.1.1.1",
        "http://-a",
        "http://a-.b",
        "http://0.0.0.0:1",
        "http://[::]:1",
        "http://0/",
      ],
    ])
      assert.equal(serviceUrlIn(text), undefined, JSON.stringify(text));
    for (const host of [
      // Repaired by the parser into something else.
      ...["1.2.3", "127.1", "999", "1e3.1", "0x7f.0.0.1", "017.0.0.1", "2130706433", "%31%32%37.0.0.1", "%61.example"],
      ...[
        "127.0.0.1\u200b",
        "a\u00ad.example",
        "\uff11\uff12\uff17.0.0.1",
        "\uff41.example",
        "a\u2060",
        "a\u200d.example",
        "a\u3002b",
      ],
      // Nobody is there.
      ...[
        "0.1.2.3",
        "255.255.255.255",
        "240.0.0.1",
        "224.0.0.1",
        "239.1.2.3",
        "[ff02::1]",
        "[fe80::1]",
        "[::ffff:224.0.0.1]",
      ],
    ]) {
      assert.equal(serviceUrlIn(`http://${host}:80`), undefined, host);
      assert.equal(httpUrlIn(`http://${host}:80/x?y`), undefined, host);
    }
    for (const host of ["223.255.255.255", "1.0.0.1", "[fd00::1]", "[64:ff9b::1]", "169.254.169.254"])
      assert.ok(serviceUrlIn(`http://${host}:80`), host);
    assert.equal(httpUrlIn("http://0.0.0.0:7070")?.port, "7070");
    assert.equal(httpUrlIn("http://a\n"), undefined);
  });

  test("spellings of one host are one, others are not", () => {
    for (const [one, other] of [
      ["LOCALHOST", "localhost."],
      ["localhost", "127.0.0.1"],
      ["localhost", "::1"],
      ["a.localhost", "127.0.0.1"],
      ["::1", "0:0:0:0:0:0:0:1"],
      ["::ffff:127.0.0.1", "127.0.0.1"],
      ["::ffff:7f00:1", "127.0.0.1"],
      ["2001:DB8::1", "2001:db8:0::1"],
      ["A.example", "a.example."],
      ["ip6-localhost", "::1"],
      ["IP6-loopback.", "localhost"],
      ["localhost.localdomain", "127.0.0.1"],
    ] as const) {
      assert.ok(isSameHost(one, other) && isSameHost(other, one), `${one} and ${other}`);
    }
    for (const [one, other] of [
      ["127.0.0.1", "127.0.0.2"],
      ["127.0.0.1", "::1"],
      ["a", "b"],
      ["a", "a.b"],
      ["::2", "::1"],
    ] as const)
      assert.ok(!isSameHost(one, other), `${one} and ${other}`);
    for (const text of [
      "http://127.1",
      "http://0x7f.1",
      "http://2130706433",
      "http://[::ffff:127.0.0.1]",
      "http://LOCALHOST",
    ]) {
      const { host, port } = addressOf(new URL(text));
      assert.ok(isSameHost(host, "127.0.0.1") && port === 80, text);
    }
    assert.equal(addressOf(new URL("https://a")).port, 443);
  });

  test("loopback is what only this machine reaches, in any spelling", () => {
    for (const host of ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost.", "::ffff:127.0.0.1", "0::1"])
      assert.ok(isLoopback(host), host);
    for (const host of [
      "127.999.1.1",
      "128.0.0.1",
      "::2",
      "0.0.0.0",
      "::",
      "localhost.example",
      "::ffff:10.0.0.1",
      "ip6-localhost",
    ])
      assert.ok(!isLoopback(host), host);
    for (const host of ["0.0.0.0", "::", "::0", "::ffff:0.0.0.0"]) assert.ok(isEverywhere(host), host);
    for (const host of ["0.0.0.1", "::1", "localhost"]) assert.ok(!isEverywhere(host), host);
  });

  test("a name has labels, and does not end in a number", () => {
    for (const text of ["a", "a.b.", "_dmarc.a", "a1", "1a", "10.0.0.1", "xn--mnchen-3ya.de"])
      assert.ok(isHost(text), text);
    for (const text of ["", ".", "a..b", "a.1", "1", "0x1", "a.0x7f", "10.0.0.1.", "10.0.0.01"])
      assert.ok(!isHost(text), text);
  });
});
