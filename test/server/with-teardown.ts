/** What a helper of a test needs of it. */
export interface WithTeardown {
  teardown(handler: () => unknown): void;
}
