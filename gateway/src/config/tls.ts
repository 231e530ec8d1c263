/**
 * The fields of TLS: `tls` of a group and of the control listener (towards callers), and `tls` of a
 * station. Files are named here and read by `certificates.ts`.
 */
import { z } from "zod";
import type { ListenerTlsSettings, StationTlsSettings } from "../fleet/settings.ts";
import { exactly, headerName, hostName, list, oneOf, section, text, trueOrFalse } from "./values.ts";

const CERTIFICATE_FILE = "a file of PEM (relative to this one)";

const pair = {
  certificate: text("the path of a file").meta({
    range: CERTIFICATE_FILE,
    description:
      "The certificate, and behind it those of the authorities between it and the root. Read again when it changes; " +
      "one that does not work is refused, and the one before stays",
  }),
  key: text("the path of a file").meta({
    range: CERTIFICATE_FILE,
    description: "Its private key, without a passphrase",
  }),
};

const clientCa = text("the path of a file")
  .optional()
  .meta({
    range: CERTIFICATE_FILE,
    byDefault: "callers need no certificate",
    description:
      "Authorities of callers' certificates (mTLS). A caller without a certificate of one of them is refused in " +
      "the handshake",
  });

const minVersion = oneOf("TLSv1.2", "TLSv1.3").prefault("TLSv1.2").meta({
  description:
    "Older versions are refused. 1.2, because 1.1 and 1.0 are broken (RFC 8996) and some callers have no 1.3",
});

/** Fields that the gateway itself sets, or that name a command. */
const TAKEN: ReadonlySet<string> = new Set(["x-time-left-ms", "grpc-timeout", "idempotency-key"]);

/** `tls` of a listener. */
export const listenerTls: z.ZodType<ListenerTlsSettings> = exactly(
  section({
    ...pair,
    sni: list(
      z.lazy(() => section(pair)),
      "certificates for other names",
      0,
    )
      .prefault([])
      .meta({
        range: "list of sections with `certificate` and `key`",
        byDefault: "none",
        description:
          "More certificates. A caller that asks for a name (SNI) is shown the first one that is valid for it, and " +
          "the one above if none is",
      }),
    clientCa,
    minVersion,
    subjectHeader: headerName(TAKEN)
      .optional()
      .meta({
        byDefault: "none",
        description:
          "Field in which a station is told the subject of the caller's certificate, such as " +
          "`x-caller: CN=ops,O=Ground`. A caller's own field of that name is taken out. With `clientCa` only",
      }),
    http2: trueOrFalse()
      .prefault(false)
      .meta({
        description:
          "Callers may choose HTTP/2 in the handshake (ALPN); those that do not are served over HTTP/1.1 as before. " +
          "Off by default, because a client may choose it unasked, and its commands then no longer come in order",
      }),
  }),
);

/** `tls` of the control listener, which has one name and no station behind it. */
export const controlTls: z.ZodType<ListenerTlsSettings> = exactly(
  section({ ...pair, clientCa, minVersion }).transform((tls) => ({ ...tls, sni: [] })),
);

/** `tls` of a station. */
export const stationTls: z.ZodType<StationTlsSettings> = exactly(
  section({
    ca: text("the path of a file").optional().meta({
      range: CERTIFICATE_FILE,
      byDefault: "the authorities that Node knows, and those of `NODE_EXTRA_CA_CERTS`",
      description: "Authorities of the station's certificate; no other is believed then",
    }),
    certificate: text("the path of a file").optional().meta({
      range: CERTIFICATE_FILE,
      byDefault: "none",
      description: "What the gateway shows to a station that asks for a certificate (mTLS), with `key`",
    }),
    key: text("the path of a file").optional().meta({
      range: CERTIFICATE_FILE,
      byDefault: "none",
      description: "Its private key, without a passphrase",
    }),
    servername: hostName().optional().meta({
      byDefault: "the host of `url`",
      description: "The name that the certificate must have and that is asked for (SNI), if it is not that of `url`",
    }),
    minVersion,
  }),
);
