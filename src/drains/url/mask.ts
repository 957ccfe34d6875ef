/**
 * A URL as people may see it: the password, a user name that stands alone (it is a token then), parameters
 * whose name says key, and whatever else looks like a secret, in the query or in the path, give way to `***`.
 */
export function maskUrl(url: URL): string {
  const path = url.pathname.split('/').map(maskSegment).join('/');
  return `//${maskUser(url)}${url.host}${path}${maskQuery(url.search)}`;
}

const mask = '***';

function maskUser(url: URL): string {
  if (url.password === '') return url.username === '' ? '' : `${mask}@`;
  return `${looksSecret(url.username) ? mask : url.username}:${mask}@`;
}

function maskSegment(segment: string): string {
  return looksSecret(segment) ? mask : segment;
}

function maskQuery(search: string): string {
  if (search === '') return '';
  return `?${search.slice(1).split('&').map(maskParameter).join('&')}`;
}

function maskParameter(parameter: string): string {
  const equals = parameter.indexOf('=');
  if (equals < 0) return maskSegment(parameter);
  const name = parameter.slice(0, equals);
  const value = parameter.slice(equals + 1);
  const secret = looksSecret(name) || keyLike.test(name) || looksSecret(value);
  return `${looksSecret(name) ? mask : name}=${secret && value !== '' ? mask : value}`;
}

const keyLike =
  /key|token|secret|passw|pwd|auth|cred|sign|sig$|session|code|jwt|bearer|licen[cs]e/i;

/** A UUID, or a run of letters and digits that nobody would have chosen as a name. */
function looksSecret(text: string): boolean {
  return uuid.test(text) || text.split(/[-._~]/).some(looksRandom);
}

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

function looksRandom(piece: string): boolean {
  if (piece.length < 8 || !/[a-z]/i.test(piece)) return false;
  const changes = piece.match(/[a-z]\d|\d[a-z]/gi)?.length ?? 0;
  return changes >= 3 || (piece.length >= 16 && (changes > 0 || /[a-z][A-Z]/.test(piece)));
}
