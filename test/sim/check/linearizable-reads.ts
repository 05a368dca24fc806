/**
 * I-15, linearizability by the witness of zxids: what a read or a write shows is not older than what any client had been
 * shown, in true time, before it was called. And a learner believes committed only what its leader has said. (One register is
 * judged without zxids: register-search.ts.)
 */
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { Status } from "../../../src/replica/status.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import { Check, Invariant } from "./violation.ts";

export class LinearizableReads extends Invariant {
  readonly linearizable = new Check("linearizable");
  readonly raced = new Check("linearizable after another client's write");
  readonly learned = new Check("learners know of commits from their leader");

  onWrite(operation: Operation): void {
    this.linearizable.hold(
      operation.zxid > operation.floor,
      () =>
        `${describe(operation)} took effect at ${formatZxid(operation.zxid)}, before ${formatZxid(operation.floor)}, which was known when it was called`,
    );
  }

  onRead(operation: Operation): void {
    const { zxid, floor, level, request } = operation;
    if (level.type !== "linearizable" && request.type !== "sync") return;
    if (floor > operation.sessionFloor) this.raced.evaluations += 1;
    this.linearizable.hold(
      zxid >= floor,
      () => `${describe(operation)} is read at ${formatZxid(zxid)}, but ${formatZxid(floor)} had been shown before it was called`,
    );
  }

  onTurn(server: number, status: Status, tip: Zxid): void {
    if (status.role === "leading" || status.lastCommittedZxid === 0) return;
    this.learned.hold(
      status.lastCommittedZxid <= tip,
      () => `server ${server} follows and calls ${status.lastCommittedZxid} committed, its leader has said ${tip}`,
    );
  }
}
