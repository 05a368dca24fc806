/** I-25, messages of links that are gone do nothing: they are replayed and counted here; what they would do is judged by all other checks. */
import { Check, Invariant } from "./violation.ts";

export class OldLinks extends Invariant {
  readonly stale = new Check("messages of old links do nothing");
}
