/**
 * Which names a client may call this server by, and which web origins may reach it. A page on the web
 * can make a browser resolve the attacker's own name to 127.0.0.1 (DNS rebinding), so a Host that is a
 * name must be one we know; an address cannot be rebound and is always fine.
 */
import { isIP } from "node:net";

const loopbackNames = ["localhost"];

export class HostPolicy {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;

  constructor(names: readonly string[], origins: readonly string[]) {
    this.#names = new Set([...loopbackNames, ...names].map((name) => name.toLowerCase()));
    this.#origins = new Set(origins);
  }

  /** `host` is the Host header. */
  isKnownHost(host: string | undefined): boolean {
    const name = hostName(host);
    return name !== undefined && (isIP(name) !== 0 || this.#names.has(name));
  }

  /** Absent (not a browser), the page's own server, or listed. */
  isAllowedOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return true;
    if (this.#origins.has(origin)) return true;
    if (!URL.canParse(origin)) return false;
    return new URL(origin).host === host?.toLowerCase();
  }
}

/** The name part of `name:port` or `[v6]:port`. */
function hostName(host: string | undefined): string | undefined {
  if (host === undefined || host.length === 0) return undefined;
  if (host.startsWith("[")) {
    const end = host.indexOf("]");
    return end < 0 ? undefined : host.slice(1, end);
  }
  const colon = host.indexOf(":");
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
}
