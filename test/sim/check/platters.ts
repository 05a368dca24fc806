/** What a power cut would leave of each server now: its epochs and the end of its log, by the real recovery code. */
import { type EpochRecord, EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { recover } from "../../../src/log/recovery.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { type Epoch, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { SimServer } from "../server.ts";

export interface OnPlatter {
  readonly accepted: Epoch;
  readonly current: Epoch;
  /** The end of the log; zero when it is damaged. */
  readonly last: Zxid;
  readonly member: boolean;
  /** The log is not damaged. */
  readonly sound: boolean;
}

/** What was read, and at which state of the platter. */
interface Seen {
  readonly changes: number;
  readonly found: OnPlatter | undefined;
}

export class Platters {
  readonly servers: readonly SimServer[];
  readonly voters: number;
  readonly #seen = new Map<number, Seen>();
  /** The epoch records, which change less often than the logs. */
  readonly #records = new Map<number, { readonly wholeFiles: number; readonly record: EpochRecord | undefined }>();

  constructor(servers: readonly SimServer[], voters: number) {
    this.servers = servers;
    this.voters = voters;
  }

  server(id: number): SimServer | undefined {
    return this.servers[id - 1];
  }

  /** Undefined without a readable epoch record. */
  read(id: number): OnPlatter | undefined {
    const server = this.server(id);
    if (server === undefined) return undefined;
    const { changes } = server.platter;
    const seen = this.#seen.get(id);
    if (seen?.changes === changes) return seen.found;
    const found = this.#recover(server);
    this.#seen.set(id, { changes, found });
    return found;
  }

  #recover(server: SimServer): OnPlatter | undefined {
    const record = this.#record(server);
    if (record === undefined) return undefined;
    const { acceptedEpoch, currentEpoch, generation, member } = record;
    const log = recover(server.platter, `log-${generation}`);
    const sound = log.type === "ok";
    return { accepted: acceptedEpoch, current: currentEpoch, last: sound ? log.last : zeroZxid, member, sound };
  }

  #record(server: SimServer): EpochRecord | undefined {
    const { wholeFiles } = server.platter;
    const seen = this.#records.get(server.id);
    if (seen?.wholeFiles === wholeFiles) return seen.record;
    const opening = EpochRecordFile.open(server.platter, new TokenSource());
    const record = opening.type === "ok" ? opening.record : undefined;
    this.#records.set(server.id, { wholeFiles, record });
    return record;
  }

  /**
   * Nobody can be elected without a voter whose platter is so: most voters' are, or those that may vote and are not are no
   * majority. Who was wiped, or finds its log damaged, has no vote.
   */
  quorum(holds: (found: OnPlatter) => boolean): boolean {
    const majority = Math.floor(this.voters / 2) + 1;
    return (
      this.count(holds, majority) === majority || this.count((found) => found.member && found.sound && !holds(found)) < majority
    );
  }

  /** How many voters' platters are so, up to `most`. */
  count(holds: (found: OnPlatter) => boolean, most = Number.POSITIVE_INFINITY): number {
    let holders = 0;
    for (const server of this.servers) {
      const found = server.voter && holders < most ? this.read(server.id) : undefined;
      if (found !== undefined && holds(found)) holders += 1;
    }
    return holders;
  }
}
