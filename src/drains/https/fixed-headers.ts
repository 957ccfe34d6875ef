import type { DrainOptions } from '../url/drain-options.ts';
import type { DrainTarget } from '../url/drain-url.ts';

export type HeaderOptions = Pick<DrainOptions, 'format' | 'framing' | 'gzip' | 'headers'>;

/** Names and values that every request of a drain has; the owner's take the place of ours. */
export function fixedHeaders(
  { target, token, options }: { target: DrainTarget; token: string; options: HeaderOptions },
  { userAgent, contentType }: { userAgent: string; contentType: string },
): string[] {
  const headers: [string, string][] = [
    ['Content-Type', contentType],
    ['Logplex-Drain-Token', token],
    ['User-Agent', userAgent],
  ];
  if (options.gzip) headers.push(['Content-Encoding', 'gzip']);
  if (target.credentials) {
    headers.push(['Authorization', `Basic ${target.credentials.toString('base64')}`]);
  }
  const theirs = Object.entries(options.headers);
  const replaced = new Set(theirs.map(([name]) => name.toLowerCase()));
  return [...headers.filter(([name]) => !replaced.has(name.toLowerCase())), ...theirs].flat();
}
