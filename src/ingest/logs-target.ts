const absoluteForm = /^https?:\/\/[^/?#]*/i;

/**
 * Whether a request target is the log door: `/logs` or `/logs/`, with any query; also in absolute-form, which
 * clients of a proxy send (RFC 9112 §3.2.2).
 */
export function isLogsTarget(target: string): boolean {
  if (target === '/logs' || target === '/logs/') return true;
  const path = target.replace(absoluteForm, '');
  const end = path.indexOf('?');
  const bare = end < 0 ? path : path.slice(0, end);
  return bare === '/logs' || bare === '/logs/';
}
