/** What a power cut would leave of each server now: its epochs and the end of its log, by the real recovery code. */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
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

export class Platters {
  readonly servers: readonly SimServer[];
  readonly voters: number;

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
    const opening = EpochRecordFile.open(server.platter, new TokenSource());
    if (opening.type !== "ok") return undefined;
    const { acceptedEpoch, currentEpoch, generation, member } = opening.record;
    const log = recover(server.platter, `log-${generation}`);
    return {
      accepted: acceptedEpoch,
      current: currentEpoch,
      last: log.type === "ok" ? log.last : zeroZxid,
      member,
      sound: log.type === "ok",
    };
  }

  /** How many voters' platters are so; and whether that is a majority. */
  count(holds: (found: OnPlatter) => boolean): { readonly holders: number; readonly quorum: boolean } {
    let holders = 0;
    for (const server of this.servers) {
      const found = server.voter ? this.read(server.id) : undefined;
      if (found !== undefined && holds(found)) holders += 1;
    }
    return { holders, quorum: holders > this.voters / 2 };
  }
}
