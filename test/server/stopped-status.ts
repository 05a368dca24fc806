/** A status for tests that need one and do not look at it. */
import { zeroEpoch, zeroZxid } from "../../src/model/zxid.ts";
import type { Status } from "../../src/replica/status.ts";

export const stoppedStatus: Status = {
  id: 1,
  role: "looking",
  serving: false,
  epoch: zeroEpoch,
  leader: undefined,
  clusterId: "",
  lastLoggedZxid: zeroZxid,
  lastCommittedZxid: zeroZxid,
  lastAppliedZxid: zeroZxid,
  flushedZxid: zeroZxid,
  sessions: 0,
  connections: 0,
  watches: 0,
  streams: 0,
  znodes: 0,
  ephemerals: 0,
  dataBytes: 0,
  outstanding: 0,
  peers: [],
  readOnly: false,
  waitingFor: "test",
};
