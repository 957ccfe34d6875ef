import { isIPv4, isIPv6 } from 'node:net';

/** What stands for one client in limits: its IPv4 address, or the /64 that an IPv6 client has to itself. */
export function clientAddress(ip: string | undefined): string {
  // A socket that listens on both families shows IPv4 clients as mapped addresses (RFC 4291 §2.5.5.2).
  const address = (ip ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return 'unknown';
  const [left = [], right = []] = address.split('::').map(hextets);
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}

function hextets(part: string): readonly string[] {
  return part === '' ? [] : part.split(':').map((hextet) => parseInt(hextet, 16).toString(16));
}
