/**
 * SASL DIGEST-MD5 (RFC 2831), the server's side, as ZooKeeper's clients speak it: a challenge, the client's
 * answer, and proof that the server knows the password too. One object a connection, good for one attempt.
 * The scheme is old and weak; it is here because clients have it, and it is off unless users are configured.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

export interface SaslSuccess {
  readonly user: string;
  /** For the client: `rspauth=…`. */
  readonly token: Uint8Array;
}

/** What Java's clients expect of a ZooKeeper. */
const realm = "zk-sasl-md5";
const service = "zookeeper/";
const tokenBytesMax = 4_096;

export class DigestMd5 {
  readonly #users: ReadonlyMap<string, string>;
  readonly #nonce: string;
  #state: "fresh" | "challenged" | "done" = "fresh";

  constructor(users: ReadonlyMap<string, string>, nonce = randomBytes(24).toString("base64")) {
    this.#users = users;
    this.#nonce = nonce;
  }

  /** The answer to the client's next token: a challenge, success, or undefined for a failure. */
  next(token: Uint8Array): Uint8Array | SaslSuccess | undefined {
    const before = this.#state;
    this.#state = before === "fresh" ? "challenged" : "done";
    if (before === "fresh")
      return Buffer.from(`realm="${realm}",nonce="${this.#nonce}",charset=utf-8,algorithm=md5-sess,qop="auth"`);
    return before === "challenged" && token.length <= tokenBytesMax
      ? this.#verify(Buffer.from(token).toString("utf8"))
      : undefined;
  }

  #verify(text: string): SaslSuccess | undefined {
    const given = parseDirectives(text);
    const user = given?.get("username");
    if (given === undefined || user === undefined || !this.#isAnswer(given)) return undefined;
    const password = this.#users.get(user);
    const fields: DigestFields = {
      user,
      // Unknown users cost as much as known ones.
      password: password ?? "",
      realm,
      nonce: this.#nonce,
      cnonce: given.get("cnonce") ?? "",
      uri: given.get("digest-uri") ?? "",
      authorization: given.get("authzid"),
    };
    const right = isSame(digestMd5(fields, "AUTHENTICATE:"), given.get("response") ?? "");
    if (password === undefined || !right) return undefined;
    return { user, token: Buffer.from(`rspauth=${digestMd5(fields, ":")}`) };
  }

  /** To our challenge, and of the one form that we offered. */
  #isAnswer(given: ReadonlyMap<string, string>): boolean {
    const authorization = given.get("authzid");
    return (
      given.get("nonce") === this.#nonce &&
      given.get("realm") === realm &&
      given.get("nc") === "00000001" &&
      (given.get("qop") ?? "auth") === "auth" &&
      (given.get("cnonce") ?? "") !== "" &&
      (given.get("digest-uri") ?? "").startsWith(service) &&
      (authorization === undefined || authorization === given.get("username"))
    );
  }
}

export interface DigestFields {
  readonly user: string;
  readonly password: string;
  readonly realm: string;
  readonly nonce: string;
  readonly cnonce: string;
  readonly uri: string;
  readonly authorization: string | undefined;
}

/** `response` of the client ("AUTHENTICATE:") or `rspauth` of the server (":"), in hex; qop auth, first use of the nonce. */
export function digestMd5(fields: DigestFields, method: "AUTHENTICATE:" | ":"): string {
  const { user, password, nonce, cnonce, uri, authorization } = fields;
  const secret = createHash("md5").update(Buffer.concat([encode(user), colon, encode(fields.realm), colon, encode(password)]));
  const suffix = authorization === undefined ? "" : `:${authorization}`;
  const a1 = createHash("md5").update(secret.digest()).update(`:${nonce}:${cnonce}${suffix}`).digest("hex");
  const a2 = createHash("md5").update(`${method}${uri}`).digest("hex");
  return createHash("md5").update(`${a1}:${nonce}:00000001:${cnonce}:auth:${a2}`).digest("hex");
}

const colon = Buffer.from(":");

/** As RFC 2831 hashes text: in Latin-1 where that can say it. */
function encode(text: string): Buffer {
  for (const character of text) if ((character.codePointAt(0) ?? 0) > 0xff) return Buffer.from(text, "utf8");
  return Buffer.from(text, "latin1");
}

function isSame(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

/** `key=value,key="quoted"`; undefined when it is not that, or names something twice. */
export function parseDirectives(text: string): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  const pattern = /\s*([A-Za-z-]{1,32})=(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))\s*(?:,|$)/y;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    const [, key = "", quoted, plain] = match ?? [];
    if (match === null || found.has(key)) return undefined;
    found.set(key, quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "");
  }
  return found;
}
