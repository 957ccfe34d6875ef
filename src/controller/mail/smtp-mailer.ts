import { createTransport, type Transporter } from 'nodemailer';
import { DependencyError } from '../../core/errors.ts';
import type { Secret } from '../../core/secret.ts';
import type { Mail, Mailer } from './mailer.ts';

export interface SmtpMailerOptions {
  /** `smtp://user:password@host:port` or `smtps://…`. */
  readonly url: Secret;
  readonly from: string;
  /** For each of connecting, the greeting and silence in between. */
  readonly waitMsMax: number;
}

export class SmtpMailer implements Mailer {
  readonly #from: string;
  readonly #transport: Transporter;

  constructor(options: SmtpMailerOptions) {
    this.#from = options.from;
    this.#transport = createTransport({
      url: options.url.reveal(),
      connectionTimeout: options.waitMsMax,
      greetingTimeout: options.waitMsMax,
      socketTimeout: options.waitMsMax,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(mail: Mail): Promise<void> {
    try {
      await this.#transport.sendMail({
        from: this.#from,
        // As an object, an address is never parsed into several.
        to: { name: '', address: mail.to },
        subject: mail.subject,
        text: mail.text.reveal(),
      });
    } catch (error) {
      throw new DependencyError('MAIL_UNAVAILABLE', smtpFailure(error));
    }
  }
}

/** The code alone: the server's words may repeat the address or the credentials of our URL. */
function smtpFailure(error: unknown): string {
  const { code, responseCode } = error as { code?: string; responseCode?: number };
  return `the mail server did not take a mail: ${responseCode ?? code ?? 'unknown reason'}`;
}
