/** What ends an import or export: a sentence for the operator, who gets exit code 1. */
export class ImportError extends Error {
  override readonly name = "ImportError";
}

export function importFailure(sentence: string, cause?: unknown): ImportError {
  return new ImportError(sentence, cause === undefined ? undefined : { cause });
}
