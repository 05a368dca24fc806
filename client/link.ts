/** The way to a server, as far as it has got: the states of `connection.ts`'s link. */
export interface IdleLink {
  readonly type: "idle";
  readonly retryAtMs: number;
}

export interface DialingLink {
  readonly type: "dialing";
  readonly transport: number;
  readonly host: number;
  readonly giveUpAtMs: number;
}

/** `connect` was sent. */
export interface GreetingLink {
  readonly type: "greeting";
  readonly transport: number;
  readonly host: number;
  readonly giveUpAtMs: number;
  readonly sentAtMs: number;
}

export interface OpenLink {
  readonly type: "open";
  readonly transport: number;
  readonly host: number;
  readonly openedAtMs: number;
  /** After GOAWAY: answers are awaited until then, nothing new is sent. Infinity otherwise. */
  readonly drainUntilMs: number;
}

export type Link = IdleLink | DialingLink | GreetingLink | OpenLink;

export const never = Number.POSITIVE_INFINITY;
