/** L-1 … L-7 together, each in a file of its own: what is asked of a healed world, each within a bound. */
import { CallsEnd } from "./calls-end.ts";
import { CalmStaysCalm } from "./calm-stays-calm.ts";
import { LateServersRejoin } from "./late-servers-rejoin.ts";
import { OneLeaderServes } from "./one-leader-serves.ts";
import { QueuesDrain } from "./queues-drain.ts";
import { ReplicasConverge } from "./replicas-converge.ts";
import { StreamsCatchUp } from "./streams-catch-up.ts";

export class Liveness {
  readonly leader = new OneLeaderServes();
  readonly calls = new CallsEnd();
  readonly replicas = new ReplicasConverge();
  readonly rejoins = new LateServersRejoin();
  readonly queues = new QueuesDrain();
  readonly streams = new StreamsCatchUp();
  readonly calm = new CalmStaysCalm();
}
