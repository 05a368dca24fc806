/**
 * How tests start programs of their own. Built ones run as plain node does: the test runner's loaders, which
 * `process.execArgv` would hand on, cost a short command three times its own work.
 */
export const childNodeArguments: readonly string[] = import.meta.url.endsWith(".ts") ? process.execArgv : [];
