const basic = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i;
const bearer = /^bearer +([!-~]+) *$/i;
const user = 'token:';
const tokenBytesMax = 255;
const headerBytesMax = 1024;

/**
 * The log token of an `Authorization` header: the password of Basic user `token`, or a Bearer token (RFC 7617,
 * RFC 6750). Undefined for anything else, which no registry needs to judge.
 */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > headerBytesMax) return undefined;
  const token = bearer.exec(authorization)?.[1] ?? passwordOf(authorization);
  return token !== undefined && token.length <= tokenBytesMax ? token : undefined;
}

function passwordOf(authorization: string): string | undefined {
  const encoded = basic.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64').toString('latin1');
  const token = pair.slice(user.length);
  return pair.startsWith(user) && /^[!-~]+$/.test(token) ? token : undefined;
}
