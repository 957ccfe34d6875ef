import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { Secret } from '../core/secret.ts';
import { emailKey } from '../registry/email-key.ts';
import type { Registry } from '../registry/registry.ts';
import { invalid, tooMany } from './api-error.ts';
import type { ControllerMetrics } from './controller-metrics.ts';
import type { Allowance } from './allowance.ts';
import type { BackgroundMail } from './mail/background-mail.ts';
import type { Mailer } from './mail/mailer.ts';
import { mailLifetimes, mails } from './mail/mails.ts';
import { newApiKey, newCode } from './new-secrets.ts';
import type { Passwords } from './passwords.ts';
import type { Fields } from './request-fields.ts';
import { readSignupStep, signupProblem, type SignupStep } from './signup-conversation.ts';

export interface SignupParts {
  readonly registry: Registry;
  readonly passwords: Passwords;
  readonly mailer: Mailer;
  readonly backgroundMail: BackgroundMail;
  readonly mailAllowance: Allowance;
  readonly metrics: ControllerMetrics;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
}

/** Takes the steps of {@link readSignupStep}; each answers with the data that the client needs next. */
export class Signup {
  readonly #parts: SignupParts;

  constructor(parts: SignupParts) {
    this.#parts = parts;
  }

  async answer(fields: Fields, address: string): Promise<Readonly<Record<string, string>>> {
    const step = readSignupStep(fields);
    if (step.kind === 'email') return this.#open(step.email, address);
    const { registry, clock } = this.#parts;
    const problem = signupProblem(step, await registry.signups.find(step.uuid), clock.nowMs());
    if (problem) throw problem;
    return this.#continue(step);
  }

  /** A new code for a signup in progress; silent when there is none. */
  async renew(email: string): Promise<void> {
    const { registry, chance, backgroundMail } = this.#parts;
    const code = newCode(chance);
    if (await registry.signups.renewCode(email, code, this.#codeEndsMs())) {
      backgroundMail.send(mails.confirmationCode(email, code));
    }
  }

  /** An address that has an account already gets another mail, and its asker the same answer. */
  async #open(email: string, address: string): Promise<Readonly<Record<string, string>>> {
    const { registry, mailer, mailAllowance, chance } = this.#parts;
    mailAllowance.take({ account: emailKey(email), address });
    const known = await registry.users.findByEmail(email);
    const code = known ? undefined : newCode(chance);
    const uuid = await registry.signups.open({ email, code, expiresAtMs: this.#codeEndsMs() });
    await mailer.send(code ? mails.confirmationCode(email, code) : mails.alreadySignedUp(email));
    return { uuid };
  }

  async #continue(
    step: Exclude<SignupStep, { kind: 'email' }>,
  ): Promise<Readonly<Record<string, string>>> {
    switch (step.kind) {
      case 'code':
        await this.#confirm(step.uuid, step.code);
        break;
      case 'password': {
        const hash = await this.#parts.passwords.hash(step.password);
        await this.#parts.registry.signups.setPassword(step.uuid, hash);
        break;
      }
      case 'tier':
        return this.#finish(step.uuid);
      case 'explanation':
        break;
    }
    return { uuid: step.uuid };
  }

  async #confirm(uuid: string, code: string): Promise<void> {
    const verdict = await this.#parts.registry.signups.tryCode(uuid, new Secret(code));
    if (verdict === 'wrong') throw invalid('The confirmation code is wrong.');
    if (verdict === 'exhausted') {
      this.#parts.metrics.limited('code');
      throw tooMany(mailLifetimes.codeMinutes * 60_000);
    }
  }

  async #finish(uuid: string): Promise<Readonly<Record<string, string>>> {
    const { registry, chance, logger } = this.#parts;
    const key = newApiKey(chance);
    const user = await registry.signups.finish(uuid, 'FREE', key);
    if (!user) throw invalid('This address has an account already. Please log in.');
    logger.info({ userId: user.id }, 'controller.user_created');
    return { email: user.email, key: key.reveal() };
  }

  #codeEndsMs(): number {
    return this.#parts.clock.nowMs() + mailLifetimes.codeMinutes * 60_000;
  }
}
