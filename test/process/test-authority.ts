/**
 * Certificates for tests, from an authority that is made for the test: for servers and for clients,
 * with the names, the subject and the days that the test wants.
 */
import type { KeyPair } from "../../gateway/src/adapters/tls/certificates.ts";
import { CertificateAuthority } from "../../gateway/src/proxy/tls/certificates.ts";

interface Wanted {
  /** DNS names and addresses. Default: those of this machine. */
  readonly names?: readonly string[];
  readonly commonName?: string;
  /** Days from now until it ends. Default 30. */
  readonly days?: number;
}

export class TestAuthority {
  readonly certificate: string;
  readonly #authority: CertificateAuthority;

  private constructor(authority: CertificateAuthority, certificate: string) {
    this.#authority = authority;
    this.certificate = certificate;
  }

  static async make(): Promise<TestAuthority> {
    const authority = new CertificateAuthority();
    return new TestAuthority(authority, await authority.certificate());
  }

  async issue({ names = ["localhost", "127.0.0.1"], commonName, days }: Wanted = {}): Promise<KeyPair> {
    const details = { ...(commonName === undefined ? {} : { commonName }), ...(days === undefined ? {} : { days }) };
    const { cert, key } = await this.#authority.issue("none", names, details);
    return { certificate: cert, key };
  }
}
