/**
 * Standard Schema (standardschema.dev), the interface that zod, valibot, arktype and others share: only what is used of it,
 * so none of them is a dependency. Used by `config.ts` and `config-store.ts`.
 */
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";

export interface StandardSchema<Output = unknown> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A validator that takes longer has not validated, ms. */
const validateMsMax = 5_000;
const issuesMax = 5;

/** Throws BAD_ARGUMENTS unless it is one. */
export function requireSchema(schema: StandardSchema): void {
  if (typeof schema?.["~standard"]?.validate === "function") return;
  throw new ZabraError("BAD_ARGUMENTS", { detail: "schema has no ~standard.validate: it must be a Standard Schema" });
}

/** Resolves to what the schema makes of `value`. Rejects with BAD_ARGUMENTS, saying what is wrong, also when the validator throws or is not done in 5 s. */
export async function validate<Output>(
  client: Client,
  path: string,
  schema: StandardSchema<Output>,
  value: unknown,
): Promise<Output> {
  const begun = run(path, schema, value);
  const result = begun instanceof Promise ? await inTime(client, path, begun) : begun;
  if (result.issues === undefined) return result.value;
  throw unfit(path, result.issues.slice(0, issuesMax).map(describe).join("; "));
}

/** Most validators answer at once: then there is nothing to time. */
function run<Output>(
  path: string,
  schema: StandardSchema<Output>,
  value: unknown,
): SchemaResult<Output> | Promise<SchemaResult<Output>> {
  const failed = (thrown: unknown): never => {
    throw unfit(path, `the validator failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown);
  };
  try {
    const result = schema["~standard"].validate(value);
    return result instanceof Promise ? result.catch(failed) : result;
  } catch (thrown) {
    return failed(thrown);
  }
}

function inTime<T>(client: Client, path: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = client.after(validateMsMax, () => reject(unfit(path, `the validator was not done after ${validateMsMax} ms`)));
    promise.then(resolve, reject).finally(cancel);
  });
}

export function unfit(path: string, detail: string, cause?: unknown): ZabraError {
  return new ZabraError("BAD_ARGUMENTS", { path, detail: `the value does not fit: ${detail}`, cause });
}

function describe({ message, path }: SchemaIssue): string {
  const keys = (path ?? []).map((part) => String(typeof part === "object" ? part.key : part));
  return keys.length === 0 ? message : `${keys.join(".")}: ${message}`;
}
