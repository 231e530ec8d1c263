/**
 * Plain words for why a service could not be asked: "its certificate has expired" tells the reader
 * the cause; `CERT_HAS_EXPIRED` has to be looked up. Used by probes, by a station's check of its
 * service, and by everything else that requests a page.
 */
import { UnexpectedStatusError, UnreadableReplyError } from "./uplink.ts";

const UNKNOWN_AUTHORITY =
  "its certificate is of an authority that is not known here; name its file in tls.ca of the station or in NODE_EXTRA_CA_CERTS, or have the service send the whole chain";
const SELF_SIGNED = "its certificate is self-signed; name its file in tls.ca of the station or in NODE_EXTRA_CA_CERTS";
const NO_CERTIFICATE = "it asks for a certificate and was shown none; name one in tls.certificate of the station";
const BAD_CERTIFICATE = "it does not accept the certificate that it was shown (tls.certificate of the station)";
const NO_VERSION = "it speaks no version of TLS that is allowed here (tls.minVersion of the station)";
const NO_TLS = "it does not speak TLS there; is it http and not https?";

/** Codes of the operating system, of undici and of OpenSSL for which plain words exist. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "connection refused"],
  ["ECONNRESET", "connection reset"],
  ["EPIPE", "connection reset"],
  ["UND_ERR_SOCKET", "connection closed before the answer"],
  ["UND_ERR_CONNECT_TIMEOUT", "no connection in time"],
  ["ETIMEDOUT", "no connection in time"],
  ["EHOSTUNREACH", "no route to the host"],
  ["ENETUNREACH", "no route to the network"],
  ["ENOTFOUND", "the host name is not known"],
  ["EAI_AGAIN", "the name server does not answer"],
  ["EAI_FAIL", "the name server cannot answer"],
  ["ESERVFAIL", "the name server cannot answer"],
  ["EMFILE", "this process has no file descriptors left"],
  ["ENFILE", "this machine has no file descriptors left"],
  ["ENOBUFS", "this machine has no buffers left"],
  ["ENOMEM", "this machine has no memory left"],
  ["EADDRNOTAVAIL", "this machine has no ports left"],
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["CERT_NOT_YET_VALID", "its certificate is not valid yet; is the time of day right here and there?"],
  ["CERT_REVOKED", "its certificate has been revoked"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", SELF_SIGNED],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNKNOWN_AUTHORITY],
  [
    "CERT_SIGNATURE_FAILURE",
    "its certificate is of another authority with the name of a known one; name its file in tls.ca of the station",
  ],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host name than that of its url"],
  ["ERR_TLS_HANDSHAKE_TIMEOUT", "the TLS handshake did not end in time"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", NO_TLS],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", NO_TLS],
  ["ERR_SSL_HTTP_REQUEST", NO_TLS],
  ["ALERT_CERTIFICATE_REQUIRED", NO_CERTIFICATE],
  ["ALERT_NO_CERTIFICATE", NO_CERTIFICATE],
  ["ALERT_BAD_CERTIFICATE", BAD_CERTIFICATE],
  ["ALERT_UNSUPPORTED_CERTIFICATE", BAD_CERTIFICATE],
  ["ALERT_CERTIFICATE_UNKNOWN", BAD_CERTIFICATE],
  ["ALERT_CERTIFICATE_EXPIRED", "the certificate that it was shown has expired (tls.certificate of the station)"],
  ["ALERT_CERTIFICATE_REVOKED", "the certificate that it was shown has been revoked (tls.certificate of the station)"],
  ["ALERT_DECRYPT_ERROR", BAD_CERTIFICATE],
  ["ALERT_UNKNOWN_CA", BAD_CERTIFICATE],
  ["ALERT_ACCESS_DENIED", BAD_CERTIFICATE],
  [
    "ALERT_HANDSHAKE_FAILURE",
    "the TLS handshake failed: it asks for a certificate (tls.certificate of the station), or speaks no cipher of ours",
  ],
  ["ALERT_PROTOCOL_VERSION", NO_VERSION],
  ["ERR_SSL_UNSUPPORTED_PROTOCOL", NO_VERSION],
  ["ERR_SSL_TLSV1_UNRECOGNIZED_NAME", "it knows no such host name (tls.servername of the station)"],
  ["EPROTO", "the TLS handshake failed"],
]);

/**
 * Codes with which a server refuses the client's certificate. With TLS 1.3 the client learns of it
 * only after it has sent its request; the server has not read it then.
 */
const REFUSED_CERTIFICATE = /^ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE|DECRYPT_ERROR)$/;

/** How OpenSSL begins the names of alerts, in its various versions. */
const ALERT = /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_(?=ALERT_)/;

/** True if a server has refused the certificate that it was shown, and so the whole connection. */
export function wasCertificateRefused(error: unknown): boolean {
  return REFUSED_CERTIFICATE.test(knownCode(error) ?? "");
}

/** Longest text taken from an error for which no plain words exist, in characters. */
const MAX_TEXT = 120;

export function failureInWords(error: unknown): string {
  if (error instanceof UnexpectedStatusError) return `answered ${error.status}`;
  if (error instanceof UnreadableReplyError) return `its answer cannot be read: ${error.why}`;
  return knownWords(error) ?? (error instanceof Error ? error.message : String(error)).slice(0, MAX_TEXT);
}

/**
 * Plain words for an error of the operating system or of a client; undefined if there are none.
 * They contain no address.
 */
export function knownWords(error: unknown): string | undefined {
  return WORDS.get(knownCode(error) ?? "");
}

/** The first known code, of the error or of its causes. */
export function knownCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const code = "code" in at ? String(at.code).replace(ALERT, "") : "";
    if (WORDS.has(code)) return code;
    // If several addresses were tried, the failure of the last one stands for all.
    const last: unknown = at instanceof AggregateError ? at.errors.at(-1) : undefined;
    if (last !== undefined && knownCode(last) !== undefined) return knownCode(last);
  }
  return undefined;
}

/** A time span that ended now, for people to read. */
export function agoInWords(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms ago` : `${Math.round(ms / 1_000)} s ago`;
}
