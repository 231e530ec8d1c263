/**
 * Heartbeats on the wire: one signed datagram each, with a fixed layout, so that any language can
 * implement it. All numbers are big-endian. Nothing may follow the signature, and a datagram has at
 * most 512 bytes.
 *
 *   offset  bytes  field
 *   0       4      "GSFB"
 *   4       1      version: 1
 *   5       1      type: 1 a heartbeat (station to gateway), 2 a challenge (gateway to station)
 *   6       2      length of the datagram, signature included
 *   8       8      sequence, unsigned: rises with each heartbeat of a session; a challenge repeats that of its heartbeat
 *   16      8      sentAtMs, IEEE 754 double, on the sender's own monotonic clock; 0 in a challenge
 *   24      8      epochSeen, unsigned: the newest epoch that the station has seen; 0 in a challenge
 *   32      …      group, station, session, challenge: each 1 byte of length and that many bytes of UTF-8. Group,
 *                  station: 1 to 128 bytes. Session: 1 to 64. Challenge: 0 to 64; empty before the first challenge
 *   end-32  32     HMAC-SHA256 of everything before it, under the station's secret: its bytes; text without the
 *                  white space around it
 *
 * A station may have its own secret, and several secrets during a rotation. Before verification
 * only the layout and the names of a datagram are used; the names select the secrets. The signature
 * is compared in constant time (FIPS 198-1). A challenge is signed with the secret that signed the
 * heartbeat. Replays are not detected here (see `fleet/heartbeat-sessions.ts`), and nothing is
 * encrypted.
 */
import type { KeyObject } from "node:crypto";
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { StationBeat } from "../../fleet/heartbeat-sessions.ts";
import type { HeartbeatSecrets } from "../../fleet/settings.ts";

/**
 * Longest datagram that is sent or accepted. It is short enough for any network path without
 * fragmentation.
 */
export const MAX_DATAGRAM_BYTES = 512;

/** A heartbeat, or the challenge that answers it. */
export interface HeartbeatMessage extends StationBeat {
  readonly type: "beat" | "challenge";
}

/**
 * A decoded datagram with the key that signed it, or why it was not accepted: it has another
 * layout, or is not signed with a secret of its station.
 */
export type Decoded =
  | { readonly type: "message"; readonly message: HeartbeatMessage; readonly key: KeyObject }
  | { readonly type: "malformed" }
  | { readonly type: "forged"; readonly claimed: Pick<HeartbeatMessage, "group" | "station"> };

const MAGIC = Buffer.from("GSFB");
const VERSION = 1;
const TYPES = ["beat", "challenge"] as const;
const FIXED_BYTES = 32;
const MAC_BYTES = 32;
const MAX_NAME_BYTES = 128;
const MAX_TOKEN_BYTES = 64;
const CHALLENGE_BYTES = 16;
const MALFORMED: Decoded = { type: "malformed" };

/** Signs and verifies with secrets that it does not reveal. */
export class HeartbeatCodec {
  #shared: readonly KeyObject[] = [];
  #own: ReadonlyMap<string, readonly KeyObject[]> = new Map();

  constructor(secrets: HeartbeatSecrets) {
    this.use(secrets);
  }

  /** Uses `secrets` from the next datagram on. Throws {@link RangeError} if a secret is empty. */
  use({ shared, own }: HeartbeatSecrets): void {
    const sharedKeys = shared.map(keyOf);
    this.#own = new Map([...own].map(([station, secrets]) => [station, secrets.map(keyOf)]));
    this.#shared = sharedKeys;
  }

  /**
   * The datagram for `message`, signed with `key`. Throws {@link RangeError} if a field does not
   * fit the layout. Default key: the first secret of the station.
   */
  encode(message: HeartbeatMessage, key: KeyObject | undefined = this.#keysOf(message)[0]): Buffer {
    if (key === undefined) throw new RangeError(`there is no secret for ${message.group}/${message.station}`);
    const texts = [
      text("group", message.group, 1, MAX_NAME_BYTES),
      text("station", message.station, 1, MAX_NAME_BYTES),
      text("session", message.session, 1, MAX_TOKEN_BYTES),
      text("challenge", message.challenge, 0, MAX_TOKEN_BYTES),
    ];
    const length = texts.reduce((sum, bytes) => sum + 1 + bytes.length, FIXED_BYTES + MAC_BYTES);
    const datagram = Buffer.alloc(length);
    MAGIC.copy(datagram, 0);
    datagram.writeUInt8(VERSION, 4);
    datagram.writeUInt8(TYPES.indexOf(message.type) + 1, 5);
    datagram.writeUInt16BE(length, 6);
    datagram.writeBigUInt64BE(whole("sequence", message.sequence), 8);
    datagram.writeDoubleBE(message.sentAtMs, 16);
    datagram.writeBigUInt64BE(whole("epochSeen", message.epochSeen), 24);
    let at = FIXED_BYTES;
    for (const bytes of texts) {
      datagram.writeUInt8(bytes.length, at);
      bytes.copy(datagram, at + 1);
      at += 1 + bytes.length;
    }
    mac(datagram, key).copy(datagram, at);
    return datagram;
  }

  /** Decodes and verifies `datagram`. Never throws. */
  decode(datagram: Buffer): Decoded {
    const length = datagram.length;
    if (length < FIXED_BYTES + 4 + MAC_BYTES || length > MAX_DATAGRAM_BYTES) return MALFORMED;
    if (!datagram.subarray(0, 4).equals(MAGIC) || datagram[4] !== VERSION) return MALFORMED;
    if (datagram.readUInt16BE(6) !== length) return MALFORMED;
    const message = fieldsOf(datagram);
    if (message === undefined) return MALFORMED;
    const signature = datagram.subarray(length - MAC_BYTES);
    for (const key of this.#keysOf(message))
      if (timingSafeEqual(mac(datagram, key), signature)) return { type: "message", message, key };
    return { type: "forged", claimed: message };
  }

  #keysOf({ group, station }: Pick<HeartbeatMessage, "group" | "station">): readonly KeyObject[] {
    return (this.#own.size === 0 ? undefined : this.#own.get(`${group}/${station}`)) ?? this.#shared;
  }
}

function keyOf(secret: Uint8Array): KeyObject {
  if (secret.length === 0) throw new RangeError("a heartbeat secret is empty");
  return createSecretKey(secret);
}

function mac(datagram: Buffer, key: KeyObject): Buffer {
  return createHmac("sha256", key)
    .update(datagram.subarray(0, datagram.length - MAC_BYTES))
    .digest();
}

/**
 * Computes challenges under `key`, which must be secret: 128 bits of HMAC-SHA256 of their subject.
 */
export function challengesOf(key: Uint8Array): (subject: string) => string {
  const secret = createSecretKey(key);
  return (subject) => createHmac("sha256", secret).update(subject).digest().toString("base64url", 0, CHALLENGE_BYTES);
}

function fieldsOf(datagram: Buffer): HeartbeatMessage | undefined {
  const type = TYPES[(datagram[5] as number) - 1];
  const sequence = safe(datagram.readBigUInt64BE(8));
  const sentAtMs = datagram.readDoubleBE(16);
  const epochSeen = safe(datagram.readBigUInt64BE(24));
  const texts = textsOf(datagram.subarray(FIXED_BYTES, datagram.length - MAC_BYTES));
  if (type === undefined || sequence === undefined || epochSeen === undefined || texts === undefined) return undefined;
  if (!Number.isFinite(sentAtMs) || sentAtMs < 0) return undefined;
  const [group, station, session, challenge] = texts;
  return { type, group, station, session, challenge, sequence, sentAtMs, epochSeen };
}

function textsOf(bytes: Buffer): [group: string, station: string, session: string, challenge: string] | undefined {
  const texts: string[] = [];
  let at = 0;
  for (const [least, most] of TEXT_BOUNDS) {
    const length = bytes[at];
    if (length === undefined || length < least || length > most || at + 1 + length > bytes.length) return undefined;
    const decoded = utf8(bytes.subarray(at + 1, at + 1 + length));
    if (decoded === undefined) return undefined;
    texts.push(decoded);
    at += 1 + length;
  }
  return at === bytes.length ? (texts as [string, string, string, string]) : undefined;
}

const TEXT_BOUNDS = [
  [1, MAX_NAME_BYTES],
  [1, MAX_NAME_BYTES],
  [1, MAX_TOKEN_BYTES],
  [0, MAX_TOKEN_BYTES],
] as const;

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function utf8(bytes: Buffer): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch {
    return undefined;
  }
}

function safe(value: bigint): number | undefined {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

function whole(field: string, value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${field} is ${value}; it must be a whole number`);
  return BigInt(value);
}

function text(field: string, value: string, least: number, most: number): Buffer {
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length >= least && bytes.length <= most) return bytes;
  throw new RangeError(`${field} has ${bytes.length} bytes; it must have ${least} to ${most}`);
}
