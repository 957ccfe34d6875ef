import { readFile, rename, writeFile } from 'node:fs/promises';
import type { AppId } from '../core/ids.ts';
import { appId } from '../core/ids.ts';

/** The app that a token belonged to when the registry was last asked. */
export interface KeptToken {
  readonly app: AppId;
  readonly appName: string;
}

/** Where known tokens rest, by hash, for a start while the registry is down. */
export interface TokenStore {
  load(): Promise<Map<string, KeptToken>>;
  save(tokens: ReadonlyMap<string, KeptToken>): Promise<void>;
}

const heading = 'spillway tokens 1';
const line = /^([0-9a-f]{64}) ([1-9]\d{0,14}) (\S.*)$/;
const ownerOnly = 0o600;

/** A text file: the heading, then a line `<sha256 of the token> <app id> <app name>` for each token. */
export class TokenFile implements TokenStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** What cannot be read is nothing: the registry is asked instead. */
  async load(): Promise<Map<string, KeptToken>> {
    const tokens = new Map<string, KeptToken>();
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const [first, ...lines] = text.split('\n');
    if (first !== heading) return tokens;
    for (const entry of lines) {
      const [, hash, app, appName] = line.exec(entry) ?? [];
      if (hash === undefined || appName === undefined) continue;
      tokens.set(hash, { app: appId(Number(app)), appName });
    }
    return tokens;
  }

  /** Replaces the file as a whole, so that a crash leaves the old one or the new one. */
  async save(tokens: ReadonlyMap<string, KeptToken>): Promise<void> {
    let text = `${heading}\n`;
    for (const [hash, { app, appName }] of tokens) text += `${hash} ${app} ${appName}\n`;
    const fresh = `${this.#path}.new`;
    await writeFile(fresh, text, { mode: ownerOnly, flush: true });
    await rename(fresh, this.#path);
  }
}
