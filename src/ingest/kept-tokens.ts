import { crc32c } from '@node-rs/crc32';
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

const heading = 'spillway tokens 2';
const line = /^([0-9a-f]{8}) ([0-9a-f]{64}) ([1-9]\d{0,14}) (\S.*)$/;
const ownerOnly = 0o600;
const crcDigits = 8;

/**
 * A text file: the heading, then a line `<crc32c> <sha256 of the token> <app id> <app name>` for each token. The
 * checksum is that of the rest of the line: a digit that has rotted would give one app's lines to another.
 */
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
      const [, crc, hash, app, appName] = line.exec(entry) ?? [];
      if (hash === undefined || appName === undefined) continue;
      if (crc !== checksum(entry.slice(crcDigits + 1))) continue;
      tokens.set(hash, { app: appId(Number(app)), appName });
    }
    return tokens;
  }

  /** Replaces the file as a whole, so that a crash leaves the old one or the new one. */
  async save(tokens: ReadonlyMap<string, KeptToken>): Promise<void> {
    let text = `${heading}\n`;
    for (const [hash, { app, appName }] of tokens) {
      const entry = `${hash} ${app} ${appName}`;
      text += `${checksum(entry)} ${entry}\n`;
    }
    const fresh = `${this.#path}.new`;
    await writeFile(fresh, text, { mode: ownerOnly, flush: true });
    await rename(fresh, this.#path);
  }
}

function checksum(text: string): string {
  return crc32c(text).toString(16).padStart(crcDigits, '0');
}
