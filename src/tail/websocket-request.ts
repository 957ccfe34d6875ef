import type { IncomingMessage } from 'node:http';
import { parsePosition, type Position } from '../core/position.ts';

export interface WebsocketQuery {
  readonly numLines: number | 'default';
  readonly follow: boolean;
  readonly position: Position | undefined;
}

/** What a websocket's query asks for; parameters it does not know are left alone. */
export function parseWebsocketQuery(
  query: URLSearchParams,
): { ok: true; value: WebsocketQuery } | { ok: false; problems: Record<string, string[]> } {
  const problems: Record<string, string[]> = {};
  const numLines = parseNumLines(query.get('num_lines'));
  if (numLines === undefined) problems['num_lines'] = ['must be a whole number of lines'];
  const follow = parseFollow(query.get('follow'));
  if (follow === undefined) problems['follow'] = ['must be true or false'];
  const position = parseResume(query.get('position'));
  if (position === 'invalid') problems['position'] = ['is not a position'];
  if (numLines === undefined || follow === undefined || position === 'invalid') {
    return { ok: false, problems };
  }
  return { ok: true, value: { numLines, follow, position } };
}

/**
 * Browsers send an Origin with every websocket and no cross-origin rule protects one, so that another site could
 * open it with its visitor's credentials. Programs send none.
 */
export function isOriginAllowed(req: IncomingMessage, originsAllowed: readonly string[]): boolean {
  const { origin, host } = req.headers;
  if (origin === undefined || originsAllowed.includes(origin)) return true;
  return URL.canParse(origin) && host !== undefined && new URL(origin).host === host.toLowerCase();
}

function parseNumLines(text: string | null): number | 'default' | undefined {
  if (text === null) return 'default';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function parseFollow(text: string | null): boolean | undefined {
  const value = text?.toLowerCase() ?? 'true';
  if (value === 'true' || value === '1') return true;
  return value === 'false' || value === '0' ? false : undefined;
}

function parseResume(text: string | null): Position | 'invalid' | undefined {
  return text === null ? undefined : (parsePosition(text) ?? 'invalid');
}
