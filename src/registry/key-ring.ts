import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  timingSafeEqual,
} from 'node:crypto';
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Chance } from '../core/chance.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

/** Where a sealed value lives. A value moved to another row or field does not open there. */
export interface Place {
  readonly table: string;
  readonly row: string;
  readonly field: string;
}

/**
 * Seals what must be read again (tokens, drain URLs) and signs what must only be recognised (short codes).
 * The first key seals and signs; every key opens and recognises, so keys rotate by putting a new one first.
 *
 * A sealed value is `version(1) key id(4) iv(12) tag(16) ciphertext` in base64, AES-256-GCM, with the
 * place as additional authenticated data.
 */
export class KeyRing {
  /** Where the keys were read, for messages. */
  readonly file: string;
  readonly #keys: readonly Key[];
  readonly #chance: Chance;

  constructor(
    options: { readonly keys: readonly Key[]; readonly file?: string },
    parts: { readonly chance: Chance },
  ) {
    if (options.keys.length === 0) throw new AppError('KEY_INVALID', 'a key ring needs a key');
    this.file = options.file ?? 'keys';
    this.#keys = options.keys;
    this.#chance = parts.chance;
  }

  seal(plain: string, place: Place): string {
    const key = this.#first;
    const iv = this.#chance.bytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', key.bytes, iv).setAAD(aad(place));
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return Buffer.concat([
      Buffer.of(version),
      Buffer.from(key.id, 'hex'),
      iv,
      cipher.getAuthTag(),
      sealed,
    ]).toString('base64');
  }

  /** @throws AppError KEY_INVALID when the key is not in the ring, or the value is not what was sealed here. */
  open(sealed: string, place: Place): string {
    const bytes = Buffer.from(sealed, 'base64');
    if (bytes.length < headerBytes || bytes[0] !== version) throw unreadable(place, 'damaged');
    const id = keyIdIn(bytes);
    const key = this.#keys.find((known) => known.id === id);
    if (!key) throw unreadable(place, `sealed with key ${id}, which is not in the key file`);
    const iv = bytes.subarray(1 + idBytes, 1 + idBytes + ivBytes);
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, iv, { authTagLength: tagBytes })
      .setAAD(aad(place))
      .setAuthTag(bytes.subarray(headerBytes - tagBytes, headerBytes));
    try {
      return Buffer.concat([
        decipher.update(bytes.subarray(headerBytes)),
        decipher.final(),
      ]).toString('utf8');
    } catch (cause) {
      throw unreadable(place, 'damaged, or moved from another place', cause);
    }
  }

  /** A keyed hash for values too short to be hashed alone, such as the codes of mails. */
  sign(text: string, place: Place): string {
    return mac(this.#first, text, place).toString('base64');
  }

  isSigned(signature: string, text: string, place: Place): boolean {
    const given = Buffer.from(signature, 'base64');
    return this.#keys.some((key) => {
      const expected = mac(key, text, place);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
  }

  get #first(): Key {
    return this.#keys[0] as Key;
  }
}

/** The id of the key that sealed a value, as far as its bytes are what they were. */
export function keyIdOf(sealed: string): string {
  return keyIdIn(Buffer.from(sealed, 'base64'));
}

export interface Key {
  /** Eight hex digits. */
  readonly id: string;
  readonly bytes: Buffer;
}

/**
 * Reads the key file, or makes one (mode 0600, fsynced together with its directory) where there is none.
 * @throws AppError KEY_INVALID when the file is damaged, or gone although there must be one; the message names the
 *   file and the line, never its content.
 */
export async function openKeyRing(
  options: {
    readonly file: string;
    /** Something has been sealed already: new keys would not open it. */
    readonly mustExist?: boolean;
  },
  parts: { readonly chance: Chance; readonly logger: Logger },
): Promise<KeyRing> {
  const text = (await readIfThere(options.file)) ?? (await makeKeyFile(options, parts.chance));
  const { mode } = await stat(options.file);
  if ((mode & 0o077) !== 0) {
    parts.logger.warn({ file: options.file }, 'registry.key_file_readable_by_others');
  }
  const keys = parseKeyFile(text, options.file);
  return new KeyRing({ keys, file: options.file }, { chance: parts.chance });
}

/** One key a line, `<8 hex digits> <32 bytes in base64>`; empty lines and lines with `#` are skipped. */
export function parseKeyFile(text: string, file: string): readonly Key[] {
  const keys: Key[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = /^([0-9a-f]{8}) ([A-Za-z0-9+/]{43}=)\s*$/.exec(line);
    if (!match) throw damaged(file, `line ${index + 1} is not a key`);
    const [, id = '', encoded = ''] = match;
    if (keys.some((key) => key.id === id))
      throw damaged(file, `line ${index + 1} repeats a key id`);
    keys.push({ id, bytes: Buffer.from(encoded, 'base64') });
  }
  if (keys.length === 0) throw damaged(file, 'there is no key in it');
  return keys;
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

async function makeKeyFile(
  { file, mustExist = false }: { readonly file: string; readonly mustExist?: boolean },
  chance: Chance,
): Promise<string> {
  if (mustExist) {
    throw new AppError('KEY_INVALID', `the key file ${file} is missing: put the copy of it back`);
  }
  const text = newKeyFile(chance);
  await mkdir(dirname(file), { recursive: true });
  await writeDurably(`${file}.new`, text);
  await rename(`${file}.new`, file);
  await syncDirectory(dirname(file));
  return text;
}

function newKeyFile(chance: Chance): string {
  return [
    '# The keys of this installation. The first one encrypts, all of them decrypt.',
    '# Keep a copy apart from the backups of the registry: without it, tokens and drains cannot be read.',
    `${chance.bytes(idBytes).toString('hex')} ${chance.bytes(32).toString('base64')}`,
    '',
  ].join('\n');
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function keyIdIn(sealed: Buffer): string {
  return sealed.toString('hex', 1, 1 + idBytes);
}

function mac(key: Key, text: string, place: Place): Buffer {
  const signing = hkdfSync('sha256', key.bytes, '', 'spillway signing', 32);
  return createHmac('sha256', Buffer.from(signing)).update(aad(place)).update(text).digest();
}

function aad(place: Place): Buffer {
  return Buffer.from(JSON.stringify([place.table, place.row, place.field]));
}

function unreadable(place: Place, why: string, cause?: unknown): AppError {
  return new AppError('KEY_INVALID', `cannot open ${place.table}.${place.field}: ${why}`, {
    cause,
  });
}

function damaged(file: string, why: string): AppError {
  return new AppError('KEY_INVALID', `the key file ${file} is damaged: ${why}`);
}

const version = 1;
const idBytes = 4;
// NIST SP 800-38D §5.2.1.1 recommends 96 bits; other lengths weaken the counter's start.
const ivBytes = 12;
const tagBytes = 16;
const headerBytes = 1 + idBytes + ivBytes + tagBytes;
