import { mkdir, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import { DependencyError } from '../../core/errors.ts';
import type { Mail, Mailer } from './mailer.ts';

export interface OutboxMailerOptions {
  readonly directory: string;
  readonly from: string;
  /** Beyond it, the oldest files go. */
  readonly filesMax: number;
}

/**
 * For an installation without a mail server: every mail is a file `<time>-<random>.eml`, and whoever
 * started the program is shown its path and code.
 */
export class OutboxMailer implements Mailer {
  readonly #options: OutboxMailerOptions;
  readonly #announce: (line: string) => void;
  readonly #clock: Clock;
  readonly #chance: Chance;

  constructor(
    options: OutboxMailerOptions,
    parts: {
      readonly announce: (line: string) => void;
      readonly clock: Clock;
      readonly chance: Chance;
    },
  ) {
    this.#options = options;
    this.#announce = parts.announce;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
  }

  async send(mail: Mail): Promise<void> {
    const path = await this.#write(mail).catch((error: unknown) => {
      throw new DependencyError('MAIL_UNAVAILABLE', 'the outbox cannot be written', error);
    });
    const code = mail.code ? `, code ${mail.code.reveal()}` : '';
    this.#announce(`mail to ${mail.to}: ${path}${code}`);
  }

  async #write(mail: Mail): Promise<string> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const stamp = new Date(this.#clock.nowMs()).toISOString().replaceAll(':', '');
    const name = `${stamp}-${this.#chance.bytes(4).toString('hex')}.eml`;
    // Written beside and renamed, so that whoever watches the directory sees whole mails only.
    await writeFile(join(directory, `.${name}`), this.#eml(mail), { mode: 0o600 });
    await rename(join(directory, `.${name}`), join(directory, name));
    await this.#prune();
    return join(directory, name);
  }

  /** RFC 5322, with the text as it is: these files are read by people and scripts. */
  #eml(mail: Mail): string {
    return [
      `From: ${this.#options.from}`,
      `To: ${mail.to}`,
      `Subject: ${mail.subject}`,
      `Date: ${new Date(this.#clock.nowMs()).toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${this.#chance.uuid()}@${hostname()}>`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: 8bit',
      '',
      mail.text.reveal(),
    ].join('\n');
  }

  async #prune(): Promise<void> {
    const names = (await readdir(this.#options.directory)).filter((name) => name.endsWith('.eml'));
    const surplus = names.toSorted().slice(0, Math.max(0, names.length - this.#options.filesMax));
    for (const name of surplus) {
      await unlink(join(this.#options.directory, name)).catch(() => undefined);
    }
  }
}
