/**
 * IPv4 and IPv6 addresses and ranges, for ACLs of scheme `ip`. An IPv4 address that is written as
 * IPv6 (`::ffff:10.0.0.1`, as a dual-stack socket reports it) counts as IPv4. Pure functions.
 */

export interface IpRange {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** `address[/bits]`; undefined when it is neither. */
export function parseIpRange(text: string): IpRange | undefined {
  const slash = text.indexOf("/");
  const bytes = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const bits = slash < 0 ? bytes.length * 8 : parseDecimal(text, slash + 1, text.length);
  return bits === undefined || bits > bytes.length * 8 ? undefined : { bytes, bits };
}

export function withinIpRange(address: string, range: string): boolean {
  if (address === range) return true;
  const bytes = parseIp(address);
  const parsed = parseIpRange(range);
  if (bytes === undefined || parsed === undefined || bytes.length !== parsed.bytes.length) return false;
  for (let bit = 0; bit < parsed.bits; bit += 8) {
    const kept = Math.min(8, parsed.bits - bit);
    const mask = (0xff << (8 - kept)) & 0xff;
    const index = bit >> 3;
    if ((((bytes[index] ?? 0) ^ (parsed.bytes[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** 4 or 16 bytes; undefined when `text` is no address. */
export function parseIp(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) return parseIpv4(text);
  const bytes = parseIpv6(text);
  return bytes !== undefined && isMapped(bytes) ? bytes.slice(12) : bytes;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i += 1) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i += 1) {
    const part = parts[i] ?? "";
    const value = parseDecimal(part, 0, part.length);
    if (value === undefined || value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const gap = text.indexOf("::");
  if (gap < 0) {
    const all = parseGroups(text);
    return all?.length === 16 ? Uint8Array.from(all) : undefined;
  }
  const head = parseGroups(text.slice(0, gap));
  const tail = parseGroups(text.slice(gap + 2));
  if (head === undefined || tail === undefined || text.slice(0, gap).includes(".") || head.length + tail.length > 14)
    return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Bytes of `a:b:c`, the last group perhaps in IPv4 notation; none for empty text. */
function parseGroups(text: string): number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (let i = 0; i < groups.length; i += 1) {
    const group = groups[i] ?? "";
    if (group.includes(".")) {
      const tail = i === groups.length - 1 ? parseIpv4(group) : undefined;
      if (tail === undefined) return undefined;
      bytes.push(...tail);
    } else {
      const value = parseHexGroup(group);
      if (value === undefined) return undefined;
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

function parseHexGroup(group: string): number | undefined {
  if (group.length < 1 || group.length > 4) return undefined;
  let value = 0;
  for (let i = 0; i < group.length; i += 1) {
    const digit = "0123456789abcdef".indexOf(group.charAt(i).toLowerCase());
    if (digit < 0) return undefined;
    value = value * 16 + digit;
  }
  return value;
}

/** Up to three decimal digits. */
function parseDecimal(text: string, start: number, end: number): number | undefined {
  if (end - start < 1 || end - start > 3) return undefined;
  let value = 0;
  for (let i = start; i < end; i += 1) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}
