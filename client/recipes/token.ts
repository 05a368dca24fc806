/** Fencing tokens: what tells a resource, such as a database, a later holder from an earlier one. Used by grants and leases. */
import { mutant } from "../../src/model/mutant.ts";
import { counterOf, makeZxid, type Zxid, zeroEpoch } from "../../src/model/zxid.ts";

/** Of who holds the node that was created at `czxid`: zxids only grow, so every later holder's is higher. */
export function tokenOf(czxid: Zxid): Zxid {
  return mutant("a token forgets the epoch") ? makeZxid(zeroEpoch, counterOf(czxid)) : czxid;
}
