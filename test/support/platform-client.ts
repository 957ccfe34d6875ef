import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A user of the API, made by the same conversation that the command line has. */
export class PlatformClient {
  readonly #baseUrl: string;
  readonly #authorization: string;

  private constructor(baseUrl: string, authorization: string) {
    this.#baseUrl = baseUrl;
    this.#authorization = authorization;
  }

  static async signUp(
    baseUrl: string,
    dataDir: string,
    account = { email: 'dev@example.com', password: 'correct horse battery' },
  ): Promise<PlatformClient> {
    const step = (body: object): Promise<Record<string, string>> => signup(baseUrl, body);
    const { uuid = '' } = await step({ email: account.email });
    const confirmation_code = await mailedCode(dataDir, account.email);
    await step({ confirmation_code, uuid });
    await step({ password: account.password, uuid });
    const { email = '', key = '' } = await step({ tier: 'FREE', uuid });
    return PlatformClient.withKey(baseUrl, email, key);
  }

  static withKey(baseUrl: string, email: string, key: string): PlatformClient {
    const authorization = `Basic ${Buffer.from(`${email}:${key}`).toString('base64')}`;
    return new PlatformClient(baseUrl, authorization);
  }

  /** The answer's `data`; throws when the status is another one. */
  async call(method: string, path: string, expected: number, body?: unknown): Promise<unknown> {
    const response = await this.request(method, path, body);
    const text = await response.text();
    if (response.status !== expected) {
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    }
    return text === '' ? undefined : (JSON.parse(text) as { data: unknown }).data;
  }

  request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    return fetch(this.#baseUrl + path, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  }

  /** Makes an app; resolves with its log token. */
  async createApp(name: string): Promise<string> {
    await this.call('POST', '/api/apps', 201, { unique_name: name });
    const { token } = (await this.call('GET', `/api/apps/${name}/logplex_token`, 200)) as {
      token: string;
    };
    return token;
  }

  async addDrain(app: string, url: string): Promise<void> {
    await this.call('POST', `/api/apps/${app}/drains`, 201, { url });
  }

  async drains(app: string): Promise<{ id: number; url: string; token: string }[]> {
    return (await this.call('GET', `/api/apps/${app}/drains`, 200)) as {
      id: number;
      url: string;
      token: string;
    }[];
  }
}

async function signup(baseUrl: string, body: object): Promise<Record<string, string>> {
  const response = await fetch(`${baseUrl}/api/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`signup: ${response.status} ${text}`);
  return (JSON.parse(text || '{}') as { data?: Record<string, string> }).data ?? {};
}

/** The newest code mailed to an address: it stands on a line of its own. */
async function mailedCode(dataDir: string, email: string): Promise<string> {
  const outbox = join(dataDir, 'outbox');
  const names = (await readdir(outbox)).filter((name) => name.endsWith('.eml')).sort();
  for (const name of names.reverse()) {
    const mail = await readFile(join(outbox, name), 'utf8');
    const code = /^[A-Z0-9]{6,12}\r?$/m.exec(mail)?.[0].trim();
    if (mail.includes(email) && code) return code;
  }
  throw new Error(`no code was mailed to ${email}`);
}

/** Posts frames as log-shuttle does. */
export function postLogs(
  baseUrl: string,
  token: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${baseUrl}/logs`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`token:${token}`).toString('base64')}`,
      'content-type': 'application/logplex-1',
      ...headers,
    },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
}
