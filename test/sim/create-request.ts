/** The create that most checks and scenarios ask for: a persistent node without data that everybody may use. */
import { openAcl } from "../../src/model/acl.ts";
import type { Request } from "../../src/model/request.ts";

export function createRequest(path: string, sequential = false): Request {
  return { type: "create", path, data: undefined, kind: "persistent", sequential, ttlMs: 0, acl: openAcl };
}
