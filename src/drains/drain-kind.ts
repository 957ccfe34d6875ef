/** The kinds of drains, by the scheme of their URLs. */
export const drainKinds = ['https', 'http', 'syslog+tls', 'syslog'] as const;
export type DrainKindName = (typeof drainKinds)[number];

/** Of a canonical URL, masked or not. */
export function kindOf(url: string): DrainKindName {
  const scheme = url.slice(0, Math.max(0, url.indexOf(':')));
  return drainKinds.find((kind) => kind === scheme) ?? 'https';
}
