/** A read-only view for `/status`, metrics and four-letter words. */
import type { Epoch, ServerId, Zxid } from "../model/zxid.ts";
import type { RoleName } from "../zab/message.ts";

export interface Status {
  readonly id: ServerId;
  readonly role: RoleName;
  /** True when requests are served: an established leader, or a learner past UPTODATE. */
  readonly serving: boolean;
  readonly epoch: Epoch;
  readonly leader: ServerId | undefined;
  readonly clusterId: string;
  readonly lastLoggedZxid: Zxid;
  readonly lastCommittedZxid: Zxid;
  readonly lastAppliedZxid: Zxid;
  readonly flushedZxid: Zxid;
  readonly sessions: number;
  readonly connections: number;
  readonly watches: number;
  readonly streams: number;
  readonly znodes: number;
  readonly ephemerals: number;
  /** Data of all nodes. */
  readonly dataBytes: number;
  readonly outstanding: number;
  /** Voters and observers this server has a link to. */
  readonly peers: readonly ServerId[];
  /** Read-only sessions are served, for want of a leader. */
  readonly readOnly: boolean;
  /** Why it does not serve, in words; empty when it does. */
  readonly waitingFor: string;
}
