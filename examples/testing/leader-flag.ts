/**
 * A lock of one's own, as programs have them: who creates the ephemeral node holds it. It is right as
 * far as it goes: it says that it is held only while the session is sure to live.
 */
import { type Client, unless } from "zabra";

export class LeaderFlag {
  readonly #client: Client;
  readonly #path: string;
  #session: number | undefined;

  constructor(client: Client, path: string) {
    this.#client = client;
    this.#path = path;
  }

  get raised(): boolean {
    const { session, validUntilMs = 0 } = this.#client;
    return session !== undefined && session.id === this.#session && this.#client.nowMs() < validUntilMs;
  }

  /** Resolves when the flag is ours. */
  async raise(): Promise<void> {
    while (!this.raised) {
      const created = await unless("NODE_EXISTS", this.#client.create(this.#path, "", { kind: "ephemeral" }));
      if (created === undefined) await this.#client.whenDeleted(this.#path, { timeoutMs: 60_000 });
      else this.#session = created.stat.ephemeralOwner;
    }
  }
}
