/**
 * I-15, again and without zxids: linearizability of one register by search (Wing and Gong, with Lowe's memory of what was tried), which
 * believes no zxid: calls and returns in true time, and nothing else. The register is one path whose
 * parent never goes: it is absent or has a value. A call whose outcome is unknown may have taken effect
 * at any time after it was called, or never. Histories are small by construction; one that is too hard is
 * a failure, not a pass.
 */
import type { Operation } from "../history.ts";
import { Check, Invariant } from "./violation.ts";

/** undefined: absent. */
type State = string | undefined;

interface Call {
  readonly id: number;
  readonly operation: Operation;
  readonly from: number;
  readonly to: number;
  readonly known: boolean;
}

const stepsMax = 400_000;
const telling = new Set(["OK", "NO_NODE", "NODE_EXISTS"]);

/** The state after the call, or `no` when it cannot have answered so in this state. */
function apply(operation: Operation, known: boolean, state: State): { readonly next: State } | undefined {
  const { request, outcome } = operation;
  const code = outcome?.code;
  const answers = (expected: string): boolean => !known || code === expected;
  switch (request.type) {
    case "create":
      if (state !== undefined) return answers("NODE_EXISTS") ? { next: state } : undefined;
      return answers("OK") ? { next: textOf(request.data) } : undefined;
    case "setData":
      if (state === undefined) return answers("NO_NODE") ? { next: state } : undefined;
      return answers("OK") ? { next: textOf(request.data) } : undefined;
    case "delete":
      if (state === undefined) return answers("NO_NODE") ? { next: state } : undefined;
      return answers("OK") ? { next: undefined } : undefined;
    case "getData": {
      if (state === undefined) return answers("NO_NODE") ? { next: state } : undefined;
      const result = outcome?.result;
      return code === "OK" && result?.type === "data" && textOf(result.data) === state ? { next: state } : undefined;
    }
    default:
      return undefined;
  }
}

function textOf(data: Uint8Array | undefined): string {
  return data === undefined ? "" : Buffer.from(data).toString("latin1");
}

/** True, false, or undefined when it took too many steps. */
export function linearizable(operations: readonly Operation[]): boolean | undefined {
  const calls = callsOf(operations);
  const tried = new Set<string>();
  const done = new Uint8Array(calls.length);
  let steps = 0;
  const search = (state: State, open: number): boolean | undefined => {
    if (open === 0) return true;
    steps += 1;
    if (steps > stepsMax) return undefined;
    const key = `${Buffer.from(done).toString("latin1")} ${state ?? "-"}`;
    if (tried.has(key)) return false;
    tried.add(key);
    // Only what was called before the first open return can come next.
    let horizon = Number.POSITIVE_INFINITY;
    for (const call of calls) if (done[call.id] === 0 && call.to < horizon) horizon = call.to;
    for (const call of calls) {
      if (call.from > horizon) break;
      if (done[call.id] === 1) continue;
      const after = apply(call.operation, call.known, state);
      if (after === undefined) continue;
      done[call.id] = 1;
      const found = search(after.next, open - (call.known ? 1 : 0));
      if (found !== false) return found;
      done[call.id] = 0;
    }
    return false;
  };
  return search(undefined, calls.filter((call) => call.known).length);
}

function callsOf(operations: readonly Operation[]): Call[] {
  const calls: Call[] = [];
  for (const operation of operations) {
    // Any other answer (NO_QUORUM, LIMIT) says nothing about the register.
    const known = operation.state === "done" && telling.has(operation.outcome?.code ?? "");
    // A read without an answer says nothing; a write that failed for certain did nothing.
    if (!known && (!operation.isWrite || operation.state === "failed")) continue;
    const to = known ? operation.returnedAt : Number.POSITIVE_INFINITY;
    calls.push({ id: 0, operation, from: operation.invokedAt, to, known });
  }
  calls.sort((a, b) => a.from - b.from);
  return calls.map((call, id) => ({ ...call, id }));
}

/**
 * The first `count` calls, as they stood when the next one was made: what had not returned by then may show or overwrite what
 * later calls do, so of it no answer is known.
 */
export function beginningOf(operations: readonly Operation[], count: number): readonly Operation[] {
  const next = operations[count];
  if (next === undefined) return operations;
  return operations
    .slice(0, count)
    .map((operation) =>
      operation.state === "done" && operation.returnedAt >= next.invokedAt
        ? { ...operation, state: "open", outcome: undefined, returnedAt: Number.POSITIVE_INFINITY }
        : operation,
    );
}

/** The path that the workload uses as a register, linearizably and in no multi. */
export const registerPath = "/register";
const callsMax = 400;

export class RegisterSearch extends Invariant {
  readonly register = new Check("a register is linearizable by search");

  finish(operations: readonly Operation[]): void {
    const mine = operations.filter((operation) => "path" in operation.request && operation.request.path === registerPath);
    if (mine.length < 4) return;
    const verdict = linearizable(beginningOf(mine, callsMax));
    this.register.hold(verdict === true, () =>
      verdict === undefined
        ? `the history of ${mine.length} calls is too hard to judge`
        : `no order explains ${mine.length} calls of ${registerPath}`,
    );
  }
}
