import { invalid } from './api-error.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a JSON body; none when there is no body. */
export function bodyFields(body: unknown): Fields {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object' || Array.isArray(body))
    throw invalid('The body must be a JSON object.');
  return body as Fields;
}

/** A text that must be there, trimmed of nothing. */
export function textField(fields: Fields, name: string, lengthMax = 1024): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw invalid(`${name} is required.`);
  if (value.length > lengthMax)
    throw invalid(`${name} is too long (at most ${lengthMax} characters).`);
  return value;
}

/** An object that may be there; none when it is not. */
export function objectField(fields: Fields, name: string): Fields {
  const value = fields[name];
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalid(`${name} must be an object.`);
  return value as Fields;
}

/** An e-mail address. Lenient where RFC 5321 is, strict about what would break headers and Basic auth. */
export function emailField(fields: Fields, name: string): string {
  const email = textField(fields, name, 254).trim();
  if (!/^[^\s\p{C}@:<>()[\]\\,;"]+@[^\s\p{C}@:<>()[\]\\,;"]+$/u.test(email)) {
    throw invalid(`${name} is not a valid e-mail address.`);
  }
  return email;
}

export function newPasswordField(fields: Fields, name: string): string {
  const password = textField(fields, name);
  if (Array.from(password).length < passwordLengthMin) {
    throw invalid(`The password is too short (at least ${passwordLengthMin} characters).`);
  }
  return password;
}

/** An id, which clients send as a number or as text; undefined when it cannot be one. */
export function idField(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') throw invalid(`${name} is required.`);
  const id = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

/** A boolean as Python writes it into a query, and as everybody else does. */
export function flagParameter(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)?.toLowerCase() ?? 'false';
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalid(`${name} must be True or False.`);
}

/** A count of lines; `default` when it is absent. */
export function countParameter(query: URLSearchParams, name: string): number | 'default' {
  const value = query.get(name);
  if (value === null) return 'default';
  if (!/^\d+$/.test(value)) throw invalid(`${name} must be a number, 0 or more.`);
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

const passwordLengthMin = 8;
