/**
 * What is shown to a gateway, and where: read from what a person gives, or refused with what is
 * allowed.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { UserError } from "../process/exit-codes.ts";
import { type ControlAddress, tokenOf, withControlAddress } from "./control-address.ts";

test("a token is the text of its file; what is no text, empty or without end is none", () => {
  const directory = mkdtempSync(join(tmpdir(), "gsf-token-"));
  const control = new URL("http://127.0.0.1:7070");
  const token = (content: string | Uint8Array): string | undefined => {
    const tokenFile = join(directory, "token");
    writeFileSync(tokenFile, content);
    return tokenOf({ control, tokenFile });
  };
  try {
    assert.equal(token("0123456789abcdef\n"), "0123456789abcdef");
    for (const content of [Buffer.alloc(20, 0xff), "", "two words", "x".repeat(5_000)])
      assert.throws(() => token(content), UserError);
    assert.throws(() => tokenOf({ control, tokenFile: join(directory, "none") }), /--token-file .*none: /);
    if (process.platform !== "win32")
      assert.throws(() => tokenOf({ control, tokenFile: "/dev/zero" }), /more than 4096/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the control listener is at an address of HTTP that can be reached", () => {
  const controlOf = (text: string): string => {
    const command = withControlAddress(new Command())
      .exitOverride()
      .configureOutput({ writeErr: () => undefined });
    return command.parse(["--control", text], { from: "user" }).opts<ControlAddress>().control.href;
  };
  assert.equal(controlOf("http://LOCALHOST:7070"), "http://localhost:7070/");
  for (const text of ["http://a:0", "http://a..b", "http:a", "http://a\n:1", "127.0.0.1:7070"])
    assert.throws(() => controlOf(text), { code: "commander.invalidArgument" }, text);
});
