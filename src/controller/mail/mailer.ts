import type { Secret } from '../../core/secret.ts';

/** Brings mails to people, or at least out of this process. */
export interface Mailer {
  /** @throws DependencyError MAIL_UNAVAILABLE when it could not be handed over now. */
  send(mail: Mail): Promise<void>;
}

export interface Mail {
  readonly to: string;
  readonly subject: string;
  /** Lines of at most 76 characters; the code, where there is one, stands on a line of its own. */
  readonly text: Secret;
  /** What the reader has to type or copy. */
  readonly code?: Secret;
}
